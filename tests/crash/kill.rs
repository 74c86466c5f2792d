//! Servers that are killed under load at the layout's limit, again and again.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::checker::Ledger;
use crate::client::Client;
use crate::load::{Load, Plan};
use crate::moments::Random;
use crate::server::{Home, PATIENCE, Server};
use crate::setting::{Outcome, Setting};
use crate::trace::{Call, calls_of, keeper_lines};

/// Every life is one on the same state directory.
struct Arm {
    /// What a life chooses from.
    shards: &'static [&'static str],
    /// With a window so short that trials are quick, and the lead seldom reaches its limit.
    quick: bool,
    /// Of all kills, in percent.
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

/// Calls of a start that reach the locks and the mark, nearly all of them the keeper's.
const START_CALLS: &str =
    "fcntl,getdents64,pread64,pwrite64,fdatasync,fsync,fallocate,linkat,unlink";
/// Most IDs that there are of one machine ID in a second.
const LIMIT: u64 = 25_600;

#[derive(Default)]
struct Counts {
    killed: u64,
    /// Kills during the start, by how far it had come.
    at_start: BTreeMap<&'static str, u64>,
    stopped: u64,
    /// Lives under load, and those that handed out IDs.
    lives: u64,
    fruitful: u64,
    looks: u64,
    refused: u64,
    /// How long the load was on.
    loaded: Duration,
    /// The calls of the last start that was let through.
    calls: Vec<Call>,
}

impl Counts {
    fn kills(&self) -> u64 {
        self.killed + self.at_start.values().sum::<u64>()
    }
}

/// kill -9 at random moments, some of them during the start, and some orderly stops on top.
pub(crate) fn servers(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let mut counts = Counts::default();
    let mut ledger = Ledger::default();
    let home = Home::empty();
    home.make_mark(WHOLE);
    let mut rates = Vec::new();
    for arm in &ARMS {
        let (before, loaded) = (ledger.len(), counts.loaded);
        let kills = (setting.trials() * arm.share).div_ceil(100);
        let until = counts.kills() + kills;
        counts.calls.clear();
        while counts.kills() < until {
            trial(&home, arm, &mut random, &mut ledger, &mut counts);
        }
        let ids = ledger.len() - before;
        let rate = per_second(ids, counts.loaded.saturating_sub(loaded));
        println!(
            "  shard {}: {kills} kills, {ids} IDs, {rate} per second of load",
            arm.shards.join(", ")
        );
        rates.push(rate.to_string());
    }
    // Many are over after a few milliseconds.
    assert!(
        counts.fruitful * 4 >= counts.lives * 3,
        "of {} lives under load {} handed out IDs",
        counts.lives,
        counts.fruitful
    );
    let stamps = ledger.stamps();
    assert!(stamps > 0);
    let at_start = counts.at_start.iter();
    let at_start: Vec<_> = at_start
        .map(|(far, kills)| format!("{kills} {far}"))
        .collect();
    Outcome::Passed(format!(
        "{} kills: {} under load ({} of {} lives handed out IDs), at the n-th call of a start {}; {} orderly stops on top; {} IDs received, {} per second of load (one machine ID has at most {LIMIT}), and {stamps} UUIDs and ULIDs, 0 duplicates, 0 order violations, {} looks at the mark, {} refusals, seed {}",
        counts.kills(),
        counts.killed,
        counts.fruitful,
        counts.lives,
        at_start.join(", "),
        counts.stopped,
        ledger.close(),
        rates.join(", "),
        counts.looks,
        counts.refused,
        setting.seed
    ))
}

fn per_second(count: usize, time: Duration) -> u128 {
    1000 * count as u128 / time.as_millis().max(1)
}

fn command(home: &Home, arm: &Arm, shard: &str) -> Command {
    hurried(home.command(shard), arm)
}

fn hurried(mut command: Command, arm: &Arm) -> Command {
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
    if random.chance(25) {
        let far = kill_at_start(home, arm, shard, random, &mut counts.calls);
        *counts.at_start.entry(far).or_default() += 1;
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
    let begin = Instant::now();
    random.moment(1..600);
    let loaded = begin.elapsed();
    if random.chance(15) {
        assert_eq!(server.stop(), 0);
        counts.stopped += 1;
    } else {
        server.kill();
        counts.killed += 1;
    }
    let received = load.end();
    ledger.enter(&received);
    counts.lives += 1;
    counts.fruitful += u64::from(!received.ids.is_empty());
    counts.loaded += loaded;
    counts.looks += received.looks;
    counts.refused += received.refused.values().sum::<u64>();
}

/// Kills a server at one of the calls of its start, drawn from those that an earlier start made; how
/// far it had come.
fn kill_at_start(
    home: &Home,
    arm: &Arm,
    shard: &str,
    random: &mut Random,
    calls: &mut Vec<Call>,
) -> &'static str {
    let folder = home.path("start");
    fs::create_dir(&folder).unwrap();
    let output = folder.join("thread");
    let trace = format!("trace={START_CALLS}");
    // Not by seccomp: at its stops no signal can be given.
    let mut wrapper = vec!["strace", "-D", "-ff", "-qq", "-y"];
    wrapper.extend(["-o", output.to_str().unwrap(), "-e", &trace]);
    let inject = calls.get(random.below(calls.len()));
    let inject =
        inject.map(|Call { name, number }| format!("inject={name}:signal=KILL:when={number}"));
    if let Some(inject) = &inject {
        wrapper.extend(["-e", inject]);
    }
    let mut child = hurried(home.wrapped(&wrapper, shard), arm).spawn().unwrap();
    let served = ends_or_serves(&mut child, home);
    let lines = keeper_lines(&folder);
    fs::remove_dir_all(folder).unwrap();
    if served {
        *calls = calls_of(&lines);
        "when it just served"
    } else if lines.iter().any(|line| line.starts_with("pwrite64(")) {
        "at or after the first write to a mark"
    } else if lines
        .iter()
        .any(|line| line.contains("F_OFD_SETLK") && line.ends_with("= 0"))
    {
        "with a lock taken"
    } else {
        "before any lock"
    }
}

/// Whether it served before it ended; then it is killed.
fn ends_or_serves(child: &mut Child, home: &Home) -> bool {
    let begin = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        // It may go at any moment, in the middle of a reply too.
        let client = Client::<TcpStream>::new(home.address());
        let health = client.and_then(|mut client| client.get("/health"));
        if health.is_ok_and(|health| health.status == 200) {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        assert!(begin.elapsed() < PATIENCE, "neither killed nor serving");
        // Closing a connection is a call as well, seldom enough not to count.
        thread::park_timeout(Duration::from_millis(10));
    }
}
