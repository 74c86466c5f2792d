//! Issuing IDs: the generator, the clock and the mark tied together.
//!
//! The path of a request is [`Issuer::try_issue_at`] with a reading of the boot clock: one atomic
//! step on one word, no lock and no disk. Whatever takes waiting or explaining is in
//! [`Issuer::issue`]. A [`Keeper`] on a thread of its own follows the start rules, then keeps the
//! bound ahead of use; it is the only one that touches the state directory.
//!
//! Two kinds of tick are told apart throughout: the tick of the wall clock, and the last tick that
//! has *begun*, which is later while the generator is ahead of a clock that was set back.

mod author;
mod bulk;
mod event;
mod health;
mod keeper;
mod phase;
mod published;
mod refusal;
mod reserve;
mod settings;
mod source;
pub mod stats;
mod time;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

pub use bulk::Bulk;
pub use event::Event;
pub use health::Health;
pub use keeper::{Keeper, Next};
use phase::Phase;
use published::Published;
pub use refusal::Refusal;
use reserve::Delay;
pub use settings::Settings;
use source::Source;
use stats::Stats;

use crate::clock::{Clock, Follower, Pace, SystemClock, Verdict};
use crate::id::divisor::Divisor;
pub use crate::id::generator::Issued;
use crate::id::generator::{Generator, Reservation};
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::timestamp::nanos;

/// An issuer on the machine's own clocks.
pub type SystemIssuer = Issuer<SystemClock>;

const ONE: NonZeroU32 = NonZeroU32::MIN;
/// The most that a sleep lasts longer than it was asked to: the timer counts whole milliseconds.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// The state of the cold paths, behind a lock that a request for one ID at once does not take.
#[derive(Debug)]
struct Cold {
    phase: Phase,
    follower: Option<Follower>,
    verdict: Verdict,
    /// The moment up to which an operator takes the clock for right, in nanoseconds since 1970: read anew
    /// for each look at the clock.
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
    /// Boot time at which the keeper last went to the disk, or came back.
    keeper_seen: AtomicI64,
    /// Whether the keeper is at the disk.
    at_disk: AtomicBool,
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
            at_disk: AtomicBool::new(false),
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

    /// The longest that a request waits for its turn.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// The issuer's counters.
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
        let (id, left) = self.source().take(boot)?;
        if left < self.half_window {
            self.want_window();
        }
        self.stats.ids_issued.add(1);
        Some(self.generator.issued(id))
    }

    #[inline]
    fn source(&self) -> Source<'_> {
        Source {
            generator: &self.generator,
            bound: &self.bound,
            offset: &self.offset,
            by_tick: self.by_tick,
        }
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

    /// Whether the process can make progress, also while it rightly waits: the clock runs, the
    /// generator can be read, and the keeper goes round or is at the disk.
    #[must_use]
    pub fn alive(&self) -> bool {
        const OVERDUE: Duration = Duration::from_secs(30);
        let _ = self.generator.tick();
        self.at_disk.load(Ordering::Acquire) || self.keeper_absent() < OVERDUE
    }

    /// How long ago the keeper went to the disk or came back.
    fn keeper_absent(&self) -> Duration {
        elapsed(
            self.keeper_seen.load(Ordering::Acquire),
            self.clock.boottime(),
        )
    }

    /// Whether this run's generator was opened, so that it may have issued IDs.
    #[must_use]
    pub fn has_opened(&self) -> bool {
        self.first.load(Ordering::Relaxed) != 0
    }

    /// Ends issuing: the keeper closes the generator and writes the exact mark.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake_keeper();
    }

    /// Whether [`Issuer::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn tell(&self, event: &Event) {
        (self.observer)(event);
    }
}

/// The time from one reading of the boot clock to a later one.
fn elapsed(from: i64, to: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
