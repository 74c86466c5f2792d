//! What may go wrong.

/// Kinds of fault. Each history knows a random subset of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The process is killed, at any of its calls.
    Kill,
    /// The power is cut, at any call: unflushed writes are lost, torn and reordered.
    PowerCut,
    /// The machine boots again in good order, and its boot clock begins anew.
    Reboot,
    /// Opening, listing, locking and asking what a file is fail.
    LookFails,
    /// Reads of a mark fail.
    ReadFails,
    /// Writes fail half-way.
    WriteFails,
    /// Flushes fail, and drop what they were to flush.
    FlushFails,
    /// No space for new files.
    DiskFull,
    /// A bit of a mark turns.
    BitRot,
    /// Flushes claim success and do nothing: outside the promise.
    LyingFlush,
    /// The mark is deleted while nobody runs.
    LostMark,
    /// The lock file is deleted while shards run.
    DeletedLock,
    /// A copy is moved over the mark.
    ReplacedMark,
    /// A backup is written over a mark, which stays the file that it is.
    Overwritten,
    /// A mark is removed and made anew from a backup; its inode number may be used again.
    Recreated,
    /// A mark is moved away, and back when another one has lived, or exchanged with that.
    MovedBack,
    /// Somebody changes the mode of a mark or of the directory.
    Touched,
    /// The volume is not mounted for a life, which finds an empty directory in its place.
    NotMounted,
    /// The volume is set back to a snapshot.
    Restored,
    /// A clone of the volume is started beside the original.
    Cloned,
    /// A shard starts with other machine IDs than the last one.
    RangeChange,
    /// A second process wants the same machine IDs.
    SecondOwner,
    /// Another window, limit or deadline is configured.
    Settings,
    /// The wall clock is set back.
    ClockBack,
    /// The wall clock is set forward.
    ClockForward,
    /// The wall clock is set by days.
    ClockFar,
    /// The wall clock stands still for a while.
    ClockStops,
    /// The wall clock is set back and forth, many times a second.
    Strobe,
    /// Both clocks run a little faster or slower than timers.
    Slew,
    /// The machine sleeps.
    Suspend,
    /// The process is stopped, often for longer than its window.
    Freeze,
    /// The keeper's thread gets no time.
    SlowKeeper,
    /// A start in another time namespace.
    TimeNamespace,
    /// An operator lets the shard go on ahead of the clock.
    ContinueAhead,
    /// An operator accepts the clock as it is.
    AcceptClock,
    /// An operator makes a mark beforehand, or lets a shard begin above an ID.
    Init,
    /// An operator's command dies half-way.
    DiesHalfWay,
}

impl Fault {
    pub(crate) const ALL: [Self; 37] = [
        Self::Kill,
        Self::PowerCut,
        Self::Reboot,
        Self::LookFails,
        Self::ReadFails,
        Self::WriteFails,
        Self::FlushFails,
        Self::DiskFull,
        Self::BitRot,
        Self::LyingFlush,
        Self::LostMark,
        Self::DeletedLock,
        Self::ReplacedMark,
        Self::Overwritten,
        Self::Recreated,
        Self::MovedBack,
        Self::Touched,
        Self::NotMounted,
        Self::Restored,
        Self::Cloned,
        Self::RangeChange,
        Self::SecondOwner,
        Self::Settings,
        Self::ClockBack,
        Self::ClockForward,
        Self::ClockFar,
        Self::ClockStops,
        Self::Strobe,
        Self::Slew,
        Self::Suspend,
        Self::Freeze,
        Self::SlowKeeper,
        Self::TimeNamespace,
        Self::ContinueAhead,
        Self::AcceptClock,
        Self::Init,
        Self::DiesHalfWay,
    ];

    /// Whether it comes about whenever it is drawn, whatever runs then and lies on the volume.
    pub(crate) const fn is_sure(self) -> bool {
        matches!(
            self,
            Self::PowerCut | Self::Reboot | Self::ClockForward | Self::Strobe
        )
    }

    /// Whether it is something that an operator may do, and nothing goes wrong by it.
    pub(crate) const fn is_operation(self) -> bool {
        matches!(
            self,
            Self::RangeChange
                | Self::Settings
                | Self::ContinueAhead
                | Self::AcceptClock
                | Self::Init
        )
    }

    /// Its place in counts.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
