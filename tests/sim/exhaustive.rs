//! Small scope, all of it: every crash point of every way to start, what the crash leaves behind,
//! and up to three restarts with other clocks.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardflake::clock::{Clock, SECOND};
use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::Settings;
use shardflake::mark::MarkError;
use shardflake::mark::rules::Refused;
use shardflake::mark::slot::SLOT_LEN;

use crate::checker::Checker;
use crate::clock::SimClock;
use crate::disk::Disk;
use crate::shard::{self, Shard, Start};
use crate::volume::Volume;

const NOW: i64 = 1_800_000_000 * SECOND;

/// What the wall clock reads at a start, against what it should: right, behind by less than M, and
/// behind by more than a fresh mark makes up for.
const CLOCKS: [i64; 3] = [0, -3 * SECOND, -20 * SECOND];

/// A machine between two incarnations.
#[derive(Clone)]
struct Scene {
    volume: Volume,
    wall: i64,
    /// The latest that the wall clock has been.
    latest: i64,
    boots: u8,
    checker: Checker,
    /// What has happened, for whoever reads a failure.
    story: Vec<String>,
}

/// How an incarnation ended.
#[derive(PartialEq, Eq)]
enum End {
    /// At the call that was asked for.
    Crashed,
    /// By itself.
    Ended,
}

/// Runs all that can follow, and counts.
struct Explorer {
    ranges: &'static [&'static str],
    seen: HashSet<(u64, usize)>,
    incarnations: u64,
}

impl Scene {
    fn empty() -> Self {
        Self {
            volume: Volume::new(0),
            wall: NOW,
            latest: NOW,
            boots: 1,
            checker: Checker::new(Layout::SONYFLAKE),
            story: Vec::new(),
        }
    }

    /// After shards with `ranges` have run one after the other, to their end.
    fn after(ranges: &[&str]) -> Self {
        let mut scene = Self::empty();
        for range in ranges {
            let (end, after) = scene.incarnation(range, 0, None);
            assert!(end == End::Ended, "a start without faults ends by itself");
            scene = after;
        }
        scene
    }

    fn edited(mut self, edit: impl FnOnce(&mut Volume)) -> Self {
        edit(&mut self.volume);
        self
    }

    /// One incarnation on a wall clock that is off by `clock`, until its call number `calls`.
    fn incarnation(&self, range: &str, clock: i64, calls: Option<u32>) -> (End, Self) {
        let disk = Disk::new(self.volume.clone());
        let clocks = SimClock::new(100 * SECOND, self.wall + clock);
        let checker = Arc::new(Mutex::new(self.checker.clone()));
        let mut run = Run {
            disk: &disk,
            clock: &clocks,
            checker: &checker,
            boots: self.boots,
            range: range.parse().unwrap(),
            latest: self.latest,
        };
        let end = run.go(calls);
        let wall = clocks.realtime();
        let checker = checker.lock().unwrap().clone();
        let mut story = self.story.clone();
        story.push(format!(
            "{range} with the clock off by {} s, ended by call {calls:?}",
            clock / SECOND
        ));
        assert_eq!(checker.violation, None, "{story:#?}");
        let volume = disk.volume().clone();
        let after = Self {
            volume,
            wall: wall - clock + SECOND,
            latest: self.latest.max(wall),
            boots: self.boots + 1,
            checker,
            story,
        };
        (end, after)
    }
}

/// An incarnation under way.
struct Run<'a> {
    disk: &'a Disk,
    clock: &'a SimClock,
    checker: &'a Arc<Mutex<Checker>>,
    boots: u8,
    range: MachineRange,
    latest: i64,
}

impl Run<'_> {
    /// Starts, issues, extends and stops; an operator adopts what is refused as a copy.
    fn go(&mut self, calls: Option<u32>) -> End {
        let mut shard = self.start();
        if let Some(calls) = calls {
            shard.process.end_after(calls);
        }
        let mut asked = 0;
        for round in 0..200 {
            match shard.step() {
                _ if shard.process.ended() => return End::Crashed,
                Ok(park) => {
                    shard.common.issue(2);
                    let serving = shard.common.issuer.health().state == "serving";
                    asked += u32::from(serving);
                    if asked == 4 {
                        shard.common.issuer.stop();
                    }
                    let wait = if serving { park / 2 } else { park };
                    let wait = wait.max(Duration::from_millis(10));
                    self.clock.pass(i64::try_from(wait.as_nanos()).unwrap());
                    shard.common.issue(2);
                }
                Err(Err(MarkError::Refused(Refused::Copied { .. } | Refused::Damaged { .. }))) => {
                    // Adopting needs a clock that was not set back since.
                    let behind = self.latest - self.clock.realtime();
                    self.clock.step(behind.max(0));
                    shard = self.adopt(&shard);
                }
                Err(_) => return End::Ended,
            }
            assert!(
                round < 199,
                "neither serves nor ends: {:?}",
                shard.common.issuer.health()
            );
        }
        End::Ended
    }

    fn settings(&self) -> Settings {
        Settings {
            layout: Layout::SONYFLAKE,
            machines: self.range,
            max_ahead: Settings::MAX_AHEAD,
            window: Settings::WINDOW,
            deadline: Settings::DEADLINE,
            continue_ahead: None,
        }
    }

    fn start(&self) -> Shard {
        let start = Start {
            disk: self.disk,
            clock: self.clock.clone(),
            boot_id: ([self.boots; 16], 0),
            settings: self.settings(),
            checker: self.checker,
            luck: 0,
        };
        Shard::start(start, 0)
    }

    /// Runs `state adopt` in the same process, so that its calls are crash points as well.
    fn adopt(&self, refused: &Shard) -> Shard {
        let disk = self.disk.mount(&refused.process);
        let author = shard::author(Layout::SONYFLAKE, self.clock, ([self.boots; 16], 0));
        // It may crash half-way; the next look tells.
        let _ = shard::adopt(disk, &self.settings(), self.clock, &author);
        let mut again = self.start();
        again.process = Arc::clone(&refused.process);
        again
    }
}

impl Explorer {
    fn new(ranges: &'static [&'static str]) -> Self {
        Self {
            ranges,
            seen: HashSet::new(),
            incarnations: 0,
        }
    }

    /// Everything that can follow `scene` in `restarts` more incarnations after the next one.
    fn explore(&mut self, scene: &Scene, restarts: usize) {
        if !self.seen.insert((fingerprint(scene), restarts)) {
            return;
        }
        for range in self.ranges {
            for clock in CLOCKS {
                self.crash_everywhere(scene, range, clock, restarts);
            }
        }
    }

    fn crash_everywhere(&mut self, scene: &Scene, range: &str, clock: i64, restarts: usize) {
        if restarts == 0 {
            scene.incarnation(range, clock, None);
            self.incarnations += 1;
            return;
        }
        for calls in 0.. {
            let (end, after) = scene.incarnation(range, clock, Some(calls));
            self.incarnations += 1;
            self.left_behind(&after, restarts);
            if end == End::Ended {
                return;
            }
        }
    }

    /// Restarts after a kill, and after each crash of the machine that is possible.
    fn left_behind(&mut self, after: &Scene, restarts: usize) {
        self.explore(after, restarts - 1);
        let mut choices = Vec::new();
        loop {
            let mut crashed = after.clone();
            let mut made = 0;
            crashed.volume.crash(&mut |n| {
                if made == choices.len() {
                    choices.push((0, n.min(3)));
                }
                made += 1;
                choices[made - 1].0
            });
            crashed
                .story
                .push(format!("the power was cut: {choices:?}"));
            self.explore(&crashed, restarts - 1);
            // The next sequence of choices, as an odometer turns.
            while choices.pop_if(|(choice, n)| *choice + 1 == *n).is_some() {}
            match choices.last_mut() {
                Some((choice, _)) => *choice += 1,
                None => return,
            }
        }
    }
}

fn fingerprint(scene: &Scene) -> u64 {
    let mut hasher = DefaultHasher::new();
    scene.volume.hash(&mut hasher);
    scene.checker.hash(&mut hasher);
    (scene.wall, scene.latest).hash(&mut hasher);
    hasher.finish()
}

fn explore(what: &str, scene: &Scene, ranges: &'static [&'static str], restarts: usize) {
    let mut explorer = Explorer::new(ranges);
    explorer.explore(scene, restarts);
    println!(
        "{what}: {} incarnations, {} states",
        explorer.incarnations,
        explorer.seen.len()
    );
    assert!(explorer.incarnations > 100, "{what} went nowhere");
}

#[test]
fn a_new_shard() {
    explore("no mark", &Scene::empty(), &["1"], 2);
}

#[test]
fn a_known_shard() {
    explore("a mark", &Scene::after(&["1"]), &["1"], 3);
}

#[test]
fn a_damaged_slot() {
    for slot in 0..2 {
        let scene = Scene::after(&["1"]).edited(|volume| {
            assert!(volume.rot("1.mark", slot * 8 * SLOT_LEN));
        });
        explore("a damaged slot", &scene, &["1"], 2);
    }
}

#[test]
fn ranges_merge_and_split() {
    explore("merging", &Scene::after(&["1", "2"]), &["1-2"], 2);
    explore("splitting", &Scene::after(&["0-3"]), &["1-2"], 2);
    explore("growing", &Scene::after(&["1"]), &["0-1"], 2);
    explore("changing", &Scene::after(&["0-1"]), &["1-2", "0"], 1);
}

#[test]
fn a_restored_mark() {
    let original = Scene::after(&["1"]);
    let scene = original
        .clone()
        .edited(|volume| volume.restore(&original.volume));
    explore("a restored mark", &scene, &["1"], 2);
}
