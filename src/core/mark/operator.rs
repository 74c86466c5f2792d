//! The work of an operator on a shard's marks: make one beforehand, begin above an ID, adopt a copy.

use super::MarkError;
use super::claim::Claim;
use super::record::Author;
use super::rules::{self, Floor, Now, Policy, Verdict, mark_name};
use super::storage::Storage;

/// A shard that is locked as a start locks it, with the rules for it and the time.
pub struct Operator<S: Storage> {
    /// The locks.
    pub claim: Claim<S>,
    /// The rules for a start of that shard.
    pub policy: Policy,
    /// Who writes.
    pub author: Author,
    /// The time.
    pub now: Now,
}

impl<S: Storage> Operator<S> {
    /// Makes the mark of a new shard before its first start, which then need not wait for its bound to pass;
    /// returns the bound, or `None` if there was a mark.
    ///
    /// It follows the start rules as a start does: looks at the directory, does as they say, and looks again,
    /// until there is nothing more to write. With rules of its own it could make a mark with a lower bound
    /// than a start would, and IDs would repeat. While there is no mark, a clock that the rules doubt is an
    /// error: a bound made by it could never be lowered. Once there is one, whether its bound has passed is
    /// for the start to judge, so that a wait is as good as an end here. A mark that is there keeps at least
    /// its bound, however often this is called.
    ///
    /// # Errors
    /// As a start is refused, or waits before it has written anything.
    pub fn init(&mut self) -> Result<Option<u64>, MarkError> {
        let Self {
            claim,
            policy,
            author,
            now,
        } = self;
        let mut created = None;
        loop {
            let view = claim.look()?;
            let mut marks = view.overlapping.iter();
            let is_there = marks.any(|seen| seen.range == policy.range);
            match rules::decide(&view, policy, now, None) {
                Verdict::Refuse(refused) => return Err(refused.into()),
                // The mark is there; whether its bound has passed is for the start to judge.
                Verdict::Wait(wait) if !is_there => return Err(wait.into()),
                Verdict::Wait(_) | Verdict::Open { .. } => return Ok(created),
                Verdict::Raise(floor) => claim.raise_floor(author, floor)?,
                Verdict::Settle(_) => {
                    let done = claim.settle(author, |view| {
                        match rules::decide(view, policy, now, None) {
                            Verdict::Settle(settlement) => Some(settlement),
                            _ => None,
                        }
                    })?;
                    // A mark that was there may be settled too: joined with others, or raised.
                    if !is_there {
                        created = done.map(|done| done.own_bound);
                    }
                }
            }
        }
    }

    /// Raises the mark to `tick`, unless its bound is that high already; returns its bound then, and whether
    /// that is new. The floor is raised first, so that a mark in the place of a lost one is no lower.
    ///
    /// # Errors
    /// As [`Claim::settle`]; what was durable stays.
    pub fn raise(mut self, tick: u64) -> Result<(u64, bool), MarkError> {
        let view = self.claim.look()?;
        let floor = view.covering.max(Floor { tick, furthest: 0 });
        if floor != view.covering {
            self.claim.raise_floor(&self.author, floor)?;
        }
        // Writing the mark hides that somebody touched it, so the bound that follows from that goes in too.
        let hidden = view.bound(&self.policy).unwrap_or(0);
        let moment = self.author.moment;
        let mut record = self.claim.into_record(self.author)?;
        let before = record.bound();
        record.raise(tick.max(hidden), moment)?;
        Ok((record.bound(), record.bound() > before))
    }

    /// Adopts every mark that overlaps the machine IDs, as the file that it is now, and raises it above the
    /// present time and `above`; returns the bound, and the names of the marks.
    ///
    /// # Errors
    /// As a start is refused for what adoption cannot mend, or waits for a clock that is not plausible.
    pub fn adopt(&mut self, above: Option<u64>) -> Result<(u64, Vec<String>), MarkError> {
        let Self {
            claim,
            policy,
            author,
            now,
        } = self;
        // Of all that overlap, whatever their ranges.
        let mut names = Vec::new();
        let bound = claim.adopt(author, above, |view| {
            rules::adoptable(view, policy, above)?;
            let marks = view.overlapping.iter();
            names = marks.map(|seen| mark_name(seen.range)).collect();
            Ok(rules::adopted_bound(view, policy, now)?)
        })?;
        Ok((bound, names))
    }
}
