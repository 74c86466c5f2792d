//! Issuing IDs: the generator, the clock and the mark tied together.
//!
//! The path of a request is [`Issuer::try_issue_at`] with a reading of the boot clock: one atomic
//! step on one word, no lock and no disk. Whatever takes waiting or explaining is in
//! [`Issuer::issue_blocking`], which sleeps, and in `Issuer::issue`, which is awaited (feature `async`).
//! A [`Keeper`] on a thread of its own follows the start rules, then keeps the bound ahead of use; once it
//! runs, nothing else touches the state directory.
//!
//! Two kinds of tick are told apart throughout: the tick of the wall clock, and the last tick that
//! has *begun*, which is later while the generator is ahead of a clock that was set back.

mod author;
mod bulk;
mod busy;
mod event;
mod following;
mod health;
mod keeper;
mod published;
mod pulse;
mod refusal;
mod request;
mod reserve;
mod settings;
mod signal;
mod source;
mod stamps;
pub mod stats;
mod status;
#[cfg(feature = "async")]
mod tasks;
mod threads;
mod timeline;
mod window;

use std::time::Duration;

pub use bulk::Bulk;
pub use busy::Busy;
pub use event::Event;
use following::Following;
pub use health::Health;
pub use keeper::{Keeper, Next};
use pulse::Pulse;
pub use refusal::Refusal;
pub use settings::Settings;
use source::Source;
pub use stamps::StampRun;
use stamps::Stamps;
use stats::Stats;
use status::{Phase, Status};
use timeline::Timeline;
use window::Window;

use crate::clock::{Clock, SystemClock};
use crate::id::generator::Generator;
pub use crate::id::generator::Issued;
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::time::BootTime;

/// Who is told of events.
pub type Observer = Box<dyn Fn(&Event) + Send + Sync>;

/// An issuer on the machine's own clocks.
pub type SystemIssuer = Issuer<SystemClock>;

/// Issues the IDs of one shard. Each part's fields are private to its own file:
///
/// | part | what it knows | who changes it |
/// |---|---|---|
/// | generator | the last ID | requests; the keeper opens and closes it |
/// | stamps | the last UUIDv7 or ULID | requests; the keeper opens and closes them |
/// | timeline | which tick it is | looks at the clock, the keeper at the start, requests while ahead |
/// | following | which wall clock is believed | looks at the clock; the keeper while it starts |
/// | window | how far IDs may go | the keeper; requests ask for more |
/// | status | the phase, trouble with the mark | the keeper; whoever stops the shard |
/// | pulse | whether the keeper's loop still turns | the keeper; whoever stops the shard |
pub struct Issuer<C> {
    settings: Settings,
    /// M in ticks.
    max_ahead: u64,
    clock: C,
    generator: Generator,
    stamps: Stamps,
    timeline: Timeline,
    following: Following,
    window: Window,
    status: Status,
    pulse: Pulse,
    stats: Stats,
    observer: Observer,
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
        Self {
            settings,
            max_ahead: layout.ticks(settings.max_ahead),
            generator: Generator::new(layout, machines),
            stamps: Stamps::new(&layout, machines),
            timeline: Timeline::new(&layout),
            following: Following::nothing(),
            window: Window::nothing(layout.ticks(settings.window)),
            status: Status::starting(),
            pulse: Pulse::new(clock.boottime()),
            stats: Stats::default(),
            observer: Box::new(observer),
            clock,
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

    /// Issues an ID if that takes no waiting; `None` if it has to be waited for, as
    /// [`Issuer::issue_blocking`] does.
    #[must_use]
    #[expect(clippy::inline_always, reason = "as for Source::take")]
    #[inline(always)]
    pub fn try_issue(&self) -> Option<Issued> {
        self.try_issue_at(self.clock.boottime())
    }

    /// [`Issuer::try_issue`] with a reading of the boot clock that the caller has just taken. An old
    /// one does no harm: it is as if the ID had been taken then.
    #[must_use]
    #[expect(clippy::inline_always, reason = "as for Source::take")]
    #[inline(always)]
    pub fn try_issue_at(&self, boot: BootTime) -> Option<Issued> {
        let (id, left) = self.source().take(boot)?;
        if self.window.is_low(left) {
            self.want_window();
        }
        self.stats.ids_issued.add(1);
        Some(self.generator.issued(id))
    }

    #[inline]
    const fn source(&self) -> Source<'_> {
        Source {
            generator: &self.generator,
            bound: self.window.published(),
            timeline: &self.timeline,
        }
    }

    /// The tick of the next ID or stamp, whichever is later, unless time moves past it first; `None` while they
    /// are closed.
    fn next_tick(&self) -> Option<u64> {
        self.generator.tick().max(self.stamps.tick())
    }

    /// The tick of the last ID or stamp, or the one before the first; `None` while they are closed.
    fn last_tick(&self) -> Option<u64> {
        self.generator.last_tick().max(self.stamps.last_tick())
    }

    /// Asks the keeper for a higher bound; only the first of many requests wakes it.
    #[cold]
    fn want_window(&self) {
        if self.window.demand() {
            self.pulse.wake();
        }
    }

    /// The last tick that may be issued when the wall clock is at `now`.
    fn furthest_issue(&self, now: u64) -> u64 {
        let told = self.settings.continue_ahead.unwrap_or(0);
        now.saturating_add(self.max_ahead).max(told)
    }

    fn too_far_ahead(&self, tick: u64, now: u64) -> bool {
        tick > self.furthest_issue(now)
    }

    /// The length of that many ticks.
    fn span(&self, ticks: u64) -> Duration {
        // Ticks are of whole milliseconds; nanoseconds would end after 584 years.
        let tick = self.layout().tick_nanos() / 1_000_000;
        Duration::from_millis(ticks.saturating_mul(tick))
    }

    /// Tells `/health` that the process is about to end; IDs are issued until the keeper stops.
    pub fn drain(&self) {
        self.status.enter(Phase::Draining);
    }

    /// Whether the process can make progress, also while it rightly waits: the clock runs, the
    /// generator can be read, and the keeper goes round or is at the disk.
    #[must_use]
    pub fn alive(&self) -> bool {
        const OVERDUE: Duration = Duration::from_secs(30);
        let _ = self.generator.tick();
        self.pulse.is_in_step() || self.pulse.since_beat(self.clock.boottime()) < OVERDUE
    }

    /// Whether this run's generator was opened, so that it may have issued IDs.
    #[must_use]
    pub fn has_opened(&self) -> bool {
        self.window.first() != 0
    }

    /// Ends issuing: the keeper closes the generator and writes the exact mark.
    pub fn stop(&self) {
        self.pulse.stop();
    }

    /// Whether [`Issuer::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.pulse.is_stopping()
    }

    pub(crate) fn tell(&self, event: &Event) {
        (self.observer)(event);
    }
}

// These tests use the async requests.
#[cfg(all(test, feature = "async"))]
mod tests;
