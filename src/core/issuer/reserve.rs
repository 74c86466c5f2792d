//! Taking IDs whose ticks, or whose bound, have yet to come.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::{Blocked, Reservation};
use crate::time::BootTime;
use crate::timestamp::span;

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
        boot: BootTime,
        patience: Duration,
        wanted: NonZeroU32,
    ) -> Result<Reservation, Delay> {
        let now = self.timeline.wall_tick(boot);
        let Some(next) = self.generator.tick() else {
            return Err(Delay::NotOpen);
        };
        self.keep_pace(boot, now);
        if self.too_far_ahead(next, now) {
            return Err(Delay::Refused(self.clock_ahead(next, now)));
        }
        let horizon = self
            .timeline
            .begun(boot + patience)
            .min(self.furthest_issue(now));
        let (reserved, bound) = self.source().reserve(now, wanted, horizon);
        if self.window.is_low(bound.saturating_sub(now.max(next))) {
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

    /// Keeps the pace at the place of IDs and stamps. Ticks that nobody used while it was ahead of the wall clock
    /// are not made up for.
    pub(super) fn keep_pace(&self, boot: BootTime, now: u64) {
        let used = self.last_tick().filter(|used| *used > now);
        self.timeline.cap(boot, used.map_or(now, |used| used + 1));
        // Nor is the pace further behind that place than reservations reach: a request that read the clock
        // before it was set back may have moved it beyond that.
        let reach = self.settings.deadline.max(self.bulk_ahead());
        if let Some(behind) = used.and_then(|used| self.timeline.behind(boot, used, reach)) {
            // This request may have been held up since it read the clock, while others went on.
            self.timeline.raise(self.clock.boottime(), behind);
        }
    }

    /// Counts the ticks that the reservation opens before they have begun: it does so only where the tick
    /// before is used up.
    fn count_exhaustion(&self, reservation: &Reservation, now: u64) {
        let opened = reservation.first_tick() + u64::from(!reservation.opens_tick());
        let first = self.window.first();
        let from = opened.max(now + 1);
        let from = from + u64::from(from == first);
        let count = (reservation.last_tick() + 1).saturating_sub(from);
        self.stats.sequence_exhausted.add(count);
    }

    /// Why the bound does not rise though nothing has failed.
    pub(super) fn slow_disk(&self) -> String {
        let flush = if self.pulse.is_in_step() {
            let taken = self.pulse.since_beat(self.clock.boottime());
            format!("flushing the mark has taken {} so far", span(taken))
        } else {
            "the mark was not flushed in time".to_owned()
        };
        format!(
            "{flush}, and requests wait {} at most (http.deadline): look at the load of the state directory's disk, or raise state.window and http.deadline",
            span(self.settings.deadline)
        )
    }
}
