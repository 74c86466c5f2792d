//! The keeper: takes the locks, follows the start rules, keeps the bound ahead of use, and writes
//! the exact mark at the end.
//!
//! It is a state machine that is stepped, so that a simulation can step it too; [`Keeper::run`]
//! steps it on a thread of its own. Nothing else in the process touches the state directory.

mod clock;
mod start;
mod turn;
mod window;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Event, Issuer, Phase};
use crate::clock::{Clock, Verdict};
use crate::mark::rules::Policy;
use crate::mark::storage::Storage;
use crate::mark::{AcceptError, Author, Claim, MarkError, Record, Witness};
use crate::time::{BootTime, Offset, WallTime};

/// How often a shard that waits, or is not in use, is looked after.
const IDLE_ROUND: Duration = Duration::from_secs(1);

/// Keeps the mark of one issuer.
pub struct Keeper<S: Storage, C> {
    issuer: Arc<Issuer<C>>,
    storage: S,
    policy: Policy,
    author: Author,
    witness: Option<Witness<S>>,
    stage: Stage<S>,
    /// When a try first found a machine ID locked.
    began: Option<BootTime>,
    /// Tries to be alone in the directory so far.
    turns: u64,
    /// The clock's offset from which a start measures a step forward, once one has been followed.
    trusted: Option<Offset>,
    /// The tick of IDs and stamps when it last moved, and when that was.
    moved: (u64, BootTime),
    /// When a failed write is tried again, however many requests ask for it before.
    retry: BootTime,
    /// The moment up to which an operator takes the clock for right, as last read.
    accepted: Option<WallTime>,
    /// The error that was last told of reading it.
    unread: Option<AcceptError>,
    warned_of_end: bool,
}

enum Stage<S: Storage> {
    Locking,
    Starting {
        claim: Claim<S>,
        fresh: Option<u64>,
    },
    Opening {
        record: Record<S>,
        first: u64,
    },
    Running {
        record: Record<S>,
        /// The bound that this run read at its start.
        read: u64,
    },
    Ended,
}

/// The thing to do after a step of the keeper.
#[derive(Debug)]
pub enum Next {
    /// Step again after this time, or when woken.
    Park(Duration),
    /// Nothing is left to do; the error is why the shard cannot start, or could not stop cleanly.
    End(Result<(), MarkError>),
}

impl<S: Storage + Clone, C: Clock> Keeper<S, C> {
    /// A keeper for `issuer` over `storage`. The moment of `author` names the boot that the clock counts
    /// from.
    pub fn new(issuer: Arc<Issuer<C>>, storage: S, policy: Policy, author: Author) -> Self {
        Self {
            issuer,
            storage,
            policy,
            author,
            witness: None,
            stage: Stage::Locking,
            began: None,
            turns: 0,
            trusted: None,
            moved: (0, BootTime::ZERO),
            retry: BootTime::ZERO,
            accepted: None,
            unread: None,
            warned_of_end: false,
        }
    }

    /// Goes on from `claim`, if there is one, instead of taking the locks.
    #[must_use]
    pub fn holding(mut self, claim: Option<Claim<S>>) -> Self {
        if let Some(claim) = claim {
            self.stage = Stage::Starting { claim, fresh: None };
        }
        self
    }

    /// Has the witness keep the bounds too, if there is one.
    #[must_use]
    pub fn witnessed(mut self, witness: Option<Witness<S>>) -> Self {
        self.witness = witness;
        self
    }

    /// Steps until the end, parking in between. To be called on a thread of its own.
    ///
    /// # Errors
    /// [`MarkError`] says why the shard cannot start, or that the exact mark was not written.
    pub fn run(mut self) -> Result<(), MarkError> {
        self.issuer.pulse.set_thread(thread::current());
        loop {
            match self.step() {
                Next::Park(duration) => thread::park_timeout(duration),
                Next::End(result) => return result,
            }
        }
    }

    /// Does what is due now.
    pub fn step(&mut self) -> Next {
        let issuer = Arc::clone(&self.issuer);
        self.seen(true);
        let demanded = issuer.window.take_demand();
        issuer.observe_clock();
        if issuer.following.verdict() != Verdict::Followed {
            // An operator may have accepted the clock meanwhile.
            self.accept();
            issuer.observe_clock();
        }
        let next = if issuer.is_stopping() {
            Next::End(self.close())
        } else {
            self.advance(demanded)
        };
        self.seen(false);
        next
    }

    /// Notes that a step begins, which may wait at the disk for any length of time, or ends.
    pub(super) fn seen(&self, in_step: bool) {
        let issuer = &self.issuer;
        issuer.pulse.beat(issuer.clock.boottime(), in_step);
    }

    fn advance(&mut self, demanded: bool) -> Next {
        let result = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Locking => self.lock(),
            Stage::Starting { claim, fresh } => self.start(claim, fresh),
            Stage::Opening { record, first } => Ok(self.open(record, first)),
            Stage::Running { record, read } => Ok(self.keep_ahead(record, read, demanded)),
            Stage::Ended => Ok(Next::End(Ok(()))),
        };
        result.unwrap_or_else(|error| Next::End(Err(error)))
    }

    /// Closes each generator by one swap; what that returns covers every request that came before,
    /// also those that still sleep.
    fn close(&mut self) -> Result<(), MarkError> {
        let issuer = Arc::clone(&self.issuer);
        let last = issuer.generator.close().max(issuer.stamps.close());
        issuer.drain();
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let Stage::Running { record, read } = stage else {
            // Nothing was issued: what is durable bounds all that was.
            return Ok(());
        };
        let bound = last.unwrap_or(read).max(read);
        record.finish(bound, self.moment())?;
        issuer.tell(&Event::Closed(bound));
        Ok(())
    }

    /// Says why there is no mark to issue on yet; to be tried again in a while.
    fn unwritable(&self, error: &MarkError) -> Next {
        self.tell_unwritable(error);
        Next::Park(IDLE_ROUND)
    }

    fn tell_unwritable(&self, error: &MarkError) {
        let error = error.to_string();
        self.enter(Phase::Unwritable(error.clone()), &Event::MarkFailed(error));
    }

    /// Changes the phase, and tells of it unless it is the kind of phase that it was.
    fn enter(&self, phase: Phase, event: &Event) {
        if self.issuer.status.enter(phase) {
            self.issuer.tell(event);
        }
    }
}
