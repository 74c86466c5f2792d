//! What happens to the volume: failing disks, and people.

use shardflake::clock::Clock;
use shardflake::mark::slot::SLOT_LEN;

use super::{CLONE, LARGE, MILLI, World, settings};
use crate::disk::{Disk, Process};
use crate::plan::{Launch, Op};
use crate::shard::{self, author};
use crate::volume::Volume;

impl World {
    pub(super) fn trouble(&mut self, op: Op) -> bool {
        let mut volume = self.volume.volume();
        match op {
            Op::Fail {
                reads,
                writes,
                flushes,
            } => {
                volume.trouble.reads = reads;
                volume.trouble.writes = writes;
                volume.trouble.flushes = flushes;
            }
            Op::Full(full) => volume.trouble.full = full,
            Op::Lie(lies) => {
                volume.trouble.lies = lies;
            }
            _ => {
                let marks = volume.marks();
                let bit = self.luck.usize(..16 * SLOT_LEN);
                let mark = self.luck.choice(&marks);
                return mark.is_some_and(|mark| volume.rot(mark, bit));
            }
        }
        true
    }

    pub(super) fn tamper(&mut self, op: Op) -> bool {
        let idle = self.processes.is_idle();
        let inside = self.not_set_back();
        let mut volume = self.volume.volume();
        let marks = volume.marks();
        match op {
            Op::DeleteLock => return volume.delete("lock") && !idle,
            Op::ReplaceMark => {
                let Some(mark) = self.luck.choice(&marks) else {
                    return false;
                };
                return volume.replace(mark);
            }
            _ => {
                if marks.is_empty() || !idle || !inside {
                    return false;
                }
                self.lost.extend(volume.known());
                for mark in &marks {
                    volume.delete(mark);
                }
                self.mark_lost = true;
            }
        }
        true
    }

    /// Whether a mark is lost and not made anew yet.
    pub(super) fn mark_is_lost(&mut self) -> bool {
        let volume = self.volume.volume();
        self.lost
            .retain(|machine| volume.certain(*machine..=*machine).is_none());
        !self.lost.is_empty()
    }

    /// Whether a mark that is lost now is covered by the promise.
    pub(super) fn not_set_back(&self) -> bool {
        self.clock.realtime() >= self.latest && !self.went_ahead
    }

    pub(super) async fn restore(&mut self) -> bool {
        let Some(snapshot) = self.snapshot.clone() else {
            return false;
        };
        self.stop_all().await;
        let mut known = self.volume.volume().known();
        known.retain(|machine| !snapshot.knows(*machine));
        if !known.is_empty() {
            // The snapshot is from before these machine IDs: their mark is lost.
            if !self.not_set_back() {
                return false;
            }
            self.lost.append(&mut known);
            self.mark_lost = true;
        }
        self.volume.volume().restore(&snapshot);
        true
    }

    pub(super) async fn start_clone(&mut self, range: (u32, u32), luck: u64) -> bool {
        if self.processes.at(CLONE).is_some() || self.volume.volume().marks().is_empty() {
            return false;
        }
        let mut copy = Volume::new(luck);
        {
            let original = self.volume.volume();
            copy.restore(&original);
            copy.effects = original.effects;
        }
        let known = (range.0..=range.1).any(|machine| copy.knows(machine));
        if !known {
            // Two hosts with one number: that is what leases are for.
            return false;
        }
        self.clone = Some(Disk::new(copy));
        self.start(Launch::plain(CLONE, range), luck);
        self.pass(30 * MILLI).await;
        if self.issue(CLONE, 1).await {
            self.fail("a clone was not refused".into());
        }
        *self.processes.at(CLONE) = None;
        true
    }

    /// An operator runs `state adopt`, with nobody using the marks.
    pub(super) fn adopt(&mut self, range: (u32, u32)) -> bool {
        if !self.processes.is_idle() || !self.not_set_back() {
            return false;
        }
        let variant = if self.large { LARGE } else { 0 };
        let settings = settings(variant, self.layout, range);
        let disk = self.volume.mount(&Process::new());
        let author = author(settings.layout, &self.clock, ([self.boots; 16], 0));
        shard::adopt(disk, &settings, &self.clock, &author).is_ok()
    }
}
