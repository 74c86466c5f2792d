//! Time: reading it, and deciding which of its steps to believe.
//!
//! All arithmetic is in nanoseconds. The clock that IDs follow is `CLOCK_BOOTTIME` plus an offset to
//! `CLOCK_REALTIME` that a [`Follower`] has accepted: slewing moves both, only steps change the offset.

mod follower;
mod pace;
mod system;
mod watch;

pub use follower::{Follower, SETTLING, Step, Verdict};
pub use pace::Pace;
pub use system::{SystemClock, boot_id};
pub use watch::StepWatch;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// Where time is read.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds since the machine booted, its sleep included. Never steps.
    fn boottime(&self) -> i64;

    /// The wall clock, in nanoseconds since 1970. Steps when somebody sets it.
    fn realtime(&self) -> i64;

    /// Whether the kernel takes the wall clock for synchronised; `None` where it may not be asked.
    fn synchronised(&self) -> Option<bool>;

    /// The wall clock's present offset to the boot clock, in nanoseconds.
    fn offset(&self) -> i64 {
        // The two are not read at one moment; the shortest of a few tries is near enough to one.
        let mut best = (i64::MAX, 0);
        for _ in 0..5 {
            let before = self.boottime();
            let wall = self.realtime();
            let took = self.boottime() - before;
            if took < best.0 {
                best = (took, wall - before - took / 2);
            }
            if took < 5_000 {
                break;
            }
        }
        best.1
    }
}
