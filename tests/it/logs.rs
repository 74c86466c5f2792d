//! Readers of the log that stall, go, and come back.

use std::fs;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use shardflake::timestamp::rfc3339;

use crate::faketime::Clock;
use crate::server::{Home, PATIENCE, Server, end_of, ends, fields, now_ms};

/// More than are kept for a reader that takes none.
const WARNINGS: usize = 3000;

/// A full pipe: its reader, and the end that nothing more fits into.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let set = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).unwrap();
    set(OFlag::O_NONBLOCK);
    // Down to the last byte: a pipe has room by the page.
    for size in [65_536, 1] {
        while (&writer).write(&vec![b'x'; size]).is_ok() {}
    }
    set(OFlag::empty());
    writer.flush().unwrap();
    (reader, writer)
}

/// A server whose log goes into `writer`, and which has more to say than anybody keeps.
fn talkative(mut command: Command, home: &Home, writer: PipeWriter) -> Server {
    for number in 0..WARNINGS {
        command.env(format!("SHARDFLAKE_NO_SUCH_KEY_{number}"), "1");
    }
    command.stderr(writer);
    let mut server = Server::start(command, home.address());
    server.await_serving();
    server
}

fn dropped(server: &Server) -> usize {
    let metrics = server.get("/metrics").body;
    let mut lines = metrics.lines();
    let total = lines.find_map(|line| line.strip_prefix("shardflake_log_records_dropped_total "));
    total
        .unwrap_or_else(|| panic!("{metrics}"))
        .parse()
        .unwrap()
}

/// How many records the log itself says are missing.
fn told_dropped<'a>(records: impl Iterator<Item = &'a str>) -> usize {
    let numbers = records.filter_map(|record| {
        let (before, _) = record.split_once(" log records were dropped")?;
        let digits = before
            .rsplit(|letter: char| !letter.is_ascii_digit())
            .next()?;
        digits.parse::<usize>().ok()
    });
    numbers.sum()
}

/// Issues until the bound has been raised since.
fn goes_on(server: &mut Server) {
    let (begin, _) = fields(server.id());
    server.until("past a window", |server| {
        fields(server.id()).0 > begin + 150
    });
}

#[test]
fn a_reader_that_stalls_stalls_nothing_else() {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+0s");
    let (_reader, writer) = full_pipe();
    let mut command = home.command("1");
    clock.rule(&mut command);
    let mut server = talkative(command, &home, writer);
    goes_on(&mut server);
    // The keeper, or whoever sees it first, tells of each of these.
    for offset in ["+0.04s", "+0.08s", "-1s"] {
        let steps = |server: &Server| {
            let metrics = server.get("/metrics").body;
            let lines = metrics.lines();
            let steps = lines.filter(|line| line.starts_with("shardflake_clock_steps_total{"));
            steps.map(str::to_owned).collect::<Vec<_>>()
        };
        let before = steps(&server);
        clock.set(offset);
        server.until("a step", |server| steps(server) != before);
        goes_on(&mut server);
    }
    let before = dropped(&server);
    server.signal(Signal::SIGHUP);
    server.until("reloaded", |server| dropped(server) > before);
    goes_on(&mut server);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), 0);
}

#[test]
fn what_was_dropped_is_told_when_the_log_flows_again() {
    let home = Home::with_mark("1");
    let (reader, writer) = full_pipe();
    let begun = now_ms();
    let mut server = talkative(home.command("1"), &home, writer);
    goes_on(&mut server);
    let missing = dropped(&server);
    // A record has the time of what it tells, however late it is read.
    let resumed = now_ms();
    server.read_log(reader);
    server.await_line("log records were dropped");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), 0);
    let lines = server.log.iter().map(|line| line.trim_start_matches('x'));
    let lines: Vec<_> = lines.collect();
    let told = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(told_dropped(lines.iter().copied()), missing);
    assert_eq!(told("wrote the exact mark"), 1, "the end is told");
    let kept = told("SHARDFLAKE_NO_SUCH_KEY_");
    assert!(
        missing > 0 && kept > 0 && kept + missing >= WARNINGS,
        "{kept}, {missing}"
    );
    let time = |ms: u64| rfc3339(ms.try_into().unwrap());
    for line in lines.iter().filter(|line| line.contains("NO_SUCH_KEY")) {
        assert!(
            (&time(begun)[..]..=&time(resumed)).contains(&&line[..24]),
            "{line}"
        );
    }
}

#[test]
fn a_start_that_fails_waits_for_no_reader() {
    let home = Home::with_mark("1");
    let _other = home.serve("1");
    let taken = home.command("2");
    let mut usage = home.command("1");
    usage.arg("--no-such-flag");
    for (command, code) in [(home.command("x"), 78), (taken, 75), (usage, 64)] {
        let (_reader, writer) = full_pipe();
        assert_eq!(ends_with(command, writer), code);
    }
}

fn ends_with(mut command: Command, stderr: PipeWriter) -> i32 {
    command.stderr(stderr);
    end_of(&mut command.spawn().unwrap()).expect("it ends")
}

#[test]
fn a_reader_that_goes_is_no_reason_to_end() {
    let home = Home::with_mark("1");
    let (reader, writer) = full_pipe();
    let mut server = talkative(home.command("1"), &home, writer);
    drop(reader);
    server.until("counted", |server| dropped(server) >= WARNINGS);
    goes_on(&mut server);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_service_manager_that_reads_nothing_stalls_nothing() {
    let home = Home::with_mark("1");
    let path = home.path("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"STATUS=full", &path).is_ok() {}
    let mut command = home.command("1");
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000");
    let mut server = Server::start(command, home.address());
    server.await_serving();
    server.signal(Signal::SIGHUP);
    server.await_line("reloaded: ");
    goes_on(&mut server);
    // What it missed it is told when it reads again.
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 4096];
    while !buffer.starts_with(b"READY=1\nSTATUS=shard 1: serving") {
        manager.recv(&mut buffer).unwrap();
    }
    assert_eq!(server.stop(), 0);
}

/// In a mount namespace where the journal's socket is the test's.
#[test]
fn a_journal_that_takes_nothing_stalls_nothing() {
    let home = Home::with_mark("1");
    let journal = home.path("journal");
    fs::create_dir(&journal).unwrap();
    let mounting = format!(
        "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind {} /run/systemd/journal && exec \"$@\"",
        journal.display()
    );
    let wrapper = ["unshare", "--mount", "sh", "-c", &mounting, "sh"];
    let mut probe = Command::new(wrapper[0]);
    if !probe
        .args(&wrapper[1..])
        .arg("true")
        .status()
        .unwrap()
        .success()
    {
        println!("skipped: this host lets nobody mount in a namespace of its own");
        return;
    }
    let socket = UnixDatagram::bind(journal.join("socket")).unwrap();
    let (_reader, writer) = full_pipe();
    let stream = fs::metadata(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&writer)
    ));
    let stream = stream.unwrap();
    let mut command = home.wrapped(&wrapper, "1");
    command.env(
        "JOURNAL_STREAM",
        format!("{}:{}", stream.dev(), stream.ino()),
    );
    let begun = now_ms();
    let mut server = talkative(command, &home, writer);
    goes_on(&mut server);
    let missing = dropped(&server);
    assert!(missing > 0);
    let resumed = now_ms();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut records: Vec<String> = Vec::new();
    let mut read_until = |text| {
        let mut buffer = vec![0; 65_536];
        while !records.last().is_some_and(|last| last.contains(text)) {
            let length = socket.recv(&mut buffer).unwrap();
            records.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    };
    read_until("log records were dropped");
    server.signal(Signal::SIGTERM);
    read_until("wrote the exact mark");
    assert_eq!(server.wait(), 0);
    let of = |part: &str| {
        let found = records.iter().filter(|record| record.contains(part));
        found.collect::<Vec<_>>()
    };
    assert_eq!(told_dropped(records.iter().map(String::as_str)), missing);
    let told = of("log records were dropped")[0];
    for part in ["SHARD_ID=1\n", "MESSAGE_ID\n", "PRIORITY=4\n"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let time = |ms: u64| rfc3339(ms.try_into().unwrap());
    for record in of("NO_SUCH_KEY") {
        // A value of this kind of field comes with its length.
        let (_, rest) = record.split_once("EVENT_TIME\n").unwrap();
        let told = &rest[8..32];
        assert!(
            (&time(begun)[..]..=&time(resumed)).contains(&told),
            "{record}"
        );
    }
}

#[test]
fn a_start_that_fails_is_told_whole() {
    let home = Home::empty();
    let mut command = home.command("1");
    for number in 0..100 {
        command.env(format!("SHARDFLAKE_NO_SUCH_KEY_{number}"), "1");
    }
    command.args(["--listen", "192.0.2.1:7001"]);
    let (code, text) = ends(command);
    assert_eq!(code, 75);
    let told = text.lines().filter(|line| line.contains("NO_SUCH_KEY"));
    assert_eq!(told.count(), 100, "{text}");
    assert!(text.ends_with("for all\n"), "{text}");
}
