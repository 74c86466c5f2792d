//! The clocks of a simulated machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use shardflake::clock::Clock;

/// The clocks of one boot, as a process in some time namespace sees them.
#[derive(Clone)]
pub(crate) struct SimClock {
    boot: Arc<AtomicI64>,
    wall: Arc<AtomicI64>,
    /// Whether the kernel says so.
    synchronised: Arc<AtomicBool>,
    /// What a time namespace adds to the boot clock.
    shift: i64,
}

impl SimClock {
    /// A machine that booted `boot` nanoseconds ago and whose wall clock is at `wall`.
    pub(crate) fn new(boot: i64, wall: i64) -> Self {
        Self {
            boot: Arc::new(AtomicI64::new(boot)),
            wall: Arc::new(AtomicI64::new(wall)),
            synchronised: Arc::new(AtomicBool::new(true)),
            shift: 0,
        }
    }

    /// These clocks as seen from another time namespace.
    pub(crate) fn shifted(&self, shift: i64) -> Self {
        Self {
            shift,
            ..self.clone()
        }
    }

    /// Lets time pass by both clocks.
    pub(crate) fn pass(&self, nanos: i64) {
        self.boot.fetch_add(nanos, Ordering::Relaxed);
        self.wall.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The machine boots: both clocks begin anew, for whoever still looks at them too.
    pub(crate) fn boot(&self, boot: i64, wall: i64) {
        self.boot.store(boot, Ordering::Relaxed);
        self.wall.store(wall, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock; the kernel says then whether that was time synchronisation.
    pub(crate) fn step(&self, nanos: i64, synchronised: bool) {
        self.wall.fetch_add(nanos, Ordering::Relaxed);
        self.synchronised.store(synchronised, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn boottime(&self) -> i64 {
        self.boot.load(Ordering::Relaxed) + self.shift
    }

    fn realtime(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn synchronised(&self) -> Option<bool> {
        Some(self.synchronised.load(Ordering::Relaxed))
    }
}
