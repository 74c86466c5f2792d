//! Log records: to the journal when it listens on stderr, to stderr otherwise.
//!
//! Every record in the journal carries `SHARD_ID` and a `MESSAGE_ID` that tells its kind, so that
//! `journalctl SHARD_ID=1 MESSAGE_ID=…` finds it. There is no record per request. Nobody waits for a
//! reader of the log but the thread that writes to it.

mod queue;
mod sink;

use std::io;
use std::panic;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use log::{Level, LevelFilter};
use systemd_journal_logger::JournalLog;

use queue::{Entry, Queue};
use shardflake::clock::Step;
use shardflake::id::range::MachineRange;
use shardflake::issuer::Event;
use shardflake::mark::rules::Wait;
use shardflake::time::WallTime;
use shardflake::timestamp::span;
pub use sink::Stderr;
use sink::{Journal, Lines, Sink};

/// The subject of a record, each with a `MESSAGE_ID` that never changes once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server begins: version, shard, state directory, addresses.
    Starting,
    /// The configuration has something that it should not.
    ConfigWarning,
    /// The state directory lies where it may be lost.
    StateWarning,
    /// IDs are issued from now on.
    Serving,
    /// The start waits, for a lock or for the clock.
    Waiting,
    /// A mark was created, split or merged.
    MarkChanged,
    /// The mark could not be written.
    MarkFailed,
    /// The mark can be written again.
    MarkRecovered,
    /// The wall clock stepped.
    ClockStepped,
    /// The kernel says that the clock is not synchronised.
    ClockUnsynchronised,
    /// The time field has less than a year left.
    TimeFieldEnding,
    /// The configuration was read again.
    Reloaded,
    /// A connection could not be accepted.
    AcceptFailed,
    /// The server ends.
    Stopping,
    /// The exact mark is written; the end.
    Stopped,
    /// The server cannot start or go on.
    Fatal,
    /// A thread panicked.
    Bug,
    /// The log's reader did not take all records.
    RecordsDropped,
}

impl Kind {
    /// Every kind, for the documentation and its test.
    pub const ALL: [Self; 18] = [
        Self::Starting,
        Self::ConfigWarning,
        Self::StateWarning,
        Self::Serving,
        Self::Waiting,
        Self::MarkChanged,
        Self::MarkFailed,
        Self::MarkRecovered,
        Self::ClockStepped,
        Self::ClockUnsynchronised,
        Self::TimeFieldEnding,
        Self::Reloaded,
        Self::AcceptFailed,
        Self::Stopping,
        Self::Stopped,
        Self::Fatal,
        Self::Bug,
        Self::RecordsDropped,
    ];

    /// The `MESSAGE_ID` of such records.
    #[must_use]
    pub const fn message_id(self) -> &'static str {
        match self {
            Self::Starting => "b6d45265c5974d86bae79b6b6860a91e",
            Self::ConfigWarning => "3deb61ec1804401bbc488af90ee0b18e",
            Self::StateWarning => "b6c5ce9b3dee45719c170ba42d733df1",
            Self::Serving => "282ad63331d247b1a1657b9bc04387ff",
            Self::Waiting => "59d60ceeda404a3f8cefbb89184ff628",
            Self::MarkChanged => "2df07687c8034a4abce8bea66f757b4f",
            Self::MarkFailed => "b739c6446f4b4809a6e1510c452f95c2",
            Self::MarkRecovered => "d36a119e0059457d8296651ad0634833",
            Self::ClockStepped => "9dc5afcbcc8d4c7292ff448c45134d2c",
            Self::ClockUnsynchronised => "b7378c6ef36a4fd1b64ec44ca8d40c8c",
            Self::TimeFieldEnding => "df57d714ee4f4bafbdfdad21942ec726",
            Self::Reloaded => "486a6c5e42ea444ab5c0c5bad7cd60a3",
            Self::AcceptFailed => "46b78389452140618cee6e6f7c11f91d",
            Self::Stopping => "eaa8c251425a46c0aa2297912150b3e5",
            Self::Stopped => "fdd2169ba4834667a657a310ecc49155",
            Self::Fatal => "ee73b18c55aa4caab34d34494cd7f9b7",
            Self::Bug => "bba48c1c947e486bae694750e0fffef9",
            Self::RecordsDropped => "92bd50009656499ba6257f8c847b41cd",
        }
    }
}

/// How long the end of the process, or a start without a thread for the log, waits for its reader.
pub const PATIENCE: Duration = Duration::from_secs(1);

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// How records reach their reader.
enum Logger {
    Queue(Arc<Queue>),
    /// Where there was no thread for the log: a reader that stalls is waited for once.
    Direct(Mutex<Lines<Stderr>>),
}

impl Logger {
    fn put(&self, entry: Entry) {
        match self {
            Self::Queue(queue) => queue.put(entry),
            Self::Direct(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                // Nobody is left to tell.
                let _ = lines.write(&entry);
            }
        }
    }
}

/// Logs `text` as a record of that kind, without waiting for whoever reads it.
pub fn record(level: Level, kind: Kind, text: &str) {
    if level > log::max_level() {
        return;
    }
    if let Some(logger) = LOGGER.get() {
        logger.put(Entry::now(level, kind, text.to_owned()));
    }
}

/// Starts logging for `shard`, of panics too. A second call changes the level alone.
///
/// # Errors
/// There is no thread for the log. Records go to stderr nevertheless, for a start to say why it fails.
pub fn init(level: LevelFilter, shard: MachineRange) -> io::Result<()> {
    let started = start(level, journal(), |journal| {
        journal.add_extra_field("SHARD_ID", shard.to_string())
    });
    panic::set_hook(Box::new(|panic| {
        let text = format!("a bug, please report it: {panic}").replace('\n', " ");
        record(Level::Error, Kind::Bug, &text);
    }));
    started
}

/// Logs, if the journal listens on stderr, why a server cannot start whose configuration is not known;
/// false if it does not listen. To be called in the place of [`init`].
#[must_use]
pub fn fatal(problems: &[impl ToString]) -> bool {
    let journal = journal();
    if journal.is_none() {
        return false;
    }
    // Without a thread for it, it is told on stderr, which the journal reads as well.
    let _ = start(LevelFilter::Error, journal, |journal| journal);
    for problem in problems {
        record(Level::Error, Kind::Fatal, &problem.to_string());
    }
    true
}

fn start(
    level: LevelFilter,
    journal: Option<JournalLog>,
    with_fields: impl FnOnce(JournalLog) -> JournalLog,
) -> io::Result<()> {
    log::set_max_level(level);
    if LOGGER.get().is_some() {
        return Ok(());
    }
    let queue = match journal.map(with_fields) {
        Some(journal) => Queue::start(Journal(journal)),
        None => Queue::start(Lines(Stderr::patient())),
    };
    let (logger, started) = match queue {
        Ok(queue) => (Logger::Queue(queue), Ok(())),
        Err(error) => {
            let lines = Lines(Stderr::impatient(PATIENCE));
            (Logger::Direct(Mutex::new(lines)), Err(error))
        }
    };
    // Set by nobody else: a process starts one server.
    let _ = LOGGER.set(logger);
    started
}

/// Waits until what was logged is written, but no longer than [`PATIENCE`].
pub fn flush() {
    if let Some(Logger::Queue(queue)) = LOGGER.get() {
        queue.flush(PATIENCE);
    }
}

/// How many records were dropped, as nobody took them.
#[must_use]
pub fn dropped() -> u64 {
    match LOGGER.get() {
        Some(Logger::Queue(queue)) => queue.dropped(),
        _ => 0,
    }
}

fn journal() -> Option<JournalLog> {
    systemd_journal_logger::connected_to_journal()
        .then(JournalLog::new)?
        .ok()
}

/// Logs an event of an issuer.
pub fn event(event: &Event) {
    let (level, kind, text) = describe(event);
    record(level, kind, &text);
}

/// The text of the warning for [`Event::MarkWeak`].
const WEAK: &str = "this file system keeps neither the birth time nor the generation of files, so a copy of the mark with the same inode number cannot be told from the original: use BTRFS, XFS, or ext4 with inodes of 256 bytes for the state directory";

fn describe(event: &Event) -> (Level, Kind, String) {
    use Kind::{ClockStepped, MarkChanged, StateWarning};
    use Level::{Error, Info, Warn};
    match event {
        Event::Clock(step) => (Warn, ClockStepped, clock(*step)),
        Event::ClockUnwatched(error) => (
            Warn,
            ClockStepped,
            format!(
                "the kernel cannot report clock steps ({error}), so the clock is read at least once a second instead"
            ),
        ),
        Event::Waiting(wait) => (urgency(wait), Kind::Waiting, format!("waiting: {wait}")),
        Event::LockHeld(holder) => (Warn, Kind::Waiting, format!("waiting: {holder}")),
        Event::AcceptUnread(error) => (Warn, StateWarning, error.to_string()),
        Event::MarkCreated(bound) => {
            let text = format!("created the mark, with bound {bound}");
            (Info, MarkChanged, text)
        }
        Event::MarksSettled => {
            let text = "split or merged marks for this shard's range";
            (Info, MarkChanged, text.to_owned())
        }
        Event::MarkTouched { touched, first } => (Warn, StateWarning, hidden(*touched, *first)),
        Event::StateDirectory(warning) => (Warn, StateWarning, warning.clone()),
        Event::MarkWeak => (Warn, StateWarning, WEAK.to_owned()),
        Event::Opened(first) => {
            let text = format!("issuing IDs from tick {first}");
            (Info, Kind::Serving, text)
        }
        Event::MarkFailed(error) => (Error, Kind::MarkFailed, error.clone()),
        Event::MarkRecovered => {
            let text = "the mark can be written again";
            (Info, Kind::MarkRecovered, text.to_owned())
        }
        Event::TimeFieldEnding { left, end } => (Warn, Kind::TimeFieldEnding, ending(*left, end)),
        Event::Closed(bound) => {
            let text = format!("wrote the exact mark, with bound {bound}");
            (Info, Kind::Stopped, text)
        }
    }
}

/// The level of a start that waits: a new mark is no reason for a warning.
fn urgency(wait: &Wait) -> Level {
    match wait.code() {
        "fresh_mark" => Level::Info,
        _ => Level::Warn,
    }
}

/// A step of the clock, and what it means for the IDs.
fn clock(step: Step) -> String {
    match step {
        Step::Back(by) => format!(
            "the clock was set back by {}; IDs go on from where they were",
            span(by)
        ),
        Step::Forward(by) => format!("the clock was set forward by {} and is followed", span(by)),
        Step::Doubted(by) => format!(
            "the clock was set forward by {}, more than is believed at once (1s): it is followed when it has stayed so for long enough, or at once after `shardflake state accept-clock --until TIME`",
            span(by)
        ),
    }
}

/// A mark that may hide a newer one, and where IDs begin therefore.
fn hidden(touched: WallTime, first: u64) -> String {
    format!(
        "the mark or its directory was changed at {touched} by somebody else, so an older mark may have been put back: IDs begin at tick {first}, above what can have been issued up to then"
    )
}

/// The end of the time field, which is near.
fn ending(left: Duration, end: &str) -> String {
    format!(
        "the time field of the layout ends in {}, at {end}, and no ID can be issued after that: plan a layout with more time bits or a later epoch, and keep its IDs apart from these, since the same numbers may occur in both",
        span(left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardflake::mark::AcceptError;
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn every_kind_has_an_id_of_its_own() {
        let ids: HashSet<_> = Kind::ALL.iter().map(|kind| kind.message_id()).collect();
        assert_eq!(ids.len(), Kind::ALL.len());
        for id in ids {
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[test]
    fn events_say_what_happened() {
        let second = Duration::from_secs(1);
        for (event, level, word) in [
            (Event::Clock(Step::Back(second)), Level::Warn, "back by 1s"),
            (
                Event::Clock(Step::Forward(second)),
                Level::Warn,
                "forward by 1s",
            ),
            (
                Event::Clock(Step::Doubted(second)),
                Level::Warn,
                "accept-clock",
            ),
            (
                Event::ClockUnwatched("no timer".into()),
                Level::Warn,
                "clock steps (no timer), so the clock is read",
            ),
            (Event::LockHeld("held".into()), Level::Warn, "held"),
            (
                Event::AcceptUnread(AcceptError::Text("x".into())),
                Level::Warn,
                "accept-clock",
            ),
            (Event::MarkCreated(7), Level::Info, "bound 7"),
            (Event::MarksSettled, Level::Info, "marks"),
            (
                Event::MarkTouched {
                    touched: WallTime::from_nanos(1_800_000_000_000_000_000),
                    first: 8,
                },
                Level::Warn,
                "2027-01-15T08:00:00.000Z by somebody else",
            ),
            (
                Event::StateDirectory("it is on tmpfs".into()),
                Level::Warn,
                "tmpfs",
            ),
            (Event::MarkWeak, Level::Warn, "generation"),
            (Event::Opened(8), Level::Info, "tick 8"),
            (
                Event::MarkFailed("no space".into()),
                Level::Error,
                "no space",
            ),
            (Event::MarkRecovered, Level::Info, "again"),
            (
                Event::TimeFieldEnding {
                    left: second,
                    end: "2189-01-01".into(),
                },
                Level::Warn,
                "ends in 1s, at 2189-01-01",
            ),
            (Event::Closed(9), Level::Info, "bound 9"),
        ] {
            let (seen, _, text) = describe(&event);
            assert_eq!(seen, level);
            assert!(text.contains(word), "{text}");
        }
    }
}
