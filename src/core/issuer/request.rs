//! A request for an ID that cannot be had at once, as a state machine: it says what to wait for, and a
//! thread or a task waits.

use std::num::NonZeroU32;
use std::time::Duration;

use super::reserve::Delay;
use super::{Issued, Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::Reservation;
use crate::time::BootTime;

pub(super) const ONE: NonZeroU32 = NonZeroU32::MIN;
/// The most that a sleep lasts longer than it was asked to: timers may count whole milliseconds.
pub(super) const TIMER_SLACK: Duration = Duration::from_millis(2);

/// A request for one ID under way.
#[derive(Debug)]
pub(super) struct Request {
    begin: BootTime,
    /// The moment up to which it is answered.
    until: BootTime,
    /// Its ID, of a tick that has yet to begin.
    taken: Option<Reservation>,
}

/// The outcome of a look at what a request waits for.
#[derive(Debug)]
pub(super) enum Turn<T> {
    Over(T),
    /// It has to be looked at again after that.
    Wait(Wait),
}

/// Something to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Time.
    Sleep(Duration),
    /// The bound has to rise above this, within that time.
    Bound(u64, Duration),
    /// The generator has to open within that time.
    Opening(Duration),
}

impl Request {
    /// A request that comes at `begin`.
    pub(super) fn new<C: Clock>(issuer: &Issuer<C>, begin: BootTime) -> Self {
        Self {
            begin,
            until: begin + issuer.settings.deadline,
            taken: None,
        }
    }

    /// Checks, at `boot`, whether the ID is ready.
    ///
    /// # Errors
    /// [`Refusal`] says why there will be none.
    pub(super) fn turn<C: Clock>(
        &mut self,
        issuer: &Issuer<C>,
        boot: BootTime,
    ) -> Result<Turn<Issued>, Refusal> {
        let reservation = match self.taken.take() {
            Some(reservation) => reservation,
            None => match issuer.reserve(boot, self.patience(issuer, boot), ONE) {
                Ok(reservation) => reservation,
                Err(delay) => return Ok(Turn::Wait(self.wait(issuer, boot, delay)?)),
            },
        };
        let tick = reservation.first_tick();
        let left = issuer.until_leave(tick, boot)?;
        // Also when the wake-up came late: whoever asked has given up.
        if boot > self.until {
            return Err(issuer.saturated(boot, tick));
        }
        if let Some(left) = left {
            self.taken = Some(reservation);
            return Ok(Turn::Wait(Wait::Sleep(left)));
        }
        issuer.stats.issue_wait.record(boot.since(self.begin));
        issuer.stats.ids_issued.add(1);
        Ok(Turn::Over(reservation.first()))
    }

    /// How far off a tick may be: it has to begin before the deadline, whatever the timer adds.
    fn patience<C: Clock>(&self, issuer: &Issuer<C>, boot: BootTime) -> Duration {
        let deadline = issuer.settings.deadline;
        let patience = deadline.saturating_sub(TIMER_SLACK).max(deadline / 2);
        patience.saturating_sub(boot.since(self.begin))
    }

    fn wait<C: Clock>(
        &self,
        issuer: &Issuer<C>,
        boot: BootTime,
        delay: Delay,
    ) -> Result<Wait, Refusal> {
        let left = self.until.since(boot);
        match delay {
            Delay::Refused(refusal) => Err(refusal),
            Delay::Later(tick) => Err(issuer.saturated(boot, tick)),
            Delay::Bound(bound) => Ok(Wait::Bound(bound, left)),
            Delay::NotOpen => Ok(Wait::Opening(left)),
        }
    }
}

impl<C: Clock> Issuer<C> {
    /// How long it takes from `boot` until an ID of `tick` may leave; `None` if it may at once. If the clock
    /// was set back since the ID was taken it may have to be burnt: it must not leave before its tick, nor
    /// too far ahead of the wall clock.
    pub(super) fn until_leave(
        &self,
        tick: u64,
        boot: BootTime,
    ) -> Result<Option<Duration>, Refusal> {
        let now = self.timeline.wall_tick(boot);
        if self.too_far_ahead(tick, now) {
            return Err(self.clock_ahead(tick, now));
        }
        let has_begun = tick <= self.timeline.begun(boot);
        Ok((!has_begun).then(|| self.timeline.until_begun(boot, tick)))
    }

    /// `Ok` once the generator is open, the reason if it will not be for now; `None` while it is about to be.
    /// After a clean end that takes milliseconds, and requests that come meanwhile, as at a restart, are
    /// better served late than refused.
    pub(super) fn settled(&self) -> Option<Result<(), Refusal>> {
        if self.generator.tick().is_some() {
            return Some(Ok(()));
        }
        let phase = self.status.phase();
        (!phase.is_passing()).then(|| Err(phase.refusal()))
    }

    /// The end of a wait for the generator to open.
    pub(super) fn opened(&self) -> Result<(), Refusal> {
        let late = || Err(self.status.phase().refusal());
        self.settled().unwrap_or_else(late)
    }

    /// Whether the bound is above `bound`; asks the keeper for a higher one if not.
    pub(super) fn risen_or_ask(&self, bound: u64) -> bool {
        let risen = self.window.bound() > bound;
        if !risen {
            self.want_window();
        }
        risen
    }

    /// The end of a wait for the bound, by whether that has risen in time.
    pub(super) fn risen(&self, in_time: bool) -> Result<(), Refusal> {
        if in_time {
            return Ok(());
        }
        let error = self.status.mark_error();
        Err(Refusal::WindowUsedUp {
            reason: error.unwrap_or_else(|| self.slow_disk()),
        })
    }
}
