//! The pace of a generator that is ahead of the wall clock.
//!
//! When the wall clock was set back, or a start begins above a bound ahead of it, IDs go on in ticks that
//! the wall clock has yet to reach, and it cannot tell which of them have begun. This line does: it rises
//! with the boot clock, from where the generator stood, at 90 % of real time. So the generator's lead over
//! the wall clock is gone after ten times its length. At 100 % it would stay, and the next step back would
//! add to it, until the shard is too far ahead and has to refuse. With no line the shard would either stand
//! still until the wall clock has caught up, or take ticks as fast as it is asked, and run away from it.

use crate::atomic::{AtomicI64, Ordering};

/// Logical time while the wall clock is behind: a line that rises at 90 % of real time. Times are in
/// nanoseconds; logical time counts from the layout's epoch, boot time from the boot.
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

    /// The logical time that has begun at boot time `boot`.
    #[must_use]
    pub fn at(&self, boot: i64) -> i64 {
        self.origin.load(Ordering::Acquire) + rise(boot)
    }

    /// From `boot` on, logical time is at least `logical`: a generator starts there, or the wall
    /// clock stood there before it was set back.
    pub fn raise(&self, boot: i64, logical: i64) {
        self.origin
            .fetch_max(logical - rise(boot), Ordering::AcqRel);
    }

    /// At `boot`, logical time is at most `logical`. While nobody asks for IDs the generator stands still
    /// and the line rises on: without this it could issue all ticks in between at once.
    pub fn cap(&self, boot: i64, logical: i64) {
        self.origin
            .fetch_min(logical - rise(boot), Ordering::AcqRel);
    }

    /// The boot time at which the line reaches `logical`.
    #[must_use]
    pub fn reaches(&self, logical: i64) -> i64 {
        let height = logical.saturating_sub(self.origin.load(Ordering::Acquire));
        // Rounded up: at the returned time the line must have got there.
        let (rise, run) = SLOPE;
        i64::try_from(
            (i128::from(height) * i128::from(run) + i128::from(rise - 1)) / i128::from(rise),
        )
        .unwrap_or(i64::MAX)
    }
}

const fn rise(boot: i64) -> i64 {
    boot / SLOPE.1 * SLOPE.0 + boot % SLOPE.1 * SLOPE.0 / SLOPE.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND;

    #[test]
    fn rises_at_nine_tenths() {
        let pace = Pace::idle();
        pace.raise(100 * SECOND, 5000 * SECOND);
        assert_eq!(pace.at(100 * SECOND), 5000 * SECOND);
        assert_eq!(pace.at(110 * SECOND), 5009 * SECOND);
        assert_eq!(pace.reaches(5009 * SECOND), 110 * SECOND);
    }

    #[test]
    fn raising_never_lowers_and_capping_never_raises() {
        let pace = Pace::idle();
        pace.raise(0, 50);
        pace.raise(0, 40);
        assert_eq!(pace.at(0), 50);
        pace.cap(0, 60);
        assert_eq!(pace.at(0), 50);
        pace.cap(0, 30);
        assert_eq!(pace.at(0), 30);
        pace.cap(100, 110);
        assert_eq!(pace.at(100), 110);
    }

    #[test]
    fn rises_within_ten_nanoseconds_too() {
        let pace = Pace::idle();
        pace.raise(0, 0);
        let heights: Vec<_> = (0..=12).map(|boot| pace.at(boot)).collect();
        assert_eq!(heights, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10]);
    }

    #[test]
    fn an_idle_pace_is_behind_every_clock() {
        assert!(Pace::idle().at(i64::MAX / 4) < 0);
        assert!(Pace::idle().reaches(0) > 1_000_000 * SECOND);
    }

    proptest::proptest! {
        #[test]
        fn the_line_has_begun_when_it_says(origin in 0..1i64 << 60, boot in 0..1i64 << 55, ahead in 0..1i64 << 40) {
            let pace = Pace::idle();
            pace.raise(boot, origin);
            let when = pace.reaches(origin + ahead);
            proptest::prop_assert!(pace.at(when) >= origin + ahead);
            proptest::prop_assert!(pace.at(when - 2) < origin + ahead);
        }
    }
}
