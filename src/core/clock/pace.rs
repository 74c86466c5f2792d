//! The pace of a generator that is ahead of the wall clock.
//!
//! When the wall clock was set back, or a start begins above a bound ahead of it, IDs go on in ticks that
//! the wall clock has yet to reach, and it cannot tell which of them have begun. This line does: it rises
//! with the boot clock, from where the generator stood, at 90 % of real time. So the generator's lead over
//! the wall clock is gone after ten times its length. At 100 % it would stay, and the next step back would
//! add to it, until the shard is too far ahead and has to refuse. With no line the shard would either stand
//! still until the wall clock has caught up, or take ticks as fast as it is asked, and run away from it.

use crate::atomic::{AtomicI64, Ordering};
use crate::time::{BootTime, EpochTime};

/// The time by which ticks begin while the wall clock is behind: a line that rises at 90 % of real time.
///
/// The line is `origin + 0.9 × boot time`, so that one atomic number holds it.
#[derive(Debug)]
pub struct Pace {
    origin: AtomicI64,
}

const SLOPE: (i64, i64) = (9, 10);

impl Pace {
    /// A line in the far past: the wall clock leads.
    #[must_use]
    pub fn idle() -> Self {
        Self {
            origin: AtomicI64::new(i64::MIN / 2),
        }
    }

    /// The time that has begun at `boot`.
    #[must_use]
    pub fn at(&self, boot: BootTime) -> EpochTime {
        EpochTime::from_nanos(self.origin.load(Ordering::Acquire) + rise(boot))
    }

    /// From `boot` on, the time is at least `time`: a generator starts there, or the wall clock stood there
    /// before it was set back.
    pub fn raise(&self, boot: BootTime, time: EpochTime) {
        self.origin
            .fetch_max(time.as_nanos() - rise(boot), Ordering::AcqRel);
    }

    /// At `boot`, the time is at most `time`. While nobody asks for IDs the generator stands still and the
    /// line rises on: without this it could issue all ticks in between at once.
    pub fn cap(&self, boot: BootTime, time: EpochTime) {
        self.origin
            .fetch_min(time.as_nanos() - rise(boot), Ordering::AcqRel);
    }

    /// When the line reaches `time`.
    #[must_use]
    pub fn reaches(&self, time: EpochTime) -> BootTime {
        let origin = self.origin.load(Ordering::Acquire);
        let height = time.as_nanos().saturating_sub(origin);
        // Rounded up: at the returned time the line must have got there.
        let (rise, run) = SLOPE;
        let nanos =
            (i128::from(height) * i128::from(run) + i128::from(rise - 1)) / i128::from(rise);
        BootTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

const fn rise(boot: BootTime) -> i64 {
    let boot = boot.as_nanos();
    boot / SLOPE.1 * SLOPE.0 + boot % SLOPE.1 * SLOPE.0 / SLOPE.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeDelta;

    fn boot(nanos: i64) -> BootTime {
        BootTime::from_nanos(nanos)
    }

    fn time(nanos: i64) -> EpochTime {
        EpochTime::from_nanos(nanos)
    }

    #[test]
    fn rises_at_nine_tenths() {
        let pace = Pace::idle();
        pace.raise(boot(100_000), time(5_000_000));
        assert_eq!(pace.at(boot(100_000)), time(5_000_000));
        assert_eq!(pace.at(boot(110_000)), time(5_009_000));
        assert_eq!(pace.reaches(time(5_009_000)), boot(110_000));
    }

    #[test]
    fn raising_never_lowers_and_capping_never_raises() {
        let pace = Pace::idle();
        pace.raise(boot(0), time(50));
        pace.raise(boot(0), time(40));
        assert_eq!(pace.at(boot(0)), time(50));
        pace.cap(boot(0), time(60));
        assert_eq!(pace.at(boot(0)), time(50));
        pace.cap(boot(0), time(30));
        assert_eq!(pace.at(boot(0)), time(30));
        pace.cap(boot(100), time(110));
        assert_eq!(pace.at(boot(100)), time(110));
    }

    #[test]
    fn rises_within_ten_nanoseconds_too() {
        let pace = Pace::idle();
        pace.raise(boot(0), time(0));
        let heights: Vec<_> = (0..=12)
            .map(|nanos| pace.at(boot(nanos)).as_nanos())
            .collect();
        assert_eq!(heights, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10]);
    }

    #[test]
    fn an_idle_pace_is_behind_every_clock() {
        assert!(Pace::idle().at(boot(i64::MAX / 4)) < time(0));
        assert!(Pace::idle().reaches(time(0)) > BootTime::ZERO + TimeDelta::from_secs(1_000_000));
    }

    proptest::proptest! {
        #[test]
        fn the_line_has_begun_when_it_says(origin in 0..1i64 << 60, begin in 0..1i64 << 55, ahead in 0..1i64 << 40) {
            let pace = Pace::idle();
            pace.raise(boot(begin), time(origin));
            let end = time(origin + ahead);
            let when = pace.reaches(end);
            proptest::prop_assert!(pace.at(when) >= end);
            proptest::prop_assert!(pace.at(when - TimeDelta::from_nanos(2)) < end);
        }
    }
}
