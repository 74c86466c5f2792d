//! The data disk: making its file system, and finding marks on it without mounting it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::process::Command;

use shardflake::mark::slot::{SLOT_LEN, Slot};
use shardflake::time::WallTime;

use crate::Fallible;

/// Size of a disk in bytes: a little more than the smallest BTRFS.
pub(crate) const SIZE: u64 = 128 << 20;

/// What the data disk is formatted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Btrfs,
}

impl FileSystem {
    pub(crate) fn named(name: &str) -> Fallible<Self> {
        match name {
            "ext4" => Ok(Self::Ext4),
            "btrfs" => Ok(Self::Btrfs),
            _ => Err(format!("no such file system: {name}").into()),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Btrfs => "btrfs",
        }
    }

    /// Makes an empty one in the file `disk`.
    pub(crate) fn make(self, disk: &str) -> Fallible<()> {
        File::create(disk)?.set_len(SIZE)?;
        let (program, options): (_, &[&str]) = match self {
            // Tables that are written later would be writes that are not ours.
            Self::Ext4 => (
                "mkfs.ext4",
                &[
                    "-q",
                    "-F",
                    "-b",
                    "4096",
                    "-E",
                    "lazy_itable_init=0,lazy_journal_init=0",
                ],
            ),
            Self::Btrfs => ("mkfs.btrfs", &["-q", "-f"]),
        };
        let output = Command::new(program).args(options).arg(disk).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// The bound that holds according to the disk alone: the smallest of the readable slots of the
/// newest mark. `None` if there is no mark.
pub(crate) fn durable_bound(disk: &str) -> Fallible<Option<u64>> {
    let mut marks: BTreeMap<(u64, WallTime), Vec<u64>> = BTreeMap::new();
    let mut disk = File::open(disk)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match disk.read_exact(&mut piece) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        for slot in piece
            .chunks(SLOT_LEN)
            .filter_map(|page| Slot::decode(page).ok())
        {
            let file = (slot.identity.inode, slot.identity.born);
            marks.entry(file).or_default().push(slot.bound);
        }
    }
    let newest = marks
        .into_values()
        .max_by_key(|bounds| bounds.iter().max().copied());
    Ok(newest.and_then(|bounds| bounds.into_iter().min()))
}
