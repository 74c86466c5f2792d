//! Why a start does not go on, in the words that an operator reads.

use std::time::Duration;

use crate::id::range::MachineRange;
use crate::mark::slot::SlotError;
use crate::mark::storage::Difference;
use crate::timestamp::span;

/// How an operator calls the program so that it finds the shard's state in its layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Assignments before the program's name, for what has no option.
    pub variables: Vec<String>,
    /// Options with their values.
    pub options: Vec<String>,
}

impl Invocation {
    /// The line for a shell that runs `command`.
    #[must_use]
    pub fn of(&self, command: &str) -> String {
        let before = self.variables.iter().map(String::as_str);
        let after = self.options.iter().map(String::as_str);
        let words: Vec<_> = before.chain(["shardflake", command]).chain(after).collect();
        words.join(" ")
    }
}

/// Why a start needs an operator (exit code 78).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the values that the message names"
)]
pub enum Refused {
    /// A mark for other bits, another tick or another epoch.
    #[error(
        "{directory}/{file} is for IDs of another layout ({found}) than the configured one ({configured}): set the profile and epoch that it was made with, or give the new layout a state directory of its own. Do not delete the mark: with other bits or a later epoch, IDs that were issued before would be issued again"
    )]
    Layout {
        directory: String,
        file: String,
        found: String,
        configured: String,
    },
    /// A mark whose content is for other machine IDs than its name.
    #[error(
        "{directory}/{file} is the mark of machine ID {found} under a wrong name: rename it to {found}.mark"
    )]
    Misnamed {
        directory: String,
        file: String,
        found: MachineRange,
    },
    /// Both slots are unreadable.
    #[error(
        "{directory}/{file} is damaged in both slots (first: {first}; second: {second}), so it is not known how far IDs were issued: if the clock was not set back since the last one, run `{command}` (with `--above ID` if a larger ID is known to be in use); or overwrite the file with a backup, and IDs begin above the present time"
    )]
    Damaged {
        directory: String,
        file: String,
        first: SlotError,
        second: SlotError,
        command: String,
    },
    /// Written by a newer version of the program.
    #[error(
        "{directory}/{file} has format version {version}, but this program reads only versions 1 and 2: start the version of shardflake that wrote it, or a newer one"
    )]
    Newer {
        directory: String,
        file: String,
        version: u32,
    },
    /// The file is not the one that was written.
    #[error(
        "{directory}/{file} is a copy or was restored: its {} was {} when it was written, and is {} now, so IDs may have been issued from the original since. If this shard is to go on here, stop whoever uses the original, then run `{command}`; otherwise give it another machine ID",
        difference.what, difference.written, difference.found
    )]
    Copied {
        directory: String,
        file: String,
        difference: Box<Difference>,
        command: String,
    },
    /// Both slots of a floor are unreadable.
    #[error(
        "{directory}/{file} is damaged in both slots, so it is not known how far ahead of the clock this shard was allowed to issue IDs: run `{command}` with the largest ID that it has issued"
    )]
    FloorDamaged {
        directory: String,
        file: String,
        command: String,
    },
    /// No mark, and none may be made.
    #[error(
        "there is no mark for machine ID {missing} in {directory}, and state.create is false: mount the volume that holds it, or run `{command}`"
    )]
    Missing {
        directory: String,
        missing: MachineRange,
        command: String,
    },
}

/// Why a start waits for the clock; the server is up meanwhile and answers 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the values that the message names"
)]
pub enum Wait {
    /// The mark is new: an earlier one may have been lost, so its bound has to pass first.
    #[error(
        "the mark is new: IDs begin in {}, when the clock has passed it, because an earlier mark may have been lost. Nothing needs to be done (to avoid this wait, run `{command}` before a first start)",
        span(*left)
    )]
    Fresh { left: Duration, command: String },
    /// The mark was made or written a moment ago, no further ahead of the clock than a mark may be.
    #[error(
        "the mark was written a moment ago, and is ahead of the clock as every new mark is: IDs begin in {}. Nothing needs to be done",
        span(*left)
    )]
    Young { left: Duration },
    /// The wall clock is too far behind the mark.
    #[error(
        "IDs begin in {}: the mark ({bound}) is {} ahead of the clock ({clock}), and IDs may be at most {} ahead. If the clock is wrong, set it right. If it is right, wait, choose another machine ID, or start with `shardflake serve --continue-ahead=UNTIL` (unique IDs with wrong times)",
        span(*left), span(*behind), span(*limit)
    )]
    Behind {
        clock: String,
        bound: String,
        behind: Duration,
        limit: Duration,
        left: Duration,
    },
    /// Somebody else changed the mark or its directory at a time that the clock has yet to reach.
    #[error(
        "the mark or its directory {directory} was changed at {touched}, which is ahead of the clock ({clock}), so IDs may have been issued up to that time: IDs begin in {}, when the clock has passed it. If the clock is wrong, set it right; if it is right now and was wrong at that change, run `{command}`",
        span(*left)
    )]
    TouchedAhead {
        directory: String,
        clock: String,
        touched: String,
        left: Duration,
        command: String,
    },
    /// The wall clock is before the layout's epoch: there is no tick for it.
    #[error(
        "the clock reads {clock}, which is before the layout's epoch ({epoch}): set the clock right, or correct `epoch`"
    )]
    BeforeEpoch { clock: String, epoch: String },
    /// The wall clock is before the program was built.
    #[error(
        "the clock reads {clock}, which is before this program was built ({built}): set the clock right, or run `shardflake state accept-clock --until TIME`"
    )]
    BeforeBuild { clock: String, built: String },
    /// The wall clock is implausibly far on.
    #[error(
        "the clock reads {clock}, which is more than {limit} past {what}: set the clock right, or run `shardflake state accept-clock --until TIME`"
    )]
    TooLate {
        clock: String,
        limit: &'static str,
        what: String,
    },
    /// The wall clock was set forward since the mark was written.
    #[error(
        "the clock was set forward by {}, more than 1s, so it is not believed at once: it is followed in {} if it stays so (to follow it now, run `shardflake state accept-clock --until TIME`)",
        span(*step), span(*left)
    )]
    Stepped { step: Duration, left: Duration },
    /// The wall clock was set forward by more than a day since the mark was written.
    #[error(
        "the clock was set forward by {}, more than a day, and the kernel does not say that it is synchronised: if it is wrong, set it right; if it is right, run `shardflake state accept-clock --until TIME`, or start time synchronisation (the clock is followed after 15 minutes of it)",
        span(*step)
    )]
    SteppedFar { step: Duration },
    /// The kernel says that the clock is not synchronised.
    #[error(
        "the clock is not known to be synchronised ({seen}), and clock.require_sync is true: start time synchronisation, or set clock.require_sync to false"
    )]
    Unsynchronised { seen: &'static str },
    /// The time field is used up.
    #[error(
        "the time field of the layout ended at {end}, so it has no more IDs: use a layout with more time bits or a later epoch, and keep its IDs apart from the earlier ones, since the same numbers may occur in both"
    )]
    TimeFieldOver { end: String },
}

impl Wait {
    /// A short name for programs, in `snake_case`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fresh { .. } | Self::Young { .. } => "fresh_mark",
            Self::Behind { .. } => "clock_behind_mark",
            Self::TouchedAhead { .. } => "clock_behind_touch",
            Self::BeforeEpoch { .. } | Self::BeforeBuild { .. } | Self::TooLate { .. } => {
                "clock_implausible"
            }
            Self::Stepped { .. } | Self::SteppedFar { .. } => "clock_stepped_forward",
            Self::Unsynchronised { .. } => "clock_unsynchronised",
            Self::TimeFieldOver { .. } => "time_field_over",
        }
    }

    /// How long the wait will take, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<Duration> {
        match self {
            Self::Fresh { left, .. }
            | Self::Young { left }
            | Self::Behind { left, .. }
            | Self::TouchedAhead { left, .. }
            | Self::Stepped { left, .. } => Some(*left),
            _ => None,
        }
    }
}
