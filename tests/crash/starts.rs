//! Servers that start at the same moment for machine IDs that overlap.

use std::fs;
use std::thread;

use shardflake::id::MachineRange;

use crate::checker::Ledger;
use crate::kill::hurry;
use crate::load::{Load, Plan};
use crate::moments::Random;
use crate::server::{Home, Server, ends};
use crate::setting::{Outcome, Setting};

/// One that has started, and may own its machine IDs or wait for them.
struct Contender {
    shard: &'static str,
    server: Server,
}

#[derive(Default)]
struct Counts {
    starts: usize,
    owners: usize,
    deleted: usize,
}

/// Races on one number, and on ranges that overlap; the lock file goes between.
pub(crate) fn races(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let mut ledger = Ledger::default();
    let mut counts = Counts::default();
    let home = Home::empty();
    home.make_mark("0-5");
    let races = if setting.campaign { 200 } else { 12 };
    for number in 0..races {
        let shards: &[&str] = if number % 2 == 0 {
            &["1"]
        } else {
            &["1", "0-3", "2-5"]
        };
        race(&home, shards, &mut random, &mut ledger, &mut counts);
    }
    Outcome::Passed(format!(
        "{races} races, {} starts, {} owners, never two of one machine ID; lock file deleted {} times; {} IDs, 0 duplicates, 0 order violations",
        counts.starts,
        counts.owners,
        counts.deleted,
        ledger.close()
    ))
}

fn race(
    home: &Home,
    shards: &[&'static str],
    random: &mut Random,
    ledger: &mut Ledger,
    counts: &mut Counts,
) {
    let mut waiting: Vec<_> = (0..random.within(2..4))
        .map(|_| begin(home, random.one_of(shards)))
        .collect();
    counts.starts += waiting.len();
    while !waiting.is_empty() {
        // Who has met another's try waits for the next one: it is not over before one owns.
        let mut owners = Vec::new();
        while owners.is_empty() {
            settle(&mut waiting);
            (owners, waiting) = waiting.into_iter().partition(|one| one.code().is_none());
        }
        apart(&owners);
        if random.chance(30) {
            // Whoever comes now finds another lock file than the owners hold.
            fs::remove_file(home.state().join("lock")).unwrap();
            counts.deleted += 1;
            waiting.push(begin(home, random.one_of(shards)));
            counts.starts += 1;
            settle(&mut waiting);
            let late: Vec<_>;
            (late, waiting) = waiting.into_iter().partition(|one| one.code().is_none());
            owners.extend(late);
            apart(&owners);
        }
        counts.owners += owners.len();
        end(owners, random, ledger);
    }
}

fn begin(home: &Home, shard: &'static str) -> Contender {
    let (mut command, address) = home.beside(shard);
    // Or the windows of many lives add up to a wait for the clock.
    hurry(&mut command);
    Contender {
        shard,
        server: Server::start(command, address),
    }
}

/// Waits until each either serves or has found the lock held.
fn settle(contenders: &mut [Contender]) {
    for contender in contenders {
        contender.server.until("settled", |server| {
            let ready = server.get("/readyz");
            ready.status == 200 || ready.json()["code"] == "lock_held"
        });
    }
}

/// Asserts that no two own the same machine ID.
fn apart(owners: &[Contender]) {
    let ranges: Vec<MachineRange> = owners
        .iter()
        .map(|one| one.shard.parse().unwrap())
        .collect();
    for (index, range) in ranges.iter().enumerate() {
        let other = ranges[..index].iter().find(|other| other.overlaps(range));
        assert!(other.is_none(), "{range} and {} at a time", other.unwrap());
    }
}

/// Takes IDs of all of them at once, then ends them in one way or another.
fn end(owners: Vec<Contender>, random: &mut Random, ledger: &mut Ledger) {
    let loads: Vec<_> = owners.iter().map(|one| one.load(ledger)).collect();
    random.moment(5..40);
    for owner in owners {
        if random.chance(50) {
            owner.server.kill();
        } else {
            // 74 if the lock file is not its own any more.
            let code = owner.server.stop();
            assert!(code == 0 || code == 74, "{code}");
        }
    }
    for load in loads {
        ledger.enter(&load.end().ids);
    }
}

impl Contender {
    /// Why it does not serve.
    fn code(&self) -> Option<String> {
        let code = &self.server.get("/readyz").json()["code"];
        code.as_str().map(str::to_owned)
    }

    fn load(&self, ledger: &Ledger) -> Load {
        Load::begin(&Plan {
            address: self.server.address,
            connections: 2,
            batch: 8,
            floor: ledger.highest(self.shard),
            mark: None,
        })
    }
}

/// Two that each need a part of one mark and start at the same moment both get it.
pub(crate) fn splits(setting: &Setting) -> Outcome {
    let rounds = if setting.campaign { 30 } else { 3 };
    let mut ledger = Ledger::default();
    for _ in 0..rounds {
        let home = Home::empty();
        home.make_mark("0-3");
        // Each life leaves a window: with this lead both wait for the clock, and end that together.
        for _ in 0..6 {
            home.serve("0-3").kill();
        }
        let mut halves = ["0-1", "2-3"].map(|shard| begin(&home, shard));
        for half in &mut halves {
            half.server.await_serving();
        }
        end(halves.into(), &mut Random::new(setting.seed), &mut ledger);
    }
    Outcome::Passed(format!(
        "{rounds} marks split between two starts at once, {} IDs, 0 duplicates",
        ledger.close()
    ))
}

/// A server whose files somebody takes away stops in time, and says so.
pub(crate) fn replaced(_: &Setting) -> Outcome {
    for name in ["lock", "1.mark"] {
        let home = Home::with_mark("1");
        let mut server = home.serve("1");
        let load = Load::begin(&Plan {
            address: server.address,
            connections: 2,
            batch: 8,
            floor: 0,
            mark: None,
        });
        load.await_count(100);
        fs::rename(home.state().join(name), home.path("taken")).unwrap();
        load.until("refusing", |load| load.refusals() > 0);
        assert_eq!(server.get("/readyz").code(), "window_used_up");
        server.await_line("was deleted or replaced while in use");
        server.kill();
        let received = load.end();
        let highest = received.ids.into_iter().max().unwrap();
        fs::rename(home.path("taken"), home.state().join(name)).unwrap();
        assert!(home.serve("1").id() > highest);
    }
    Outcome::Passed("lock file or mark taken away: 503 with the reason within a window".to_owned())
}

/// Everybody but the owner ends with code 75, and names it.
pub(crate) fn crowd(_: &Setting) -> Outcome {
    let home = Home::empty();
    home.make_mark("0-5");
    let owner = home.serve("0-3");
    let before = owner.id();
    let crowd = ["1", "0-3", "2-5"].repeat(4);
    let starts: Vec<_> = crowd
        .iter()
        .map(|shard| {
            let (command, _) = home.beside(shard);
            thread::spawn(move || ends(command))
        })
        .collect();
    for start in starts {
        let (code, log) = start.join().unwrap();
        assert_eq!(code, 75, "{log}");
        let pid = format!("pid {}", owner.pid());
        assert!(log.contains(&pid), "{log}");
        assert!(
            log.contains("stop that process, or choose another SHARD_ID"),
            "{log}"
        );
    }
    assert!(owner.id() > before);
    assert_eq!(owner.stop(), 0);
    Outcome::Passed(format!(
        "{} starts ended with code 75 after 10 s",
        crowd.len()
    ))
}
