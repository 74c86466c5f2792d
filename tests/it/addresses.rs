//! Where a server listens that is told a port, or a path.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::Client;
use crate::server::{BINARY, Home, Server, ends, undisturbed};

/// A server that is told its port by a variable.
fn by_variable(home: &Home, wrapper: &[&str], port: u16) -> Command {
    let line = [wrapper, &[BINARY]].concat();
    let mut command = Command::new(line[0]);
    undisturbed(&mut command)
        .args(&line[1..])
        .env("SHARD_ID", "1")
        .env("SERVICE_PORT", port.to_string())
        .arg("--state-dir")
        .arg(home.state())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn is_well_at(address: SocketAddr) -> bool {
    let client = Client::new(address);
    client.is_ok_and(|mut client| client.get("/health").unwrap().body == "OK")
}

#[test]
fn a_port_is_listened_on_for_ipv4_and_ipv6() {
    let home = Home::with_mark("1");
    let mut server = Server::start(by_variable(&home, &[], home.port), home.address());
    server.await_serving();
    let told = server.await_line("listening on ");
    assert!(
        told.ends_with(&format!("listening on [::]:{}", home.port)),
        "{told}"
    );
    assert!(is_well_at((Ipv4Addr::LOCALHOST, home.port).into()));
    assert!(is_well_at((Ipv6Addr::LOCALHOST, home.port).into()));
    // One that is taken for either is taken.
    let (code, text) = ends(by_variable(&Home::with_mark("1"), &[], home.port));
    assert_eq!(code, 75, "{text}");
    assert!(
        text.contains(&format!("listens on [::]:{}", home.port)),
        "{text}"
    );
}

#[test]
fn a_port_is_listened_on_for_ipv4_where_there_is_no_ipv6() {
    // Where the kernel has none, and where an address of it cannot be had.
    for refusal in ["socket:error=EAFNOSUPPORT", "bind:error=EADDRNOTAVAIL"] {
        let home = Home::with_mark("1");
        let inject = format!("inject={refusal}:when=1");
        let wrapper = [
            "strace",
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=socket,bind",
            "-e",
            &inject,
        ];
        let command = by_variable(&home, &wrapper, home.port);
        let mut server = Server::start(command, home.address());
        server.await_serving();
        server.await_line(&format!("listening on 0.0.0.0:{}", home.port));
        assert!(!is_well_at((Ipv6Addr::LOCALHOST, home.port).into()));
    }
}

#[test]
fn a_port_is_listened_on_for_both_whatever_the_system_does_by_itself() {
    let home = Home::with_mark("1");
    let network = "ip link set lo up && echo 1 >/proc/sys/net/ipv6/bindv6only && exec \"$@\"";
    let wrapper = ["unshare", "--net", "sh", "-c", network, "sh"];
    let mut probe = Command::new(wrapper[0]);
    if !probe
        .args(&wrapper[1..])
        .arg("true")
        .status()
        .unwrap()
        .success()
    {
        println!("skipped: this host lets nobody have a network of its own");
        return;
    }
    let mut command = by_variable(&home, &wrapper, 7001);
    let mut server = Server::of(command.spawn().unwrap(), home.address());
    server.await_line("issuing IDs");
    for address in ["127.0.0.1:7001", "[::1]:7001"] {
        let mut command = Command::new("nsenter");
        let asked = undisturbed(&mut command)
            .args([
                "--target",
                &server.pid().to_string(),
                "--net",
                BINARY,
                "health",
            ])
            .args(["--shard-id", "1", "--listen", address])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&asked.stdout),
            "OK\n",
            "{address}: {asked:?}"
        );
    }
}

/// A server on a Unix socket at `path` as well, with these permissions and that group.
fn over_unix(
    home: &Home,
    wrapper: &[&str],
    path: &Path,
    mode: &str,
    group: Option<&str>,
) -> Command {
    let mut command = home.wrapped(wrapper, "1");
    command
        .arg("--listen")
        .arg(path)
        .env("SHARDFLAKE_HTTP__SOCKET_MODE", mode)
        .envs(group.map(|group| ("SHARDFLAKE_HTTP__SOCKET_GROUP", group)));
    command
}

/// Permissions and group of a file, if it is there.
fn rights(path: &Path) -> Option<(u32, u32)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.mode() & 0o7777, metadata.gid()))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_unix_socket_has_the_rights_that_it_is_to_have_and_never_others() {
    let own = fs::metadata("/proc/self").unwrap().gid();
    let groups = [(None, own), (Some("54321"), 54321), (Some("daemon"), 1)];
    let groups = groups.iter().take(if is_root() { 3 } else { 1 });
    for (group, id) in groups {
        for mode in [0o600, 0o666] {
            let home = Home::with_mark("1");
            let path = home.path("shard.sock");
            // Whatever the process would make by itself everybody may use; and its rights come late.
            let wrapper = [
                "sh",
                "-c",
                "umask 0; exec \"$@\"",
                "sh",
                "strace",
                "-D",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=?chmod,?fchmodat,?chown,?lchown,?fchownat,listen",
                "-e",
                "inject=?chmod,?fchmodat,?chown,?lchown,?fchownat,listen:delay_enter=100000",
            ];
            let mode_text = format!("{mode:04o}");
            let command = over_unix(&home, &wrapper, &path, &mode_text, *group);
            let mut server = Server::of({ command }.spawn().unwrap(), home.address());
            let mut seen = Vec::new();
            server.until("listening", |server| {
                seen.extend(rights(&path));
                server.log.iter().any(|line| line.contains("listening on "))
            });
            assert_eq!(rights(&path), Some((mode, *id)));
            seen.dedup();
            let steps = [(0, own), (0, *id), (mode, *id)];
            assert!(seen.iter().all(|rights| steps.contains(rights)), "{seen:?}");
            server.await_serving();
        }
    }
}

#[test]
fn a_group_that_cannot_be_had_exits_78() {
    let home = Home::with_mark("1");
    let path = home.path("shard.sock");
    let (code, text) = ends(over_unix(&home, &[], &path, "0660", Some("no-such-group")));
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("there is no group no-such-group"), "{text}");
    let (code, text) = ends(over_unix(&home, &[], &path, "660 ", None));
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("http.socket_mode"), "{text}");
    if !is_root() {
        println!("skipped: needs root, to be somebody who may not");
        return;
    }
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=0",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
    ];
    let (code, text) = ends(over_unix(&home, &nobody, &path, "0660", Some("54321")));
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("not allowed to give"), "{text}");
    assert!(!path.exists());
}
