//! Issuing IDs: the generator, the clock and the mark tied together.
//!
//! The path of a request is [`Issuer::try_issue`]: one reading of the boot clock, one
//! compare-and-swap, no lock and no disk. Whatever takes waiting or explaining is in
//! [`Issuer::issue`]. A [`Keeper`] on a thread of its own follows the start rules, then keeps the
//! bound ahead of use; it is the only one that touches the state directory.
//!
//! Two kinds of tick are told apart throughout: the tick of the wall clock, and the last tick that
//! has *begun*, which is later while the generator is ahead of a clock that was set back.

mod bulk;
mod event;
mod health;
mod keeper;
mod opening;
mod published;
mod refusal;
mod settings;
pub mod stats;
mod time;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

pub use bulk::Bulk;
pub use event::Event;
pub use health::Health;
pub use keeper::{ACCEPT_CLOCK, Keeper, Next, accepted_until};
use published::Published;
pub use refusal::Refusal;
pub use settings::Settings;
use stats::Stats;

use crate::clock::{Clock, Follower, Pace, Step, SystemClock, Verdict};
use crate::id::divisor::Divisor;
pub use crate::id::generator::Issued;
use crate::id::generator::{Blocked, Generator, Reservation};
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::mark::rules::Wait;

/// An issuer on the machine's own clocks.
pub type SystemIssuer = Issuer<SystemClock>;

const ONE: NonZeroU32 = NonZeroU32::MIN;
/// What a sleep may take longer than it was asked for: the timer counts whole milliseconds.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Where the shard is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Starting,
    LockHeld(String),
    Waiting(Wait),
    Unwritable(String),
    Serving,
    Draining,
}

/// What only the cold paths read and write.
#[derive(Debug)]
struct Cold {
    phase: Phase,
    follower: Option<Follower>,
    verdict: Verdict,
    accept_until: Option<i64>,
    mark_error: Option<String>,
}

/// Issues the IDs of one shard.
pub struct Issuer<C> {
    settings: Settings,
    max_ahead: u64,
    half_window: u64,
    tick_nanos: i64,
    by_tick: Divisor,
    epoch_nanos: i64,
    clock: C,
    generator: Generator,
    /// The published bound: no ID with a tick above it leaves the process.
    bound: Published,
    /// The first tick of this run.
    first: AtomicU64,
    /// Boot time plus this is the wall clock that is followed, in nanoseconds since the epoch.
    offset: AtomicI64,
    pace: Pace,
    stats: Stats,
    cold: Mutex<Cold>,
    /// Told when the bound has risen.
    raised: Notify,
    /// Told when the phase has changed.
    changed: watch::Sender<()>,
    keeper: OnceLock<Thread>,
    wanted: AtomicBool,
    stopping: AtomicBool,
    /// Boot time at which the keeper last began a round; `i64::MAX` while it is at the disk.
    keeper_seen: AtomicI64,
    observer: Box<dyn Fn(&Event) + Send + Sync>,
}

impl<C: Clock> Issuer<C> {
    /// An issuer that issues nothing until a [`Keeper`] has opened it. `observer` is told of
    /// events, from whatever thread they happen on.
    pub fn new(
        settings: Settings,
        clock: C,
        observer: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Self {
        let Settings {
            layout, machines, ..
        } = settings;
        let nanos = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            settings,
            max_ahead: layout.ticks(settings.max_ahead),
            half_window: layout.ticks(settings.window) / 2,
            tick_nanos: nanos(layout.tick_nanos()),
            by_tick: Divisor::new(layout.tick_nanos()),
            epoch_nanos: nanos(layout.epoch_ms().saturating_mul(1_000_000)),
            keeper_seen: AtomicI64::new(clock.boottime()),
            clock,
            generator: Generator::new(layout, machines),
            bound: Published::nothing(),
            first: AtomicU64::new(0),
            offset: AtomicI64::new(0),
            pace: Pace::idle(),
            stats: Stats::default(),
            cold: Mutex::new(Cold {
                phase: Phase::Starting,
                follower: None,
                verdict: Verdict::Followed,
                accept_until: None,
                mark_error: None,
            }),
            raised: Notify::new(),
            changed: watch::Sender::new(()),
            keeper: OnceLock::new(),
            wanted: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            observer: Box::new(observer),
        }
    }

    /// The layout of the IDs.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.settings.layout
    }

    /// The machine IDs of this shard.
    #[must_use]
    pub fn machines(&self) -> MachineRange {
        self.settings.machines
    }

    /// What has been counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Issues an ID if that takes no waiting; `None` if [`Issuer::issue`] has to be awaited.
    #[must_use]
    #[inline]
    pub fn try_issue(&self) -> Option<Issued> {
        self.try_issue_at(self.clock.boottime())
    }

    /// [`Issuer::try_issue`] with a reading of the boot clock that the caller has just taken. An old
    /// one does no harm: it is as if the ID had been taken then.
    #[must_use]
    #[inline]
    pub fn try_issue_at(&self, boot: i64) -> Option<Issued> {
        let now = self.wall_tick(boot);
        let bound = self.bound.get();
        // A tick of the wall clock or before it: it has begun, and nothing is ahead.
        let id = self.generator.take(now, bound.min(now))?;
        if bound - now < self.half_window {
            self.want_window();
        }
        self.stats.ids_issued.add(1);
        Some(self.generator.issued(id))
    }

    /// Issues an ID, sleeping until its tick begins, at most as long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub async fn issue(&self) -> Result<Issued, Refusal> {
        let begin = self.clock.boottime();
        let deadline = self.settings.deadline;
        let until = begin + nanos(deadline);
        let patience = deadline.saturating_sub(TIMER_SLACK).max(deadline / 2);
        let mut boot = begin;
        loop {
            let left = patience.saturating_sub(elapsed(begin, boot));
            match self.reserve(boot, left, ONE) {
                Ok(reservation) => {
                    let end = self.await_tick(&reservation, boot, until).await?;
                    self.stats.issue_wait.record(elapsed(begin, end));
                    self.stats.ids_issued.add(1);
                    return Ok(reservation.first());
                }
                Err(Delay::Refused(refusal)) => return Err(refusal),
                Err(Delay::Later(tick)) => return Err(self.saturated(boot, tick)),
                Err(Delay::Bound(bound)) => self.await_bound(bound, elapsed(boot, until)).await?,
                Err(Delay::NotOpen) => self.await_opening(elapsed(boot, until)).await?,
            }
            boot = self.clock.boottime();
        }
    }

    /// Takes up to `wanted` IDs out of the order, of ticks that begin within `patience`.
    fn reserve(
        &self,
        boot: i64,
        patience: Duration,
        wanted: NonZeroU32,
    ) -> Result<Reservation, Delay> {
        let now = self.wall_tick(boot);
        let Some(next) = self.generator.tick() else {
            return Err(Delay::NotOpen);
        };
        if next > now {
            // What was not used while ahead of the wall clock is not made up for.
            self.pace.cap(boot, self.beginning(next + 1));
        }
        if self.too_far_ahead(next, now) {
            return Err(Delay::Refused(self.clock_ahead(next, now)));
        }
        let bound = self.bound.get();
        if bound.saturating_sub(now.max(next)) < self.half_window {
            self.want_window();
        }
        let horizon = self
            .begun(boot + nanos(patience))
            .min(self.furthest_issue(now));
        match self.generator.reserve(now, wanted, bound.min(horizon)) {
            Ok(reservation) => {
                self.count_exhaustion(&reservation, now);
                Ok(reservation)
            }
            Err(Blocked::Above(tick)) if tick > bound => Err(Delay::Bound(bound)),
            Err(Blocked::Above(tick)) => Err(Delay::Later(tick)),
            Err(Blocked::TimeFieldOver) => Err(Delay::Refused(self.time_field_over())),
            Err(Blocked::Closed) => Err(Delay::NotOpen),
        }
    }

    /// The first ID of a tick that has not come yet is taken when the one before is used up.
    fn count_exhaustion(&self, reservation: &Reservation, now: u64) {
        let opened = reservation.first_tick() + u64::from(!reservation.opens_tick());
        let first = self.first.load(Ordering::Relaxed);
        let from = opened.max(now + 1);
        let from = from + u64::from(from == first);
        let count = (reservation.last_tick() + 1).saturating_sub(from);
        self.stats.sequence_exhausted.add(count);
    }

    /// Sleeps until the reservation's tick has begun. If the clock is set back meanwhile the ID may
    /// have to be burnt: it must not leave before its tick, nor too far ahead of the wall clock.
    /// Returns the boot time at which it had begun.
    async fn await_tick(
        &self,
        reservation: &Reservation,
        mut boot: i64,
        until: i64,
    ) -> Result<i64, Refusal> {
        let tick = reservation.first_tick();
        loop {
            let now = self.wall_tick(boot);
            if self.too_far_ahead(tick, now) {
                return Err(self.clock_ahead(tick, now));
            }
            // Also when the wake-up came late: whoever asked has given up.
            if boot > until {
                return Err(self.saturated(boot, tick));
            }
            if tick <= self.begun(boot) {
                return Ok(boot);
            }
            sleep(self.until_begun(boot, tick)).await;
            boot = self.clock.boottime();
        }
    }

    /// Waits until the published bound is above `bound`.
    async fn await_bound(&self, bound: u64, patience: Duration) -> Result<(), Refusal> {
        let until = Instant::now() + patience;
        loop {
            // Taken before the look, or a rise between the two would be missed.
            let raised = self.raised.notified();
            if self.bound.get() > bound {
                return Ok(());
            }
            self.want_window();
            if timeout_at(until, raised).await.is_err() {
                let error = self.cold().mark_error.clone();
                return Err(Refusal::WindowUsedUp {
                    reason: error.unwrap_or_else(|| {
                        "flushing the mark takes longer than the deadline: look at the disk's load, or raise state.window and http.deadline".to_owned()
                    }),
                });
            }
        }
    }

    fn clock_ahead(&self, tick: u64, now: u64) -> Refusal {
        Refusal::ClockAhead {
            ahead: self.span(tick.saturating_sub(now)),
            limit: self.settings.max_ahead,
            left: self.span(tick.saturating_sub(self.furthest_issue(now))),
        }
    }

    fn saturated(&self, boot: i64, tick: u64) -> Refusal {
        Refusal::Saturated {
            deadline: self.settings.deadline,
            left: self.until_begun(boot, tick),
        }
    }

    fn time_field_over(&self) -> Refusal {
        let layout = self.layout();
        let end = layout.unix_ms(layout.max_tick() + 1);
        Refusal::TimeFieldOver {
            end: crate::timestamp::rfc3339(i64::try_from(end).unwrap_or(i64::MAX)),
        }
    }

    /// Asks the keeper for a higher bound; only the first of many requests wakes it.
    #[cold]
    fn want_window(&self) {
        if !self.wanted.load(Ordering::Relaxed) && !self.wanted.swap(true, Ordering::AcqRel) {
            self.wake_keeper();
        }
    }

    fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.unpark();
        }
    }

    fn cold(&self) -> MutexGuard<'_, Cold> {
        // Nothing panics while it holds the lock, and every field is valid at any time.
        self.cold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal_of_phase(&self) -> Refusal {
        match &self.cold().phase {
            Phase::Starting => Refusal::Starting,
            Phase::LockHeld(holder) => Refusal::LockHeld {
                holder: holder.clone(),
            },
            Phase::Waiting(wait) => Refusal::Waiting(wait.clone()),
            Phase::Unwritable(error) => Refusal::Unwritable {
                error: error.clone(),
            },
            Phase::Serving | Phase::Draining => Refusal::Draining,
        }
    }

    /// Whether the process can make progress, also while it rightly waits: the clock runs, the
    /// generator can be read, and the keeper goes round or is at the disk.
    #[must_use]
    pub fn alive(&self) -> bool {
        const OVERDUE: Duration = Duration::from_secs(30);
        let _ = self.generator.tick();
        let seen = self.keeper_seen.load(Ordering::Acquire);
        self.clock.boottime().saturating_sub(seen) < nanos(OVERDUE)
    }

    /// Marked as changed whenever the phase of the shard has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells `/health` that the process is about to end; IDs are issued until the keeper stops.
    pub fn drain(&self) {
        self.set_phase(Phase::Draining);
    }

    /// Ends issuing: the keeper closes the generator and writes the exact mark.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake_keeper();
    }

    /// Looks at the wall clock and follows it, or not. To be called when it may have stepped.
    pub fn observe_clock(&self) {
        let mut cold = self.cold();
        let accept = cold.accept_until;
        let Some(follower) = cold.follower.as_mut() else {
            return;
        };
        let boot = self.clock.boottime();
        let (verdict, step) = follower.observe(boot, self.clock.offset(), accept);
        let offset = follower.offset();
        let known = std::mem::replace(&mut cold.verdict, verdict) != Verdict::Followed;
        if let Some(Step::Back(_)) = step {
            // Logical time stood here; it goes on from here, slower than real time.
            let stood = boot + self.offset.load(Ordering::Acquire);
            self.pace.raise(boot, stood);
        }
        self.offset
            .store(offset - self.epoch_nanos, Ordering::Release);
        drop(cold);
        if let Some(step) = step {
            match step {
                Step::Back(_) => self.stats.steps_back.add(1),
                // Counted when it was doubted.
                Step::Forward(_) if known => {}
                Step::Forward(_) | Step::Doubted(_) => self.stats.steps_forward.add(1),
            }
            self.tell(&Event::Clock(step));
            self.wake_keeper();
        }
    }

    fn set_phase(&self, phase: Phase) {
        let mut cold = self.cold();
        if cold.phase != Phase::Draining {
            cold.phase = phase;
        }
        drop(cold);
        self.changed.send_replace(());
    }

    fn tell(&self, event: &Event) {
        (self.observer)(event);
    }
}

/// Why nothing was reserved at once.
enum Delay {
    Refused(Refusal),
    /// The generator is not open: not yet, or not any more.
    NotOpen,
    /// The next free ID is of this tick, which is too far off.
    Later(u64),
    /// The bound, which was this, has to rise first.
    Bound(u64),
}

/// The time from one reading of the boot clock to a later one.
fn elapsed(from: i64, to: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
