//! Calls to the disk that fail, each in its turn.

use crate::load::{Load, Plan, Received};
use crate::server::{Home, Server};
use crate::setting::{Outcome, Setting};
use crate::trace::{Trace, traced};

/// An error that a disk gives, and what the server is to say of it.
const ERRORS: [(&str, &str); 2] = [
    ("EIO", "look for the device's errors in the kernel log"),
    ("ENOSPC", "free some space on that file system"),
];

pub(crate) fn load_on(server: &Server) -> Load {
    Load::begin(&Plan {
        address: server.address,
        connections: 16,
        batch: 8,
        floor: 0,
        mark: None,
    })
}

/// One write or flush that fails, at each number from the first of the start on.
pub(crate) fn one_failure(setting: &Setting) -> Outcome {
    let numbers: &[u32] = if setting.campaign {
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    } else {
        &[1, 2, 3, 4, 7, 12]
    };
    let mut runs = 0;
    let mut ids = 0;
    for call in ["fdatasync", "pwrite64"] {
        for (error, advice) in ERRORS {
            for number in numbers {
                let home = Home::with_mark("1");
                let inject = format!("inject={call}:error={error}:when={number}");
                let (server, trace) = traced(&home, &[&inject], true);
                ids += recovers(&home, server, trace, advice).ids.len();
                runs += 1;
            }
        }
    }
    Outcome::Passed(format!(
        "{runs} runs with one failure each, {ids} IDs, 0 duplicates, 0 beyond the durable bound, all recovered with a message"
    ))
}

/// Failures that go on for longer than the window.
pub(crate) fn many_failures(_: &Setting) -> Outcome {
    let mut refused = 0;
    for call in ["fdatasync", "pwrite64"] {
        for (error, advice) in ERRORS {
            let home = Home::with_mark("1");
            let inject = format!("inject={call}:error={error}:when=5..10");
            let (server, trace) = traced(&home, &[&inject], true);
            let received = recovers(&home, server, trace, advice);
            // On a slow machine some are told that the disk is slow, before or after.
            let told = received.texts.iter().any(|text| text.contains(advice));
            assert!(told, "{:?}", received.texts);
            refused += received.refused["window_used_up"];
        }
    }
    Outcome::Passed(format!(
        "4 runs, {refused} requests refused with the reason, 0 duplicates, 0 beyond the durable bound, all recovered"
    ))
}

/// Loads the server until the failures are over and the bound rises again.
fn recovers(home: &Home, mut server: Server, mut trace: Trace, advice: &str) -> Received {
    let load = load_on(&server);
    server.until("over the failures", |_| {
        trace.bounds(load.highest());
        trace.failures > 0 && trace.flushes_since >= 4 && load.count() > 100
    });
    server.await_line(advice);
    assert_eq!(server.get("/livez").status, 200);
    let highest = load.highest();
    load.until("an ID after the failures", |load| load.highest() > highest);
    trace.bounds(load.highest());
    server.kill();
    let received = load.end();
    let highest = received.ids.iter().max().copied().unwrap();
    assert!(home.serve("1").id() > highest);
    received
}
