//! Floors: how far ahead IDs were allowed beyond the usual, kept apart from the marks to outlive them.
//!
//! A mark that is lost is replaced by one that begins Q ahead of the wall clock. That is enough unless
//! an operator let IDs go further ahead, or Q was larger then than it is by the settings of whoever
//! makes the new mark. Both are written here before they are made use of (R18), in a file beside the mark
//! that has the same slots.

use super::MarkError;
use super::claim::Claim;
use super::record::Author;
use super::rules::{Floor, View, floor_name};
use super::slot::{MARK_LEN, Slot, SlotError};
use super::storage::Storage;
use super::survey::{range_of, slots};
use crate::id::range::MachineRange;

const FLOOR_SUFFIX: &str = ".floor";
const TEMPORARY: &str = ".floor.new";

impl Floor {
    fn of(slot: &Slot) -> Self {
        Self {
            tick: slot.bound,
            furthest: slot.furthest,
        }
    }
}

impl<S: Storage> Claim<S> {
    /// Adds to `view` what the floors say of its machine IDs.
    pub(super) fn look_at_floors(&self, view: &mut View) -> Result<(), MarkError> {
        for range in self.named(FLOOR_SUFFIX)? {
            let marks = view.overlapping.iter().map(|seen| seen.range);
            if !marks
                .chain([self.range()])
                .any(|known| known.overlaps(&range))
            {
                continue;
            }
            let name = floor_name(range);
            let file = self.storage().open(&name);
            let slots = file.and_then(|file| file.map(|file| slots(&file)).transpose());
            let Some(slots) = slots.map_err(|error| self.io("read", &name, error))? else {
                continue;
            };
            for slot in &slots {
                if let Err(SlotError::Version(version)) = slot {
                    view.newer_floors.push((range, *version));
                }
            }
            let mut readable = slots.iter().flatten().peekable();
            if readable.peek().is_none() {
                view.damaged_floors.push(range);
            }
            for slot in readable {
                view.floor = view.floor.max(Floor::of(slot));
                if self.range().without(range).next().is_none() {
                    view.covering = view.covering.max(Floor::of(slot));
                }
                view.floors.push((range, slot.layout));
            }
        }
        Ok(())
    }

    /// Makes `floor` durable for the machine IDs of the claim.
    ///
    /// # Errors
    /// As [`Claim::take`]; what was durable stays.
    pub fn raise_floor(&mut self, author: &Author, floor: Floor) -> Result<(), MarkError> {
        self.alone(|claim| {
            claim.open_overlapping()?;
            // Making a file touches the directory. Only marks that nobody touched before are cleared of that.
            let clean = claim.untouched()?;
            claim.write_floor(author, claim.range(), floor)?;
            claim.own_up(&clean)
        })
    }

    pub(super) fn write_floor(
        &self,
        author: &Author,
        range: MachineRange,
        floor: Floor,
    ) -> Result<(), MarkError> {
        let Floor { tick, furthest } = floor;
        let author = &Author {
            furthest,
            ..author.clone()
        };
        let name = floor_name(range);
        let known = self.storage().open(&name);
        if let Some(file) = known.map_err(|error| self.io("open", &name, error))? {
            self.keep_slots(&name, &file)?;
            return self.write_slots(author, range, &name, &file, tick);
        }
        self.changes_directory();
        let temporary = format!("{range}{TEMPORARY}");
        let file = self
            .storage()
            .create(&temporary, MARK_LEN)
            .map_err(|error| self.io("create", &temporary, error))?;
        self.write_slots(author, range, &temporary, &file, tick)?;
        self.storage()
            .rename_new(&temporary, &name)
            .map_err(|error| self.io("create", &name, error))?;
        self.flush_names()
    }

    /// The ranges in the names of files that end in `suffix` and are written as this program does.
    fn named(&self, suffix: &str) -> Result<Vec<MachineRange>, MarkError> {
        let names = self
            .storage()
            .names()
            .map_err(|error| self.io("list", ".", error))?;
        let ranges = names.iter().filter_map(|name| name.strip_suffix(suffix));
        Ok(ranges.filter_map(range_of).collect())
    }
}
