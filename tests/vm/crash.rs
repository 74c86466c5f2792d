//! What a disk may hold after a crash: all that was durable, and any part of what was not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use shardflake::mark::slot::{SLOT_LEN, Slot};

use crate::Fallible;
use crate::random::Random;
use crate::writelog::{Entry, Write};

const BLOCK: usize = 4096;
const SECTOR: usize = 512;
/// Of so few writes every subset is tried.
const FEW: usize = 4;
/// Which of a slot's eight sectors survive when it is torn: the first, or the last. Those between
/// are all zeros.
const TEARS: [u8; 2] = [0b0000_0001, 0b1000_0000];
/// How many subsets of many writes are tried.
const SUBSETS: usize = 12;

/// The content of a disk: its blocks that are not all zeros.
#[derive(Clone, Default)]
pub(crate) struct Image(BTreeMap<u64, Block>);

#[derive(Clone)]
struct Block {
    bytes: Arc<[u8; BLOCK]>,
    /// Of its bytes and its place.
    hash: u64,
}

impl Image {
    /// The content of the file `disk`.
    pub(crate) fn read(disk: &str) -> Fallible<Self> {
        let mut image = Self::default();
        let mut disk = File::open(disk)?;
        let mut bytes = [0; BLOCK];
        let length = disk.metadata()?.len();
        for number in 0..length / BLOCK as u64 {
            disk.read_exact(&mut bytes)?;
            image.put(number, &bytes);
        }
        Ok(image)
    }

    /// Writes the content to `file`, which has nothing else in it.
    pub(crate) fn write(&self, file: &File) -> Fallible<()> {
        for (number, block) in &self.0 {
            file.write_all_at(&block.bytes[..], number * BLOCK as u64)?;
        }
        Ok(())
    }

    /// Tells it from other images.
    pub(crate) fn fingerprint(&self) -> u64 {
        let hashes = self.0.values().map(|block| block.hash);
        hashes.fold(0, u64::wrapping_add)
    }

    fn apply(&mut self, write: &Write) {
        self.apply_sectors(write, |_| true);
    }

    /// Applies the sectors of a write that `survives` is true for.
    fn apply_sectors(&mut self, write: &Write, survives: impl Fn(usize) -> bool) {
        for (index, sector) in write.data.chunks(SECTOR).enumerate() {
            if !survives(index) {
                continue;
            }
            let at = write.at + (index * SECTOR) as u64;
            let (number, within) = (at / BLOCK as u64, at % BLOCK as u64);
            let within = usize::try_from(within).expect("less than a block");
            let known = self.0.get(&number).map(|block| *block.bytes);
            let mut bytes = known.unwrap_or([0; BLOCK]);
            bytes[within..within + sector.len()].copy_from_slice(sector);
            self.put(number, &bytes);
        }
    }

    fn put(&mut self, number: u64, bytes: &[u8; BLOCK]) {
        if *bytes == [0; BLOCK] {
            self.0.remove(&number);
            return;
        }
        let mut hasher = DefaultHasher::new();
        (number, bytes).hash(&mut hasher);
        let block = Block {
            bytes: Arc::new(*bytes),
            hash: hasher.finish(),
        };
        self.0.insert(number, block);
    }
}

/// A crash: when it came, and what of the writes that were under way it left.
pub(crate) struct Crash {
    /// The entries of the log between the flush before it and the flush after it.
    span: Range<usize>,
    /// How many entries of the log may count as done: its marks among them hold.
    pub(crate) done: usize,
    /// Which of the writes that wait for the flush survive.
    kept: Vec<bool>,
    /// One of these that survives in part: its place among them, and a bit for each of its sectors.
    torn: Option<(usize, u8)>,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.span;
        write!(f, "crash between entries {start} and {end}, ")?;
        if self.done < end {
            return write!(f, "before entry {}", self.done);
        }
        let kept = self.kept.iter().map(|kept| if *kept { '1' } else { '0' });
        write!(f, "kept {}", kept.collect::<String>())?;
        match self.torn {
            Some((index, pattern)) => write!(f, ", number {index} torn to {pattern:08b}"),
            None => Ok(()),
        }
    }
}

/// Crashes at every moment that the log tells apart, in its order.
pub(crate) fn crashes(entries: &[Entry], random: &mut Random) -> Vec<Crash> {
    let mut crashes = Vec::new();
    for span in spans(entries) {
        // A write that bypasses the cache is durable from when it is logged.
        for done in span.clone() {
            if matches!(&entries[done], Entry::Write(write) if write.bypass) {
                crashes.push(Crash {
                    span: span.clone(),
                    done,
                    kept: vec![],
                    torn: None,
                });
            }
        }
        // Just before the flush has ended all marks up to it are set, every write is under way.
        let loose: Vec<&Write> = loose(&entries[span.clone()]).collect();
        let mut add = |kept, torn| {
            crashes.push(Crash {
                span: span.clone(),
                done: span.end,
                kept,
                torn,
            });
        };
        for kept in choices(loose.len(), random) {
            add(kept, None);
        }
        for (index, _) in loose.iter().enumerate().filter(|(_, write)| is_slot(write)) {
            for pattern in TEARS {
                let kept = loose.iter().map(|_| random.once_in(2)).collect();
                add(kept, Some((index, pattern)));
            }
        }
    }
    crashes
}

/// Makes the images of `crashes`, which are in the log's order, and hands them to `visit`.
pub(crate) fn images(
    base: &Image,
    entries: &[Entry],
    crashes: &[Crash],
    visit: &mut dyn FnMut(&Crash, &Image) -> Fallible<()>,
) -> Fallible<()> {
    let mut durable = base.clone();
    let mut reached = 0;
    for crash in crashes {
        for entry in &entries[reached..crash.span.start] {
            if let Entry::Write(write) = entry {
                durable.apply(write);
            }
        }
        reached = crash.span.start;
        visit(crash, &image(&durable, entries, crash))?;
    }
    Ok(())
}

/// What `crash` leaves of a disk on which `durable` was when its span began.
fn image(durable: &Image, entries: &[Entry], crash: &Crash) -> Image {
    let mut image = durable.clone();
    for entry in &entries[crash.span.start..crash.done] {
        if let Entry::Write(write) = entry
            && write.bypass
        {
            image.apply(write);
        }
    }
    let loose = loose(&entries[crash.span.clone()]);
    for (index, (write, kept)) in loose.zip(&crash.kept).enumerate() {
        match crash.torn {
            Some((torn, pattern)) if torn == index => {
                image.apply_sectors(write, |sector| pattern >> (sector % 8) & 1 == 1);
            }
            _ if *kept => image.apply(write),
            _ => {}
        }
    }
    image
}

/// The entries between one flush and the next, each time.
fn spans(entries: &[Entry]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut begin = 0;
    for (end, entry) in entries.iter().enumerate() {
        if matches!(entry, Entry::Flush) {
            spans.push(begin..end);
            begin = end + 1;
        }
    }
    spans.push(begin..entries.len());
    spans
}

/// The writes that are durable with the next flush only.
fn loose(entries: &[Entry]) -> impl Iterator<Item = &Write> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Write(write) if !write.bypass => Some(write),
        _ => None,
    })
}

/// Which of `count` writes survive: every beginning, every one missing, and others.
fn choices(count: usize, random: &mut Random) -> Vec<Vec<bool>> {
    if count <= FEW {
        let all = 0..1usize << count;
        return all
            .map(|bits| (0..count).map(|one| bits >> one & 1 == 1).collect())
            .collect();
    }
    let beginnings = (0..=count).map(|end| (0..count).map(|one| one < end).collect());
    let missing = (0..count).map(|gap| (0..count).map(|one| one != gap).collect());
    let mut chosen: Vec<Vec<bool>> = beginnings.chain(missing).collect();
    for _ in 0..SUBSETS {
        chosen.push((0..count).map(|_| random.once_in(2)).collect());
    }
    chosen
}

fn is_slot(write: &Write) -> bool {
    write.data.len() == SLOT_LEN && Slot::decode(&write.data).is_ok()
}
