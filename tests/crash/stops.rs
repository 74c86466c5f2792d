//! Servers that stand still for longer than their window, under load.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::checker::distinct;
use crate::load::{Load, Plan};
use crate::moments::{Random, pass};
use crate::server::{Home, Server};
use crate::setting::{Outcome, Setting};
use crate::trace::traced;

/// SIGSTOP and SIGCONT: no ID twice, and none beyond what is durable.
pub(crate) fn standstill(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let rounds = if setting.campaign { 200 } else { 12 };
    let home = Home::with_mark("1");
    // The shortest window is 100 ms.
    let (mut server, mut trace) = traced(&home, &[], true);
    server.await_serving();
    let load = Load::begin(&Plan {
        address: server.address,
        connections: 8,
        batch: 16,
        floor: 0,
        mark: None,
    });
    for _ in 0..rounds {
        server.signal(Signal::SIGSTOP);
        random.moment(110..400);
        trace.bounds(load.highest());
        let before = load.highest();
        server.signal(Signal::SIGCONT);
        server.until("issuing again", |_| {
            trace.bounds(load.highest());
            load.highest() > before
        });
        random.moment(1..150);
    }
    let received = load.end();
    assert_eq!(server.stop(), 0);
    let long = a_frozen_owner_keeps_its_lock();
    Outcome::Passed(format!(
        "{rounds} stops of 0.11 to 0.4 s with a window of 0.1 s, {} IDs, 0 duplicates, 0 order violations, 0 beyond the durable bound; {long}",
        distinct(received.ids)
    ))
}

/// A second start while the owner stands still for longer than a usual window.
fn a_frozen_owner_keeps_its_lock() -> &'static str {
    let home = Home::with_mark("1");
    let owner = home.serve("1");
    let before = owner.id();
    owner.signal(Signal::SIGSTOP);
    let (command, address) = home.beside("1");
    let mut second = Server::start(command, address);
    second.until("refused", |second| {
        second.get("/readyz").json()["code"] == "lock_held"
    });
    pass(Duration::from_millis(1500));
    assert_eq!(second.get("/generate").code(), "lock_held");
    owner.signal(Signal::SIGCONT);
    let after = owner.id();
    assert!(after > before);
    owner.kill();
    second.await_serving();
    assert!(second.id() > after);
    "a frozen owner kept its lock for 1.5 s"
}
