//! The keeper: takes the locks, follows the start rules, keeps the bound ahead of use, and writes
//! the exact mark at the end.
//!
//! It is a state machine that is stepped, so that a simulation can step it too; [`Keeper::run`]
//! steps it on a thread of its own. Nothing else in the process touches the state directory.

mod clock;
mod turn;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{Event, Issuer, Phase, elapsed};
use crate::clock::{Clock, Verdict};
use crate::mark::rules::{self, Floor, Policy, Seen, View};
use crate::mark::slot::BootId;
use crate::mark::storage::Storage;
use crate::mark::{AcceptError, Author, Claim, MarkError, Record, Witness};
use crate::timestamp::nanos;

/// How long a lock that somebody else holds is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries for a lock.
const LOCK_RETRY: Duration = Duration::from_millis(100);
/// Between two tries to write after a failure.
const WRITE_RETRY: Duration = Duration::from_millis(250);
/// The keeper looks at the clock at least this often, should the kernel not tell of a step.
const ROUND: Duration = Duration::from_millis(250);
/// The same for a shard that is not in use.
const IDLE_ROUND: Duration = Duration::from_secs(1);
/// A shard that issued nothing for this long is not in use, and its bound is left alone.
const IDLE: Duration = Duration::from_secs(60);

/// Keeps the mark of one issuer.
pub struct Keeper<S: Storage, C> {
    issuer: Arc<Issuer<C>>,
    storage: S,
    policy: Policy,
    author: Author,
    boot_id: BootId,
    witness: Option<Witness<S>>,
    stage: Stage<S>,
    /// Boot time of the first try that found a machine ID locked.
    began: Option<i64>,
    /// Tries to be alone in the directory so far.
    turns: u64,
    /// The clock's offset to measure a step forward from at the start, once one has been followed.
    trusted: Option<i64>,
    /// The generator's tick when it last moved, and the boot time of that.
    moved: (u64, i64),
    /// Boot time before which a failed write is not tried again, however many requests ask for it.
    retry: i64,
    /// What an operator said of the clock when it was last read.
    accepted: Option<i64>,
    /// Why that cannot be read, if that was told.
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

/// What to do after a step.
#[derive(Debug)]
pub enum Next {
    /// Step again after this time, or when woken.
    Park(Duration),
    /// Nothing is left to do; the error is why the shard cannot start, or could not stop cleanly.
    End(Result<(), MarkError>),
}

impl<S: Storage + Clone, C: Clock> Keeper<S, C> {
    /// A keeper for `issuer` over `storage`. `boot_id` names the boot that the clock counts from.
    pub fn new(
        issuer: Arc<Issuer<C>>,
        storage: S,
        policy: Policy,
        author: Author,
        boot_id: BootId,
    ) -> Self {
        Self {
            issuer,
            storage,
            policy,
            author,
            boot_id,
            witness: None,
            stage: Stage::Locking,
            began: None,
            turns: 0,
            trusted: None,
            moved: (0, 0),
            retry: 0,
            accepted: None,
            unread: None,
            warned_of_end: false,
        }
    }

    /// Has the bounds witnessed, where that can be had.
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
        // A second keeper of one issuer would fail on the locks.
        let _ = self.issuer.keeper.set(thread::current());
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
        let demanded = issuer.wanted.swap(false, Ordering::AcqRel);
        issuer.observe_clock();
        if issuer.cold().verdict != Verdict::Followed {
            // An operator may have accepted the clock meanwhile.
            self.accept();
            issuer.observe_clock();
        }
        let next = if issuer.stopping.load(Ordering::Acquire) {
            Next::End(self.close())
        } else {
            self.advance(demanded)
        };
        self.seen(false);
        next
    }

    /// Notes that it goes to the disk, where it rightly waits as long as that takes, or is back.
    pub(super) fn seen(&self, at_disk: bool) {
        let issuer = &self.issuer;
        issuer
            .keeper_seen
            .store(issuer.clock.boottime(), Ordering::Release);
        issuer.at_disk.store(at_disk, Ordering::Release);
    }

    fn advance(&mut self, demanded: bool) -> Next {
        let result = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Locking => self.lock(),
            Stage::Starting { claim, fresh } => self.start(claim, fresh),
            Stage::Opening { record, first } => Ok(self.open(record, first)),
            Stage::Running { record, read } => Ok(self.extend(record, read, demanded)),
            Stage::Ended => Ok(Next::End(Ok(()))),
        };
        result.unwrap_or_else(|error| Next::End(Err(error)))
    }

    fn lock(&mut self) -> Result<Next, MarkError> {
        let boot = self.issuer.clock.boottime();
        let directory = self.policy.directory.clone();
        let claim = Claim::take(self.storage.clone(), directory, self.policy.range);
        match claim.and_then(|claim| claim.witnessed(self.witness.as_ref())) {
            Ok(claim) => {
                self.stage = Stage::Starting { claim, fresh: None };
                Ok(Next::Park(Duration::ZERO))
            }
            // However many start at once, each has its turn.
            Err(error @ MarkError::Busy { .. }) => {
                self.tell_held(&error);
                Ok(self.await_turn(Stage::Locking))
            }
            Err(error @ MarkError::Held { .. })
                if boot - *self.began.get_or_insert(boot) < nanos(LOCK_PATIENCE) =>
            {
                self.tell_held(&error);
                self.stage = Stage::Locking;
                Ok(Next::Park(LOCK_RETRY))
            }
            // No room for the lock file.
            Err(error) if error.is_full() => {
                self.stage = Stage::Locking;
                Ok(self.unwritable(&error))
            }
            Err(error) => Err(error),
        }
    }

    fn tell_held(&self, error: &MarkError) {
        let holder = error.to_string();
        self.enter(Phase::LockHeld(holder.clone()), &Event::LockHeld(holder));
    }

    /// Tries again when another start may be through with the directory; not in step with the others
    /// that wait.
    fn await_turn(&mut self, stage: Stage<S>) -> Next {
        self.stage = stage;
        self.turns += 1;
        Next::Park(turn::delay(self.policy.range, self.turns))
    }

    /// Looks at the directory and does as the rules say.
    fn start(&mut self, mut claim: Claim<S>, fresh: Option<u64>) -> Result<Next, MarkError> {
        let looked = claim.look();
        let view = match looked {
            Ok(view) => view,
            Err(MarkError::Busy { .. }) => {
                return Ok(self.await_turn(Stage::Starting { claim, fresh }));
            }
            Err(error) if error.may_pass() => {
                self.stage = Stage::Starting { claim, fresh };
                return Ok(self.unwritable(&error));
            }
            Err(error) => return Err(error),
        };
        self.follow_clock(&view);
        match rules::decide(&view, &self.policy, &self.now(), fresh) {
            rules::Verdict::Refuse(refused) => Err(refused.into()),
            rules::Verdict::Wait(wait) => {
                let round = wait.left().map_or(IDLE_ROUND, |left| left.min(IDLE_ROUND));
                self.enter(Phase::Waiting(wait.clone()), &Event::Waiting(wait));
                self.stage = Stage::Starting { claim, fresh };
                Ok(Next::Park(round))
            }
            rules::Verdict::Settle(settlement) => {
                self.warn_of_touch(&view, settlement.own_bound + 1);
                self.settle(claim, fresh)
            }
            rules::Verdict::Raise(floor) => self.raise_floor(claim, fresh, floor),
            rules::Verdict::Open { first } => {
                self.warn_of_touch(&view, first);
                if view.overlapping.iter().any(|seen| seen.identity.is_weak()) {
                    self.issuer.tell(&Event::MarkWeak);
                }
                let record = claim.into_record(self.author.clone())?;
                if record.bound() >= first {
                    // A slot that could not be read before can be now: what it says is not known to be
                    // durable, and the rules have not seen it.
                    self.stage = Stage::Locking;
                    return Ok(Next::Park(LOCK_RETRY));
                }
                self.stage = Stage::Opening { record, first };
                Ok(Next::Park(Duration::ZERO))
            }
        }
    }

    /// What goes beyond the usual is durable before it is made use of.
    fn raise_floor(
        &mut self,
        mut claim: Claim<S>,
        fresh: Option<u64>,
        floor: Floor,
    ) -> Result<Next, MarkError> {
        self.author.moment = self.moment();
        let raised = claim.raise_floor(&self.author, floor);
        let stage = Stage::Starting { claim, fresh };
        if matches!(raised, Err(MarkError::Busy { .. })) {
            return Ok(self.await_turn(stage));
        }
        self.stage = stage;
        match raised {
            Ok(()) => Ok(Next::Park(Duration::ZERO)),
            Err(error @ MarkError::Io { .. }) => Ok(self.unwritable(&error)),
            Err(error) => Err(error),
        }
    }

    /// Tells of marks that somebody had in hand, if that costs anything.
    fn warn_of_touch(&self, view: &View, first: u64) {
        let marks = &view.overlapping;
        let touched = marks.iter().filter_map(Seen::touched).max();
        let read = marks.iter().filter_map(Seen::bound).max();
        // Most of what is touched costs nothing, such as another shard's first start.
        if let Some(touched) = touched.filter(|_| read.is_some_and(|read| first > read + 1)) {
            self.issuer.tell(&Event::MarkTouched { touched, first });
        }
    }

    fn settle(&mut self, mut claim: Claim<S>, fresh: Option<u64>) -> Result<Next, MarkError> {
        self.author.moment = self.moment();
        let (policy, now, before) = (&self.policy, self.now(), fresh);
        let mut fresh = before;
        let settled = claim.settle(&self.author, |view| {
            let rules::Verdict::Settle(settlement) = rules::decide(view, policy, &now, before)
            else {
                return None;
            };
            if settlement.fresh {
                // Also if something fails after the mark is there.
                fresh = Some(settlement.own_bound);
            }
            Some(settlement)
        });
        match settled {
            Ok(Some(settlement)) if settlement.fresh => {
                self.issuer.tell(&Event::MarkCreated(settlement.own_bound));
            }
            Ok(Some(settlement)) if settlement.regroups() => {
                self.issuer.tell(&Event::MarksSettled);
            }
            Ok(Some(_) | None) => {}
            // Two starts may each need a part of one mark, and hold the other's: neither has written
            // anything, and whoever lets go lets the other one settle.
            Err(error @ MarkError::Held { .. }) => {
                drop(claim);
                self.tell_held(&error);
                self.began = None;
                self.stage = Stage::Locking;
                return Ok(Next::Park(LOCK_RETRY));
            }
            Err(MarkError::Busy { .. }) => {
                return Ok(self.await_turn(Stage::Starting { claim, fresh }));
            }
            // Whatever failed, it may be mended while the shard is up, and the message says what to do.
            Err(error @ MarkError::Io { .. }) => {
                self.stage = Stage::Starting { claim, fresh };
                return Ok(self.unwritable(&error));
            }
            Err(error) => return Err(error),
        }
        self.stage = Stage::Starting { claim, fresh };
        Ok(Next::Park(Duration::ZERO))
    }

    /// The run's own bound has to be durable before its first ID: what was read may have been in
    /// the page cache only.
    fn open(&mut self, mut record: Record<S>, first: u64) -> Next {
        let issuer = Arc::clone(&self.issuer);
        let read = record.bound();
        let boot = issuer.clock.boottime();
        let target = self.target(first.max(issuer.wall_tick(boot)), issuer.wall_tick(boot));
        if let Err(error) = self.raise(&mut record, target) {
            self.tell_unwritable(&error);
            self.stage = Stage::Opening { record, first };
            return Next::Park(WRITE_RETRY);
        }
        issuer.first.store(first, Ordering::Relaxed);
        issuer.pace.raise(boot, issuer.beginning(first));
        issuer.bound.raise(record.bound());
        issuer.generator.open(first);
        self.enter(Phase::Serving, &Event::Opened(first));
        self.stage = Stage::Running { record, read };
        Next::Park(Duration::ZERO)
    }

    /// Keeps the bound a window ahead of use while the shard is in use.
    fn extend(&mut self, mut record: Record<S>, read: u64, demanded: bool) -> Next {
        let issuer = Arc::clone(&self.issuer);
        self.warn_of_end();
        let boot = issuer.clock.boottime();
        let now = issuer.wall_tick(boot);
        let next = issuer.generator.tick().unwrap_or(now);
        if next != self.moved.0 {
            self.moved = (next, boot);
        }
        let used = next.max(now);
        let idle = boot - self.moved.1 > nanos(IDLE);
        let left = record.bound().saturating_sub(used);
        // After a failure also unasked: whoever looks after health only comes back when that is well.
        let failed = issuer.cold().mark_error.is_some();
        let due = left < issuer.half_window && (demanded || failed || !idle);
        let mut park = self.rest(left, idle);
        if boot < self.retry {
            park = Duration::from_nanos((self.retry - boot).unsigned_abs());
        } else if due && !issuer.too_far_ahead(next, now) {
            let target = self.target(used, now);
            match self.raise(&mut record, target) {
                Ok(()) => {
                    self.publish(record.bound());
                    let used = used.max(issuer.wall_tick(issuer.clock.boottime()));
                    park = self.rest(record.bound().saturating_sub(used), idle);
                }
                Err(error) => {
                    self.fail(&error);
                    self.retry = issuer.clock.boottime() + nanos(WRITE_RETRY);
                    park = WRITE_RETRY;
                }
            }
        }
        self.stage = Stage::Running { record, read };
        Next::Park(park)
    }

    /// How long to park when `left` ticks of the window are left: a round, or to the moment at which
    /// less than half is.
    fn rest(&self, left: u64, idle: bool) -> Duration {
        let issuer = &self.issuer;
        let round = if idle { IDLE_ROUND } else { ROUND };
        match left.checked_sub(issuer.half_window) {
            Some(more) => round.min(issuer.span(more + 1)),
            None => round,
        }
    }

    /// The bound for use up to `used` when the wall clock is at `now`: a window further, but never
    /// further ahead of the clock than a lost mark is taken to have been.
    fn target(&self, used: u64, now: u64) -> u64 {
        let settings = &self.issuer.settings;
        let layout = &settings.layout;
        let furthest = now
            .saturating_add(settings.furthest())
            .max(settings.continue_ahead.unwrap_or(0));
        used.saturating_add(layout.ticks(settings.window))
            .min(furthest)
            .min(layout.max_tick())
    }

    fn raise(&self, record: &mut Record<S>, target: u64) -> Result<(), MarkError> {
        let clock = &self.issuer.clock;
        if target <= record.bound() {
            return Ok(());
        }
        let begin = clock.boottime();
        let result = record.extend(target, self.moment());
        let stats = &self.issuer.stats;
        stats.mark_fsync.record(elapsed(begin, clock.boottime()));
        if result.is_err() {
            stats.mark_failures.add(1);
        }
        result
    }

    fn publish(&self, bound: u64) {
        let issuer = &self.issuer;
        issuer.bound.raise(bound);
        if issuer.cold().mark_error.take().is_some() {
            issuer.tell(&Event::MarkRecovered);
        }
        issuer.raised.notify_waiters();
    }

    fn fail(&self, error: &MarkError) {
        let text = error.to_string();
        let known = self.issuer.cold().mark_error.replace(text.clone());
        if known.as_ref() != Some(&text) {
            self.issuer.tell(&Event::MarkFailed(text));
        }
    }

    /// Closes the generator by one swap; what that returns covers every request that came before,
    /// also those that still sleep.
    fn close(&mut self) -> Result<(), MarkError> {
        let issuer = Arc::clone(&self.issuer);
        let last = issuer.generator.close();
        issuer.set_phase(Phase::Draining);
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
        let known = self.issuer.cold().phase.clone();
        let told = match (&phase, &known) {
            // The time left differs at every look.
            (Phase::Waiting(new), Phase::Waiting(old)) => new.code() == old.code(),
            (new, old) => new == old,
        };
        self.issuer.set_phase(phase);
        if !told {
            self.issuer.tell(event);
        }
    }
}
