//! The log that dm-log-writes keeps of what was written to a disk, in the order in which it became
//! durable (the kernel's Documentation/admin-guide/device-mapper/log-writes.rst).
//!
//! A write is logged with the flush after it, one that bypasses the disk's cache (FUA) when it is done. What
//! lies before an entry was durable when it was made.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::Fallible;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;

/// One entry of the log.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Data that was written.
    Write(Write),
    /// All writes before were made durable.
    Flush,
    /// What was told to the device from outside.
    Mark(String),
}

/// Data, and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// The first byte.
    pub(crate) at: u64,
    pub(crate) data: Vec<u8>,
    /// Whether it was durable when it was done, without a flush.
    pub(crate) bypass: bool,
}

/// Reads the log that lies on `disk`.
pub(crate) fn read(disk: &str) -> Fallible<Vec<Entry>> {
    let mut input = BufReader::new(File::open(disk)?);
    let mut block = vec![0; 512];
    input.read_exact(&mut block)?;
    if word(&block, 0) != MAGIC || word(&block, 1) != 1 {
        return Err("there is no log of writes on the disk".into());
    }
    let count = word(&block, 2);
    let unit = word(&block, 3) & 0xffff_ffff;
    block.resize(usize::try_from(unit)?, 0);
    input.seek(SeekFrom::Start(unit))?;
    let mut entries = Vec::new();
    for _ in 0..count {
        input.read_exact(&mut block)?;
        entry(&block, unit, &mut input, &mut entries)?;
    }
    Ok(entries)
}

fn entry(block: &[u8], unit: u64, input: &mut impl Read, entries: &mut Vec<Entry>) -> Fallible<()> {
    let [sector, sectors, flags, length] = [0, 1, 2, 3].map(|index| word(block, index));
    if flags & MARK != 0 {
        let text = block.get(32..32 + usize::try_from(length)?);
        let text = text.ok_or("a mark of the log is too long")?;
        let text = String::from_utf8_lossy(text);
        entries.push(Entry::Mark(text.trim_end_matches('\0').to_owned()));
        return Ok(());
    }
    // It flushes what came before it, and may hold data too.
    if flags & FLUSH != 0 {
        entries.push(Entry::Flush);
    }
    let mut data = vec![0; usize::try_from(sectors * unit)?];
    if data.is_empty() {
        return Ok(());
    }
    // What was discarded is taken to read as zeros.
    if flags & DISCARD == 0 {
        input.read_exact(&mut data)?;
    }
    entries.push(Entry::Write(Write {
        at: sector * unit,
        data,
        bypass: flags & FUA != 0,
    }));
    Ok(())
}

/// The little-endian number at place `index` of a row of them.
fn word(block: &[u8], index: usize) -> u64 {
    let bytes = block[8 * index..8 * index + 8].try_into();
    u64::from_le_bytes(bytes.expect("eight bytes"))
}
