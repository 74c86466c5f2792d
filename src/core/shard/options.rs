//! How a shard is opened by those who use the library.

use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::{Observer, Opening};
use crate::clock::SystemClock;
use crate::id::layout::Layout;
use crate::id::range::{MachineRange, RangeError};
use crate::issuer::{Event, Settings};
use crate::mark::{Claim, Directory, DirectoryError, MarkError, Witness};

/// How long another start in the directory is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries to be alone in the directory.
const RETRY: Duration = Duration::from_millis(5);

/// The machine ID of a shard. No two running shards, on whatever host, may have the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineId(Choice);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Range(MachineRange),
    AnyOf(RangeInclusive<u32>),
}

impl MachineId {
    /// This one. A process that has it is waited for, for ten seconds, as when a service is restarted.
    #[must_use]
    pub const fn only(id: u32) -> Self {
        match MachineRange::new(id, id) {
            Some(range) => Self::all_of(range),
            None => Self::any_of(id..=id),
        }
    }

    /// All of these at once, otherwise as [`MachineId::only`]: the shard issues so many times as fast.
    #[must_use]
    pub const fn all_of(range: MachineRange) -> Self {
        Self(Choice::Range(range))
    }

    /// The first of these that no other process has in the same state directory, such as for the workers of
    /// one host.
    #[must_use]
    pub const fn any_of(ids: RangeInclusive<u32>) -> Self {
        Self(Choice::AnyOf(ids))
    }
}

/// Why a shard cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The state directory will not do.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The layout has no such machine ID.
    #[error(transparent)]
    MachineId(#[from] RangeError),
    /// The marks in the state directory cannot be used.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// No machine ID may be chosen.
    #[error(
        "there is no machine ID to choose from: name at least one, such as MachineId::any_of(0..=63)"
    )]
    NoMachineId,
    /// Other processes have them all.
    #[error(
        "each of the {count} machine IDs is in use in {directory} (the last one tried: {last}): stop a process, or allow more machine IDs"
    )]
    AllHeld {
        /// How many were tried.
        count: usize,
        /// The state directory.
        directory: String,
        /// Who has the last one.
        last: Box<MarkError>,
    },
    /// The system gives no thread.
    #[error(
        "cannot start a thread for the shard: {0}: raise the limit on tasks (TasksMax=, ulimit -u)"
    )]
    Thread(#[from] io::Error),
}

/// The options that a shard is opened with.
///
/// The state directory must outlast the process and the machine's reboot, on a local file system; a copy of
/// it is refused.
pub struct Options {
    directory: PathBuf,
    machine: MachineId,
    layout: Layout,
    deadline: Duration,
    create: bool,
    witnesses: Vec<PathBuf>,
    observer: Observer,
}

impl Options {
    /// A shard with that machine ID and its mark in that state directory, which is made if it is missing.
    /// The layout is Sonyflake's: 256 IDs in 10 ms, for 174 years from 2014.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, machine: MachineId) -> Self {
        Self {
            directory: directory.into(),
            machine,
            layout: Layout::SONYFLAKE,
            deadline: Settings::DEADLINE,
            create: true,
            witnesses: Vec::new(),
            observer: Box::new(|_| {}),
        }
    }

    /// Another layout. It must stay the same for as long as the state directory is in use.
    #[must_use]
    pub const fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// The longest that [`Shard::id`](super::Shard::id) sleeps for an ID; 250 ms by default.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Refuses to start where the state directory or the mark is missing, as when its volume is not mounted.
    #[must_use]
    pub const fn must_exist(mut self) -> Self {
        self.create = false;
        self
    }

    /// Keeps the bound a second time in the first of these directories that can be written, such as one of
    /// `/run`: then a state directory that was another one for a while, such as a volume that was not mounted
    /// for one start, repeats nothing either.
    #[must_use]
    pub fn witness_in(mut self, places: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.witnesses = places.into_iter().map(Into::into).collect();
        self
    }

    /// Is told of events, on whatever thread they happen: such as to log them.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// The opening, with the machine ID chosen, and its locks taken if there was a choice.
    pub(super) fn prepare(self) -> Result<(Opening<Directory, SystemClock>, Observer), OpenError> {
        let (storage, warning) = Directory::prepare(&self.directory, self.create, false)?;
        if let Some(warning) = warning {
            (self.observer)(&Event::StateDirectory(warning));
        }
        let witness = Witness::find(&self.witnesses, true, &self.directory);
        let directory = self.directory.display().to_string();
        let (machines, claim) = match self.machine.0 {
            Choice::Range(range) => (range.fit(&self.layout)?, None),
            Choice::AnyOf(ids) => {
                let claim = choose(ids, &self.layout, &storage, &directory, witness.as_ref())?;
                (claim.range(), Some(claim))
            }
        };
        let settings = Settings {
            layout: self.layout,
            machines,
            max_ahead: Settings::MAX_AHEAD,
            window: Settings::WINDOW,
            deadline: self.deadline,
            continue_ahead: None,
        };
        let mut opening = Opening::here(settings, storage, directory);
        opening.policy.create = self.create;
        opening.claim = claim;
        opening.witness = witness;
        Ok((opening, self.observer))
    }
}

/// Locks the first machine ID that is free.
fn choose(
    ids: RangeInclusive<u32>,
    layout: &Layout,
    storage: &Directory,
    directory: &str,
    witness: Option<&Witness<Directory>>,
) -> Result<Claim<Directory>, OpenError> {
    let until = Instant::now() + PATIENCE;
    let mut held = None;
    let mut count = 0;
    for range in ids.filter_map(|id| MachineRange::new(id, id)) {
        let range = range.fit(layout)?;
        let claim = claim(storage, directory, range, until);
        match claim.and_then(|claim| claim.witnessed(witness)) {
            Err(error @ MarkError::Held { .. }) => held = Some(error),
            claim => return Ok(claim?),
        }
        count += 1;
    }
    Err(
        held.map_or(OpenError::NoMachineId, |last| OpenError::AllHeld {
            count,
            directory: directory.to_owned(),
            last: Box::new(last),
        }),
    )
}

/// Locks `range`, as soon as no other start is under way in the directory.
fn claim(
    storage: &Directory,
    directory: &str,
    range: MachineRange,
    until: Instant,
) -> Result<Claim<Directory>, MarkError> {
    loop {
        match Claim::take(storage.clone(), directory.to_owned(), range) {
            Err(MarkError::Busy { .. }) if Instant::now() < until => thread::park_timeout(RETRY),
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::shard::Shard;

    fn open(state: &Path, machine: MachineId) -> Result<Shard, OpenError> {
        Shard::open(Options::new(state, machine))
    }

    /// Far beyond what a start takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn machine_of(shard: &Shard) -> u32 {
        shard.issuer().machines().first()
    }

    #[test]
    fn each_of_several_takes_the_first_machine_id_that_is_free() {
        let state = tempfile::tempdir().unwrap();
        let any = || MachineId::any_of(3..=5);
        let one = open(state.path(), any()).unwrap();
        let other = open(state.path(), any()).unwrap();
        assert_eq!((machine_of(&one), machine_of(&other)), (3, 4));
        one.close().unwrap();
        let next = open(state.path(), any()).unwrap();
        let last = open(state.path(), any()).unwrap();
        assert_eq!((machine_of(&next), machine_of(&last)), (3, 5));
        let Err(error) = open(state.path(), any()) else {
            panic!("all are taken");
        };
        let told = error.to_string();
        assert!(
            told.contains("each of the 3 machine IDs is in use"),
            "{told}"
        );
    }

    /// By the machine's own clock, which no start doubts.
    #[test]
    fn a_new_shard_serves_once_its_mark_has_been_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let shard = open(state.path(), MachineId::only(7)).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        let (first, second) = (shard.id().unwrap(), shard.id().unwrap());
        assert!(first < second);
        assert_eq!(first.parts(shard.issuer().layout()).machine_id, 7);
        shard.close().unwrap();
    }

    #[test]
    fn a_machine_id_that_the_layout_has_not_is_refused() {
        let state = tempfile::tempdir().unwrap();
        for machine in [MachineId::only(65_536), MachineId::any_of(65_536..=65_540)] {
            assert!(matches!(
                open(state.path(), machine),
                Err(OpenError::MachineId(_))
            ));
        }
        let none = MachineId::any_of(RangeInclusive::new(5, 4));
        assert!(matches!(
            open(state.path(), none),
            Err(OpenError::NoMachineId)
        ));
    }

    #[test]
    fn what_must_exist_is_not_made() {
        let state = tempfile::tempdir().unwrap();
        let missing = state.path().join("missing");
        let options = || Options::new(&missing, MachineId::only(1)).must_exist();
        let refused = Shard::open(options());
        assert!(matches!(
            refused,
            Err(OpenError::Directory(DirectoryError::Missing(_)))
        ));
        std::fs::create_dir(&missing).unwrap();
        let shard = Shard::open(options()).unwrap();
        let ended = shard.await_ready(PATIENCE).unwrap_err();
        assert_eq!(ended.code(), "ended");
        let told = shard.close().unwrap_err().to_string();
        assert!(
            told.starts_with("there is no mark for machine ID 1"),
            "{told}"
        );
    }

    #[test]
    fn a_witness_keeps_the_bound_too_where_it_is_told_to() {
        let [state, run] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for machine in [MachineId::only(1), MachineId::any_of(2..=2)] {
            let witness = run.path().join("shardflake");
            let options = Options::new(state.path(), machine).witness_in([&witness]);
            let shard = Shard::open(options).unwrap();
            shard.await_ready(PATIENCE).unwrap();
            let noted = |range: &str| {
                let names = std::fs::read_dir(&witness).unwrap();
                let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
                names.filter(|name| name.ends_with(range)).count()
            };
            let machine = machine_of(&shard);
            assert_eq!(noted(&format!("-{machine}.bound")), 1);
            shard.close().unwrap();
        }
    }

    #[test]
    fn a_directory_that_is_lost_with_the_host_is_told_of() {
        let state = tempfile::tempdir_in("/dev/shm").unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let options = Options::new(state.path(), MachineId::only(1))
            .observer(move |event| seen.lock().unwrap().push(event.clone()));
        drop(Shard::open(options).unwrap());
        let told = told.lock().unwrap();
        assert!(
            matches!(&told[0], Event::StateDirectory(warning) if warning.contains("tmpfs")),
            "{told:?}"
        );
    }

    #[test]
    fn the_options_are_those_of_the_shard() {
        let state = tempfile::tempdir().unwrap();
        let deadline = Duration::from_secs(3);
        let machines = "16-31".parse().unwrap();
        let options = Options::new(state.path(), MachineId::all_of(machines))
            .layout(Layout::SNOWFLAKE)
            .deadline(deadline);
        let shard = Shard::open(options).unwrap();
        let issuer = shard.issuer();
        assert_eq!((issuer.machines(), issuer.deadline()), (machines, deadline));
        assert_eq!(*issuer.layout(), Layout::SNOWFLAKE);
    }
}
