//! What happens to the volume: failing disks, and people.

use shardflake::clock::Clock;
use shardflake::id::MachineRange;
use shardflake::mark::slot::SLOT_LEN;
use shardflake::mark::{MarkError, Operator};

use super::{CLONE, MILLI, World, settings};
use crate::disk::{Disk, Process};
use crate::fault::Fault;
use crate::plan::{Launch, Op};
use crate::shard::operator;
use crate::volume::{MACHINES, Volume};

impl World {
    pub(super) fn trouble(&mut self, op: Op) -> bool {
        let mut volume = self.volume.volume();
        match op {
            Op::Fail {
                looks,
                reads,
                writes,
                flushes,
            } => {
                volume.trouble.looks = looks;
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
        let put_back = [Fault::Overwritten, Fault::Recreated, Fault::MovedBack]
            .into_iter()
            .any(|fault| self.faults[fault.index()] > 0);
        let mut volume = self.volume.volume();
        let marks = volume.marks();
        match op {
            Op::DeleteLock => return volume.delete("lock") && !idle,
            // A stamp by a clock that stands behind takes the place of one that told of an older mark.
            Op::Touch if !inside && put_back => return false,
            Op::Touch => {
                let mark = self.luck.choice(&marks).filter(|_| self.luck.bool());
                volume.touch(mark.map(String::as_str));
            }
            // Where a copy may have the number of the original, only stamps tell of it, and these do
            // not while the clock stands behind: outside the promise.
            Op::ReplaceMark if volume.is_weak() && !inside => return false,
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
                let known = volume.known();
                let all = self.luck.bool();
                // Perhaps some marks only.
                for mark in &marks {
                    if all || self.luck.bool() {
                        volume.delete(mark);
                    }
                }
                let lost = known.into_iter().filter(|machine| !volume.knows(*machine));
                self.lost.extend(lost);
            }
        }
        true
    }

    /// Somebody puts an older mark in the place of the present one, or takes it away to do that later.
    /// Nobody uses the mark meanwhile; other shards of the directory may run.
    pub(super) fn put_back(&mut self, op: Op) -> bool {
        if !self.not_set_back() {
            return false;
        }
        let candidates = match op {
            Op::MoveAway => self.volume.volume().marks(),
            Op::MoveBack { .. } => self.volume.volume().away(),
            _ => self.volume.volume().backed_up(),
        };
        let Some(mark) = self.luck.choice(candidates) else {
            return false;
        };
        let range: MachineRange = mark
            .strip_suffix(".mark")
            .and_then(|stem| stem.parse().ok())
            .expect("the name of a mark");
        if self.is_owned(range) {
            return false;
        }
        let mut volume = self.volume.volume();
        match op {
            Op::MoveAway => {
                let known = volume.known();
                volume.move_away(&mark);
                let lost = known.into_iter().filter(|machine| !volume.knows(*machine));
                self.lost.extend(lost);
            }
            Op::MoveBack { exchange } => volume.move_back(&mark, exchange),
            Op::Recreate => volume.recreate(&mark),
            _ => volume.overwrite(&mark),
        }
        true
    }

    /// The volume is not mounted, and nobody notices: what lies under it is an empty directory. Where
    /// nothing witnesses the bounds, or the machine boots before it is mounted again, what was issued
    /// meanwhile is outside the promise.
    pub(super) fn unmount(&mut self) -> bool {
        let alone = self.processes.is_idle() && self.unmounted.is_none();
        // What a floor bounds is lost with the floor.
        if !alone || self.witness.is_none() || self.has_floor || !self.not_set_back() {
            return false;
        }
        self.lost.extend(self.volume.volume().known());
        let mut volume = self.volume.volume();
        let mut under = Volume::new(0);
        under.effects = volume.effects;
        let hidden = std::mem::replace(&mut *volume, under);
        drop(volume);
        self.unmounted = Some((hidden, self.boots));
        true
    }

    pub(super) fn mount(&mut self) -> bool {
        let boots = self.boots;
        if !self.processes.is_idle() {
            return false;
        }
        let Some((mut volume, _)) = self.unmounted.take_if(|(_, boot)| *boot == boots) else {
            return false;
        };
        let mut under = self.volume.volume();
        let bound = |machine: u32| Some((machine, under.certain(machine..=machine)?));
        self.hidden = (0..MACHINES).filter_map(bound).collect();
        volume.take_over(&under);
        *under = volume;
        true
    }

    /// Whether the witness alone knows of what was issued while the volume was not mounted.
    pub(super) fn is_hidden(&mut self) -> bool {
        let volume = self.volume.volume();
        let told =
            |(machine, bound): &(u32, u64)| volume.certain(*machine..=*machine) < Some(*bound);
        self.hidden.retain(told);
        !self.hidden.is_empty()
    }

    /// Whether a mark is lost and not made anew yet.
    pub(super) fn mark_is_lost(&mut self) -> bool {
        let volume = self.volume.volume();
        self.lost
            .retain(|machine| volume.certain(*machine..=*machine).is_none());
        let is_lost = !self.lost.is_empty();
        drop(volume);
        is_lost || self.is_hidden()
    }

    /// Whether a mark that is lost now is covered by the promise.
    pub(super) fn not_set_back(&self) -> bool {
        self.clock.realtime() >= self.latest && !self.floor_lost
    }

    pub(super) async fn restore(&mut self) -> bool {
        let Some(snapshot) = self.snapshot.clone() else {
            return false;
        };
        if self.has_floor && self.mark_is_lost() {
            // Mark and floor both lost.
            return false;
        }
        self.stop_all().await;
        let mut known = self.volume.volume().known();
        known.retain(|machine| !snapshot.knows(*machine));
        if !known.is_empty() {
            // The snapshot is from before these machine IDs: their mark is lost.
            if !self.not_set_back() || self.has_floor {
                return false;
            }
            self.lost.append(&mut known);
        }
        self.floor_lost |= self.has_floor;
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
        self.clone = Some(Disk::new(copy, &self.clock));
        self.start(Launch::plain(CLONE, range));
        self.pass(30 * MILLI).await;
        if self.issue(CLONE, 1).await {
            self.fail("a clone was not refused".into());
        }
        *self.processes.at(CLONE) = None;
        true
    }

    /// An operator runs `state adopt`, which may die half-way. Whoever runs has to be stopped before; its
    /// locks say so, unless the files that it has locked were taken away from under it.
    pub(super) fn adopt(&mut self, range: (u32, u32), calls: Option<u32>) -> bool {
        let machines = MachineRange::new(range.0, range.1).expect("a range of the plan");
        let lost_its_lock = self.faults[Fault::DeletedLock.index()] > 0;
        if !self.not_set_back() || (lost_its_lock && self.is_owned(machines)) {
            return false;
        }
        self.operate(range, calls, |mut operator| operator.adopt(None).map(drop))
    }

    /// An operator runs `state init`, with `--above` perhaps.
    pub(super) fn init(
        &mut self,
        range: (u32, u32),
        above_ms: Option<i64>,
        calls: Option<u32>,
    ) -> bool {
        let above = above_ms.map(|ms| self.clock.realtime() + ms * MILLI);
        let above = above.and_then(|moment| self.layout.tick_at(moment));
        self.has_floor |= above.is_some();
        self.operate(range, calls, |mut operator| {
            operator.init()?;
            match above {
                Some(tick) => operator.raise(tick).map(drop),
                None => Ok(()),
            }
        })
    }

    /// What an operator configures is the default, whatever shards had.
    fn operate(
        &mut self,
        range: (u32, u32),
        calls: Option<u32>,
        work: impl FnOnce(Operator<Disk>) -> Result<(), MarkError>,
    ) -> bool {
        let settings = settings(0, self.layout, range);
        let process = Process::new();
        if let Some(calls) = calls {
            process.end_after(calls);
        }
        let disk = self.volume.mount(&process);
        let witness = self.witness.as_ref().map(|disk| disk.mount(&process));
        if !self.is_owned(settings.machines) {
            self.volume.volume().noticed(settings.machines);
        }
        let operator = operator(disk, witness, &settings, &self.clock, ([self.boots; 16], 0));
        let done = operator.and_then(work).is_ok();
        if process.ended() {
            self.count(Fault::DiesHalfWay);
        }
        done
    }
}
