//! One simulated process: an issuer, its keeper, and requests under way.

use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use shardflake::clock::Clock;
use shardflake::id::MachineRange;
use shardflake::issuer::{Bulk, Issued, Issuer, Keeper, Next, Settings};
use shardflake::mark::rules::Now;
use shardflake::mark::slot::BootId;
use shardflake::mark::{Claim, MarkError, Operator, Witness, accepted_until};
use shardflake::shard::Opening;
use shardflake::time::{BootTime, TimeDelta, WallTime};
use shardflake::wide::Stamp;
use tokio::task::JoinSet;

use crate::checker::{Checker, Limits};
use crate::clock::SimClock;
use crate::disk::{Call, Disk, Process};
use crate::trust::{Known, Trust};

/// When the program was built: long before any history.
const BUILT: WallTime = WallTime::from_nanos(1_700_000_000_000_000_000);
/// What two readings of the clocks may differ by without being a step, in nanoseconds.
const NOISE: TimeDelta = TimeDelta::from_nanos(1_000_000);

/// A running process.
pub(crate) struct Shard {
    pub(crate) common: Arc<Common>,
    keeper: Keeper<Disk, SimClock>,
    pub(crate) process: Arc<Process>,
    tasks: JoinSet<()>,
    /// When the keeper's thread goes on, by the machine's boot clock.
    pub(crate) due: BootTime,
    /// When the stopped process goes on, by the machine's boot clock.
    pub(crate) thaw: Option<BootTime>,
}

/// What the threads of a process share.
pub(crate) struct Common {
    pub(crate) issuer: Arc<Issuer<SimClock>>,
    pub(crate) range: MachineRange,
    settings: Settings,
    clock: SimClock,
    disk: Disk,
    checker: Arc<Mutex<Checker>>,
    boot_id: BootId,
    /// The furthest offset to the boot clock that the issuer may follow.
    trust: Mutex<Trust>,
    kinds: Kinds,
    /// IDs that requests were answered with.
    received: AtomicU64,
    /// Stamps of UUIDs and ULIDs that they were.
    stamped: AtomicU64,
    durable: Mutex<(u64, Option<u64>)>,
    stopped: Stopped,
}

/// Whether a process is stopped, as by SIGSTOP.
#[derive(Default)]
struct Stopped {
    now: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

/// The kinds of identifier that a process is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Ids,
    /// UUIDs and ULIDs.
    Stamps,
    Both,
}

/// Where and how a process is started.
pub(crate) struct Start<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) witness: Option<&'a Disk>,
    pub(crate) clock: SimClock,
    pub(crate) boot_id: BootId,
    pub(crate) settings: Settings,
    pub(crate) kinds: Kinds,
    pub(crate) checker: &'a Arc<Mutex<Checker>>,
    /// What may happen between its calls on the disk.
    pub(crate) beside: Option<Box<dyn Fn() + Send + Sync>>,
}

/// What a process is started with over `disk`, or an operator works with.
fn opening(
    disk: Disk,
    settings: &Settings,
    clock: &SimClock,
    boot_id: BootId,
) -> Opening<Disk, SimClock> {
    let mut opening = Opening::new(*settings, disk, "/state".into(), clock.clone(), boot_id);
    opening.policy.build_date = BUILT;
    opening
}

fn witness_in(disk: Disk) -> Witness<Disk> {
    Witness::new(disk, Path::new("/state"))
}

/// An operator at the marks of the machine IDs of `settings`.
pub(crate) fn operator(
    disk: Disk,
    witness: Option<Disk>,
    settings: &Settings,
    clock: &SimClock,
    boot_id: BootId,
) -> Result<Operator<Disk>, MarkError> {
    let now = Now {
        wall: clock.realtime(),
        doubted: None,
        synchronised: clock.synchronised(),
        accept_until: accepted_until(&disk).unwrap_or_default(),
    };
    let Opening {
        policy,
        author,
        storage,
        ..
    } = opening(disk, settings, clock, boot_id);
    let claim = Claim::take(storage, policy.directory.clone(), policy.range)?;
    Ok(Operator {
        claim: claim.witnessed(witness.map(witness_in).as_ref())?,
        policy,
        author,
        now,
    })
}

impl Shard {
    pub(crate) fn start(start: Start<'_>, now: BootTime) -> Self {
        let Start {
            disk,
            witness,
            clock,
            boot_id,
            settings,
            kinds,
            checker,
            beside,
        } = start;
        let process = Process::new();
        let disk = disk.mount(&process);
        let mut opening = opening(disk.clone(), &settings, &clock, boot_id);
        opening.witness = witness.map(|disk| witness_in(disk.mount(&process)));
        let (issuer, keeper) = opening.parts(|_| {});
        let common = Arc::new(Common {
            issuer,
            range: settings.machines,
            settings,
            boot_id,
            trust: Mutex::new(Trust::new()),
            kinds,
            received: AtomicU64::new(0),
            stamped: AtomicU64::new(0),
            clock,
            disk,
            checker: Arc::clone(checker),
            durable: Mutex::new((u64::MAX, None)),
            stopped: Stopped::default(),
        });
        let threads = Arc::clone(&common);
        // While the keeper is at the disk, requests go on, and other processes.
        process.beside(Some(Arc::new(move |call| {
            threads.beside(call);
            if let Some(beside) = &beside {
                beside();
            }
        })));
        Self {
            common,
            keeper,
            process,
            tasks: JoinSet::new(),
            due: now,
            thaw: None,
        }
    }

    /// One step of the keeper; how long it sleeps then, or how it ended.
    pub(crate) fn step(&mut self) -> Result<Duration, Result<(), MarkError>> {
        self.common.looked();
        let next = self.keeper.step();
        self.common.looked();
        match next {
            Next::Park(duration) => Ok(duration),
            Next::End(result) => Err(result),
        }
    }

    /// Whether the keeper's thread has something to do.
    pub(crate) fn is_due(&self, now: BootTime) -> bool {
        self.thaw.is_none() && self.due <= now && !self.process.ended()
    }

    /// Sends `count` requests that may wait.
    pub(crate) fn ask(&mut self, count: u32) {
        for _ in 0..count {
            let common = Arc::clone(&self.common);
            self.tasks.spawn(async move { common.ask().await });
        }
    }

    /// Sends one request for `count` IDs.
    pub(crate) fn ask_many(&mut self, count: NonZeroU32) {
        let common = Arc::clone(&self.common);
        self.tasks
            .spawn(async move { common.ask_many(count).await });
    }

    /// Looks whether a request that has ended panicked, and whether what was issued has arrived.
    pub(crate) fn see_to_requests(&mut self) {
        while let Some(result) = self.tasks.try_join_next() {
            if let Err(error) = result {
                resume_unwind(error.into_panic());
            }
        }
        if let Some(difference) = self.common.miscounted() {
            self.common.checker.lock().unwrap().fail(difference);
        }
    }

    /// Stops the process as SIGSTOP does.
    pub(crate) fn freeze(&mut self, until: BootTime) {
        self.common.stopped.now.store(true, Ordering::Relaxed);
        self.thaw = Some(until);
    }

    pub(crate) fn go_on(&mut self) {
        self.thaw = None;
        let stopped = &self.common.stopped;
        stopped.now.store(false, Ordering::Relaxed);
        for waker in stopped.wakers.lock().unwrap().drain(..) {
            waker.wake();
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // What goes on beside refers to the process, which refers to it.
        self.process.beside(None);
    }
}

impl Common {
    /// Issues what needs no waiting, up to `count` of each kind; how many there were of that which ran out first.
    pub(crate) fn issue(&self, count: u32) -> u32 {
        let limits = self.limits();
        let mut checker = self.checker.lock().unwrap();
        for done in 0..count {
            if self.kinds != Kinds::Stamps {
                let floor = checker.floor(self.range);
                let Some(issued) = self.issuer.try_issue() else {
                    return done;
                };
                self.check(&mut checker, issued, floor, &limits);
            }
            if self.kinds != Kinds::Ids {
                let floor = checker.stamp_floor(self.range);
                let Some(stamp) = self.issuer.try_stamp() else {
                    return done;
                };
                self.check_stamp(&mut checker, stamp, floor, &limits);
            }
        }
        count
    }

    fn check_stamp(
        &self,
        checker: &mut Checker,
        stamp: Stamp,
        floor: Option<Stamp>,
        limits: &Limits,
    ) {
        self.stamped.fetch_add(1, Ordering::Relaxed);
        checker.stamp(stamp, floor, limits);
    }

    fn check(&self, checker: &mut Checker, issued: Issued, floor: u64, limits: &Limits) {
        self.received.fetch_add(1, Ordering::Relaxed);
        checker.issue(issued, floor, limits);
    }

    /// One request that waits for its tick, or for its millisecond; nothing of it happens while the process is
    /// stopped.
    pub(crate) async fn ask(&self) {
        if self.kinds != Kinds::Ids {
            self.ask_stamps().await;
        }
        if self.kinds != Kinds::Stamps {
            self.ask_id().await;
        }
    }

    async fn ask_stamps(&self) {
        const SOME: NonZeroU32 = NonZeroU32::new(3).unwrap();
        let mut floor = self.checker.lock().unwrap().stamp_floor(self.range);
        if let Ok(stamps) = self.unless_stopped(self.issuer.stamps(SOME)).await {
            let limits = self.limits();
            let mut checker = self.checker.lock().unwrap();
            for stamp in stamps {
                self.check_stamp(&mut checker, stamp, floor, &limits);
                floor = Some(stamp);
            }
        }
    }

    async fn ask_id(&self) {
        let floor = self.checker.lock().unwrap().floor(self.range);
        if let Ok(issued) = self.unless_stopped(self.issuer.issue()).await {
            let limits = self.limits();
            let mut checker = self.checker.lock().unwrap();
            self.check(&mut checker, issued, floor, &limits);
        }
    }

    /// One request for many IDs, in the same way. It ends early where a clock or a disk ends it.
    async fn ask_many(&self, count: NonZeroU32) {
        let floor = self.checker.lock().unwrap().floor(self.range);
        let mut bulk = Bulk::new(count);
        let mut last = floor;
        while let Ok(Some(run)) = self.unless_stopped(bulk.next(&self.issuer)).await {
            let limits = self.limits();
            let mut checker = self.checker.lock().unwrap();
            for id in run.ids() {
                let fields = self.settings.layout.decompose(id);
                let machine = fields.map_or(u64::MAX, |fields| fields.machine_id);
                let issued = Issued {
                    id,
                    tick: run.tick(),
                    machine: machine.try_into().unwrap_or(u32::MAX),
                };
                self.check(&mut checker, issued, last, &limits);
                last = id;
            }
        }
    }

    /// The outcome of `request`, of which nothing happens while the process is stopped.
    async fn unless_stopped<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        poll_fn(|context| {
            if self.stopped.now.load(Ordering::Relaxed) {
                let waker = context.waker().clone();
                self.stopped.wakers.lock().unwrap().push(waker);
                return Poll::Pending;
            }
            request.as_mut().poll(context)
        })
        .await
    }

    fn beside(&self, call: Call) {
        if matches!(call, Call::Write | Call::Flush) {
            self.issue(2);
        }
    }

    /// The issuer counts an ID as issued if and only if somebody has it.
    pub(crate) fn miscounted(&self) -> Option<String> {
        let counted = self.issuer.stats().ids_issued.total();
        let received = self.received.load(Ordering::Relaxed);
        (counted != received).then(|| format!("{counted} IDs were issued, {received} received"))
    }

    /// The issuer has looked at the clock: it follows no later one than this.
    pub(crate) fn looked(&self) {
        let (boot, offset) = (self.clock.boottime(), self.clock.offset());
        let layout = &self.settings.layout;
        // The tick after, at its end. Of a mark that has rotted nothing is sure.
        let end = |bound: u64| {
            let after = (bound < layout.max_tick() - 2).then(|| bound + 2)?;
            Some(WallTime::ZERO + Duration::from_millis(layout.unix_ms(after)))
        };
        let known = Known {
            accepted: accepted_until(&self.disk).unwrap_or_default(),
            synchronised: self.clock.synchronised() == Some(true),
            gone: self.durable().and_then(end),
            max_ahead: self.settings.max_ahead,
        };
        let mut trust = self.trust.lock().unwrap();
        let served = [&self.received, &self.stamped];
        if served.map(|count| count.load(Ordering::Relaxed)) == [0, 0] {
            let marked = self.disk.volume().offset_in(self.boot_id, boot, self.range);
            trust.start(boot, offset, marked, &known);
        }
        trust.see(boot, offset, &known);
    }

    /// Tells the process that the wall clock was set.
    pub(crate) fn observe(&self) {
        self.issuer.observe_clock();
        self.looked();
    }

    fn limits(&self) -> Limits {
        let Settings {
            layout,
            max_ahead,
            continue_ahead,
            ..
        } = self.settings;
        let wall = self.clock.boottime() + self.trust.lock().unwrap().offset() + NOISE;
        let furthest = layout.tick_at(wall).unwrap_or(0) + layout.ticks(max_ahead);
        Limits {
            range: self.range,
            durable: self.durable(),
            furthest: furthest.max(continue_ahead.unwrap_or(0)),
            lied: self.disk.volume().effects.lies > 0,
        }
    }

    fn durable(&self) -> Option<u64> {
        let volume = self.disk.volume();
        let mut known = self.durable.lock().unwrap();
        if known.0 != volume.version() {
            let machines = self.range.first()..=self.range.last();
            *known = (volume.version(), volume.certain(machines));
        }
        known.1
    }
}
