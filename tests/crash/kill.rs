//! Servers that are killed under load at the layout's limit, again and again.

use std::process::Command;

use crate::checker::Ledger;
use crate::load::{Load, Plan};
use crate::moments::Random;
use crate::server::{Home, Server};
use crate::setting::{Outcome, Setting};

/// Every life is one on the same state directory.
struct Arm {
    /// What a life chooses from.
    shards: &'static [&'static str],
    /// With a window so short that trials are quick, and the lead seldom reaches its limit.
    quick: bool,
    /// Of all trials, in percent.
    share: u64,
}

const ARMS: [Arm; 4] = [
    Arm {
        shards: &["1"],
        quick: false,
        share: 5,
    },
    Arm {
        shards: &["1"],
        quick: true,
        share: 40,
    },
    Arm {
        shards: &["0-15"],
        quick: true,
        share: 40,
    },
    Arm {
        shards: &["0-15", "1", "0-3", "2-5", "3", "4-15"],
        quick: true,
        share: 15,
    },
];
/// The first mark: no life has to wait for a fresh one.
const WHOLE: &str = "0-15";

#[derive(Default)]
struct Counts {
    killed: u64,
    killed_at_start: u64,
    stopped: u64,
    looks: u64,
    refused: u64,
}

/// kill -9 at random moments, some of them during the start, and some orderly stops.
pub(crate) fn servers(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let mut counts = Counts::default();
    let mut ledger = Ledger::default();
    let home = Home::empty();
    home.make_mark(WHOLE);
    for arm in &ARMS {
        let before = ledger.len();
        let trials = (setting.trials() * arm.share).div_ceil(100);
        for _ in 0..trials {
            trial(&home, arm, &mut random, &mut ledger, &mut counts);
        }
        println!(
            "  shard {}: {trials} trials, {} IDs",
            arm.shards.join(", "),
            ledger.len() - before
        );
    }
    Outcome::Passed(format!(
        "{} trials: {} killed under load, {} at the start, {} stopped; {} IDs received, 0 duplicates, 0 order violations, {} looks at the mark, {} refusals, seed {}",
        counts.killed + counts.killed_at_start + counts.stopped,
        counts.killed,
        counts.killed_at_start,
        counts.stopped,
        ledger.close(),
        counts.looks,
        counts.refused,
        setting.seed
    ))
}

fn command(home: &Home, arm: &Arm, shard: &str) -> Command {
    let mut command = home.command(shard);
    if arm.quick {
        hurry(&mut command);
    }
    command
}

/// The shortest window that there is.
pub(crate) fn hurry(command: &mut Command) {
    command
        .env("SHARDFLAKE_STATE__WINDOW", "100ms")
        .env("SHARDFLAKE_HTTP__DEADLINE", "50ms");
}

fn trial(home: &Home, arm: &Arm, random: &mut Random, ledger: &mut Ledger, counts: &mut Counts) {
    let shard = random.one_of(arm.shards);
    if random.chance(15) {
        let mut child = command(home, arm, shard).spawn().unwrap();
        random.moment(0..20);
        child.kill().unwrap();
        child.wait().unwrap();
        counts.killed_at_start += 1;
        return;
    }
    let mut server = Server::start(command(home, arm, shard), home.address());
    server.await_serving();
    let load = Load::begin(&Plan {
        address: server.address,
        connections: 8,
        batch: 32,
        floor: ledger.highest(shard),
        mark: Some(home.state().join(format!("{shard}.mark"))),
    });
    random.moment(1..600);
    if random.chance(15) {
        assert_eq!(server.stop(), 0);
        counts.stopped += 1;
    } else {
        server.kill();
        counts.killed += 1;
    }
    let received = load.end();
    ledger.enter(&received.ids);
    counts.looks += received.looks;
    counts.refused += received.refused.values().sum::<u64>();
}
