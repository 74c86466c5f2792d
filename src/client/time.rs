//! The clock that ages go by.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds by the kernel's coarse monotonic clock.
pub(crate) type Nanos = u64;

/// How much earlier than it is the clock may say: it goes on only when the kernel's timer ticks, of whose ticks
/// there are 100 to 1000 a second.
pub(crate) const COARSE: Duration = Duration::from_millis(10);

/// The monotonic clock as it was when the kernel's timer ticked last, which takes a quarter of the time to read
/// that the exact one takes. Tests set it forward.
#[derive(Debug)]
pub(crate) struct Clock {
    #[cfg(test)]
    forward: AtomicU64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(test)]
            forward: AtomicU64::new(0),
        }
    }

    #[inline]
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "tests set one forward")
    )]
    pub(crate) fn now(&self) -> Nanos {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
        let time = time.expect("every Linux since 2.6.32 has this clock");
        let now = time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned();
        #[cfg(test)]
        let now = now + self.forward.load(Ordering::SeqCst);
        now
    }

    #[cfg(test)]
    pub(crate) fn forward(&self, by: Duration) {
        self.forward.fetch_add(nanos(by), Ordering::SeqCst);
    }
}

/// `duration` in nanoseconds; what does not fit is more than 500 years.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exact reading before it, less what it may be late, and one after it.
    #[test]
    fn the_clock_is_the_monotonic_one_and_late_by_a_tick_at_most() {
        let exact = || {
            let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
            nanos(Duration::from(time))
        };
        let tick = nix::time::clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).unwrap();
        assert!(Duration::from(tick) <= COARSE, "{tick}");
        let clock = Clock::new();
        // A virtual machine whose timer is held back sees time late: not always.
        let is_within = || {
            let before = exact();
            let now = clock.now();
            assert!(now <= exact());
            before <= now + nanos(COARSE)
        };
        assert!((0..1000).any(|_| is_within()));
    }
}
