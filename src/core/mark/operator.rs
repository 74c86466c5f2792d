//! What an operator does to the marks of a shard: make one beforehand, begin above an ID, adopt a copy.

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
    /// Does what a start does to the directory; the bound of a mark that was made, `None` if it was
    /// there.
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
                // The mark is there; whether its time has come is the start's business.
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
                    // One that is there may be settled too: joined with others, or raised.
                    if !is_there {
                        created = done.map(|done| done.own_bound);
                    }
                }
            }
        }
    }

    /// Raises the mark to `tick`, unless it is there already: the bound that it has then, and whether
    /// that is new. The floor comes first: a mark that is lost must not be followed by a lower one.
    ///
    /// # Errors
    /// As [`Claim::settle`]; what was durable stays.
    pub fn raise(mut self, tick: u64) -> Result<(u64, bool), MarkError> {
        let view = self.claim.look()?;
        let floor = view.covering.max(Floor { tick, furthest: 0 });
        if floor != view.covering {
            self.claim.raise_floor(&self.author, floor)?;
        }
        // Whatever is written, a mark that somebody had in hand does not look so afterwards.
        let hidden = view.bound(&self.policy).unwrap_or(0);
        let moment = self.author.moment;
        let mut record = self.claim.into_record(self.author)?;
        let before = record.bound();
        record.raise(tick.max(hidden), moment)?;
        Ok((record.bound(), record.bound() > before))
    }

    /// Adopts every mark of the machine IDs, and raises it above the present and `above`: the bound,
    /// and the names of the marks.
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
        // Those that overlap, whatever their ranges.
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
