//! A second account of the bounds, kept where it lasts as long as the machine is up.
//!
//! A state directory may be another one than it was: its volume is not mounted for one start, a parent
//! was moved away and back, something is mounted over it. Nothing in the directory tells of that. The
//! witness lies elsewhere, under the directory's path; its bounds join those of the marks, and its
//! locks keep out a second owner that found the path leading elsewhere. It makes no promise
//! of its own: where it cannot be kept, a start does without (R4).

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::directory::Directory;
use super::rules::View;
use super::slot::{SLOT_LEN, Slot};
use super::storage::{File, Storage};
use super::survey::range_of;
use crate::id::layout::Layout;
use crate::id::range::MachineRange;

/// Where the bounds of one state directory are kept a second time.
#[derive(Debug, Clone)]
pub struct Witness<S> {
    storage: S,
    /// The beginning of the names of all files about the directory.
    place: String,
}

/// A witness in use; its locks go with it.
pub(super) struct Watching<S: Storage> {
    witness: Witness<S>,
    range: MachineRange,
    _lock: S::File,
    file: Option<S::File>,
}

impl Witness<Directory> {
    /// A witness for the state directory that `path` leads to, in the first of `places` that this user
    /// may write to. A place is made only if `make` says so: what an operator makes as root, the
    /// service's user could not write.
    #[must_use]
    pub fn find(places: &[PathBuf], make: bool, path: &Path) -> Option<Self> {
        let is_usable = |place: &&PathBuf| {
            if make {
                // Whether it is there and writable is asked next.
                let _ = DirBuilder::new().mode(0o755).create(place);
            }
            access(*place, AccessFlags::W_OK).is_ok()
        };
        let place = places.iter().find(is_usable)?;
        // By the path as it is given, not by where it leads to now.
        Some(Self::new(Directory::new(place), path))
    }
}

impl<S: Storage + Clone> Witness<S> {
    /// A witness in `storage` for the state directory that `path` leads to.
    #[must_use]
    pub fn new(storage: S, path: &Path) -> Self {
        let bytes = path.as_os_str().as_encoded_bytes();
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        let place = format!(
            "{:08x}{:08x}",
            crc32c::crc32c(bytes),
            crc32c::crc32c(&backwards)
        );
        Self { storage, place }
    }

    /// Locks the machine IDs of `range`; `Ok(None)` if somebody else has some of them, and an error if
    /// there can be no witness.
    pub(super) fn watch(&self, range: MachineRange) -> std::io::Result<Option<Watching<S>>> {
        let lock = self
            .storage
            .open_or_create(&format!("{}.lock", self.place))?;
        let (start, len) = (u64::from(range.first()), u64::from(range.count()));
        Ok(lock.lock_bytes(start, len)?.then(|| Watching {
            witness: self.clone(),
            range,
            _lock: lock,
            file: None,
        }))
    }
}

impl<S: Storage> Watching<S> {
    /// The bounds that it knows for the machine IDs that `view` is about.
    pub(super) fn bounds(&self, view: &View) -> Vec<(Layout, u64)> {
        let concerns = |range: MachineRange| {
            let marks = view.overlapping.iter().map(|seen| seen.range);
            marks.chain([self.range]).any(|one| one.overlaps(&range))
        };
        let names = self.witness.storage.names().unwrap_or_default();
        let known = names.iter().filter_map(|name| {
            let range = range_of(self.stem(name)?)?;
            let slot = concerns(range).then(|| self.read(name))??;
            Some((slot.layout, slot.bound))
        });
        known.collect()
    }

    /// The range in the name of a file of this place.
    fn stem<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(&self.witness.place)?;
        rest.strip_prefix('-')?.strip_suffix(".bound")
    }

    fn read(&self, name: &str) -> Option<Slot> {
        let file = self.witness.storage.open_to_read(name).ok()??;
        let mut bytes = vec![0; SLOT_LEN];
        let read = file.read_at(&mut bytes, 0).ok()?;
        Slot::decode(&bytes[..read]).ok()
    }

    /// Writes down `slot`: by one write of a page, which a kill does not tear, and without a flush, as it
    /// need not outlast the machine's going down.
    pub(super) fn note(&mut self, slot: &Slot) {
        let name = format!("{}-{}.bound", self.witness.place, self.range);
        if self.file.is_none() {
            self.file = self.witness.storage.open_or_create(&name).ok();
        }
        if let Some(file) = &self.file {
            // Where it fails, a start does without, as where there is no witness.
            let _ = file.write_at(&slot.encode()[..], 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_in_the_first_place_that_can_be_written_and_is_made_only_if_told() {
        let run = tempfile::tempdir().unwrap();
        let places = [
            "/dev/null/none".into(),
            run.path().join("first"),
            run.path().join("second"),
        ];
        let found = |make| {
            let witness = Witness::find(&places, make, Path::new("/state"))?;
            Some(witness.storage.path().to_path_buf())
        };
        assert_eq!(found(false), None);
        assert!(!places[1].exists());
        std::fs::create_dir(&places[2]).unwrap();
        assert_eq!(found(false).as_ref(), Some(&places[2]));
        assert_eq!(found(true).as_ref(), Some(&places[1]));
        assert_eq!(found(false).as_ref(), Some(&places[1]));
    }
}
