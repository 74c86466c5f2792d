//! Claiming machine IDs in a state directory: locks first, then a look at the marks.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use super::changes;
use super::record::{Author, Record};
use super::rules::{Floor, Other, Seen, Settlement, View, mark_name};
use super::slot::{MARK_LEN, Slot};
use super::storage::{File, Storage};
use super::survey::{MARK_SUFFIX, range_of, seen};
use super::witness::{Watching, Witness};
use super::{LOCKING, MarkError};
use crate::id::range::MachineRange;
use crate::time::WallTime;

/// The lock file: one byte for each machine ID, and one for the directory.
pub(super) const LOCK: &str = "lock";
/// Behind every machine ID, whatever the layout.
const DIRECTORY_BYTE: u64 = 1 << 32;
const TEMPORARY_SUFFIX: &str = ".mark.new";
/// Made and removed where the directory has to be changed, and nothing else.
const TOUCH: &str = "touch.new";

/// Machine IDs that this process owns, for as long as the claim lives.
pub struct Claim<S: Storage> {
    storage: S,
    directory: String,
    range: MachineRange,
    lock: S::File,
    /// Marks that share a machine ID with the range; the range's bytes are locked in each, because
    /// somebody may delete the lock file.
    files: BTreeMap<MachineRange, S::File>,
    /// The stamps of marks and of the directory as they read after this claim had written: these are not
    /// somebody else's doing.
    own: Vec<(MachineRange, WallTime)>,
    /// When the directory was last changed by somebody other than a shard, as of the last time that it was
    /// locked.
    others: Option<WallTime>,
    /// Whether this claim has changed the directory since.
    changes: Cell<bool>,
    watching: Option<Watching<S>>,
}

impl<S: Storage> Claim<S> {
    /// R2: locks the machine IDs of `range` in `storage`, which `directory` names in messages.
    ///
    /// # Errors
    /// [`MarkError::Held`] if another process owns one of them, [`MarkError::Busy`] if another
    /// start is under way, [`MarkError::Io`] if the directory cannot be used.
    pub fn take(storage: S, directory: String, range: MachineRange) -> Result<Self, MarkError> {
        let lock = storage
            .open_or_create(LOCK)
            .map_err(|error| MarkError::io("open", &directory, LOCK, error))?;
        let mut claim = Self {
            storage,
            directory,
            range,
            lock,
            files: BTreeMap::new(),
            own: Vec::new(),
            others: None,
            changes: Cell::new(false),
            watching: None,
        };
        claim.alone(|claim| {
            if !claim.lock_bytes(&claim.lock, LOCK, range)? {
                return Err(claim.held(range));
            }
            match claim.check_path(&claim.lock, LOCK) {
                // Deleted since it was opened: the next try opens the one in its place.
                Err(MarkError::Replaced { .. }) => Err(claim.busy()),
                result => result,
            }?;
            claim.open_overlapping()
        })?;
        Ok(claim)
    }

    /// R4: keeps the bound with the witness too from now on, where there is one.
    ///
    /// # Errors
    /// [`MarkError::Held`] if a process owns one of the machine IDs that found another directory under
    /// this one's path.
    pub fn witnessed(mut self, witness: Option<&Witness<S>>) -> Result<Self, MarkError>
    where
        S: Clone,
    {
        if let Some(witness) = witness {
            match witness.watch(self.range) {
                Ok(Some(watching)) => self.watching = Some(watching),
                Ok(None) => return Err(self.held(self.range)),
                // It is no more than a second account.
                Err(_) => {}
            }
        }
        Ok(self)
    }

    /// Tells the witness of a slot that was written to the mark.
    pub(super) fn note(&mut self, slot: &Slot) {
        if let Some(watching) = &mut self.watching {
            watching.note(slot);
        }
    }

    /// R3: does `work` while no other start is at work in the directory.
    pub(super) fn alone<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, MarkError>,
    ) -> Result<T, MarkError> {
        let locked = self.lock.lock_bytes(DIRECTORY_BYTE, 1);
        if !locked.map_err(|error| self.io(LOCKING, LOCK, error))? {
            return Err(self.busy());
        }
        let result = self.look_at_changes().and_then(|()| work(self));
        if self.changes.take() {
            let changed = self.storage.changed().unwrap_or(None);
            changes::note(&self.lock, changed, self.others);
        }
        // Losing the byte is no harm; keeping it would be, and it goes with the file.
        let unlocked = self.lock.unlock_bytes(DIRECTORY_BYTE, 1);
        let result = result?;
        unlocked.map_err(|error| self.io("unlock", LOCK, error))?;
        Ok(result)
    }

    /// Notes when somebody other than a shard last changed the directory, before this claim changes it.
    fn look_at_changes(&mut self) -> Result<(), MarkError> {
        let changed = self.storage.changed();
        let changed = changed.map_err(|error| self.io("examine", ".", error))?;
        self.others = changes::of_others(&self.lock, changed);
        Ok(())
    }

    /// To be called by whoever makes, renames or removes a file in the directory while it is locked.
    pub(super) fn changes_directory(&self) {
        self.changes.set(true);
    }

    /// The machine IDs of the claim.
    #[must_use]
    pub const fn range(&self) -> MachineRange {
        self.range
    }

    /// Reads the marks, the floors and the witness.
    ///
    /// # Errors
    /// As [`Claim::take`].
    pub fn look(&mut self) -> Result<View, MarkError> {
        self.alone(|claim| {
            claim.open_overlapping()?;
            claim.view()
        })
    }

    /// R29: looks at the directory and, before another start can, carries out the settlement that `decide`
    /// makes of it, if any.
    ///
    /// # Errors
    /// As [`Claim::take`]; a settlement that failed half-way is taken up by the next one.
    pub fn settle(
        &mut self,
        author: &Author,
        decide: impl FnOnce(&View) -> Option<Settlement>,
    ) -> Result<Option<Settlement>, MarkError> {
        self.alone(|claim| {
            claim.open_overlapping()?;
            let Some(settlement) = decide(&claim.view()?) else {
                return Ok(None);
            };
            claim.carry_out(author, &settlement)?;
            claim.open_overlapping()?;
            let written: Vec<_> = claim.files.keys().copied().collect();
            claim.own_up(&written)?;
            Ok(Some(settlement))
        })
    }

    /// Rewrites every overlapping mark with `bound`, as the file that it is now; before that, the floor
    /// with the tick `above` which an operator lets IDs begin.
    ///
    /// # Errors
    /// As [`Claim::settle`].
    pub fn adopt(
        &mut self,
        author: &Author,
        above: Option<u64>,
        bound: impl FnOnce(&View) -> Result<u64, MarkError>,
    ) -> Result<u64, MarkError> {
        self.alone(|claim| {
            claim.open_overlapping()?;
            let view = claim.view()?;
            let bound = bound(&view)?.max(above.unwrap_or(0));
            let _others = claim.lock_others(view.overlapping.iter().map(|seen| seen.range))?;
            if let Some(tick) = above {
                let floor = view.floor.max(Floor { tick, furthest: 0 });
                for range in view.damaged_floors.iter().chain([&claim.range]) {
                    claim.write_floor(author, *range, floor)?;
                }
            }
            claim.touch_directory()?;
            for (range, file) in &claim.files {
                claim.write_whole(author, *range, file, bound)?;
            }
            Ok(bound)
        })
    }

    /// Where somebody changed the directory while the clock was ahead, changes it anew, so that its stamp is
    /// by the present clock. The marks are written after that.
    fn touch_directory(&mut self) -> Result<(), MarkError> {
        let now = self.storage.now();
        if self.others.is_some_and(|changed| changed > now) {
            let failed = |error| self.io("touch", ".", error);
            self.storage.open_or_create(TOUCH).map_err(failed)?;
            self.storage.remove(TOUCH).map_err(failed)?;
            self.changes_directory();
            self.others = Some(now);
        }
        Ok(())
    }

    /// The mark of the claim, for extending its bound from now on.
    ///
    /// # Errors
    /// [`MarkError::Io`] if it cannot be read, [`MarkError::Replaced`] if it is not there.
    pub fn into_record(mut self, author: Author) -> Result<Record<S>, MarkError> {
        let name = mark_name(self.range);
        let Some(file) = self.files.remove(&self.range) else {
            return Err(MarkError::Replaced {
                path: format!("{}/{name}", self.directory),
            });
        };
        let seen = self.seen(self.range, &file)?;
        Ok(Record::new(self, file, &seen, author))
    }

    /// Checks that the names of the lock file and of `mark` still lead to these files.
    pub(super) fn check_names(&self, mark: &S::File) -> Result<(), MarkError> {
        self.check_path(&self.lock, LOCK)?;
        self.check_path(mark, &mark_name(self.range))
    }

    /// Makes the names in the directory durable.
    pub(super) fn flush_names(&self) -> Result<(), MarkError> {
        self.storage
            .sync()
            .map_err(|error| self.io("flush", ".", error))
    }

    pub(super) fn io(&self, action: &'static str, name: &str, error: io::Error) -> MarkError {
        MarkError::io(action, &self.directory, name, error)
    }

    pub(super) const fn storage(&self) -> &S {
        &self.storage
    }

    fn check_path(&self, file: &S::File, name: &str) -> Result<(), MarkError> {
        let opened = file
            .identity()
            .map_err(|error| self.io("examine", name, error))?;
        let named = self
            .storage
            .open(name)
            .and_then(|file| file.map(|file| file.identity()).transpose())
            .map_err(|error| self.io("examine", name, error))?;
        if named == Some(opened) {
            return Ok(());
        }
        Err(MarkError::Replaced {
            path: format!("{}/{name}", self.directory),
        })
    }

    fn lock_bytes(
        &self,
        file: &S::File,
        name: &str,
        range: MachineRange,
    ) -> Result<bool, MarkError> {
        file.lock_bytes(u64::from(range.first()), u64::from(range.count()))
            .map_err(|error| self.io(LOCKING, name, error))
    }

    /// Opens the marks that overlap the range, and those that overlap one of these (R15); locks the range in
    /// those that have a part of it (R2).
    pub(super) fn open_overlapping(&mut self) -> Result<(), MarkError> {
        let overlapping = overlapping(self.range, &self.ranges()?);
        let mut files = BTreeMap::new();
        for range in overlapping {
            let name = mark_name(range);
            let known = match self.files.remove(&range) {
                Some(file) if self.check_path(&file, &name).is_ok() => Some(file),
                _ => self
                    .storage
                    .open(&name)
                    .map_err(|error| self.io("open", &name, error))?,
            };
            let Some(file) = known else { continue };
            if range.overlaps(&self.range) && !self.lock_bytes(&file, &name, self.range)? {
                return Err(self.held(self.range));
            }
            files.insert(range, file);
        }
        self.files = files;
        Ok(())
    }

    /// The ranges of all marks in the directory, whose names have to tell them (R7).
    fn ranges(&self) -> Result<Vec<MachineRange>, MarkError> {
        let names = self
            .storage
            .names()
            .map_err(|error| self.io("list", ".", error))?;
        let marks = names
            .iter()
            .filter_map(|name| Some((name, name.strip_suffix(MARK_SUFFIX)?)));
        marks
            .map(|(name, stem)| {
                range_of(stem).ok_or_else(|| MarkError::Name {
                    path: format!("{}/{name}", self.directory),
                })
            })
            .collect()
    }

    fn view(&self) -> Result<View, MarkError> {
        let overlapping = self
            .files
            .iter()
            .map(|(range, file)| self.seen(*range, file))
            .collect::<Result<_, _>>()?;
        let mut others = Vec::new();
        for range in self.ranges()? {
            if self.files.contains_key(&range) {
                continue;
            }
            let file = self.storage.open(&mark_name(range));
            // Another shard's mark that cannot be read is that shard's trouble.
            if let Ok(Some(file)) = file
                && let Ok(seen) = self.seen(range, &file)
            {
                others.extend(seen.valid().map(|slot| Other {
                    named: range,
                    range: slot.range,
                    layout: slot.layout,
                }));
            }
        }
        let mut view = View {
            overlapping,
            others,
            ..View::default()
        };
        self.look_at_floors(&mut view)?;
        if let Some(watching) = &self.watching {
            view.witnessed = watching.bounds(&view);
        }
        Ok(view)
    }

    fn seen(&self, range: MachineRange, file: &S::File) -> Result<Seen, MarkError> {
        let mut seen = seen(range, file, self.others)
            .map_err(|error| self.io("read", &mark_name(range), error))?;
        let is_own = |changed: &WallTime| self.own.contains(&(range, *changed));
        seen.changed = seen.changed.filter(|changed| !is_own(changed));
        Ok(seen)
    }

    /// The open marks that nobody else has touched.
    pub(super) fn untouched(&self) -> Result<Vec<MachineRange>, MarkError> {
        let mut clean = Vec::new();
        for (range, file) in &self.files {
            let seen = self.seen(*range, file)?;
            let is_original = seen
                .valid()
                .all(|slot| slot.identity.is_same_file(&seen.identity));
            if is_original && seen.bound().is_some() && seen.touched().is_none() {
                clean.push(*range);
            }
        }
        Ok(clean)
    }

    /// Takes the last change of the open marks of `ranges`, and of the directory, for this claim's own:
    /// it has written them, and files beside them.
    pub(super) fn own_up(&mut self, ranges: &[MachineRange]) -> Result<(), MarkError> {
        let directory = self.storage.changed();
        let directory = directory.map_err(|error| self.io("examine", ".", error))?;
        for range in ranges {
            if let Some(file) = self.files.get(range) {
                let changed = self.seen(*range, file)?.changed;
                // Both with and without the directory's own stamp: the note of who changed it may be lost.
                for changed in [changed, changed.max(directory)].into_iter().flatten() {
                    self.own.push((*range, changed));
                }
            }
        }
        Ok(())
    }

    /// R28: writes the marks of a settlement, then removes those that they replace. The order is what keeps it
    /// safe: each new mark is complete and flushed before it gets its name, the names are flushed next, and
    /// only then is an old mark removed. So a machine ID that had a mark is never without a durable one. A
    /// crash leaves marks that overlap: the next start takes their largest bound, and settles them anew.
    /// Were a mark removed first, a crash could lose its bound, and the next start would make one by the
    /// clock: too low, if that was set back. Marks for machine IDs outside the shard's range are written only
    /// under these IDs' locks, as another shard may own them.
    fn carry_out(&self, author: &Author, settlement: &Settlement) -> Result<(), MarkError> {
        let _others = self.lock_others(settlement.left_over.iter().copied())?;
        for range in &settlement.left_over {
            self.ensure(author, *range, settlement.left_over_bound)?;
        }
        self.ensure(author, self.range, settlement.own_bound)?;
        // A settlement that was killed may have left names that are not durable yet.
        self.flush_names()?;
        for range in &settlement.obsolete {
            self.changes_directory();
            let name = mark_name(*range);
            self.storage
                .remove(&name)
                .map_err(|error| self.io("remove", &name, error))?;
        }
        self.flush_names()
    }

    /// Locks machine IDs outside the range whose marks are about to be written, in the lock file and in
    /// every mark that is known; the locks go with the returned files.
    fn lock_others(
        &self,
        ranges: impl Iterator<Item = MachineRange>,
    ) -> Result<Vec<S::File>, MarkError> {
        let parts: Vec<_> = ranges.flat_map(|range| range.without(self.range)).collect();
        let lock = self
            .storage
            .open_or_create(LOCK)
            .map_err(|error| self.io("open", LOCK, error))?;
        self.lock_parts(&lock, LOCK, &parts)?;
        let mut locked = vec![lock];
        for range in self.files.keys() {
            let name = mark_name(*range);
            // Not the files of the claim: what they have locked stays locked as long as the claim.
            let file = self
                .storage
                .open(&name)
                .map_err(|error| self.io("open", &name, error))?;
            let Some(file) = file else { continue };
            let parts: Vec<_> = parts
                .iter()
                .filter(|part| part.overlaps(range))
                .copied()
                .collect();
            self.lock_parts(&file, &name, &parts)?;
            locked.push(file);
        }
        Ok(locked)
    }

    fn lock_parts(
        &self,
        file: &S::File,
        name: &str,
        parts: &[MachineRange],
    ) -> Result<(), MarkError> {
        for part in parts {
            if !self.lock_bytes(file, name, *part)? {
                return Err(self.held(*part));
            }
        }
        Ok(())
    }

    /// Makes the mark of `range`, or raises it if it is there, both durably.
    fn ensure(&self, author: &Author, range: MachineRange, bound: u64) -> Result<(), MarkError> {
        if let Some(file) = self.files.get(&range) {
            return self.write_whole(author, range, file, bound);
        }
        self.changes_directory();
        let name = mark_name(range);
        let temporary = format!("{range}{TEMPORARY_SUFFIX}");
        let file = self
            .storage
            .create(&temporary, MARK_LEN)
            .map_err(|error| self.io("create", &temporary, error))?;
        self.write_slots(author, range, &temporary, &file, bound)?;
        self.storage
            .rename_new(&temporary, &name)
            .map_err(|error| self.io("create", &name, error))
    }

    fn busy(&self) -> MarkError {
        MarkError::Busy {
            directory: self.directory.clone(),
        }
    }

    /// The refusal for a lock on a part of `range` that somebody else has, with what the marks tell
    /// of them.
    fn held(&self, range: MachineRange) -> MarkError {
        let holder = self.ranges().ok().and_then(|ranges| {
            let file = |range: &MachineRange| {
                let file = self.storage.open(&mark_name(*range)).ok()??;
                self.seen(*range, &file).ok()
            };
            overlapping(range, &ranges)
                .iter()
                .filter_map(file)
                .flat_map(|seen| seen.valid().cloned().collect::<Vec<_>>())
                .max_by_key(|slot| slot.written.wall)
                .map(|slot| slot.holder)
        });
        MarkError::Held {
            directory: self.directory.clone(),
            range,
            holder: holder.map_or_else(
                || "it has not written its mark yet".to_owned(),
                |holder| format!("its mark was last written by {holder}"),
            ),
        }
    }
}

/// The ranges of `all` that overlap `range`, and those that overlap one of these, and so on.
fn overlapping(range: MachineRange, all: &[MachineRange]) -> Vec<MachineRange> {
    let mut found: Vec<MachineRange> = Vec::new();
    loop {
        let more: Vec<_> = all
            .iter()
            .filter(|one| !found.contains(one))
            .filter(|one| one.overlaps(&range) || found.iter().any(|known| known.overlaps(one)))
            .copied()
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
