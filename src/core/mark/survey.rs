//! Reading marks, with locks or without.

use std::io;

use nix::errno::Errno;

use super::claim::LOCK;
use super::rules::Seen;
use super::slot::{SLOT_LEN, Slot, SlotError, offset};
use super::storage::{File, Storage};
use super::{MarkError, changes};
use crate::id::range::MachineRange;
use crate::time::WallTime;

pub(super) const MARK_SUFFIX: &str = ".mark";

/// Reads all marks of a directory, without locks: a running shard may be in the middle of a write.
/// The second list holds the names that end as a mark's does without naming a range.
///
/// # Errors
/// [`MarkError::Io`] if the directory or a mark cannot be read.
pub fn survey<S: Storage>(
    storage: &S,
    directory: &str,
) -> Result<(Vec<Seen>, Vec<String>), MarkError> {
    let failed = |name: &str, error| MarkError::io("read", directory, name, error);
    let names = storage.names().map_err(|error| failed(".", error))?;
    let changed = storage.changed().map_err(|error| failed(".", error))?;
    let changed = match storage.open_to_read(LOCK) {
        Ok(Some(lock)) => changes::of_others(&lock, changed),
        _ => changed,
    };
    let (mut marks, mut strangers) = (Vec::<Seen>::new(), Vec::new());
    for name in names {
        let Some(stem) = name.strip_suffix(MARK_SUFFIX) else {
            continue;
        };
        let Some(range) = range_of(stem) else {
            strangers.push(name);
            continue;
        };
        let file = storage
            .open_to_read(&name)
            .map_err(|error| failed(&name, error))?;
        // A start may have settled it away meanwhile.
        if let Some(file) = file {
            let seen = seen(range, &file, changed).map_err(|error| failed(&name, error))?;
            // In order: a sort of few would be a larger part of the program than all of this.
            let place = marks.partition_point(|known| known.range < range);
            marks.insert(place, seen);
        }
    }
    Ok((marks, strangers))
}

/// Reads the mark of `range` from `file`. `changed` is when its directory was last changed.
pub(super) fn seen<F: File>(
    range: MachineRange,
    file: &F,
    changed: Option<WallTime>,
) -> io::Result<Seen> {
    Ok(Seen {
        range,
        slots: slots(file)?,
        identity: file.identity()?,
        changed: file.changed()?.max(changed),
    })
}

/// Both slots of a mark or floor.
pub(super) fn slots<F: File>(file: &F) -> io::Result<[Result<Slot, SlotError>; 2]> {
    let slots = [read_slot(file, 0)?.1, read_slot(file, 1)?.1];
    if let [Err(SlotError::Unreadable(errno)), Err(_)]
    | [Err(_), Err(SlotError::Unreadable(errno))] = slots
    {
        // The mark is not damaged for good as long as the device may give it back.
        return Err(errno.into());
    }
    Ok(slots)
}

/// The bytes of a slot, and the slot decoded from them. One that the device cannot read is a bad slot (R11):
/// the other one bounds what was issued, and writing this one anew mends most devices.
pub(super) fn read_slot<F: File>(
    file: &F,
    index: usize,
) -> io::Result<(Vec<u8>, Result<Slot, SlotError>)> {
    let mut bytes = vec![0; SLOT_LEN];
    let slot = match file.read_at(&mut bytes, offset(index)) {
        Ok(read) => Slot::decode(&bytes[..read]),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(errno @ (Errno::EIO | Errno::ENODATA | Errno::EILSEQ | Errno::EBADMSG)) => {
                Err(SlotError::Unreadable(errno))
            }
            _ => return Err(error),
        },
    };
    Ok((bytes, slot))
}

/// The range that a mark's name tells, if it is written as this program writes it.
pub(super) fn range_of(stem: &str) -> Option<MachineRange> {
    let range: MachineRange = stem.parse().ok()?;
    (range.to_string() == stem).then_some(range)
}
