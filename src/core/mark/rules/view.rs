//! The content of a state directory as the start rules see it, and the bound that follows from it.

use std::time::Duration;

use super::Policy;
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::mark::slot::{Slot, SlotError};
use crate::mark::storage::Identity;
use crate::time::{TimeDelta, WallTime};

/// The longest time between reading the clock and writing a slot with that reading. A writer that took
/// longer writes the slot again.
pub(in crate::mark) const STALL: Duration = Duration::from_millis(100);
/// How coarse the stamp of a change may be: some file systems count whole seconds.
const SLACK: Duration = Duration::from_secs(1);

/// One mark as it lies in the state directory.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The machine IDs that its name tells.
    pub range: MachineRange,
    /// Both slots.
    pub slots: [Result<Slot, SlotError>; 2],
    /// Which file it is now.
    pub identity: Identity,
    /// When it or its directory was last changed, by the kernel's clock; `None` if that
    /// cannot be known.
    pub changed: Option<WallTime>,
}

/// The content of the state directory, as a start finds it.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The marks that overlap the shard's range, or overlap one that does.
    pub overlapping: Vec<Seen>,
    /// The slots of all other marks that can be read.
    pub others: Vec<Other>,
    /// Bounds that the witness knows, each with its layout.
    pub witnessed: Vec<(Layout, u64)>,
    /// The floor: the maximum over the floors of all machine IDs concerned.
    pub floor: Floor,
    /// The maximum over those floors alone that cover every machine ID of the shard. One that covers a part
    /// does not go with the others once the marks are split.
    pub covering: Floor,
    /// The ranges of floors of which neither slot can be read.
    pub damaged_floors: Vec<MachineRange>,
    /// The ranges of floors with a slot of a format version that this program does not read, each with that.
    pub newer_floors: Vec<(MachineRange, u32)>,
    /// The layouts in the slots of floors, each with the range in the floor's name.
    pub floors: Vec<(MachineRange, Layout)>,
}

/// How far ahead a mark may have been that is lost, or of which an older copy came back, beyond what the
/// wall clock and the settings of this start tell. It is durable before use is made of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// No bound was above this tick unless it was within Q of the wall clock: what an operator has
    /// allowed by `--above` and `--continue-ahead`.
    pub tick: u64,
    /// The largest Q in ticks that was in use, where it was above that of the defaults.
    pub furthest: u64,
}

/// A slot of a mark that is not the shard's.
#[derive(Debug, Clone, Copy)]
pub struct Other {
    /// The machine IDs that the mark's name tells.
    pub named: MachineRange,
    /// Those that the slot tells.
    pub range: MachineRange,
    /// The layout of their IDs.
    pub layout: Layout,
}

/// The name of the mark for `range`.
#[must_use]
pub fn mark_name(range: MachineRange) -> String {
    format!("{range}.mark")
}

/// The name of the floor of `range`.
#[must_use]
pub fn floor_name(range: MachineRange) -> String {
    format!("{range}.floor")
}

impl Floor {
    /// A floor that covers both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            tick: self.tick.max(other.tick),
            furthest: self.furthest.max(other.furthest),
        }
    }
}

impl Seen {
    /// The bound that holds: the larger one of the readable slots (R11).
    #[must_use]
    pub fn bound(&self) -> Option<u64> {
        self.valid().map(|slot| slot.bound).max()
    }

    /// R17: when the file or its directory was changed by somebody other than the writer, if that is later
    /// than the newest slot: the mark may have been moved away and back since, or an older one put in its
    /// place. A change before that slot is no alarm: a power cut may lose the stamp of a later one.
    #[must_use]
    pub fn touched(&self) -> Option<WallTime> {
        let newest = self
            .valid()
            .reduce(|one, other| if other.is_later_than(one) { other } else { one })?;
        let own = newest.clock + STALL;
        // A whole second may stand for any moment within it.
        let latest = |changed: WallTime| {
            if changed.is_whole_second() {
                changed + SLACK - TimeDelta::from_nanos(1)
            } else {
                changed
            }
        };
        self.changed.map(latest).filter(|changed| *changed > own)
    }

    /// The readable slots.
    pub fn valid(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter_map(|slot| slot.as_ref().ok())
    }
}

impl View {
    /// Q of this start, or of an earlier one if that was larger.
    fn furthest(&self, policy: &Policy) -> u64 {
        let slots = self.overlapping.iter().flat_map(Seen::valid);
        let written = slots.map(|slot| slot.furthest);
        written
            .chain([self.floor.furthest])
            .fold(policy.furthest, u64::max)
    }

    /// A bound that no mark was above at `moment`: for one that is lost (R16), or may hide behind another
    /// (R17).
    pub(super) fn bound_at(&self, moment: WallTime, policy: &Policy) -> u64 {
        let tick = policy.layout.tick_at(moment).unwrap_or(0);
        tick.saturating_add(self.furthest(policy))
            .max(self.floor.tick)
            .max(self.witness(policy))
            .min(policy.layout.max_tick())
    }

    /// R15: the bound that holds, the maximum over the marks, the witness, and what may be hidden (R17). A
    /// mark that somebody else touched may stand in the place of a newer one, which was written before the
    /// touch.
    #[must_use]
    pub fn bound(&self, policy: &Policy) -> Option<u64> {
        let hidden = |seen: &Seen| {
            let moment = seen.touched()?;
            Some(self.bound_at(moment + SLACK, policy))
        };
        let of = |seen: &Seen| Some(seen.bound()?.max(hidden(seen).unwrap_or(0)));
        let bound = self.overlapping.iter().filter_map(of).max()?;
        Some(bound.max(self.witness(policy)))
    }

    /// Whether the marks were last written or touched at or before `wall`, and `bound` lies no more than Q
    /// ahead of that moment, as any mark may: then a bound ahead of the clock tells of no step back.
    pub(super) fn is_young(&self, bound: u64, policy: &Policy, wall: WallTime) -> bool {
        let slots = self.overlapping.iter().flat_map(Seen::valid);
        let touched = self.overlapping.iter().filter_map(Seen::touched);
        let changes = slots.map(|slot| slot.written.wall).chain(touched);
        changes.max().is_some_and(|changed| {
            let tick = policy.layout.tick_at(changed + SLACK);
            let furthest = tick.map(|tick| tick.saturating_add(self.furthest(policy)));
            changed <= wall && furthest.is_some_and(|furthest| bound <= furthest)
        })
    }

    /// The bound that the witness knows. Ticks of another layout count something else.
    fn witness(&self, policy: &Policy) -> u64 {
        let known = self.witnessed.iter();
        let comparable = known.filter(|(layout, _)| *layout == policy.layout);
        comparable.map(|(_, bound)| *bound).max().unwrap_or(0)
    }

    /// The largest bound in a readable slot.
    pub(super) fn read(&self) -> Option<u64> {
        self.overlapping.iter().filter_map(Seen::bound).max()
    }
}
