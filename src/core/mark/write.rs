//! Writing the slots of a mark or floor, so that a crash at any moment leaves one that can be read.

use super::MarkError;
use super::claim::Claim;
use super::record::Author;
use super::rules::{STALL, mark_name};
use super::slot::{Slot, offset};
use super::storage::{File, Storage};
use super::survey::{read_slot, slots};
use crate::id::range::MachineRange;
use crate::time::WallTime;

/// How often a slot is written at most, if each time too long after its clock was read.
const TRIES: usize = 3;

impl<S: Storage> Claim<S> {
    /// R30: makes both slots durable as they read. An earlier run may have left one in the page cache alone,
    /// and a crash while the other is written would then lose both. They are written anew, because a failed
    /// flush may have dropped the pages. An earlier run leaves at most one slot that differs from the disk,
    /// so that a crash here tears that one at most: a torn write over the same bytes does no harm.
    pub(super) fn keep_slots(&self, name: &str, file: &S::File) -> Result<(), MarkError> {
        for index in 0..2 {
            let (bytes, slot) =
                read_slot(file, index).map_err(|error| self.io("read", name, error))?;
            if slot.is_ok() {
                file.write_at(&bytes, offset(index))
                    .map_err(|error| self.io("write", name, error))?;
            }
        }
        file.sync_data()
            .map_err(|error| self.io("flush", name, error))
    }

    /// Writes both slots of a mark that is in use, whatever an earlier run has left of it.
    pub(super) fn write_whole(
        &self,
        author: &Author,
        range: MachineRange,
        file: &S::File,
        bound: u64,
    ) -> Result<(), MarkError> {
        let name = mark_name(range);
        self.keep_slots(&name, file)?;
        self.write_slots(author, range, &name, file, bound)
    }

    /// Writes both slots of the file that `name` is the name of at present.
    pub(super) fn write_slots(
        &self,
        author: &Author,
        range: MachineRange,
        name: &str,
        file: &S::File,
        bound: u64,
    ) -> Result<(), MarkError> {
        let identity = file
            .identity()
            .map_err(|error| self.io("examine", name, error))?;
        // A slot that cannot be read is repaired first: the other is all that is known.
        let order = match slots(file).map_err(|error| self.io("read", name, error))? {
            [Ok(_), Err(_)] => [1, 0],
            _ => [0, 1],
        };
        for index in order {
            let slot = |clock| author.slot(range, bound, identity, clock);
            self.write_slot(name, file, index, slot)?;
        }
        Ok(())
    }

    /// Writes and flushes one slot, which holds what the kernel's clock read just before. Where much
    /// time passed in between, so that the file looks as if somebody else had changed it since, it is
    /// written once more; a few times at most, as that costs a start some seconds and nothing else.
    pub(super) fn write_slot(
        &self,
        name: &str,
        file: &S::File,
        index: usize,
        slot: impl Fn(WallTime) -> Slot,
    ) -> Result<(), MarkError> {
        for _ in 0..TRIES {
            let clock = self.storage().now();
            file.write_at(&slot(clock).encode()[..], offset(index))
                .map_err(|error| self.io("write", name, error))?;
            file.sync_data()
                .map_err(|error| self.io("flush", name, error))?;
            let changed = file
                .changed()
                .map_err(|error| self.io("examine", name, error))?;
            if changed.is_none_or(|changed| changed <= clock + STALL) {
                break;
            }
        }
        Ok(())
    }
}
