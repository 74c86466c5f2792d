//! The clocks of a simulated machine.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use fastrand::Rng;
use shardflake::clock::Clock;
use shardflake::time::{BootTime, TimeDelta, WallTime};

/// The clocks of one boot, as a process in some time namespace sees them.
#[derive(Clone)]
pub(crate) struct SimClock {
    /// Both in nanoseconds.
    boot: Arc<AtomicI64>,
    wall: Arc<AtomicI64>,
    /// Whether the kernel says so.
    synchronised: Arc<AtomicBool>,
    /// What a time namespace adds to the boot clock.
    shift: TimeDelta,
}

impl SimClock {
    /// A machine whose clocks are at `boot` and `wall`.
    pub(crate) fn new(boot: BootTime, wall: WallTime) -> Self {
        Self {
            boot: Arc::new(AtomicI64::new(boot.as_nanos())),
            wall: Arc::new(AtomicI64::new(wall.as_nanos())),
            synchronised: Arc::new(AtomicBool::new(true)),
            shift: TimeDelta::ZERO,
        }
    }

    /// These clocks as seen from another time namespace.
    pub(crate) fn shifted(&self, shift: TimeDelta) -> Self {
        Self {
            shift,
            ..self.clone()
        }
    }

    /// Lets time pass by both clocks.
    pub(crate) fn pass(&self, time: TimeDelta) {
        self.boot.fetch_add(time.as_nanos(), Ordering::Relaxed);
        self.wall.fetch_add(time.as_nanos(), Ordering::Relaxed);
    }

    /// The machine boots: both clocks begin anew, for whoever still looks at them too.
    pub(crate) fn boot(&self, boot: BootTime, wall: WallTime) {
        self.boot.store(boot.as_nanos(), Ordering::Relaxed);
        self.wall.store(wall.as_nanos(), Ordering::Relaxed);
    }

    /// Somebody sets the wall clock; the kernel says then whether that was time synchronisation.
    pub(crate) fn step(&self, step: TimeDelta, synchronised: bool) {
        self.wall.fetch_add(step.as_nanos(), Ordering::Relaxed);
        self.synchronised.store(synchronised, Ordering::Relaxed);
    }
}

/// A time drawn by lot.
pub(crate) fn some_time(luck: &mut Rng, range: Range<TimeDelta>) -> TimeDelta {
    TimeDelta::from_nanos(luck.i64(range.start.as_nanos()..range.end.as_nanos()))
}

impl Clock for SimClock {
    fn boottime(&self) -> BootTime {
        BootTime::from_nanos(self.boot.load(Ordering::Relaxed)) + self.shift
    }

    fn realtime(&self) -> WallTime {
        WallTime::from_nanos(self.wall.load(Ordering::Relaxed))
    }

    fn synchronised(&self) -> Option<bool> {
        Some(self.synchronised.load(Ordering::Relaxed))
    }
}
