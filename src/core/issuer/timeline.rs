//! The time that ticks follow: the wall clock that is believed, and the pace while IDs are ahead of it.
//!
//! Apart from the issuer, so that `tests/loom` can compile it with a model checker's atomics.

use std::time::Duration;

use crate::atomic::{AtomicI64, Ordering};
use crate::clock::Pace;
use crate::id::divisor::Divisor;
use crate::id::layout::Layout;
use crate::time::{BootTime, EpochTime, Offset, TimeDelta, WallTime};

/// Which tick it is, by the boot clock and what is known of the wall clock.
#[derive(Debug)]
pub(super) struct Timeline {
    by_tick: Divisor,
    /// The length of a tick.
    tick: TimeDelta,
    epoch: WallTime,
    /// The wall clock that is followed, in nanoseconds since the epoch, minus the boot clock.
    offset: AtomicI64,
    pace: Pace,
}

impl Timeline {
    /// Ticks as `layout` counts them, by a wall clock that begins at the epoch with the boot.
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            by_tick: Divisor::new(layout.tick_nanos()),
            tick: layout.tick().into(),
            epoch: layout.epoch(),
            offset: AtomicI64::new(0),
            pace: Pace::idle(),
        }
    }

    /// The wall clock that is followed.
    #[inline]
    pub(super) fn wall(&self, boot: BootTime) -> EpochTime {
        EpochTime::from_nanos(boot.as_nanos() + self.offset.load(Ordering::Acquire))
    }

    /// The tick at `time`; 0 for a time before the epoch.
    #[inline]
    pub(super) fn tick(&self, time: EpochTime) -> u64 {
        self.by_tick
            .quotient(u64::try_from(time.as_nanos()).unwrap_or(0))
    }

    /// The tick of the wall clock that is followed.
    #[inline]
    pub(super) fn wall_tick(&self, boot: BootTime) -> u64 {
        self.tick(self.wall(boot))
    }

    /// When `tick` begins by the wall clock.
    pub(super) fn beginning(&self, tick: u64) -> EpochTime {
        let tick = self.tick * i64::try_from(tick).unwrap_or(i64::MAX);
        EpochTime::ZERO + tick
    }

    /// [`Timeline::beginning`], since 1970.
    pub(super) fn moment_of(&self, tick: u64) -> WallTime {
        self.beginning(tick).since_1970(self.epoch)
    }

    /// The last tick that has begun: of the wall clock, or of the pace while ahead of it.
    pub(super) fn begun(&self, boot: BootTime) -> u64 {
        self.tick(self.wall(boot).max(self.pace.at(boot)))
    }

    /// How long it takes from `boot` until `tick` has begun.
    pub(super) fn until_begun(&self, boot: BootTime, tick: u64) -> Duration {
        self.until(boot, self.beginning(tick))
    }

    /// How long it takes from `boot` until `time` has come, by the wall clock or by the pace.
    fn until(&self, boot: BootTime, time: EpochTime) -> Duration {
        let offset = self.offset.load(Ordering::Acquire);
        let by_wall = BootTime::from_nanos(time.as_nanos().saturating_sub(offset));
        by_wall.min(self.pace.reaches(time)).since(boot)
    }

    /// The millisecond since 1970 of the wall clock that is followed.
    #[inline]
    pub(super) fn wall_ms(&self, boot: BootTime) -> u64 {
        self.wall(boot).since_1970(self.epoch).as_millis()
    }

    /// The last millisecond since 1970 that has begun: of the wall clock, or of the pace while ahead of it.
    pub(super) fn begun_ms(&self, boot: BootTime) -> u64 {
        let begun = self.wall(boot).max(self.pace.at(boot));
        begun.since_1970(self.epoch).as_millis()
    }

    /// How long it takes from `boot` until millisecond `unix_ms` since 1970 has begun.
    pub(super) fn until_ms(&self, boot: BootTime, unix_ms: u64) -> Duration {
        let since_epoch = WallTime::ZERO + Duration::from_millis(unix_ms) - self.epoch;
        self.until(boot, EpochTime::ZERO + since_epoch)
    }

    /// The offset of the wall clock that is followed.
    pub(super) fn offset(&self) -> Offset {
        let since_epoch = Offset::from_nanos(self.offset.load(Ordering::Acquire));
        since_epoch + (self.epoch - WallTime::ZERO)
    }

    /// Follows the wall clock at `offset` from now on.
    pub(super) fn follow(&self, offset: Offset) {
        let since_epoch = offset + (WallTime::ZERO - self.epoch);
        self.offset.store(since_epoch.as_nanos(), Ordering::Release);
    }

    /// Raises the pace so that from `boot` on `tick` has begun, whatever the wall clock reads.
    pub(super) fn begin(&self, boot: BootTime, tick: u64) {
        self.pace.raise(boot, self.beginning(tick));
    }

    /// To be called before the wall clock is followed back. Lets the pace begin where the wall clock stands at
    /// `boot`, but no later than the tick after `used`, the last that was used.
    pub(super) fn keep(&self, boot: BootTime, used: u64) {
        let stood = self.wall(boot);
        self.pace.raise(boot, stood.min(self.beginning(used + 1)));
    }

    /// Lowers the pace to the beginning of `next`, so that ticks that were left unused while ahead of the wall
    /// clock are not issued in a burst.
    pub(super) fn cap(&self, boot: BootTime, next: u64) {
        let latest = self.beginning(next);
        if self.pace.at(boot) > latest {
            self.pace.cap(boot, latest);
        }
    }

    /// The time `reach` before `used` begins, if at `boot` the timeline has not got there.
    pub(super) fn behind(&self, boot: BootTime, used: u64, reach: Duration) -> Option<EpochTime> {
        let behind = self.beginning(used) - reach;
        let begun = self.wall(boot).max(self.pace.at(boot));
        (behind > begun).then_some(behind)
    }

    /// Raises the pace so that from `boot` on `time` has begun.
    pub(super) fn raise(&self, boot: BootTime, time: EpochTime) {
        self.pace.raise(boot, time);
    }
}
