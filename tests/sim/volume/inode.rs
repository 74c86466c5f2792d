//! What a file holds, in the page cache and on the disk.

use std::hash::{Hash, Hasher};

use fastrand::Rng;
use shardflake::mark::slot::{SLOT_LEN, Slot};
use shardflake::time::WallTime;

/// What a disk writes at once, in bytes.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// Its number, which the next file may have once this one is gone.
    pub(super) number: u64,
    /// What tells it from others that had its number; 0 where the file system does not keep it.
    pub(super) generation: u32,
    /// When it was last changed, by the machine's wall clock, and what a crash would leave of that.
    pub(super) changed: WallTime,
    pub(super) durable_changed: WallTime,
    pub(super) cache: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) dirty: Vec<(usize, Vec<u8>)>,
    /// A bit has turned, and no start has seen it yet.
    pub(super) rotten: bool,
}

impl Inode {
    /// Somebody puts other content there, durably.
    pub(super) fn replace(&mut self, content: Vec<u8>) {
        self.durable.clone_from(&content);
        self.cache = content;
        self.dirty.clear();
        self.rotten = self.readable() < 2;
    }

    /// The lowest bound that a slot may hold after a crash, if a slot is sure to be readable.
    pub(super) fn certain(&self) -> Option<u64> {
        let mut lowest = None;
        let mut sure = self.rotten;
        for index in 0..2 {
            let place = index * SLOT_LEN..(index + 1) * SLOT_LEN;
            let overlaps =
                |(at, bytes): &&(usize, Vec<u8>)| *at < place.end && at + bytes.len() > place.start;
            let durable = self.durable.get(place.clone()).map(Slot::decode);
            let old = durable.and_then(Result::ok).map(|slot| slot.bound);
            let dirty: Vec<_> = self.dirty.iter().filter(overlaps).collect();
            sure |= dirty.is_empty() && old.is_some();
            let new = dirty
                .iter()
                .filter_map(|(_, bytes)| Some(Slot::decode(bytes).ok()?.bound));
            lowest = old.into_iter().chain(new).chain(lowest).min();
        }
        // Of what has rotted nothing can be said.
        lowest.or(self.rotten.then_some(u64::MAX)).filter(|_| sure)
    }

    /// What was written and waits for a flush. The same bytes once more change nothing, neither on their
    /// way to the disk nor there.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        write(&mut self.cache, at, bytes);
        let end = at + bytes.len();
        let waiting = self.dirty.iter().rev();
        let waiting = waiting.map(|(start, bytes)| (*start, &bytes[..]));
        let known = waiting
            .filter(|(start, bytes)| *start < end && start + bytes.len() > at)
            .map(|(start, bytes)| (start == at).then_some(bytes))
            .next()
            .unwrap_or_else(|| self.durable.get(at..end));
        if known != Some(bytes) {
            self.dirty.push((at, bytes.to_vec()));
        }
    }

    pub(super) fn flush(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.dirty) {
            write(&mut self.durable, at, &bytes);
        }
        if self.rotten {
            self.rotten = self.readable() < 2;
        }
    }

    /// How many slots can be read.
    pub(super) fn readable(&self) -> usize {
        let slots = self.durable.chunks(SLOT_LEN);
        slots.filter(|slot| Slot::decode(slot).is_ok()).count()
    }

    /// A flush that failed: some writes got through, some are forgotten though the cache has them.
    pub(super) fn fail_flush(&mut self, luck: &mut Rng) {
        for (at, bytes) in std::mem::take(&mut self.dirty) {
            match luck.u8(..3) {
                0 => write(&mut self.durable, at, &bytes),
                1 => {}
                _ => self.dirty.push((at, bytes)),
            }
        }
    }

    /// Each unflushed write is lost, kept, or torn at some sector, in any order. Of those that each lie
    /// within one sector, in the same place, any one may have come to the disk last, or none.
    pub(super) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        let dirty = std::mem::take(&mut self.dirty);
        let (whole, mut dirty): (Vec<_>, Vec<_>) = dirty
            .into_iter()
            .partition(|(at, bytes)| at / SECTOR == (at + bytes.len().max(1) - 1) / SECTOR);
        for versions in whole.chunk_by(|one, next| (one.0, one.1.len()) == (next.0, next.1.len())) {
            if let Some(kept) = choose(versions.len() + 1).checked_sub(1) {
                let (at, bytes) = &versions[kept];
                write(&mut self.durable, *at, bytes);
            }
        }
        while !dirty.is_empty() {
            let (at, bytes) = dirty.swap_remove(choose(dirty.len()));
            let sectors = bytes.len().div_ceil(SECTOR);
            match choose(4) {
                0 => {}
                1 => write(&mut self.durable, at, &bytes),
                2 => {
                    let cut = bytes.len().min((1 + choose(sectors.max(1))) * SECTOR);
                    write(&mut self.durable, at, &bytes[..cut]);
                }
                _ => {
                    let cut = bytes.len().min((1 + choose(sectors.max(1))) * SECTOR);
                    write(&mut self.durable, at + cut, &bytes[cut..]);
                }
            }
        }
        self.cache.clone_from(&self.durable);
    }
}

impl Hash for Inode {
    /// Over what a start can see or a crash can change. What file it is its content tells.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.cache, &self.durable, &self.dirty).hash(hasher);
        (self.changed, self.durable_changed, self.rotten).hash(hasher);
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}
