//! A machine, its volumes, its clocks and its processes, going through a history.

mod end;
mod processes;
mod tamper;
mod time;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use shardflake::clock::Clock;
use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::Settings;
use shardflake::time::{BootTime, SECOND, TimeDelta, WallTime};

use crate::checker::Checker;
use crate::clock::{SimClock, some_time};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::plan::{Launch, Op, Plan, SETTINGS, Step};
use crate::shard::{Kinds, Shard, Start};
use crate::volume::Volume;
use processes::{PLACES, Processes};

const MILLI: TimeDelta = TimeDelta::from_nanos(1_000_000);
/// What lies between writing a mark and having it in hand; a little more than what may lie between
/// reading the clock and writing the mark by it.
const MOMENT: TimeDelta = TimeDelta::from_nanos(150_000_000);
/// When histories begin.
const NOW: WallTime = WallTime::from_nanos(1_800_000_000_000_000_000);
/// The place of the process that is started on a clone.
const CLONE: usize = 2;
/// The largest of the settings, M = 10 s.
const LARGE: u8 = SETTINGS - 1;

/// What came of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) issued: u64,
    pub(crate) incarnations: u64,
    /// Steps of a keeper in the middle of another one's.
    pub(crate) between: u64,
    pub(crate) faults: [u64; Fault::ALL.len()],
    pub(crate) violation: Option<String>,
    /// A flush lied, and nothing was wrong before: the rest is outside the promise.
    pub(crate) outside: bool,
    /// Differs if anything was issued differently.
    pub(crate) digest: u64,
}

impl Outcome {
    /// Whether the promise was broken.
    pub(crate) const fn fails(&self) -> bool {
        self.violation.is_some() && !self.outside
    }

    /// How many kinds of fault there were, what an operator may do aside.
    pub(crate) fn kinds(&self) -> usize {
        let happened = |fault: &&Fault| !fault.is_operation() && self.faults[fault.index()] > 0;
        Fault::ALL.iter().filter(happened).count()
    }
}

/// A machine in the middle of a history.
struct World {
    layout: Layout,
    clock: SimClock,
    boots: u8,
    ppm: i64,
    /// The slew that has moved something and was counted.
    slewed: Option<i64>,
    volume: Disk,
    /// What the witness keeps, gone with each boot; `None` where there is no place for one.
    witness: Option<Disk>,
    /// The volume, while it is not mounted, and the boot in which that came about.
    unmounted: Option<(Volume, u8)>,
    /// Bounds of a life that only the witness knows of, until a mark tells as much: machine ID, bound.
    hidden: Vec<(u32, u64)>,
    clone: Option<Disk>,
    snapshot: Option<Volume>,
    processes: Processes,
    checker: Arc<Mutex<Checker>>,
    luck: Rng,
    /// The latest that the wall clock has been.
    latest: WallTime,
    last_range: (u32, u32),
    last_settings: u8,
    /// An operator let a shard go on ahead of the clock, or it had settings with a large M: the floor
    /// bounds how far a lost mark may have been ahead, not Q by the defaults.
    has_floor: bool,
    /// The volume was set back to before that: the floor is gone too.
    floor_lost: bool,
    /// Machine IDs whose mark was lost and is not replaced yet.
    lost: Vec<u32>,
    incarnations: u64,
    faults: [u64; Fault::ALL.len()],
}

/// Goes through a history. A panic breaks the promise as well.
pub(crate) fn run(plan: &Plan) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| go_through(plan))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Outcome {
            issued: 0,
            incarnations: 0,
            between: 0,
            faults: [0; Fault::ALL.len()],
            violation: Some(format!("a panic: {}", text.unwrap_or("without a text"))),
            outside: false,
            digest: 0,
        }
    })
}

fn go_through(plan: &Plan) -> Outcome {
    // A runtime for each: what is left of a timer's millisecond would change the next history.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(async {
        let mut world = World::new(plan);
        for step in &plan.steps {
            world.luck = Rng::with_seed(step.luck);
            world.processes.reseed(step.luck);
            world.go(step).await;
        }
        world.end().await
    })
}

impl World {
    fn new(plan: &Plan) -> Self {
        let layout = layout(plan.snowflake);
        let clock = SimClock::new(BootTime::ZERO + 5000 * SECOND, NOW);
        Self {
            layout,
            boots: 1,
            ppm: 0,
            slewed: None,
            volume: Disk::new(Volume::new(plan.seed), &clock),
            witness: (!plan.seed.is_multiple_of(3)).then(|| Disk::new(Volume::new(0), &clock)),
            unmounted: None,
            hidden: Vec::new(),
            clock,
            clone: None,
            snapshot: None,
            processes: Processes::none(),
            checker: Arc::new(Mutex::new(Checker::new(layout))),
            luck: Rng::with_seed(0),
            latest: NOW,
            last_range: (1, 1),
            last_settings: 0,
            has_floor: false,
            floor_lost: false,
            lost: Vec::new(),
            incarnations: 0,
            faults: [0; Fault::ALL.len()],
        }
    }

    fn count(&mut self, fault: Fault) {
        self.faults[fault.index()] += 1;
    }

    async fn go(&mut self, Step { op, luck }: &Step) {
        let done = match *op {
            Op::Start(launch) => self.start(launch),
            Op::Stop { slot } => self.stop(slot).await,
            Op::Kill { slot, calls } => self.kill(slot, calls).await,
            Op::PowerCut { slot, calls } => self.cut_power(slot, calls).await,
            Op::Reboot => self.reboot().await,
            Op::Pass { ms } => {
                self.pass(ms * MILLI).await;
                true
            }
            Op::Issue { slot, count } => self.issue(slot, count).await,
            Op::Ask { slot, count } => self.ask(slot, |shard| shard.ask(count)).await,
            Op::AskMany { slot, count } => self.ask(slot, |shard| shard.ask_many(count)).await,
            Op::Snapshot => {
                self.snapshot = Some(self.volume.volume().clone());
                true
            }
            Op::Restore => self.restore().await,
            Op::StartClone { range } => self.start_clone(range, *luck).await,
            Op::BackUp => {
                self.volume.volume().back_up();
                true
            }
            Op::Adopt { range, calls } => self.adopt(range, calls),
            Op::Init {
                range,
                above_ms,
                calls,
            } => self.init(range, above_ms, calls),
            Op::Freeze { slot, ms } => self.freeze(slot, ms),
            Op::Fail { .. } | Op::Full(_) | Op::Lie(_) | Op::Rot => self.trouble(*op),
            Op::LoseMark | Op::DeleteLock | Op::ReplaceMark | Op::Touch => self.tamper(*op),
            Op::Overwrite | Op::Recreate | Op::MoveAway | Op::MoveBack { .. } => {
                // Nobody is at it within a moment after a shard has written.
                self.pass(MOMENT).await;
                self.put_back(*op)
            }
            Op::Unmount => self.unmount(),
            Op::Mount => self.mount(),
            _ => self.time(*op).await,
        };
        if let (true, Some(fault)) = (done, op.fault()) {
            self.count(fault);
        }
    }

    fn start(&mut self, launch: Launch) -> bool {
        let Launch {
            slot, namespace, ..
        } = launch;
        if self.processes.at(slot).is_some() {
            return false;
        }
        let settings = self.settings_of(launch);
        if !self.is_owned(settings.machines) {
            self.volume.volume().noticed(settings.machines);
        }
        self.count_start(launch, &settings);
        let (disk, witness) = match &self.clone {
            Some(clone) if slot == CLONE => (clone, None),
            _ => (&self.volume, self.witness.as_ref()),
        };
        let shard = Shard::start(
            Start {
                disk,
                witness,
                clock: self.clock.shifted(i64::from(namespace) * 1000 * SECOND),
                boot_id: ([self.boots; 16], u64::from(namespace)),
                settings,
                kinds: match self.incarnations % 3 {
                    0 => Kinds::Both,
                    1 => Kinds::Stamps,
                    _ => Kinds::Ids,
                },
                checker: &self.checker,
                beside: Some(self.processes.beside(slot, self.clock.clone())),
            },
            self.clock.boottime(),
        );
        *self.processes.at(slot) = Some(shard);
        self.incarnations += 1;
        true
    }

    /// Counts what is unusual of a start.
    fn count_start(&mut self, launch: Launch, settings: &Settings) {
        let changed = std::mem::replace(&mut self.last_settings, launch.settings);
        let unusual = [
            (Fault::Settings, changed != launch.settings),
            (Fault::TimeNamespace, launch.namespace > 0),
            (Fault::ContinueAhead, settings.continue_ahead.is_some()),
            (Fault::SecondOwner, self.is_owned(settings.machines)),
        ];
        for (fault, _) in unusual.into_iter().filter(|(_, is)| *is) {
            self.count(fault);
        }
        if launch.slot == 0 {
            let before = std::mem::replace(&mut self.last_range, launch.range);
            if self.incarnations > 0 && before != launch.range {
                self.count(Fault::RangeChange);
            }
        }
    }

    /// Whether a process on the volume wants some of these machine IDs already.
    fn is_owned(&self, machines: MachineRange) -> bool {
        let wants = |shard: &Shard| shard.common.range.overlaps(&machines);
        (0..CLONE).any(|slot| self.processes.at(slot).as_ref().is_some_and(wants))
    }

    fn settings_of(&mut self, launch: Launch) -> Settings {
        let variant = launch.settings;
        let mut settings = settings(variant, self.layout, launch.range);
        self.has_floor |= variant == LARGE || launch.ahead;
        if launch.ahead {
            let until = self.latest + 20 * SECOND;
            settings.continue_ahead = settings.layout.tick_at(until);
        }
        settings
    }

    async fn issue(&mut self, slot: usize, count: u32) -> bool {
        let now = self.clock.boottime();
        let issued = self.if_running(slot, |shard| {
            if shard.common.issue(count) < count {
                shard.ask(1);
                // The keeper may have been asked for a window.
                shard.due = now;
            }
        });
        self.settle().await;
        issued
    }

    async fn ask(&mut self, slot: usize, ask: impl FnOnce(&mut Shard)) -> bool {
        let now = self.clock.boottime();
        let asked = self.if_running(slot, |shard| {
            ask(shard);
            shard.due = now;
        });
        self.settle().await;
        asked
    }

    /// Does something with the process in `slot`, if it runs and is not stopped.
    fn if_running(&self, slot: usize, work: impl FnOnce(&mut Shard)) -> bool {
        let mut place = self.processes.at(slot);
        let running = place.as_mut().filter(|shard| shard.thaw.is_none());
        running.map(work).is_some()
    }

    async fn stop(&mut self, slot: usize) -> bool {
        if let Some(shard) = &mut *self.processes.at(slot) {
            shard.go_on();
            if self.luck.bool() {
                shard.common.issuer.drain();
            }
            shard.common.issuer.stop();
            shard.due = self.clock.boottime();
        } else {
            return false;
        }
        self.settle().await;
        let stopped = self.processes.at(slot).is_none();
        if !stopped {
            self.fail("a process that was told to stop goes on".into());
        }
        true
    }

    async fn kill(&mut self, slot: usize, calls: Option<u32>) -> bool {
        if self.processes.at(slot).is_none() {
            return false;
        }
        self.end_within(slot, calls).await;
        *self.processes.at(slot) = None;
        true
    }

    /// Lets a process run on until its call number `calls`, with requests that want windows.
    async fn end_within(&mut self, slot: usize, calls: Option<u32>) {
        let Some(calls) = calls else { return };
        if let Some(shard) = &*self.processes.at(slot) {
            shard.process.end_after(calls);
        }
        for _ in 0..12 {
            if self.processes.has_ended(slot) {
                return;
            }
            self.issue(slot, 20).await;
            self.pass(150 * MILLI).await;
        }
    }

    async fn cut_power(&mut self, slot: usize, calls: Option<u32>) -> bool {
        self.end_within(slot, calls).await;
        self.processes.clear();
        let mut luck = self.luck.fork();
        self.volume.volume().crash(&mut |n| luck.usize(..n));
        self.boot();
        true
    }

    async fn reboot(&mut self) -> bool {
        self.stop_all().await;
        self.volume.volume().unmount();
        self.boot();
        true
    }

    /// Stops everything in good order, and what does not stop in another way.
    async fn stop_all(&mut self) {
        for slot in 0..PLACES {
            self.stop(slot).await;
        }
        self.processes.clear();
    }

    fn boot(&mut self) {
        let mut down = some_time(&mut self.luck, SECOND..60 * SECOND);
        if self.is_hidden() {
            // What the witness alone knew is forgotten now: longer than any bound was ahead.
            down += 30 * SECOND;
        }
        let wall = self.clock.realtime() + down;
        let up = some_time(&mut self.luck, SECOND..20 * SECOND);
        self.clock.boot(BootTime::ZERO + up, wall);
        self.boots = self.boots.wrapping_add(1);
        if let Some(witness) = &self.witness {
            *witness.volume() = Volume::new(0);
        }
        self.noted();
    }

    fn freeze(&mut self, slot: usize, ms: i64) -> bool {
        let until = self.clock.boottime() + ms * MILLI;
        self.if_running(slot, |shard| shard.freeze(until))
    }
}

fn layout(snowflake: bool) -> Layout {
    if snowflake {
        Layout::SNOWFLAKE
    } else {
        Layout::SONYFLAKE
    }
}

fn settings(variant: u8, layout: Layout, (first, last): (u32, u32)) -> Settings {
    let millis = |ms| Duration::from_millis(ms);
    let (max_ahead, window, deadline) = match variant {
        1 => (Settings::MAX_AHEAD, millis(40), millis(20)),
        2 => (millis(2000), millis(500), millis(100)),
        LARGE => (millis(10_000), millis(2000), millis(500)),
        _ => (Settings::MAX_AHEAD, Settings::WINDOW, Settings::DEADLINE),
    };
    Settings {
        layout,
        machines: MachineRange::new(first, last).expect("a range of the plan"),
        max_ahead,
        window,
        deadline,
        continue_ahead: None,
    }
}
