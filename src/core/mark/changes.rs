//! Who made the last change of the state directory: a shard, or somebody else (R17).
//!
//! A directory that was changed after a mark in it was written may have been moved away and back, with
//! another one in its place meanwhile that issued IDs (see [`Seen::touched`](super::rules::Seen::touched)).
//! But shards also change it themselves, whenever one of them makes or removes a mark, and several share
//! one directory. So whoever changes it under the directory's lock notes, in the lock file, how its stamp
//! reads since, and the newest stamp that was somebody else's doing. As long as the stamp reads the same,
//! nobody else has changed the directory. The note is not flushed, and need not be there: without it, or if
//! it does not fit, the change is taken for somebody else's, which costs a wait and repeats nothing.

use super::storage::File;
use crate::time::WallTime;

const MAGIC: [u8; 8] = *b"SFCHANGE";
const LEN: usize = MAGIC.len() + 2 * 8 + 4;
/// In place of a stamp: there is none.
const NONE: WallTime = WallTime::from_nanos(i64::MIN);

/// The newest change of the directory that no shard has made, if it was last `changed` then; `lock` is its
/// lock file.
pub(super) fn of_others<F: File>(lock: &F, changed: Option<WallTime>) -> Option<WallTime> {
    let changed = changed?;
    // Some file systems stamp whole seconds: another change may bear the same stamp.
    match read(lock) {
        Some((own, others)) if own == changed && !changed.is_whole_second() => others,
        _ => Some(changed),
    }
}

/// Notes that a shard has changed the directory, which reads `changed` since.
pub(super) fn note<F: File>(lock: &F, changed: Option<WallTime>, others: Option<WallTime>) {
    let Some(changed) = changed else { return };
    let mut bytes = Vec::with_capacity(LEN);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&changed.as_nanos().to_le_bytes());
    bytes.extend_from_slice(&others.unwrap_or(NONE).as_nanos().to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    // No harm: see above.
    let _ = lock.write_at(&bytes, 0);
}

/// The note: the stamp of the last change by a shard, and of the last one by somebody else.
fn read<F: File>(lock: &F) -> Option<(WallTime, Option<WallTime>)> {
    let mut bytes = [0; LEN];
    lock.read_at(&mut bytes, 0).ok()?;
    let (content, checksum) = bytes.split_at(LEN - 4);
    if crc32c::crc32c(content).to_le_bytes() != *checksum {
        return None;
    }
    let stamps = content.strip_prefix(&MAGIC)?;
    let (own, others) = stamps.split_at(8);
    let stamp = |bytes: &[u8]| {
        let nanos = i64::from_le_bytes(bytes.try_into().ok()?);
        Some(WallTime::from_nanos(nanos))
    };
    Some((stamp(own)?, stamp(others).filter(|stamp| *stamp != NONE)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::time::TimeDelta;

    const OWN: WallTime = WallTime::from_nanos(1_700_000_000_123_456_789);
    const NANO: TimeDelta = TimeDelta::from_nanos(1);

    fn lock() -> fs::File {
        tempfile::tempfile().unwrap()
    }

    #[test]
    fn a_noted_change_is_a_shards_own() {
        let lock = lock();
        assert_eq!(of_others(&lock, Some(OWN)), Some(OWN));
        for others in [None, Some(WallTime::from_nanos(7))] {
            note(&lock, Some(OWN), others);
            assert_eq!(of_others(&lock, Some(OWN)), others);
            assert_eq!(of_others(&lock, Some(OWN + NANO)), Some(OWN + NANO));
            assert_eq!(of_others(&lock, Some(OWN - NANO)), Some(OWN - NANO));
            assert_eq!(of_others(&lock, None), None);
        }
        note(&lock, None, Some(WallTime::from_nanos(8)));
        assert_eq!(of_others(&lock, Some(OWN)), Some(WallTime::from_nanos(7)));
    }

    #[test]
    fn a_stamp_of_whole_seconds_is_nobodys_own() {
        let (lock, whole) = (lock(), WallTime::from_nanos(1_700_000_000_000_000_000));
        note(&lock, Some(whole), None);
        assert_eq!(of_others(&lock, Some(whole)), Some(whole));
    }

    #[test]
    fn a_note_that_is_not_whole_is_none() {
        for at in 0..LEN {
            let lock = lock();
            note(&lock, Some(OWN), None);
            lock.write_all_at(b"?", at as u64).unwrap();
            assert_eq!(of_others(&lock, Some(OWN)), Some(OWN), "{at}");
        }
        let lock = lock();
        note(&lock, Some(OWN), None);
        lock.set_len(LEN as u64 - 1).unwrap();
        assert_eq!(of_others(&lock, Some(OWN)), Some(OWN));
    }
}
