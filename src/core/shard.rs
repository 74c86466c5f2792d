//! The entry to the library: how a shard is opened, used and closed.
//!
//! An issuer hands out the IDs, a keeper on a thread of its own keeps the mark ahead of them, and a watch
//! tells when somebody sets the clock. How these three belong together stands here, and nowhere else.
//!
//! One ID: [`Issuer::try_issue_at`], which moves one word on. One start: [`Shard::open`] has a [`Keeper`]
//! take the locks, follow [`mark::rules`](crate::mark::rules) and open the generator. One stop: it closes the
//! generator and writes the exact mark.

mod forks;
mod options;
mod runs;
#[cfg(feature = "async")]
mod tasks;
mod wide;

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{Clock, StepWatch, SystemClock};
use crate::id::Id;
use crate::issuer::{Busy, Event, Issuer, Keeper, Observer, Refusal, Settings, SystemIssuer};
use crate::mark::rules::Policy;
use crate::mark::slot::{BootId, Holder, Moment};
use crate::mark::storage::Storage;
use crate::mark::{Author, Claim, MarkError, Witness};

use forks::Forks;
pub use options::{MachineId, OpenError, Options};
pub use runs::Runs;

/// All that a shard is opened with.
pub struct Opening<S: Storage, C> {
    /// The layout, the machine IDs, and how far ahead things may be.
    pub settings: Settings,
    /// The settings that the start follows in the state directory.
    pub policy: Policy,
    /// Who writes the mark, and in which boot.
    pub author: Author,
    /// The clocks to go by.
    pub clock: C,
    /// The state directory.
    pub storage: S,
    /// The witness of the bounds, if there is one.
    pub witness: Option<Witness<S>>,
    /// The locks, if they are taken already.
    pub claim: Option<Claim<S>>,
}

impl<S: Storage + Clone, C: Clock + Clone> Opening<S, C> {
    /// An opening over `storage`, which messages call `directory`, by `clock`, in the boot that `boot_id`
    /// names. The rest is as lenient as can be; see [`Settings::policy`].
    pub fn new(
        settings: Settings,
        storage: S,
        directory: String,
        clock: C,
        boot_id: BootId,
    ) -> Self {
        Self {
            policy: settings.policy(directory),
            author: Author {
                layout: settings.layout,
                furthest: settings.furthest(),
                holder: Holder::default(),
                moment: Moment {
                    wall: clock.realtime(),
                    boot: clock.boottime(),
                    boot_id,
                },
            },
            settings,
            clock,
            storage,
            witness: None,
            claim: None,
        }
    }

    /// The issuer, and the keeper that has to be stepped before it issues anything. For whoever steps it;
    /// anybody else opens a [`Shard`]. `observer` is told of events, on whatever thread they happen.
    pub fn parts(
        self,
        observer: impl Fn(&Event) + Send + Sync + 'static,
    ) -> (Arc<Issuer<C>>, Keeper<S, C>) {
        let issuer = Arc::new(Issuer::new(self.settings, self.clock, observer));
        let keeper = Keeper::new(Arc::clone(&issuer), self.storage, self.policy, self.author);
        let keeper = keeper.witnessed(self.witness).holding(self.claim);
        (issuer, keeper)
    }
}

impl<S: Storage + Clone> Opening<S, SystemClock> {
    /// An opening for this process, by the machine's own clocks; otherwise as [`Opening::new`].
    pub fn here(settings: Settings, storage: S, directory: String) -> Self {
        let author = settings.author();
        let boot_id = author.moment.boot_id;
        Self {
            author,
            ..Self::new(settings, storage, directory, SystemClock, boot_id)
        }
    }
}

/// An open shard. Dropped it is closed as by [`Shard::close`], but nobody is told whether that went well.
pub struct Shard {
    issuer: Arc<SystemIssuer>,
    keeper: Option<JoinHandle<Result<(), MarkError>>>,
    watch: Option<Arc<StepWatch>>,
    forks: Forks,
}

/// The code of an identifier for which there are no random bits.
const NO_RANDOM: &str = "no_random";

/// Why a shard gives no ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The shard refuses.
    #[error(transparent)]
    Refused(Refusal),
    /// The kernel gives no random bits, which a UUIDv7 or a ULID has some of.
    #[error("the kernel gives no random bits (getrandom: {0}): allow that call to this process")]
    NoRandom(String),
    /// It could not start, or has come to its end.
    #[error("the shard could not start, or has ended: close() tells why")]
    Ended,
    /// This process was forked off the one that opened the shard, which goes on issuing the same IDs.
    #[error(
        "this process was forked off the one that opened the shard: open one after the fork, with another machine ID (such as MachineId::any_of)"
    )]
    Forked,
}

impl IdError {
    /// A short name for programs, in `snake_case`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NoRandom(_) => NO_RANDOM,
            Self::Ended => "ended",
            Self::Forked => Forks::CODE,
        }
    }
}

/// Why a shard did not come to a clean end.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// It could not start, or the exact mark could not be written.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// A panic.
    #[error("a bug ended the thread that keeps the mark; please report it with the lines above")]
    Bug,
    /// This process was forked off the one that opened the shard, which goes on with it.
    #[error(
        "this process was forked off the one that opened the shard: only that one can close it"
    )]
    Forked,
}

impl Shard {
    /// Opens it: IDs are issued as soon as the start rules allow, which takes milliseconds after a clean end,
    /// and seconds where there is no mark yet; see [`Shard::await_ready`].
    ///
    /// # Errors
    /// [`OpenError`] says why it cannot be opened. [`Shard::close`] reports what is found later, such as a mark
    /// that is a copy.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let (opening, observer) = options.prepare()?;
        Ok(Self::open_with(opening, observer)?)
    }

    /// [`Shard::open`] by parts of one's own. `observer` is told of events, on whatever thread they happen.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn open_with<S>(
        opening: Opening<S, SystemClock>,
        observer: impl Fn(&Event) + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        S: Storage + Clone + Send + 'static,
        S::File: Send,
    {
        Self::open_telling(opening, observer, || {})
    }

    /// [`Shard::open_with`]; `ended` is called, or dropped in a panic, when the shard has come to its end. That
    /// is because it was closed, or because it cannot start.
    ///
    /// # Errors
    /// As there.
    pub fn open_telling<S>(
        opening: Opening<S, SystemClock>,
        observer: impl Fn(&Event) + Send + Sync + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self>
    where
        S: Storage + Clone + Send + 'static,
        S::File: Send,
    {
        let (issuer, keeper) = opening.parts(observer);
        let over = Arc::clone(&issuer);
        // It blocks on the disk.
        let keeper = thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || {
                let result = keeper.run();
                // In this order: draining wakes whoever waits, who then looks for the stop.
                over.stop();
                over.drain();
                ended();
                result
            })?;
        let mut shard = Self {
            issuer,
            keeper: Some(keeper),
            watch: None,
            forks: Forks::watch(),
        };
        shard.watch = watch_clock(&shard.issuer)?;
        Ok(shard)
    }

    /// The issuer of the IDs, to be shared with all that ask for them. It does not see that a process was
    /// forked, as the methods of this type do.
    #[must_use]
    pub fn issuer(&self) -> &Arc<SystemIssuer> {
        &self.issuer
    }

    /// Sleeps until IDs are issued, for `patience` at most.
    ///
    /// # Errors
    /// [`IdError`] says why they are not, or not yet.
    pub fn await_ready(&self, patience: Duration) -> Result<(), IdError> {
        self.check_fork()?;
        let ready = self.issuer.await_ready(patience);
        ready.map_err(|refusal| self.refused(refusal))
    }

    /// A new ID, if that takes no waiting. Never sleeps, never allocates, and takes no lock while IDs are
    /// issued.
    ///
    /// A thread reads the clock once in a tick of the kernel's timer, of 1 to 10 ms, so that the time in the ID
    /// may be as much earlier than that of the call. IDs are in the order of the calls nevertheless, of all
    /// threads.
    ///
    /// # Errors
    /// [`Busy`] tells when to ask again.
    #[inline]
    pub fn try_id(&self) -> Result<Id, Busy> {
        if self.forks.has_forked() {
            return Err(Forks::busy());
        }
        match self.issuer.try_issue_ahead() {
            Some(issued) => Ok(issued.id()),
            None => Err(self.issuer.busy()),
        }
    }

    /// A new ID; the thread sleeps until its tick begins, for as long as [`Settings::deadline`] says.
    ///
    /// # Errors
    /// [`IdError`] says why there is none.
    pub fn id(&self) -> Result<Id, IdError> {
        self.check_fork()?;
        if let Some(issued) = self.issuer.try_issue() {
            return Ok(issued.id());
        }
        let issued = self.issuer.issue_blocking();
        let issued = issued.map_err(|refusal| self.refused(refusal))?;
        Ok(issued.id())
    }

    /// `count` new IDs, described in runs as their ticks come, not listed one by one.
    #[must_use]
    pub const fn ids(&self, count: NonZeroU32) -> Runs<'_> {
        Runs::new(self, count)
    }

    fn check_fork(&self) -> Result<(), IdError> {
        if self.forks.has_forked() {
            return Err(IdError::Forked);
        }
        Ok(())
    }

    /// The error for a refusal: what the shard says while it has ended is no reason to ask again.
    fn refused(&self, refusal: Refusal) -> IdError {
        if self.issuer.is_stopping() {
            IdError::Ended
        } else {
            IdError::Refused(refusal)
        }
    }

    /// Ends issuing, and writes the exact mark, so that the next start skips no time.
    ///
    /// # Errors
    /// [`CloseError`] says why the shard could not start, or could not write it. Nothing repeats.
    pub fn close(mut self) -> Result<(), CloseError> {
        // There is no thread to wait for.
        if self.forks.has_forked() {
            return Err(CloseError::Forked);
        }
        self.stop();
        match self.keeper.take().map(JoinHandle::join) {
            Some(Ok(result)) => Ok(result?),
            Some(Err(_)) | None => Err(CloseError::Bug),
        }
    }

    fn stop(&self) {
        self.issuer.stop();
        if let Some(watch) = &self.watch {
            watch.wake();
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // The parent shares the timer that the watch waits on, and has the thread.
        if self.forks.has_forked() {
            return;
        }
        self.stop();
        if let Some(keeper) = self.keeper.take() {
            // It writes the exact mark, without which a start would skip a second.
            let _ = keeper.join();
        }
    }
}

/// Looks at the clock as soon as somebody sets it. The keeper looks too, a few times a second: without
/// a watch a step is noticed later.
fn watch_clock(issuer: &Arc<SystemIssuer>) -> io::Result<Option<Arc<StepWatch>>> {
    let watch = match StepWatch::new() {
        Ok(watch) => Arc::new(watch),
        Err(error) => {
            issuer.tell(&Event::ClockUnwatched(error.to_string()));
            return Ok(None);
        }
    };
    let (issuer, waiting) = (Arc::downgrade(issuer), Arc::clone(&watch));
    thread::Builder::new()
        .name("clock".to_owned())
        .spawn(move || {
            loop {
                let waited = waiting.wait();
                let Some(issuer) = issuer.upgrade() else {
                    return;
                };
                if issuer.is_stopping() {
                    return;
                }
                if let Err(error) = waited {
                    return issuer.tell(&Event::ClockUnwatched(error.to_string()));
                }
                issuer.observe_clock();
            }
        })?;
    Ok(Some(watch))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::id::layout::Layout;
    use crate::mark::rules::Settlement;
    use crate::mark::{Claim, Directory};

    pub(super) fn opening(state: &Path) -> Opening<Directory, SystemClock> {
        opening_of("1", state)
    }

    pub(super) fn opening_of(machines: &str, state: &Path) -> Opening<Directory, SystemClock> {
        let settings = Settings {
            layout: Layout::SNOWFLAKE,
            machines: machines.parse().unwrap(),
            // A new mark is waited for as long as these three together.
            max_ahead: Settings::MAX_AHEAD,
            window: Settings::WINDOW,
            deadline: Duration::from_secs(30),
            continue_ahead: None,
        };
        let directory = state.display().to_string();
        Opening::here(settings, Directory::new(state), directory)
    }

    /// Far beyond what a start takes.
    pub(super) const PATIENCE: Duration = Duration::from_secs(60);

    /// A mark of a minute ago, so that there is nothing to wait for.
    pub(super) fn leave_mark(state: &Path) {
        leave_mark_of("1", state);
    }

    pub(super) fn leave_mark_of(machines: &str, state: &Path) {
        let opening = opening_of(machines, state);
        let before = SystemClock.realtime() - Duration::from_secs(60);
        let old = Settlement {
            own_bound: opening.settings.layout.tick_at(before).unwrap(),
            fresh: true,
            left_over: Vec::new(),
            left_over_bound: 0,
            obsolete: Vec::new(),
        };
        Claim::take(Directory::new(state), String::new(), opening.policy.range)
            .and_then(|mut claim| claim.settle(&opening.author, |_| Some(old)))
            .unwrap();
    }

    #[test]
    fn a_shard_is_opened_used_and_closed_and_goes_on_above() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let mut last = None;
        for _ in 0..3 {
            let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
            shard.await_ready(PATIENCE).unwrap();
            let mut ids = vec![shard.id().unwrap()];
            let count = NonZeroU32::new(5000).unwrap();
            let runs = shard.ids(count);
            let length: u32 = runs.map(|run| run.unwrap().count()).sum();
            assert_eq!(length, 5000);
            ids.push(shard.id().unwrap());
            assert!(last < Some(ids[0]) && ids[0] < ids[1]);
            last = Some(ids[1]);
            shard.close().unwrap();
        }
    }

    #[test]
    fn whoever_asked_is_told_of_the_end() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("1.mark"), "damaged").unwrap();
        let (told, end) = mpsc::channel();
        let ended = move || told.send(()).unwrap();
        let shard = Shard::open_telling(opening(state.path()), |_| {}, ended).unwrap();
        end.recv().unwrap();
        assert_eq!(shard.try_id().unwrap_err().code, "draining");
        assert_eq!(shard.await_ready(PATIENCE), Err(IdError::Ended));
        let error = shard.close().unwrap_err();
        assert!(matches!(error, CloseError::Mark(MarkError::Refused(_))));
    }

    #[test]
    fn a_shard_that_is_dropped_has_written_the_exact_mark() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        // Long enough that whoever does not wait for the end is past it.
        let ended = move || {
            thread::park_timeout(Duration::from_millis(300));
            over.store(true, Ordering::SeqCst);
        };
        let shard = Shard::open_telling(opening(state.path()), |_| {}, ended).unwrap();
        shard.await_ready(PATIENCE).unwrap();
        let last = shard.id().unwrap();
        drop(shard);
        assert!(is_over.load(Ordering::SeqCst));
        let bytes = fs::read(state.path().join("1.mark")).unwrap();
        let slot = crate::mark::slot::Slot::decode(&bytes).unwrap();
        assert_eq!(slot.bound, last.parts(&Layout::SNOWFLAKE).time);
    }

    #[test]
    fn a_shard_that_is_dropped_gives_back_its_threads() {
        let state = tempfile::tempdir().unwrap();
        leave_mark(state.path());
        let shard = Shard::open_with(opening(state.path()), |_| {}).unwrap();
        // The keeper's thread holds the one for as long as it runs, the clock's the other.
        let issuer = Arc::downgrade(shard.issuer());
        let watch = shard.watch.as_ref().map(Arc::downgrade).unwrap();
        drop(shard);
        let begun = Instant::now();
        while issuer.strong_count() + watch.strong_count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::yield_now();
        }
    }
}
