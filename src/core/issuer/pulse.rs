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
    /// Boot time at which it last went to the disk, or came back.
    seen: AtomicI64,
    /// Whether it is at the disk, where it may wait for any length of time.
    at_disk: AtomicBool,
}

impl Pulse {
    /// A keeper that has yet to begin, at `boot`.
    pub(super) const fn new(boot: BootTime) -> Self {
        Self {
            thread: OnceLock::new(),
            stopping: AtomicBool::new(false),
            seen: AtomicI64::new(boot.as_nanos()),
            at_disk: AtomicBool::new(false),
        }
    }

    /// `thread` is the keeper's. A second keeper of one issuer would fail on the locks.
    pub(super) fn is_of(&self, thread: Thread) {
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

    /// The keeper goes to the disk at `boot`, or is back.
    pub(super) fn beat(&self, boot: BootTime, at_disk: bool) {
        self.seen.store(boot.as_nanos(), Ordering::Release);
        self.at_disk.store(at_disk, Ordering::Release);
    }

    /// Whether the keeper is at the disk.
    pub(super) fn is_at_disk(&self) -> bool {
        self.at_disk.load(Ordering::Acquire)
    }

    /// For how long the keeper has been at the disk, or away from it, at `boot`.
    pub(super) fn absent(&self, boot: BootTime) -> Duration {
        boot.since(BootTime::from_nanos(self.seen.load(Ordering::Acquire)))
    }
}
