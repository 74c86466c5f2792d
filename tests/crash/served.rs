//! What requests cost the disk: nothing; and what a slow disk costs requests: nothing.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::faults::load_on;
use crate::load::Received;
use crate::moments::pass;
use crate::server::{Home, Server};
use crate::setting::{Outcome, Setting};
use crate::trace::{Trace, traced, watched};

/// What is put on each flush.
const DELAY: Duration = Duration::from_millis(200);
/// Where a flush takes no time of its own, so that it takes what is put on it, however busy the disk.
const IN_MEMORY: &str = "/dev/shm";

/// File system calls of a while, by whose they are.
#[derive(Default)]
struct Calls {
    keeper_flushes: u64,
    /// Of all other threads.
    others: Vec<String>,
}

/// Requests are served without a file system call; the keeper flushes at most two pairs a second,
/// and none when nobody asks.
pub(crate) fn requests_touch_no_disk(setting: &Setting) -> Outcome {
    let requests = if setting.campaign { 1_000_000 } else { 100_000 };
    let home = Home::with_mark("1");
    let (mut server, mut trace) = watched(&home);
    server.await_serving();
    calls(&server, &mut trace);
    let begin = Instant::now();
    let load = load_on(&server);
    while load.count() < requests {
        pass(Duration::from_millis(20));
        assert!(
            begin.elapsed() < Duration::from_secs(600),
            "{}",
            load.count()
        );
    }
    let took = begin.elapsed();
    let seen = calls(&server, &mut trace);
    let received = load.end();
    assert_eq!(seen.others, [""; 0], "a thread that serves reached a file");
    // A pair that began before counts here.
    let pairs = seen.keeper_flushes.div_ceil(2);
    assert!(pairs >= took.as_secs(), "{pairs} pairs in {took:?}");
    assert!(pairs <= 2 * took.as_secs() + 3, "{pairs} pairs in {took:?}");
    let idle = if setting.campaign {
        idle(&server, &mut trace)
    } else {
        "a minute idle: in the campaign only".to_owned()
    };
    Outcome::Passed(format!(
        "{} requests, 0 file system calls of the threads that serve; {pairs} flush pairs in {:.1} s; {idle}",
        received.ids.len(),
        took.as_secs_f64()
    ))
}

fn idle(server: &Server, trace: &mut Trace) -> String {
    pass(Duration::from_secs(62));
    calls(server, trace);
    pass(Duration::from_secs(10));
    let seen = calls(server, trace);
    assert_eq!((seen.keeper_flushes, seen.others.len()), (0, 0));
    server.id();
    let first = calls(server, trace);
    assert_eq!(first.keeper_flushes, 2, "one pair for the first request");
    "after a minute idle: 0 in 10 s, then 1 for the first request".to_owned()
}

/// The calls since the last look.
fn calls(server: &Server, trace: &mut Trace) -> Calls {
    let mut calls = Calls::default();
    for (thread, line) in trace.lines() {
        let name = fs::read_to_string(format!("/proc/{}/task/{thread}/comm", server.pid()));
        let keeper = name.is_ok_and(|name| name.trim() == "keeper");
        if keeper {
            calls.keeper_flushes += u64::from(line.starts_with("fdatasync("));
        } else if !on_no_file(&line) {
            calls.others.push(line);
        }
    }
    calls
}

/// Whether the call's descriptor is one of the network's, the queue's or a pipe's.
fn on_no_file(line: &str) -> bool {
    let descriptor = line.split([',', ')']).next().unwrap_or("");
    ["<socket:", "<anon_inode:", "<pipe:"]
        .iter()
        .any(|kind| descriptor.contains(kind))
}

/// Of so many IDs one request may be refused, because a client that wakes up late finds its tick used
/// up: that is of the load. A keeper that held requests up at the disk would refuse one in ten.
const LATE: u64 = 1000;

/// Every flush takes 200 ms longer, and no request is refused for it.
pub(crate) fn slow_flushes(setting: &Setting) -> Outcome {
    if !Path::new(IN_MEMORY).is_dir() {
        return Outcome::Skipped(format!("{IN_MEMORY} is missing"));
    }
    let seconds = if setting.campaign { 60 } else { 5 };
    let (usual, _) = loaded(&[], seconds);
    let (slow, longest) = loaded(&["inject=fdatasync:delay_enter=200000"], seconds);
    assert!(longest > DELAY, "no flush was delayed: {longest:?}");
    let refused = |received: &Received| received.refused.values().sum::<u64>();
    let others = slow.refused.keys().find(|code| *code != "saturated");
    assert_eq!(others, None, "{longest:?}: {:?}", slow.texts);
    let late = refused(&slow) * LATE;
    assert!(late <= slow.ids.len() as u64, "{:?}", slow.refused);
    Outcome::Passed(format!(
        "{seconds} s each: {} IDs and {} refusals with 200 ms on each flush ({longest:.0?} at the most), {} IDs and {} refusals without; 0 for the window",
        slow.ids.len(),
        refused(&slow),
        usual.ids.len(),
        refused(&usual),
    ))
}

/// What a load of so many seconds got, and the longest flush.
fn loaded(inject: &[&str], seconds: u64) -> (Received, Duration) {
    let home = Home::under(Path::new(IN_MEMORY));
    home.make_mark("1");
    let (mut server, mut trace) = traced(&home, inject, false);
    server.await_serving();
    let begin = Instant::now();
    let load = load_on(&server);
    while begin.elapsed() < Duration::from_secs(seconds) {
        trace.bounds(load.highest());
        thread::park_timeout(Duration::from_millis(5));
    }
    let received = load.end();
    trace.read();
    assert!(trace.flushes >= 2 * seconds, "{} flushes", trace.flushes);
    (received, trace.longest)
}
