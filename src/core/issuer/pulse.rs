//! The keeper's thread as others see it: how it is woken and told to end, and whether it still goes round.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crate::time::BootTime;

/// The signs of life of a keeper.
#[derive(Debug)]
pub(super) struct Pulse {
    thread: OnceLock<Thread>,
    stopping: AtomicBool,
    /// Boot time at which it last began a step, or ended one.
    seen: AtomicI64,
    /// Whether it is in a step, and so perhaps at the disk, where it may wait for any length of time.
    in_step: AtomicBool,
}

impl Pulse {
    /// A keeper that has yet to begin, at `boot`.
    pub(super) const fn new(boot: BootTime) -> Self {
        Self {
            thread: OnceLock::new(),
            stopping: AtomicBool::new(false),
            seen: AtomicI64::new(boot.as_nanos()),
            in_step: AtomicBool::new(false),
        }
    }

    /// Has `thread` woken as the keeper's. A second keeper of one issuer would fail on the locks.
    pub(super) fn set_thread(&self, thread: Thread) {
        let _ = self.thread.set(thread);
    }

    /// Has the keeper look at once what there is to do.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Has the keeper end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the keeper is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The keeper begins a step at `boot`, or ends it.
    pub(super) fn beat(&self, boot: BootTime, in_step: bool) {
        self.seen.store(boot.as_nanos(), Ordering::Release);
        self.in_step.store(in_step, Ordering::Release);
    }

    /// Whether the keeper is in a step.
    pub(super) fn is_in_step(&self) -> bool {
        self.in_step.load(Ordering::Acquire)
    }

    /// For how long the keeper has been in a step, or between two, at `boot`.
    pub(super) fn since_beat(&self, boot: BootTime) -> Duration {
        boot.since(BootTime::from_nanos(self.seen.load(Ordering::Acquire)))
    }
}
