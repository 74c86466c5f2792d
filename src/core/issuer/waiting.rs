//! Requests that wait: for their tick, for the bound to rise, for the generator to open.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::reserve::Delay;
use super::{Issued, Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::Reservation;
use crate::time::BootTime;

pub(super) const ONE: NonZeroU32 = NonZeroU32::MIN;
/// The most that a sleep lasts longer than it was asked to: the timer counts whole milliseconds.
pub(super) const TIMER_SLACK: Duration = Duration::from_millis(2);

impl<C: Clock> Issuer<C> {
    /// Issues an ID, sleeping until its tick begins, at most as long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub async fn issue(&self) -> Result<Issued, Refusal> {
        let begin = self.clock.boottime();
        let deadline = self.settings.deadline;
        let until = begin + deadline;
        let patience = deadline.saturating_sub(TIMER_SLACK).max(deadline / 2);
        let mut boot = begin;
        loop {
            let left = patience.saturating_sub(boot.since(begin));
            match self.reserve(boot, left, ONE) {
                Ok(reservation) => {
                    let end = self.await_tick(&reservation, boot, until).await?;
                    self.stats.issue_wait.record(end.since(begin));
                    self.stats.ids_issued.add(1);
                    return Ok(reservation.first());
                }
                Err(Delay::Refused(refusal)) => return Err(refusal),
                Err(Delay::Later(tick)) => return Err(self.saturated(boot, tick)),
                Err(Delay::Bound(bound)) => self.await_bound(bound, until.since(boot)).await?,
                Err(Delay::NotOpen) => self.await_opening(until.since(boot)).await?,
            }
            boot = self.clock.boottime();
        }
    }

    /// Sleeps until the reservation's tick has begun. If the clock is set back meanwhile the ID may
    /// have to be burnt: it must not leave before its tick, nor too far ahead of the wall clock.
    /// Returns when it had begun.
    pub(super) async fn await_tick(
        &self,
        reservation: &Reservation,
        mut boot: BootTime,
        until: BootTime,
    ) -> Result<BootTime, Refusal> {
        let tick = reservation.first_tick();
        loop {
            let now = self.timeline.wall_tick(boot);
            if self.too_far_ahead(tick, now) {
                return Err(self.clock_ahead(tick, now));
            }
            // Also when the wake-up came late: whoever asked has given up.
            if boot > until {
                return Err(self.saturated(boot, tick));
            }
            if tick <= self.timeline.begun(boot) {
                return Ok(boot);
            }
            sleep(self.timeline.until_begun(boot, tick)).await;
            boot = self.clock.boottime();
        }
    }

    /// Waits until the published bound is above `bound`.
    pub(super) async fn await_bound(&self, bound: u64, patience: Duration) -> Result<(), Refusal> {
        let risen = self.window.rise_above(bound, || self.want_window());
        timeout_at(Instant::now() + patience, risen)
            .await
            .map_err(|_| Refusal::WindowUsedUp {
                reason: self.status.mark_error().unwrap_or_else(|| self.slow_disk()),
            })
    }

    /// Waits until the generator is open. After a clean end that takes milliseconds, and requests that come
    /// meanwhile, as at a restart, are better served late than refused.
    ///
    /// # Errors
    /// The reason if there is one to be told at once, or if it takes longer than `patience`.
    pub(super) async fn await_opening(&self, patience: Duration) -> Result<(), Refusal> {
        let until = Instant::now() + patience;
        // Taken before the look, or a change between the two would be missed.
        let mut changes = self.changes();
        loop {
            if self.generator.tick().is_some() {
                return Ok(());
            }
            let refusal = self.status.phase().refusal();
            let passing = self.status.phase().is_passing();
            if !passing || timeout_at(until, changes.changed()).await.is_err() {
                return Err(refusal);
            }
        }
    }
}
