//! Servers that start at the same moment, for machine IDs that overlap or of one mark.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use shardflake::id::MachineRange;

use crate::checker::Ledger;
use crate::kill::hurry;
use crate::load::{Load, Plan};
use crate::moments::Random;
use crate::server::{Home, PATIENCE, Server, ends};
use crate::setting::{Outcome, Setting};
use crate::trace::traced;

/// One that has started, and may own its machine IDs or wait for them.
struct Contender {
    shard: &'static str,
    server: Server,
}

/// A mark, and what races on it: one number, or ranges that overlap.
const SCENES: [(&str, &[&str]); 3] = [
    ("0-5", &["1"]),
    ("0-5", &["1", "0-3", "2-5"]),
    ("16-40", &["16-31", "20", "31-40"]),
];

#[derive(Default)]
struct Counts {
    starts: usize,
    owners: usize,
    /// Races that divided or joined marks.
    regrouped: usize,
    deleted: usize,
}

/// Races on one number, and on ranges that overlap; the lock file goes between.
pub(crate) fn races(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let mut counts = Counts::default();
    let races = if setting.campaign { 100 } else { 12 };
    let without_mark = races / 6;
    let mut ids = 0;
    for (number, (mark, shards)) in SCENES.iter().enumerate() {
        let home = Home::empty();
        home.make_mark(mark);
        let mut ledger = Ledger::default();
        for _ in (without_mark + number..races).step_by(SCENES.len()) {
            let before = marks(&home);
            race(&home, shards, &mut random, &mut ledger, &mut counts);
            counts.regrouped += usize::from(marks(&home) != before);
        }
        ids += ledger.close();
    }
    for _ in 0..without_mark {
        ids += race_to_create(&mut random, &mut counts);
    }
    Outcome::Passed(format!(
        "{races} races, {without_mark} of them without a mark, {} dividing or joining marks; {} starts, {} owners, one of each machine ID that was wanted and never two; lock file deleted {} times; {ids} IDs, 0 duplicates, 0 order violations",
        counts.regrouped, counts.starts, counts.owners, counts.deleted,
    ))
}

/// The names of the marks.
fn marks(home: &Home) -> BTreeSet<String> {
    let names = fs::read_dir(home.state()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.strip_suffix(".mark").is_some())
        .collect()
}

fn race(
    home: &Home,
    shards: &[&'static str],
    random: &mut Random,
    ledger: &mut Ledger,
    counts: &mut Counts,
) {
    let shards_now: Vec<_> = (0..random.within(2..4))
        .map(|_| random.one_of(shards))
        .collect();
    let mut waiting = begin(home, &shards_now);
    counts.starts += waiting.len();
    while !waiting.is_empty() {
        let mut owners = Vec::new();
        settle(&mut owners, &mut waiting, serves);
        if random.chance(30) {
            // Whoever comes now finds another lock file than the owners hold.
            fs::remove_file(home.state().join("lock")).unwrap();
            counts.deleted += 1;
            waiting.extend(begin(home, &[random.one_of(shards)]));
            counts.starts += 1;
            settle(&mut owners, &mut waiting, serves);
        }
        counts.owners += owners.len();
        end(owners, random, ledger);
    }
}

/// Two starts that both have to create what the other needs too; how many IDs they gave.
fn race_to_create(random: &mut Random, counts: &mut Counts) -> usize {
    let home = Home::empty();
    let mut ledger = Ledger::default();
    let shards = [["16-31", "20"], ["20", "20"], ["31-40", "16-31"]];
    let pair = shards[random.below(3)];
    let (mut owners, mut waiting) = (Vec::new(), begin(&home, &pair));
    // Its machine IDs are its own before the wait for a new mark is over.
    settle(&mut owners, &mut waiting, |one| {
        one.code().is_none_or(|code| code == "fresh_mark")
    });
    assert_eq!(owners.len(), 1, "{pair:?}");
    counts.starts += 2;
    counts.owners += 1;
    let loser = waiting.pop().unwrap();
    loser.server.kill();
    owners[0].server.await_serving();
    end(owners, random, &mut ledger);
    let mut late = begin(&home, &[loser.shard]);
    late[0].server.await_serving();
    end(late, random, &mut ledger);
    ledger.close()
}

/// Starts all of them at the same moment; each answers, whether or not it owns anything.
fn begin(home: &Home, shards: &[&'static str]) -> Vec<Contender> {
    let together = Barrier::new(shards.len());
    let start = |shard| {
        let (mut command, address) = home.beside(shard);
        // Or the windows of many lives add up to a wait for the clock.
        hurry(&mut command);
        together.wait();
        Contender {
            shard,
            server: Server::start(command, address),
        }
    };
    thread::scope(|scope| {
        let starts: Vec<_> = shards
            .iter()
            .map(|shard| scope.spawn(|| start(*shard)))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().expect("it starts"))
            .collect()
    })
}

/// Moves those that own their machine IDs to `owners`, and waits until all others want one of
/// theirs: of everything that is wanted there is exactly one owner.
fn settle(
    owners: &mut Vec<Contender>,
    waiting: &mut Vec<Contender>,
    owns: impl Fn(&Contender) -> bool,
) {
    let begin = Instant::now();
    loop {
        // Who has met another's try waits for its own next one.
        owners.extend(waiting.extract_if(.., |one| owns(one)));
        apart(owners);
        let refused = |one: &Contender| {
            one.code().is_some_and(|code| code == "lock_held")
                && owners
                    .iter()
                    .any(|owner| owner.range().overlaps(&one.range()))
        };
        if waiting.iter().all(refused) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "a machine ID has no owner");
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn serves(contender: &Contender) -> bool {
    contender.code().is_none()
}

/// Asserts that no two own the same machine ID.
fn apart(owners: &[Contender]) {
    let ranges: Vec<MachineRange> = owners.iter().map(Contender::range).collect();
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
        ledger.enter(&load.end());
    }
}

impl Contender {
    fn range(&self) -> MachineRange {
        self.shard.parse().unwrap()
    }

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
        let mut halves = begin(&home, &["0-1", "2-3"]);
        for half in &mut halves {
            half.server.await_serving();
        }
        end(halves, &mut Random::new(setting.seed), &mut ledger);
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

/// A directory that the first start makes is durable before anything is issued on its strength.
pub(crate) fn new_directory(_: &Setting) -> Outcome {
    let home = Home::empty();
    let (mut server, mut trace) = traced(&home, &[], false);
    // Nothing is issued before the wait for the new mark is over.
    server.until("waiting", |server| {
        server.get("/readyz").json()["code"] == "fresh_mark"
    });
    let lines = trace.lines();
    let state = home.state();
    for path in [state.as_path(), state.parent().unwrap()] {
        let flushed = format!("<{}>)", path.display());
        let found = lines.iter().any(|(_, line)| {
            line.starts_with("fsync(") && line.contains(&flushed) && line.contains("= 0 <")
        });
        assert!(found, "{} was not flushed", path.display());
    }
    server.kill();
    Outcome::Passed("its name and the mark's are flushed before the first ID".to_owned())
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
            log.contains(
                "stop that process and those that it has forked, or choose another machine ID"
            ),
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
