//! What must hold of everything that was received.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use shardflake::id::MachineRange;
use shardflake::mark::slot::{SLOT_LEN, Slot};
use shardflake::wide::Stamp;

use crate::load::Received;
use crate::server::fields;

/// Everything that was received, over the lives of a shard.
#[derive(Default)]
pub(crate) struct Ledger {
    ids: Vec<u64>,
    /// The largest ID of each machine ID.
    highest: BTreeMap<u64, u64>,
    stamps: Vec<Stamp>,
    /// The largest stamp of each machine ID.
    highest_stamps: BTreeMap<u32, Stamp>,
}

impl Ledger {
    /// Takes what one life of the shard gave: all of it above what earlier lives gave.
    pub(crate) fn enter(&mut self, received: &Received) {
        self.enter_ids(&received.ids);
        self.enter_stamps(&received.stamps);
    }

    /// The same of IDs alone.
    pub(crate) fn enter_ids(&mut self, ids: &[u64]) {
        let mut highest = self.highest.clone();
        for id in ids {
            let (_, machine) = fields(*id);
            let before = self.highest.get(&machine).copied().unwrap_or(0);
            assert!(
                *id > before,
                "{id} came in a later life than {before}; {} of {} came twice",
                self.known(ids),
                ids.len()
            );
            let now = highest.entry(machine).or_default();
            *now = (*now).max(*id);
        }
        self.highest = highest;
        self.ids.extend(ids);
    }

    /// The same of UUIDs and ULIDs.
    fn enter_stamps(&mut self, stamps: &[Stamp]) {
        let mut highest = self.highest_stamps.clone();
        for stamp in stamps {
            let before = self.highest_stamps.get(&stamp.machine);
            assert!(
                before.is_none_or(|before| stamp > before),
                "{stamp:?} came in a later life than {before:?}"
            );
            let now = highest.entry(stamp.machine).or_insert(*stamp);
            *now = (*now).max(*stamp);
        }
        self.highest_stamps = highest;
        self.stamps.extend(stamps);
    }

    /// How many of them came before.
    fn known(&self, ids: &[u64]) -> usize {
        let known: BTreeSet<_> = self.ids.iter().collect();
        ids.iter().filter(|id| known.contains(id)).count()
    }

    /// The largest ID of any machine ID in `shard`: whatever the shard gives is to be larger.
    pub(crate) fn highest(&self, shard: &str) -> u64 {
        let range: MachineRange = shard.parse().unwrap();
        let range = u64::from(range.first())..=u64::from(range.last());
        let highest = self.highest.range(range);
        highest.map(|(_, id)| *id).max().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many UUIDs and ULIDs there are.
    pub(crate) fn stamps(&self) -> usize {
        self.stamps.len()
    }

    /// Looks for duplicates; how many IDs there are.
    pub(crate) fn close(self) -> usize {
        distinct(self.stamps);
        distinct(self.ids)
    }
}

/// How many IDs there are, none of them twice.
pub(crate) fn distinct<T: Ord + Debug>(mut ids: Vec<T>) -> usize {
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "{:?} was given twice", twice.unwrap()[0]);
    ids.len()
}

/// The readable slots of a mark. While one of them is being written it may not be readable.
pub(crate) fn slots(mark: &Path) -> Vec<Slot> {
    let bytes = fs::read(mark).unwrap_or_default();
    let slots = bytes.chunks(SLOT_LEN).map(Slot::decode);
    slots.filter_map(Result::ok).collect()
}

/// Whether the mark bounds `id`, which was received before this look: every readable slot does,
/// and at least one is readable.
pub(crate) fn look(mark: &Path, id: u64) -> Result<(), String> {
    let (tick, _) = fields(id);
    // Both can be caught half-written by one look, not by several.
    let slots = (0..5).map(|_| slots(mark)).find(|slots| !slots.is_empty());
    let Some(slots) = slots else {
        return Err(format!("no slot of {} is readable", mark.display()));
    };
    match slots.iter().find(|slot| slot.bound < tick) {
        None => Ok(()),
        Some(slot) => Err(format!(
            "{id} has tick {tick}, above the bound {} of a slot of {}",
            slot.bound,
            mark.display()
        )),
    }
}
