//! The keeper's start: takes the locks, then does as the rules say until they let it open a record of its
//! own. Whatever it waits for, the server is up meanwhile and says so.

use std::time::Duration;

use super::{IDLE_ROUND, Keeper, Next, Stage, turn};
use crate::clock::Clock;
use crate::issuer::{Event, Phase};
use crate::mark::rules::{self, Floor, Seen, View};
use crate::mark::storage::Storage;
use crate::mark::{Claim, MarkError};

/// R2: how long a start waits for a lock that somebody else holds.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries for a lock.
const LOCK_RETRY: Duration = Duration::from_millis(100);

impl<S: Storage + Clone, C: Clock> Keeper<S, C> {
    pub(super) fn lock(&mut self) -> Result<Next, MarkError> {
        let boot = self.issuer.clock.boottime();
        let directory = self.policy.directory.clone();
        let claim = Claim::take(self.storage.clone(), directory, self.policy.range);
        match claim.and_then(|claim| claim.witnessed(self.witness.as_ref())) {
            Ok(claim) => {
                self.stage = Stage::Starting { claim, fresh: None };
                Ok(Next::Park(Duration::ZERO))
            }
            // R3: however many start at once, each has its turn.
            Err(error @ MarkError::Busy { .. }) => {
                self.tell_held(&error);
                Ok(self.await_turn(Stage::Locking))
            }
            Err(error @ MarkError::Held { .. })
                if boot.since(*self.began.get_or_insert(boot)) < LOCK_PATIENCE =>
            {
                self.tell_held(&error);
                self.stage = Stage::Locking;
                Ok(Next::Park(LOCK_RETRY))
            }
            // R5: no room for the lock file.
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

    /// Tries again once another start may be done with the directory, at another moment than others that
    /// wait.
    fn await_turn(&mut self, stage: Stage<S>) -> Next {
        self.stage = stage;
        self.turns += 1;
        Next::Park(turn::delay(self.policy.range, self.turns))
    }

    /// Looks at the directory and does as the rules say.
    pub(super) fn start(
        &mut self,
        mut claim: Claim<S>,
        fresh: Option<u64>,
    ) -> Result<Next, MarkError> {
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
            // R19.
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
                self.take_over(claim, first)
            }
        }
    }

    /// Goes on with the shard's own mark, to issue from `first` on.
    fn take_over(&mut self, claim: Claim<S>, first: u64) -> Result<Next, MarkError> {
        let record = match claim.into_record(self.author.clone()) {
            Ok(record) => record,
            // The locks went with the claim. R5.
            Err(error) if error.may_pass() => {
                self.stage = Stage::Locking;
                return Ok(self.unwritable(&error));
            }
            Err(error) => return Err(error),
        };
        if record.bound() >= first {
            // R31: a slot that could not be read before can be now: its bound is not known to be durable, and
            // the rules have not seen it.
            self.stage = Stage::Locking;
            return Ok(Next::Park(LOCK_RETRY));
        }
        self.stage = Stage::Opening { record, first };
        Ok(Next::Park(Duration::ZERO))
    }

    /// Makes the floor durable, before this start goes further ahead than a lost mark is taken to have been.
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

    /// Reports marks that somebody else touched, if IDs begin later because of that.
    fn warn_of_touch(&self, view: &View, first: u64) {
        let marks = &view.overlapping;
        let touched = marks.iter().filter_map(Seen::touched).max();
        let read = marks.iter().filter_map(Seen::bound).max();
        // Most touches cost nothing, such as another shard's first start.
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
            // R28: two starts may each need a part of one mark, and hold the other's: neither has written
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
            // R5: whatever failed, it may be mended while the shard is up, and the message says what to do.
            Err(error @ MarkError::Io { .. }) => {
                self.stage = Stage::Starting { claim, fresh };
                return Ok(self.unwritable(&error));
            }
            Err(error) => return Err(error),
        }
        self.stage = Stage::Starting { claim, fresh };
        Ok(Next::Park(Duration::ZERO))
    }
}
