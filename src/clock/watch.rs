//! Being told at once when somebody sets the wall clock.

use std::io;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::read;

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

    /// Blocks until the clock is set.
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

    fn arm(&self) -> io::Result<()> {
        let far = TimeSpec::new(i64::MAX / super::SECOND, 0);
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        self.timer.set(Expiration::OneShot(far), flags)?;
        Ok(())
    }
}
