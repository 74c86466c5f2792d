//! Time: reading the clocks, and deciding which steps of the wall clock to believe.
//!
//! The clock that IDs follow is `CLOCK_BOOTTIME` plus an offset to `CLOCK_REALTIME` that a [`Follower`] has
//! accepted: slewing moves both, only steps change the offset.

mod follower;
mod pace;
mod system;
mod watch;

use crate::time::{BootTime, Offset, TimeDelta, WallTime};
pub use follower::{Assurance, Follower, Step, Verdict};
pub use pace::Pace;
pub use system::{SystemClock, boot_id};
pub use watch::StepWatch;

/// Where time is read.
pub trait Clock: Send + Sync + 'static {
    /// The time since the machine booted, its sleep included. Never steps.
    fn boottime(&self) -> BootTime;

    /// A reading of the boot clock that this thread may have taken a while ago: for as long as the kernel's timer
    /// has not ticked since, 10 ms at most, which costs a quarter of a reading.
    #[inline]
    fn recent(&self) -> BootTime {
        self.boottime()
    }

    /// A reading of now, which [`Clock::recent`] goes by from now on.
    #[inline]
    fn renewed(&self) -> BootTime {
        self.boottime()
    }

    /// The wall clock. Steps when somebody sets it.
    fn realtime(&self) -> WallTime;

    /// Whether the kernel takes the wall clock for synchronised; `None` where it may not be asked.
    fn synchronised(&self) -> Option<bool>;

    /// The wall clock's present offset to the boot clock.
    fn offset(&self) -> Offset {
        const SHORT: TimeDelta = TimeDelta::from_nanos(5_000);
        // The two cannot be read at one moment; the shortest of a few tries comes near enough.
        let mut best = (TimeDelta::MAX, Offset::default());
        for _ in 0..5 {
            let before = self.boottime();
            let wall = self.realtime();
            let took = self.boottime() - before;
            if took < best.0 {
                best = (took, wall - (before + took / 2));
            }
            if took < SHORT {
                break;
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Readings in the order in which they are taken: of the boot clock, the wall clock, the boot
    /// clock, and so on. Panics when more are taken.
    struct Readings(Mutex<Vec<i64>>);

    impl Readings {
        /// One try for each: the boot clock's reading, how long it took, the wall clock's reading.
        fn of(tries: &[(i64, i64, i64)]) -> Self {
            let readings = tries
                .iter()
                .rev()
                .flat_map(|(boot, took, wall)| [boot + took, *wall, *boot]);
            Self(Mutex::new(readings.collect()))
        }

        fn next(&self) -> i64 {
            self.0.lock().unwrap().pop().expect("one reading too many")
        }
    }

    impl Clock for Readings {
        fn boottime(&self) -> BootTime {
            BootTime::from_nanos(self.next())
        }

        fn realtime(&self) -> WallTime {
            WallTime::from_nanos(self.next())
        }

        fn synchronised(&self) -> Option<bool> {
            None
        }
    }

    #[test]
    fn two_clocks_read_at_all_but_one_moment_need_one_try() {
        let clock = Readings::of(&[(70_000, 4_999, 900_000)]);
        assert_eq!(clock.offset().as_nanos(), 900_000 - 70_000 - 2_499);
        assert_eq!(clock.0.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_try_that_took_too_long_is_followed_by_another() {
        let clock = Readings::of(&[(70_000, 5_000, 900_000), (90_000, 10, 950_000)]);
        assert_eq!(clock.offset().as_nanos(), 950_000 - 90_000 - 5);
    }

    #[test]
    fn the_first_of_the_shortest_of_five_tries_counts() {
        let clock = Readings::of(&[
            (10_000, 9_000, 100_000),
            (30_000, 6_000, 200_000),
            (50_000, 7_000, 300_000),
            (70_000, 6_000, 400_000),
            (90_000, 8_000, 500_000),
        ]);
        assert_eq!(clock.offset().as_nanos(), 200_000 - 30_000 - 3_000);
        assert_eq!(clock.0.lock().unwrap().len(), 0);
    }
}
