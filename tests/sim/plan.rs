//! What happens in a history, drawn from a seed before it begins, so that it can be cut short.

mod author;

use std::num::NonZeroU32;

use crate::fault::Fault;

/// In nanoseconds.
const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// How many settings there are to choose from.
pub(crate) const SETTINGS: u8 = 4;

/// A history before it happens.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Ticks of 1 ms instead of 10.
    pub(crate) snowflake: bool,
    pub(crate) steps: Vec<Step>,
}

/// One thing that happens, and the luck that it has.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) luck: u64,
}

/// How a shard is started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Launch {
    pub(crate) slot: usize,
    pub(crate) range: (u32, u32),
    /// Which of the settings; 0 are the defaults.
    pub(crate) settings: u8,
    /// Which time namespace; 0 is the machine's own.
    pub(crate) namespace: u8,
    /// Whether an operator lets it go on ahead of the clock.
    pub(crate) ahead: bool,
}

impl Launch {
    /// With defaults.
    pub(crate) const fn plain(slot: usize, range: (u32, u32)) -> Self {
        Self {
            slot,
            range,
            settings: 0,
            namespace: 0,
            ahead: false,
        }
    }
}

/// Things that happen. `slot` is one of two places where a process may run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Op {
    /// Starts a shard with machine IDs `range`, if nothing runs there.
    Start(Launch),
    /// Stops it in good order.
    Stop {
        slot: usize,
    },
    /// Kills it before its changing call number `calls`, or at once.
    Kill {
        slot: usize,
        calls: Option<u32>,
    },
    /// Cuts the power in the same way, at a call of the process in `slot`.
    PowerCut {
        slot: usize,
        calls: Option<u32>,
    },
    /// Stops everything and boots again.
    Reboot,
    /// Lets time pass.
    Pass {
        ms: i64,
    },
    /// Issues what needs no waiting, up to `count` IDs.
    Issue {
        slot: usize,
        count: u32,
    },
    /// Sends `count` requests that wait for their ticks.
    Ask {
        slot: usize,
        count: u32,
    },
    /// Sends one request for `count` IDs.
    AskMany {
        slot: usize,
        count: NonZeroU32,
    },
    /// The next so many reads, writes and flushes fail.
    Fail {
        looks: u32,
        reads: u32,
        writes: u32,
        flushes: u32,
    },
    /// The disk is full, or not any more.
    Full(bool),
    /// Flushes lie, or not any more.
    Lie(bool),
    Rot,
    LoseMark,
    DeleteLock,
    ReplaceMark,
    /// Copies what all marks hold.
    BackUp,
    Overwrite,
    Recreate,
    MoveAway,
    MoveBack {
        exchange: bool,
    },
    Touch,
    /// The volume is not mounted from now on, and its directory is empty; or it is mounted again.
    Unmount,
    Mount,
    /// Keeps a snapshot of the volume.
    Snapshot,
    /// Stops all and restores the snapshot.
    Restore,
    /// Starts `range` on a clone.
    StartClone {
        range: (u32, u32),
    },
    /// An operator adopts what was restored or damaged; the command dies at its changing call number
    /// `calls`.
    Adopt {
        range: (u32, u32),
        calls: Option<u32>,
    },
    /// An operator makes a mark, or raises one above an ID that is `above_ms` ahead of the clock.
    Init {
        range: (u32, u32),
        above_ms: Option<i64>,
        calls: Option<u32>,
    },
    /// Sets the wall clock.
    Clock {
        nanos: i64,
        seen: bool,
    },
    /// Sets it to and fro.
    Strobe {
        nanos: i64,
        times: u32,
    },
    /// The wall clock stands still.
    StopClock {
        ms: i64,
    },
    /// Parts per million by which the clocks run fast.
    Slew {
        ppm: i64,
    },
    Suspend {
        ms: i64,
    },
    Freeze {
        slot: usize,
        ms: i64,
    },
    SlowKeeper {
        ms: i64,
    },
    AcceptClock {
        ahead_ms: i64,
    },
}

impl Op {
    /// The fault that it counts as when it is done, if it is one. What may come about later, as a
    /// write that fails, is counted where it does.
    pub(crate) const fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Kill { .. } => Fault::Kill,
            Self::PowerCut { .. } => Fault::PowerCut,
            Self::Reboot => Fault::Reboot,
            Self::Rot => Fault::BitRot,
            Self::LoseMark => Fault::LostMark,
            Self::DeleteLock => Fault::DeletedLock,
            Self::ReplaceMark => Fault::ReplacedMark,
            Self::Overwrite => Fault::Overwritten,
            Self::Recreate => Fault::Recreated,
            Self::MoveBack { .. } => Fault::MovedBack,
            Self::Touch => Fault::Touched,
            Self::Mount => Fault::NotMounted,
            Self::Init { .. } => Fault::Init,
            Self::Restore => Fault::Restored,
            Self::StartClone { .. } => Fault::Cloned,
            Self::Clock { nanos, .. } if nanos.abs() > DAY => Fault::ClockFar,
            Self::Clock { nanos, .. } if *nanos < 0 => Fault::ClockBack,
            Self::Clock { .. } => Fault::ClockForward,
            Self::Strobe { .. } => Fault::Strobe,
            Self::StopClock { .. } => Fault::ClockStops,
            Self::Suspend { .. } => Fault::Suspend,
            Self::Freeze { .. } => Fault::Freeze,
            Self::SlowKeeper { .. } => Fault::SlowKeeper,
            Self::AcceptClock { .. } => Fault::AcceptClock,
            _ => return None,
        })
    }
}
