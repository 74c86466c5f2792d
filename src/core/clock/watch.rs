//! A watch on the wall clock that tells at once when somebody sets it.

use std::io;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;

use crate::time::SECOND;

/// A timer on the wall clock that fires in 2262, and is cancelled when the clock is set.
#[derive(Debug)]
pub struct StepWatch {
    timer: TimerFd,
}

impl StepWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// If the kernel refuses the timer.
    pub fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_CLOEXEC)?;
        let watch = Self { timer };
        watch.arm()?;
        Ok(watch)
    }

    /// Blocks until the clock is set, or somebody calls [`StepWatch::wake`].
    ///
    /// # Errors
    /// If the kernel refuses to read or to arm the timer.
    pub fn wait(&self) -> io::Result<()> {
        loop {
            match read(&self.timer, &mut [0; 8]) {
                Err(Errno::EINTR) => {}
                Ok(_) | Err(Errno::ECANCELED) => return self.arm(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends the present wait, or the next one if nobody waits. Should the kernel refuse to set the timer,
    /// which it has set before, the wait goes on.
    pub fn wake(&self) {
        let soon = Expiration::OneShot(TimeSpec::new(0, 1));
        let _ = self.timer.set(soon, TimerSetTimeFlags::empty());
    }

    fn arm(&self) -> io::Result<()> {
        let far = TimeSpec::new(i64::MAX / SECOND.as_nanos(), 0);
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME.union(TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET);
        armed(self.timer.set(Expiration::OneShot(far), flags))
    }
}

/// The outcome of setting the timer. `ECANCELED` is a success: the kernel has armed the timer, and says
/// that the clock was set again meanwhile; whoever waits is about to look at it anyway.
fn armed(set: nix::Result<()>) -> io::Result<()> {
    match set {
        Ok(()) | Err(Errno::ECANCELED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;

    /// Whether the timer fires in the far future, by the wall clock, and when that is set.
    fn is_armed(watch: &StepWatch) -> bool {
        let fd = watch.timer.as_fd().as_raw_fd();
        let told = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = told
            .lines()
            .find_map(|line| line.strip_prefix("settime flags:"));
        let left = match watch.timer.get().unwrap() {
            Some(Expiration::OneShot(left)) => left.tv_sec(),
            _ => 0,
        };
        // Absolute, cancelled on setting the clock.
        flags.map(str::trim) == Some("03") && left > 200 * 365 * 86_400
    }

    #[test]
    fn a_clock_that_is_set_again_while_arming_does_not_end_the_watch() {
        assert!(armed(Ok(())).is_ok());
        assert!(armed(Err(Errno::ECANCELED)).is_ok());
        let error = armed(Err(Errno::EINVAL)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EINVAL as i32));
    }

    #[test]
    fn a_watch_waits_for_the_clock_to_be_set_again_and_again() {
        let watch = StepWatch::new().unwrap();
        assert!(is_armed(&watch));
        watch.wake();
        assert!(!is_armed(&watch));
        watch.wait().unwrap();
        assert!(is_armed(&watch));
    }
}
