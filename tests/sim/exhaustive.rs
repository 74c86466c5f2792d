//! Small scope: every crash point of every way to start, what a kill and a power cut there may leave
//! behind, and up to three restarts with other clocks. A write may be torn behind its first sector and
//! in the middle: a slot's fields lie in the first one and its checksum in the last, so that every
//! other place leaves the same.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use shardflake::clock::Clock;
use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::{Refusal, Settings};
use shardflake::mark::MarkError;
use shardflake::mark::rules::Refused;
use shardflake::mark::slot::SLOT_LEN;
use shardflake::time::{BootTime, SECOND, TimeDelta, WallTime};
use tokio::runtime::Runtime;

use crate::checker::Checker;
use crate::clock::SimClock;
use crate::disk::Disk;
use crate::shard::{Kinds, Shard, Start, operator};
use crate::volume::Volume;

const NOW: WallTime = WallTime::from_nanos(1_800_000_000_000_000_000);

/// What the wall clock reads at a start, against what it should: right, behind by less than M, and
/// behind by more than a fresh mark makes up for.
const CLOCKS: &[TimeDelta] = &[
    TimeDelta::ZERO,
    TimeDelta::from_secs(-3),
    TimeDelta::from_secs(-20),
];
/// Also ahead: by what is believed at once, and by what is doubted in a boot whose clock is known.
const AHEAD: &[TimeDelta] = &[
    TimeDelta::ZERO,
    TimeDelta::from_nanos(900_000_000),
    TimeDelta::from_secs(2 * 3600),
];
/// The boot clock when a machine has just booted.
const BOOTED: BootTime = BootTime::from_nanos(100_000_000_000);
/// Looks of the keeper, most of them a second apart: more than a doubted step has to stand.
const ROUNDS: u32 = 200;

/// Incarnations of all that was explored so far.
static ALL: AtomicU64 = AtomicU64::new(0);

/// A machine between two incarnations.
#[derive(Clone)]
struct Scene {
    volume: Volume,
    wall: WallTime,
    /// The latest that the wall clock has been.
    latest: WallTime,
    boots: u8,
    /// The boot clock.
    boot: BootTime,
    /// The mark is a copy, which an operator has to adopt.
    copied: bool,
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
    clocks: &'static [TimeDelta],
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
            boot: BOOTED,
            copied: false,
            checker: Checker::new(Layout::SONYFLAKE),
            story: Vec::new(),
        }
    }

    /// After shards with `ranges` have run one after the other, to their end.
    fn after(ranges: &[&str]) -> Self {
        let mut scene = Self::empty();
        for range in ranges {
            let (end, after) = scene.incarnation(range, TimeDelta::ZERO, None);
            assert!(end == End::Ended, "a start without faults ends by itself");
            scene = after.rebooted();
        }
        scene
    }

    /// After the machine has booted again.
    fn rebooted(mut self) -> Self {
        self.boots += 1;
        self.boot = BOOTED;
        self
    }

    fn edited(mut self, edit: impl FnOnce(&mut Volume)) -> Self {
        edit(&mut self.volume);
        self
    }

    /// One incarnation on a wall clock that is off by `clock`, until its call number `calls`.
    fn incarnation(&self, range: &str, clock: TimeDelta, calls: Option<u32>) -> (End, Self) {
        let clocks = SimClock::new(self.boot, self.wall + clock);
        let disk = Disk::new(self.volume.clone(), &clocks);
        let checker = Arc::new(Mutex::new(self.checker.clone()));
        let mut run = Run {
            disk: &disk,
            clock: &clocks,
            checker: &checker,
            boots: self.boots,
            range: range.parse().unwrap(),
            latest: self.latest,
            copied: self.copied,
        };
        let end = run.go(calls);
        let wall = clocks.realtime();
        let checker = checker.lock().unwrap().clone();
        let mut story = self.story.clone();
        story.push(format!(
            "{range} with the clock off by {} ms, ended by call {calls:?}",
            clock.as_nanos() / 1_000_000
        ));
        assert_eq!(checker.violation, None, "{story:#?}");
        let end = end.unwrap_or_else(|error| panic!("{error}: {story:#?}"));
        let volume = disk.volume().clone();
        let after = Self {
            volume,
            wall: wall - clock + SECOND,
            latest: self.latest.max(wall),
            boots: self.boots,
            boot: clocks.boottime() + SECOND,
            copied: self.copied,
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
    latest: WallTime,
    copied: bool,
}

impl Run<'_> {
    /// Starts, issues, extends and stops; an operator adopts a copy. An error is what must not be.
    fn go(&mut self, calls: Option<u32>) -> Result<End, String> {
        let mut shard = self.start();
        if let Some(calls) = calls {
            shard.process.end_after(calls);
        }
        let mut asked = 0;
        for _ in 0..ROUNDS {
            match shard.step() {
                _ if shard.process.ended() => return Ok(End::Crashed),
                Ok(park) => {
                    shard.common.issue(2);
                    poll_once(shard.common.ask());
                    let serving = shard.common.issuer.health().state == "serving";
                    asked += u32::from(serving);
                    if asked == 4 {
                        shard.common.issuer.stop();
                    }
                    let wait = if serving { park / 2 } else { park };
                    let wait = wait.max(Duration::from_millis(10));
                    self.clock.pass(wait.into());
                    shard.common.issue(2);
                }
                Err(Err(MarkError::Refused(refused))) if self.is_adopted(&refused) => {
                    // Adopting needs a clock that was not set back since.
                    let behind = self.latest - self.clock.realtime();
                    self.clock.step(behind.max(TimeDelta::ZERO), true);
                    shard = self.adopt(&shard);
                }
                Err(Ok(())) => return Ok(End::Ended),
                Err(Err(error)) => return Err(error.to_string()),
            }
        }
        let health = shard.common.issuer.health();
        let behind = self.latest - self.clock.realtime();
        match health.refusal {
            // The clock was ahead once, and has to come there again.
            Some(Refusal::Waiting(_)) if behind > TimeDelta::ZERO => Ok(End::Ended),
            _ => Err(format!("neither serves nor ends: {health:?}")),
        }
    }

    /// Whether an operator has to adopt what is refused, and that is to be expected.
    fn is_adopted(&self, refused: &Refused) -> bool {
        self.copied && matches!(refused, Refused::Copied { .. })
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
            witness: None,
            clock: self.clock.clone(),
            boot_id: ([self.boots; 16], 0),
            settings: self.settings(),
            kinds: Kinds::Both,
            checker: self.checker,
            beside: None,
        };
        Shard::start(start, self.clock.boottime())
    }

    /// Runs `state adopt` in the same process, so that its calls are crash points as well.
    fn adopt(&self, refused: &Shard) -> Shard {
        let disk = self.disk.mount(&refused.process);
        let boot_id = ([self.boots; 16], 0);
        // It may crash half-way; the next look tells.
        let _ = operator(disk, None, &self.settings(), self.clock, boot_id)
            .and_then(|mut operator| operator.adopt(None));
        let mut again = self.start();
        again.process = Arc::clone(&refused.process);
        again
    }
}

impl Explorer {
    fn new(ranges: &'static [&'static str], clocks: &'static [TimeDelta]) -> Self {
        Self {
            ranges,
            clocks,
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
            for clock in self.clocks {
                self.crash_everywhere(scene, range, *clock, restarts);
            }
        }
    }

    fn crash_everywhere(&mut self, scene: &Scene, range: &str, clock: TimeDelta, restarts: usize) {
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

    /// Restarts after a kill, in the same boot, and after each crash of the machine that is possible.
    fn left_behind(&mut self, after: &Scene, restarts: usize) {
        self.explore(after, restarts - 1);
        let mut choices = Vec::new();
        loop {
            let mut crashed = after.clone().rebooted();
            let mut made = 0;
            crashed.volume.crash(&mut |n| {
                if made == choices.len() {
                    choices.push((0, tried(n)));
                }
                made += 1;
                chosen(choices[made - 1].0, n)
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

/// How many fates a write may have; all are tried, and all orders of few writes.
const FATES: usize = 4;

/// How many of `n` possibilities are tried: of more than a write has fates, such as a slot's
/// sectors, the first and the middle.
const fn tried(n: usize) -> usize {
    if n > FATES { 2 } else { n }
}

/// The possibility that a choice among those stands for.
const fn chosen(choice: usize, n: usize) -> usize {
    if n > FATES {
        choice * (n - 1) / 2
    } else {
        choice
    }
}

/// A request that is gone if it has to wait. Ahead of the clock no ID is issued in another way.
fn poll_once(request: impl Future<Output = ()>) {
    // For its timers, which nothing waits for.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    });
    let _entered = RUNTIME.enter();
    let mut context = Context::from_waker(Waker::noop());
    let _ = pin!(request).poll(&mut context);
}

fn fingerprint(scene: &Scene) -> u64 {
    let mut hasher = DefaultHasher::new();
    scene.volume.hash(&mut hasher);
    scene.checker.hash(&mut hasher);
    (scene.wall, scene.latest, scene.boots, scene.boot).hash(&mut hasher);
    hasher.finish()
}

fn explore(what: &str, scene: &Scene, ranges: &'static [&'static str], restarts: usize) {
    explore_with(what, scene, ranges, CLOCKS, restarts);
}

fn explore_with(
    what: &str,
    scene: &Scene,
    ranges: &'static [&'static str],
    clocks: &'static [TimeDelta],
    restarts: usize,
) {
    let mut explorer = Explorer::new(ranges, clocks);
    explorer.explore(scene, restarts);
    let Explorer {
        incarnations, seen, ..
    } = explorer;
    let all = incarnations + ALL.fetch_add(incarnations, Ordering::Relaxed);
    println!(
        "{what}: {incarnations} incarnations, {} states; {all} incarnations so far",
        seen.len()
    );
    assert!(incarnations > 100, "{what} went nowhere");
}

#[test]
fn a_new_shard() {
    explore("no mark", &Scene::empty(), &["1"], 2);
}

#[test]
fn a_known_shard() {
    let scene = Scene::after(&["1"]);
    explore("a mark", &scene, &["1"], 2);
    explore_with("a mark, for longer", &scene, &["1"], &CLOCKS[..2], 3);
}

#[test]
fn a_clock_set_forward() {
    let scene = Scene::after(&["1"]);
    explore_with("a clock set forward", &scene, &["1"], AHEAD, 2);
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
fn ranges_merge() {
    explore("merging", &Scene::after(&["1", "2"]), &["1-2"], 2);
}

#[test]
fn a_range_splits() {
    explore("splitting", &Scene::after(&["0-3"]), &["1-2"], 2);
}

#[test]
fn a_range_grows() {
    explore("growing", &Scene::after(&["1"]), &["0-1"], 2);
    explore("changing", &Scene::after(&["0-1"]), &["1-2", "0"], 1);
}

#[test]
fn a_restored_mark() {
    let original = Scene::after(&["1"]);
    let scene = original
        .clone()
        .edited(|volume| volume.restore(&original.volume));
    let scene = Scene {
        copied: true,
        ..scene
    };
    explore("a restored mark", &scene, &["1"], 2);
}
