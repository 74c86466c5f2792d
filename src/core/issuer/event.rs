//! The events that an issuer tells its observer of.

use std::time::Duration;

use crate::clock::Step;
use crate::mark::AcceptError;
use crate::mark::rules::Wait;
use crate::time::WallTime;

/// Something that an operator may want to know of. Exhaustive, so that the compiler names each place that
/// has to record a new variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The wall clock stepped.
    Clock(Step),
    /// The kernel does not tell when the wall clock is set, and why: a step is noticed later.
    ClockUnwatched(String),
    /// The start waits, and why.
    Waiting(Wait),
    /// Another process has the locks.
    LockHeld(String),
    /// The file with an operator's word on the clock cannot be read.
    AcceptUnread(AcceptError),
    /// A mark was created, with its bound.
    MarkCreated(u64),
    /// Marks were split or merged for this shard's range.
    MarksSettled,
    /// Somebody else changed the mark or its directory since it was written, so that IDs begin later.
    MarkTouched {
        /// When.
        touched: WallTime,
        /// The first tick that is issued.
        first: u64,
    },
    /// The state directory will do, but something about it should be known.
    StateDirectory(String),
    /// The file system tells neither birth time nor generation of the mark.
    MarkWeak,
    /// IDs are issued from this tick on.
    Opened(u64),
    /// The mark could not be written.
    MarkFailed(String),
    /// The mark can be written again.
    MarkRecovered,
    /// The time field has less than a year left.
    TimeFieldEnding {
        /// How long it lasts yet.
        left: Duration,
        /// When it ends, as RFC 3339.
        end: String,
    },
    /// The exact mark was written, with its bound.
    Closed(u64),
}
