//! What is refused, with which exit code, and what the refusal says.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::server::{BINARY, Home, Server, ends, undisturbed};

#[test]
fn an_overlapping_range_exits_75_and_quotes_the_holder() {
    let home = Home::with_mark("16-31");
    let server = home.serve("16-31");
    for range in ["16-31", "31-40", "20"] {
        let (command, _) = home.beside(range);
        let (code, text) = ends(command);
        assert_eq!(code, 75, "{text}");
        let host = nix_host();
        for part in [&host, &format!("pid {}", server.pid()), "started 20"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.contains(
                "stop that process and those that it has forked, or choose another machine ID"
            ),
            "{text}"
        );
    }
    assert_eq!(server.stop(), 0);
}

fn nix_host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    format!("host {}", name.trim())
}

#[test]
fn a_lock_that_is_freed_in_time_is_taken() {
    let home = Home::with_mark("1");
    let first = home.serve("1");
    let (command, address) = home.beside("1");
    let mut second = Server::start(command, address);
    second.await_line("waiting: machine ID 1 is in use");
    assert_eq!(second.get("/readyz").json()["code"], "lock_held");
    let before = first.id();
    assert_eq!(first.stop(), 0);
    second.await_serving();
    assert!(second.id() > before);
}

#[test]
fn too_few_open_files_exit_75_wherever_that_is_met() {
    let mut codes = BTreeSet::new();
    for limit in 3..=24 {
        let home = Home::empty();
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                &format!("ulimit -n {limit}; exec \"$@\""),
                "sh",
                BINARY,
            ])
            .args(["state", "init", "--shard-id", "1", "--state-dir"])
            .arg(home.state());
        let done = undisturbed(&mut command).output().unwrap();
        let text = String::from_utf8(done.stderr).unwrap();
        // Below that many it cannot even be loaded.
        if !text.contains("shared librar") {
            codes.insert(done.status.code());
            assert_ne!(done.status.code(), Some(78), "{limit}: {text}");
        }
    }
    assert!(codes.iter().eq(&[Some(0), Some(75)]), "{codes:?}");
}

#[test]
fn an_address_that_cannot_be_had_yet_exits_75() {
    let home = Home::with_mark("1");
    let _taken = TcpListener::bind(home.address()).unwrap();
    let (code, text) = ends(home.command("1"));
    assert_eq!(code, 75, "{text}");
    assert!(text.contains(&home.address().to_string()), "{text}");
    let mut command = Home::with_mark("1").command("1");
    command.args(["--listen", "192.0.2.1:7001"]);
    let (code, text) = ends(command);
    assert_eq!(code, 75, "{text}");
}

#[test]
fn bad_shard_numbers_exit_78_and_name_the_variable() {
    let home = Home::empty();
    for number in ["", "1.9", "true", "-1", " 1", "01x", "65536", "9-3", "abc"] {
        let (code, text) = ends(home.command(number));
        assert_eq!(code, 78, "{number:?}: {text}");
        assert!(text.contains("SHARD_ID"), "{number:?}: {text}");
    }
    let mut command = home.command("1");
    command.env_remove("SHARD_ID");
    let (code, text) = ends(command);
    assert_eq!(code, 78);
    assert!(text.contains("SHARD_ID=1"), "{text}");
    assert!(
        !home.state().exists(),
        "nothing is made for a bad configuration"
    );
}

#[test]
fn a_wrong_command_line_exits_64() {
    for line in [
        &["--no-such-flag"][..],
        &["decode"],
        &["decode", "x"],
        &["state"],
    ] {
        let output = Home::empty().run(line);
        assert_eq!(output.status.code(), Some(64), "{line:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn state_that_wants_an_operator_exits_78_and_names_the_way_out() {
    let home = Home::with_mark("1");
    let mark = home.state().join("1.mark");
    let refused = |text: &str| {
        let (code, log) = ends(home.command("1"));
        assert_eq!(code, 78, "{log}");
        assert!(log.contains(text), "{text} in {log}");
    };
    // Another epoch.
    let mut command = home.command("1");
    command.env("SHARDFLAKE_EPOCH", "2025-01-01T00:00:00Z");
    let (code, log) = ends(command);
    assert_eq!(code, 78, "{log}");
    assert!(log.contains("Do not delete the mark"), "{log}");
    // A copy.
    fs::copy(&mark, home.path("copy")).unwrap();
    fs::remove_file(&mark).unwrap();
    fs::copy(home.path("copy"), &mark).unwrap();
    refused("shardflake state adopt");
    // Damage in both slots.
    fs::write(&mark, [0; 8192]).unwrap();
    refused("damaged in both slots");
    // No mark where a volume must be mounted.
    fs::remove_file(&mark).unwrap();
    let mut command = home.command("1");
    command.env("SHARDFLAKE_STATE__CREATE", "false");
    let (code, log) = ends(command);
    assert_eq!(code, 78, "{log}");
    assert!(log.contains("mount the volume"), "{log}");
}

#[test]
fn there_must_be_a_mark_to_adopt() {
    let home = Home::empty();
    let refused = home.run(&["state", "adopt", "--shard-id", "1"]);
    assert_eq!(refused.status.code(), Some(78));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("shardflake state init"), "{text}");
    assert!(!home.state().exists(), "it made what it did not find");
}

#[test]
fn an_adopted_copy_serves_above_everything_before() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let before = server.id();
    assert_eq!(server.stop(), 0);
    let mark = home.state().join("1.mark");
    fs::copy(&mark, home.path("copy")).unwrap();
    fs::rename(home.path("copy"), &mark).unwrap();
    let adopted = home.run(&["state", "adopt", "--shard-id", "1-2"]);
    assert!(adopted.status.success(), "{adopted:?}");
    let text = String::from_utf8(adopted.stdout).unwrap();
    assert!(text.contains("/1.mark: IDs begin after"), "{text}");
    assert!(text.ends_with(", in the layout sonyflake\n"), "{text}");
    let server = home.serve("1");
    assert!(server.id() > before);
}

#[test]
fn init_never_replaces_and_spares_the_first_start_its_wait() {
    let home = Home::empty();
    let first = home.run(&["state", "init", "--shard-id", "1"]);
    assert!(first.status.success(), "{first:?}");
    let made = home.mark();
    let again = home.run(&["state", "init", "--shard-id", "1", "--json"]);
    assert!(again.status.success());
    assert!(String::from_utf8_lossy(&again.stdout).contains("\"created\":false"));
    assert_eq!(home.mark(), made);
    // The clock has yet to come near the mark that this one is to take up.
    let wider = home.run(&["state", "init", "--shard-id", "1-2"]);
    assert_eq!(wider.status.code(), Some(78), "{wider:?}");
    let text = String::from_utf8(wider.stderr).unwrap();
    assert!(text.contains("the clock"), "{text}");
    assert_eq!(home.mark(), made);
    let running = Home::with_mark("2");
    let _server = running.serve("2");
    let refused = running.run(&["state", "init", "--shard-id", "2"]);
    assert_eq!(refused.status.code(), Some(75));
}
