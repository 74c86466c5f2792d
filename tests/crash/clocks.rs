//! Time namespaces, and wall clocks that jump between lives and during them.

use std::fs;
use std::process::Command;

use shardflake::clock::{Clock as _, SystemClock};
use shardflake::time::{BootTime, SECOND};

use crate::checker::{Ledger, slots};
use crate::faketime::Clock;
use crate::load::{Load, Plan};
use crate::moments::Random;
use crate::server::{Home, Server};
use crate::setting::{Outcome, Setting};

/// Seconds by which boot clocks differ from the host's.
const OFFSETS: [i64; 8] = [0, 100_000, 5, 1_000_000, -60, 86_400, -300, 0];

/// In seconds.
const DAY: f64 = 86_400.0;

/// Lives in one time namespace after another; boot clocks of different namespaces mean nothing to
/// each other.
pub(crate) fn namespaces(setting: &Setting) -> Outcome {
    let probe = Command::new("unshare")
        .args(["-T", "--boottime", "5", "true"])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        return Outcome::Skipped("no time namespace may be made here".to_owned());
    }
    let home = Home::with_mark("1");
    let mut ledger = Ledger::default();
    let mut random = Random::new(setting.seed);
    let host = fs::read_link("/proc/self/ns/time").unwrap();
    for offset in OFFSETS {
        let (boot, other) = (offset.to_string(), (offset + 50_000).to_string());
        // The monotonic clock, which stops while the host sleeps, differs from the boot clock.
        let wrapper = ["unshare", "-T", "--boottime", &boot, "--monotonic", &other];
        let before = SystemClock.boottime();
        let mut server = Server::start(home.wrapped(&wrapper, "1"), home.address());
        let inside = fs::read_link(format!("/proc/{}/ns/time", server.pid())).unwrap();
        assert_ne!(inside, host, "it does not live in a namespace of its own");
        server.await_serving();
        written_by_the_boot_clock(&home, offset, before);
        live(&home, server, &mut ledger, &mut random);
        // And back on the host's clock.
        live(&home, home.serve("1"), &mut ledger, &mut random);
    }
    Outcome::Passed(format!(
        "{} lives by {} boot clocks, told by the mark, {} IDs, 0 duplicates, 0 order violations",
        OFFSETS.len() * 2,
        OFFSETS.len() + 1,
        ledger.close()
    ))
}

/// Asserts that the mark tells times of a boot clock that is `offset` seconds from the host's, which
/// read `before` when the server was started.
fn written_by_the_boot_clock(home: &Home, offset: i64, before: BootTime) {
    let slots = slots(&home.state().join("1.mark"));
    assert!(!slots.is_empty());
    for slot in slots {
        let written = slot.written.boot - offset * SECOND;
        let now = SystemClock.boottime();
        assert!(
            (before..=now).contains(&written),
            "{offset}: {written:?} in {before:?}..={now:?}"
        );
    }
}

fn live(home: &Home, server: Server, ledger: &mut Ledger, random: &mut Random) {
    let load = load_on(&server, home, ledger);
    load.await_count(200);
    if random.chance(70) {
        server.kill();
    } else {
        assert_eq!(server.stop(), 0);
    }
    ledger.enter(&load.end());
}

fn load_on(server: &Server, home: &Home, ledger: &Ledger) -> Load {
    Load::begin(&Plan {
        address: server.address,
        connections: 2,
        batch: 8,
        floor: ledger.highest("1"),
        mark: Some(home.state().join("1.mark")),
    })
}

/// A wall clock that jumps between lives and under load.
pub(crate) fn jumps(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+0s");
    let mut ledger = Ledger::default();
    let lives = if setting.campaign { 300 } else { 15 };
    let mut offset = 0;
    for _ in 0..lives {
        offset = wander(offset, &clock, &mut random);
        let mut server = start(&home, &clock);
        server.await_serving();
        let load = load_on(&server, &home, &ledger);
        load.await_count(100);
        let before = load.highest();
        offset = wander(offset, &clock, &mut random);
        load.until("going on", |load| load.highest() > before);
        random.moment(1..60);
        server.kill();
        ledger.enter(&load.end());
    }
    let large = large_jumps();
    let stamps = ledger.stamps();
    assert!(stamps > 0);
    Outcome::Passed(format!(
        "{} jumps between -0.7 and +0.4 s, between lives and under load; {large} from a minute to years between lives: back, 503 with the reason until the clock was right; forward, doubted and not followed; {} IDs, {stamps} UUIDs and ULIDs, 0 duplicates, 0 order violations",
        lives * 2,
        ledger.close()
    ))
}

/// Sets the clock a little back or on, so that all jumps together may be made up. A mark may be
/// from before the last jump: two forward are still one that is followed at once.
fn wander(offset: i64, clock: &Clock, random: &mut Random) -> i64 {
    let jump = i64::try_from(random.within(0..1100)).unwrap() - 700;
    let offset = (offset + jump).clamp(-3000, 0);
    let size = offset.unsigned_abs();
    clock.set(&format!("-{}.{:03}s", size / 1000, size % 1000));
    offset
}

fn start(home: &Home, clock: &Clock) -> Server {
    let mut command = home.command("1");
    clock.rule(&mut command);
    Server::start(command, home.address())
}

fn large_jumps() -> usize {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+0s");
    let mut ledger = Ledger::default();
    // A mark of now.
    home.serve("1").kill();
    // The build may be younger than the jump back.
    let back = ["clock_behind_mark", "clock_implausible"];
    // Seconds forward, or why it waits.
    let jumps = [
        ("-60s", Err(&back[..])),
        ("-1h", Err(&back[..])),
        ("+60s", Ok(60.0)),
        ("+2d", Ok(2.0 * DAY)),
        ("+400d", Ok(400.0 * DAY)),
        ("-4000d", Err(&["clock_implausible"])),
    ];
    for (offset, expected) in jumps {
        clock.set(offset);
        let mut server = start(&home, &clock);
        match expected {
            Err(codes) => {
                server.until("waiting", |server| {
                    let code = &server.get("/readyz").json()["code"];
                    codes.iter().any(|expected| code == expected)
                });
                assert_eq!(server.get("/generate").status, 503);
            }
            Ok(step) => {
                server.await_serving();
                let doubted = &server.get("/readyz").json()["clock"]["doubted_seconds"];
                // What passed between the mark's last reading and the start is in doubt with it. Up to
                // the bound nothing is, and that is ahead of the clock the further, the faster lives
                // follow on each other, by M + W + H at most.
                let doubted = doubted.as_f64().unwrap();
                let furthest = 5.0 + 1.0 + 0.25;
                assert!(
                    (step - furthest..step + 1.0).contains(&doubted),
                    "{doubted}"
                );
            }
        }
        clock.set("+0s");
        server.await_serving();
        let load = load_on(&server, &home, &ledger);
        load.await_count(100);
        server.kill();
        ledger.enter(&load.end());
    }
    jumps.len()
}
