//! One type for each kind of time. A number of nanoseconds does not say since when it counts, and one that is
//! taken for another repeats IDs or ends a shard's life early; so only operations that make sense compile.
//!
//! | type | counts from | steps when somebody sets the clock |
//! |---|---|---|
//! | [`BootTime`] | the boot of the machine | never |
//! | [`WallTime`] | 1970-01-01T00:00:00Z | yes |
//! | [`EpochTime`] | the layout's epoch | when the clock that is followed does |
//! | [`Offset`] | | the wall clock minus the boot clock: only a step changes it |
//! | [`TimeDelta`] | | a difference of two of one kind, which may be negative |
//!
//! All count nanoseconds in an `i64`, which lasts to the year 2262. Sums and differences that do not fit end
//! at its limits.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A length of time, forward or back, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeDelta(i64);

/// A second.
pub const SECOND: TimeDelta = TimeDelta(1_000_000_000);

impl TimeDelta {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest time.
    pub const MAX: Self = Self(i64::MAX);

    /// That many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// That many seconds, fewer than three centuries.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * SECOND.0)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whether it leads back.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// As long, but forward.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Its length, whichever way it leads.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }

    /// Its length forward; zero if it leads back.
    #[must_use]
    pub fn forward(self) -> Duration {
        self.max(Self::ZERO).length()
    }
}

/// The longest that fits, if it is longer.
impl From<Duration> for TimeDelta {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Neg for TimeDelta {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Add for TimeDelta {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for TimeDelta {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for TimeDelta {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<i64> for TimeDelta {
    type Output = Self;

    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Mul<TimeDelta> for i64 {
    type Output = TimeDelta;

    fn mul(self, delta: TimeDelta) -> TimeDelta {
        delta * self
    }
}

impl Div<i64> for TimeDelta {
    type Output = Self;

    fn div(self, parts: i64) -> Self {
        Self(self.0 / parts)
    }
}

/// A moment by one clock: what it counts from differs, what can be done with it does not.
macro_rules! moment {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(i64);

        impl $name {
            /// The moment from which it counts.
            pub const ZERO: Self = Self(0);
            /// The last moment that can be told.
            pub const MAX: Self = Self(i64::MAX);

            /// That many nanoseconds after [`Self::ZERO`].
            #[must_use]
            pub const fn from_nanos(nanos: i64) -> Self {
                Self(nanos)
            }

            /// Nanoseconds since [`Self::ZERO`].
            #[must_use]
            pub const fn as_nanos(self) -> i64 {
                self.0
            }

            /// The time since `earlier`; zero if that is later.
            #[must_use]
            pub fn since(self, earlier: Self) -> Duration {
                (self - earlier).forward()
            }
        }

        impl Add<TimeDelta> for $name {
            type Output = Self;

            fn add(self, delta: TimeDelta) -> Self {
                Self(self.0.saturating_add(delta.0))
            }
        }

        impl Add<Duration> for $name {
            type Output = Self;

            fn add(self, duration: Duration) -> Self {
                self + TimeDelta::from(duration)
            }
        }

        impl Sub<TimeDelta> for $name {
            type Output = Self;

            fn sub(self, delta: TimeDelta) -> Self {
                Self(self.0.saturating_sub(delta.0))
            }
        }

        impl Sub<Duration> for $name {
            type Output = Self;

            fn sub(self, duration: Duration) -> Self {
                self - TimeDelta::from(duration)
            }
        }

        impl Sub for $name {
            type Output = TimeDelta;

            fn sub(self, earlier: Self) -> TimeDelta {
                TimeDelta(self.0.saturating_sub(earlier.0))
            }
        }
    };
}

moment! {
    /// A reading of the boot clock: nanoseconds since the machine booted, its sleep included. It only runs on,
    /// and means nothing in another boot.
    BootTime
}

moment! {
    /// A reading of a wall clock: nanoseconds since 1970, leap seconds not counted.
    WallTime
}

moment! {
    /// The wall clock that ticks follow: nanoseconds since the layout's epoch.
    EpochTime
}

/// 1970 for what is earlier, and the last moment for what is later than that.
impl From<SystemTime> for WallTime {
    fn from(time: SystemTime) -> Self {
        Self::ZERO + time.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl WallTime {
    /// Whole milliseconds since 1970; 0 for what is earlier.
    #[must_use]
    #[inline]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0) / 1_000_000
    }

    /// Whether it is a second to the nanosecond. Some file systems stamp nothing finer: which of two changes
    /// within the second was later cannot be told then.
    #[must_use]
    pub const fn is_whole_second(self) -> bool {
        self.0 % SECOND.0 == 0
    }
}

impl EpochTime {
    /// This moment in nanoseconds since 1970, for ticks that count from `epoch`.
    #[must_use]
    #[inline]
    pub const fn since_1970(self, epoch: WallTime) -> WallTime {
        WallTime(self.0.saturating_add(epoch.0))
    }
}

/// The wall clock minus the boot clock, in nanoseconds: a step of the wall clock changes it by as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(i64);

impl Offset {
    /// That many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl Sub<BootTime> for WallTime {
    type Output = Offset;

    fn sub(self, boot: BootTime) -> Offset {
        Offset(self.0.saturating_sub(boot.0))
    }
}

impl Add<Offset> for BootTime {
    type Output = WallTime;

    fn add(self, offset: Offset) -> WallTime {
        WallTime(self.0.saturating_add(offset.0))
    }
}

impl Add<TimeDelta> for Offset {
    type Output = Self;

    fn add(self, step: TimeDelta) -> Self {
        Self(self.0.saturating_add(step.0))
    }
}

impl Sub for Offset {
    type Output = TimeDelta;

    fn sub(self, other: Self) -> TimeDelta {
        TimeDelta(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: TimeDelta = TimeDelta::from_nanos(1);

    #[test]
    fn a_delta_has_a_length_whichever_way_it_leads() {
        let back = -3 * SECOND;
        assert!(back.is_negative() && !back.abs().is_negative());
        assert_eq!(back.abs(), TimeDelta::from_secs(3));
        assert_eq!(back.length(), Duration::from_secs(3));
        assert_eq!(back.forward(), Duration::ZERO);
        assert_eq!(back.abs().forward(), Duration::from_secs(3));
        assert_eq!(
            back / 2 + SECOND - NANO,
            TimeDelta::from_nanos(-500_000_001)
        );
    }

    #[test]
    fn all_ends_at_the_limits() {
        let (first, last) = (TimeDelta::from_nanos(i64::MIN), TimeDelta::MAX);
        assert_eq!(TimeDelta::from(Duration::MAX), last);
        assert_eq!((last + NANO, first - NANO), (last, first));
        assert_eq!((-first, first.abs(), last * 2), (last, last, last));
        assert_eq!(WallTime::MAX + NANO, WallTime::MAX);
        assert_eq!(BootTime::ZERO - first, BootTime::MAX);
        assert_eq!(WallTime::MAX - (WallTime::ZERO - SECOND), last);
    }

    #[test]
    fn the_offset_leads_from_the_boot_clock_to_the_wall_clock() {
        let boot = BootTime::from_nanos(70);
        let wall = WallTime::from_nanos(1_000);
        let offset = wall - boot;
        assert_eq!(offset.as_nanos(), 930);
        assert_eq!(boot + offset, wall);
        assert_eq!(boot + (offset + NANO), wall + NANO);
        assert_eq!((offset + SECOND) - offset, SECOND);
    }

    #[test]
    fn the_epoch_is_where_its_time_begins() {
        let epoch = WallTime::from_nanos(500);
        let time = EpochTime::from_nanos(200);
        assert_eq!(time.since_1970(epoch), WallTime::from_nanos(700));
    }

    #[test]
    fn the_time_since_a_later_moment_is_none() {
        let (before, after) = (BootTime::ZERO + SECOND, BootTime::ZERO + 4 * SECOND);
        assert_eq!(after.since(before), Duration::from_secs(3));
        assert_eq!(before.since(after), Duration::ZERO);
        assert_eq!(before - after, -3 * SECOND);
        assert_eq!(after - Duration::from_secs(3), before);
    }

    #[test]
    fn times_before_1970_are_taken_for_1970() {
        let second = Duration::from_secs(1);
        assert_eq!(WallTime::from(UNIX_EPOCH + second), WallTime::ZERO + SECOND);
        assert_eq!(WallTime::from(UNIX_EPOCH - second), WallTime::ZERO);
        assert_eq!((WallTime::ZERO - second).as_millis(), 0);
    }

    #[test]
    fn a_millisecond_lasts_to_its_last_nanosecond() {
        let second = WallTime::ZERO + SECOND;
        assert_eq!((second - NANO).as_millis(), 999);
        assert_eq!(second.as_millis(), 1000);
    }

    #[test]
    fn a_second_is_whole_to_the_nanosecond() {
        let whole = WallTime::ZERO + 1_800_000_000 * SECOND;
        assert!(whole.is_whole_second());
        assert!(!(whole + NANO).is_whole_second() && !(whole - NANO).is_whole_second());
    }
}
