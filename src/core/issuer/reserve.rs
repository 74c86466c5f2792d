//! Taking IDs whose ticks, or whose bound, have yet to come.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::{Blocked, Reservation};
use crate::timestamp::{nanos, span};

/// Why nothing was reserved at once.
pub(super) enum Delay {
    Refused(Refusal),
    /// The generator is not open: not yet, or not any more.
    NotOpen,
    /// The next free ID is of this tick, which is too far off.
    Later(u64),
    /// The bound, which was this, has to rise first.
    Bound(u64),
}

impl<C: Clock> Issuer<C> {
    /// Takes up to `wanted` IDs out of the order, of ticks that begin within `patience`.
    pub(super) fn reserve(
        &self,
        boot: i64,
        patience: Duration,
        wanted: NonZeroU32,
    ) -> Result<Reservation, Delay> {
        let now = self.wall_tick(boot);
        let Some(next) = self.generator.tick() else {
            return Err(Delay::NotOpen);
        };
        self.keep_pace(boot, now);
        if self.too_far_ahead(next, now) {
            return Err(Delay::Refused(self.clock_ahead(next, now)));
        }
        let horizon = self
            .begun(boot + nanos(patience))
            .min(self.furthest_issue(now));
        let (reserved, bound) = self.source().reserve(now, wanted, horizon);
        if bound.saturating_sub(now.max(next)) < self.half_window {
            self.want_window();
        }
        match reserved {
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

    /// Keeps the pace at the generator's place. Ticks that nobody used while it was ahead of the wall clock
    /// are not made up for.
    fn keep_pace(&self, boot: i64, now: u64) {
        let used = self.generator.last_tick().filter(|used| *used > now);
        let latest = self.beginning(used.map_or(now, |used| used + 1));
        if self.pace.at(boot) > latest {
            self.pace.cap(boot, latest);
        }
        // Nor is the pace further behind the generator than reservations reach: a request that read the clock
        // before it was set back may have moved the generator beyond that.
        let reach = nanos(self.settings.deadline.max(self.bulk_ahead()));
        let behind = used.map(|used| self.beginning(used) - reach);
        let begun = self.wall(boot).max(self.pace.at(boot));
        if let Some(behind) = behind.filter(|behind| *behind > begun) {
            // This request may have been held up since it read the clock, while others went on.
            self.pace.raise(self.clock.boottime(), behind);
        }
    }

    /// Counts the ticks that the reservation opens before they have begun: it does so only where the tick
    /// before is used up.
    fn count_exhaustion(&self, reservation: &Reservation, now: u64) {
        let opened = reservation.first_tick() + u64::from(!reservation.opens_tick());
        let first = self.first.load(Ordering::Relaxed);
        let from = opened.max(now + 1);
        let from = from + u64::from(from == first);
        let count = (reservation.last_tick() + 1).saturating_sub(from);
        self.stats.sequence_exhausted.add(count);
    }

    /// Waits until the published bound is above `bound`.
    pub(super) async fn await_bound(&self, bound: u64, patience: Duration) -> Result<(), Refusal> {
        let risen = self.rise_above(bound, || self.want_window());
        timeout_at(Instant::now() + patience, risen)
            .await
            .map_err(|_| {
                let error = self.cold().mark_error.clone();
                Refusal::WindowUsedUp {
                    reason: error.unwrap_or_else(|| self.slow_disk()),
                }
            })
    }

    /// Waits until the published bound is above `bound`, for as long as that takes; calls `ask` each time
    /// that it is not.
    pub(super) async fn rise_above(&self, bound: u64, ask: impl Fn()) {
        loop {
            // Taken before the look, or a rise between the two would be missed.
            let raised = self.raised.notified();
            if self.bound.get() > bound {
                return;
            }
            ask();
            raised.await;
        }
    }

    /// Why the bound does not rise though nothing has failed.
    pub(super) fn slow_disk(&self) -> String {
        let flush = if self.at_disk.load(Ordering::Acquire) {
            format!(
                "flushing it has taken {} so far",
                span(self.keeper_absent())
            )
        } else {
            "it was not flushed in time".to_owned()
        };
        format!(
            "{flush}, and requests wait {} at most (http.deadline): look at the load of the state directory's disk, or raise state.window and http.deadline",
            span(self.settings.deadline)
        )
    }
}
