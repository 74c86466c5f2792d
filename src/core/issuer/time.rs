//! The wall clock that is followed, and the pace while ahead of it: their ticks and times.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Event, Issuer};
use crate::clock::{Assurance, Clock, Step, Verdict};

impl<C: Clock> Issuer<C> {
    /// The tick of the wall clock that is followed.
    #[inline]
    pub(super) fn wall_tick(&self, boot: i64) -> u64 {
        self.tick(self.wall(boot))
    }

    /// The wall clock that is followed, in nanoseconds since the epoch.
    #[inline]
    pub(super) fn wall(&self, boot: i64) -> i64 {
        self.source().wall(boot)
    }

    /// The tick at `logical` nanoseconds since the epoch; the first one before it.
    #[inline]
    pub(super) fn tick(&self, logical: i64) -> u64 {
        self.source().tick(logical)
    }

    /// The beginning of `tick` in nanoseconds since the epoch.
    pub(super) fn beginning(&self, tick: u64) -> i64 {
        i64::try_from(tick)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.tick_nanos)
    }

    /// The last tick that has begun: of the wall clock, or of the pace while ahead of it.
    pub(super) fn begun(&self, boot: i64) -> u64 {
        self.wall_tick(boot).max(self.tick(self.pace.at(boot)))
    }

    /// How long it takes from `boot` until `tick` has begun.
    pub(super) fn until_begun(&self, boot: i64, tick: u64) -> Duration {
        let beginning = self.beginning(tick);
        let by_wall = beginning.saturating_sub(self.offset.load(Ordering::Acquire));
        let at = by_wall.min(self.pace.reaches(beginning));
        Duration::from_nanos(u64::try_from(at.saturating_sub(boot)).unwrap_or(0))
    }

    /// The last tick that may be issued when the wall clock is at `now`.
    pub(super) fn furthest_issue(&self, now: u64) -> u64 {
        let told = self.settings.continue_ahead.unwrap_or(0);
        now.saturating_add(self.max_ahead).max(told)
    }

    pub(super) fn too_far_ahead(&self, tick: u64, now: u64) -> bool {
        tick > self.furthest_issue(now)
    }

    pub(super) fn span(&self, ticks: u64) -> Duration {
        // Ticks are of whole milliseconds; nanoseconds would end after 584 years.
        Duration::from_millis(ticks.saturating_mul(self.tick_nanos.unsigned_abs() / 1_000_000))
    }

    /// The generator's place in nanoseconds since 1970, if it is too far ahead of the wall clock to go on.
    /// `None` while it goes on: it takes IDs of ticks to come, and a clock that were let up to these each
    /// time would run away with it.
    fn halted_at(&self, boot: i64) -> Option<i64> {
        let next = self.generator.tick()?;
        self.too_far_ahead(next, self.wall_tick(boot))
            .then(|| self.beginning(next).saturating_add(self.epoch_nanos))
    }

    /// Looks at the wall clock and follows it, or not. To be called when it may have stepped.
    pub fn observe_clock(&self) {
        let mut cold = self.cold();
        // A word that is not read anew may have been taken back.
        let assurance = Assurance {
            accept_until: cold.accept_until.take(),
            synchronised: self.clock.synchronised() == Some(true),
        };
        let Some(follower) = cold.follower.as_mut() else {
            return;
        };
        let boot = self.clock.boottime();
        let observed = self.clock.offset();
        let caught = self
            .halted_at(boot)
            .and_then(|used| follower.catch_up(boot, observed, used));
        let (verdict, step) = match caught {
            Some(_) => (Verdict::Followed, caught),
            None => follower.observe(boot, observed, assurance),
        };
        let offset = follower.offset();
        let known = std::mem::replace(&mut cold.verdict, verdict) != Verdict::Followed;
        if let Some(Step::Back(_)) = step {
            // Logical time stood here at most; it goes on from where the generator is, slower than
            // real time.
            let stood = self.wall(boot);
            if let Some(used) = self.generator.last_tick() {
                self.pace.raise(boot, stood.min(self.beginning(used + 1)));
            }
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
}
