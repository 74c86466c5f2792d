//! The mark of a running shard: its bound, raised ahead of use.

use super::MarkError;
use super::claim::Claim;
use super::rules::{Seen, mark_name};
use super::slot::{Holder, Moment, Slot};
use super::storage::{Identity, Storage};
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::time::WallTime;

/// Who writes a mark, for which layout, and when.
#[derive(Debug, Clone)]
pub struct Author {
    /// The layout of the IDs that are issued.
    pub layout: Layout,
    /// The process.
    pub holder: Holder,
    /// The moment of writing, by the clock that IDs follow.
    pub moment: Moment,
    /// Q in ticks, by the settings in use.
    pub furthest: u64,
}

impl Author {
    /// A slot to be written when the kernel's clock reads `clock`.
    pub(super) fn slot(
        &self,
        range: MachineRange,
        bound: u64,
        identity: Identity,
        clock: WallTime,
    ) -> Slot {
        Slot {
            range,
            layout: self.layout,
            bound,
            written: self.moment,
            clock,
            furthest: self.furthest,
            identity,
            holder: self.holder.clone(),
        }
    }
}

/// The mark of a running shard, owned through its claim.
pub struct Record<S: Storage> {
    claim: Claim<S>,
    file: S::File,
    identity: Identity,
    author: Author,
    bound: u64,
    /// The slot to write first: one that could not be read, or whose write or flush failed. Its
    /// content is not known then, and the other slot is all that bounds what was issued.
    first: usize,
    /// Whether the mark as an earlier run left it is known to be durable (R30). A run that was killed between
    /// giving the mark its name and flushing the directory, or between writing a slot and flushing it,
    /// leaves a state that the next power cut would take away.
    kept: bool,
    /// Whether a name was found to lead to another file. Nothing is written until it leads back.
    replaced: bool,
}

impl<S: Storage> Record<S> {
    pub(super) fn new(claim: Claim<S>, file: S::File, seen: &Seen, author: Author) -> Self {
        Self {
            claim,
            file,
            identity: seen.identity,
            author,
            bound: seen.bound().unwrap_or(0),
            first: usize::from(seen.slots[0].is_ok() && seen.slots[1].is_err()),
            kept: false,
            replaced: false,
        }
    }

    /// The bound that was read, or that is durable in both slots once it was raised.
    #[must_use]
    pub const fn bound(&self) -> u64 {
        self.bound
    }

    /// Raises the bound to `bound`, durably in both slots; a lower one changes nothing.
    ///
    /// # Errors
    /// [`MarkError`] if a write or flush failed, or if somebody replaced the files; the bound
    /// stands as it was. Calling again tries the failed slot first.
    pub fn raise(&mut self, bound: u64, moment: Moment) -> Result<(), MarkError> {
        if bound <= self.bound {
            return Ok(());
        }
        self.write(bound, moment)
    }

    /// Writes the exact mark of a generator that is closed: all that was issued lies at or below
    /// `bound`.
    ///
    /// # Errors
    /// As [`Record::raise`]; what was durable stays durable in the slot that was not written.
    pub fn finish(mut self, bound: u64, moment: Moment) -> Result<(), MarkError> {
        self.write(bound, moment)
    }

    fn write(&mut self, bound: u64, moment: Moment) -> Result<(), MarkError> {
        if self.replaced {
            self.check_names()?;
        }
        self.author.moment = moment;
        let range = self.claim.range();
        let name = mark_name(range);
        if !self.kept {
            self.claim.flush_names()?;
            self.claim.keep_slots(&name, &self.file)?;
            self.kept = true;
        }
        let order = [self.first, 1 - self.first];
        for index in order {
            // Until it is known to be durable, this slot is the doubtful one.
            self.first = index;
            let slot = |clock| self.author.slot(range, bound, self.identity, clock);
            self.claim.write_slot(&name, &self.file, index, slot)?;
        }
        self.first = 0;
        self.check_names()?;
        let clock = self.claim.storage().now();
        let slot = self.author.slot(range, bound, self.identity, clock);
        self.claim.note(&slot);
        self.bound = bound;
        Ok(())
    }

    fn check_names(&mut self) -> Result<(), MarkError> {
        let result = self.claim.check_names(&self.file);
        self.replaced = result.is_err();
        result
    }
}
