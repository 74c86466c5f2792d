//! What lies in a state directory, as far as the start rules are about it, and what follows of it for
//! the bound.

use std::time::Duration;

use super::Policy;
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::mark::slot::{Slot, SlotError};
use crate::mark::storage::Identity;
use crate::timestamp::nanos;

/// What may lie between reading the clock and writing a slot by it. A writer that took longer
/// writes the slot again.
pub(in crate::mark) const STALL: Duration = Duration::from_millis(100);
/// What a mark's own clock may lie behind the stamp of a change: some file systems count whole seconds.
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
    /// When it or its directory was last changed, by the kernel's clock, in nanoseconds since 1970;
    /// `None` if that cannot be known.
    pub changed: Option<i64>,
}

/// What a start finds in the state directory.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The marks that overlap the shard's range, or overlap one that does.
    pub overlapping: Vec<Seen>,
    /// The slots of all other marks that can be read.
    pub others: Vec<Other>,
    /// Bounds that are known from elsewhere, wherever the directory was meanwhile.
    pub witnessed: Vec<(Layout, u64)>,
    /// How far IDs may have been issued beyond what a lost mark is taken to have allowed.
    pub floor: Floor,
    /// What floors say of that for every machine ID of the shard: one that is about some of them is lost
    /// to the others once their marks part.
    pub covering: Floor,
    /// The machine IDs of floors of which nothing can be read.
    pub damaged_floors: Vec<MachineRange>,
    /// The layouts of floors, each with the machine IDs that its name tells.
    pub floors: Vec<(MachineRange, Layout)>,
}

/// What a mark that is lost, or of which an older copy came back, may have allowed beyond the present
/// time and the settings of this start. It is durable before it is made use of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// No bound was above this tick unless it was within Q of the wall clock: what an operator has
    /// allowed by `--above` and `--continue-ahead`.
    pub tick: u64,
    /// The largest Q in ticks that was in use, where it was above that of the defaults.
    pub furthest: u64,
}

/// What a slot of another mark says.
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
    /// The bound that holds: the larger of what the readable slots say.
    #[must_use]
    pub fn bound(&self) -> Option<u64> {
        self.valid().map(|slot| slot.bound).max()
    }

    /// When somebody else than the writer changed the file or its directory: anything may have been
    /// moved away and back, or put over it, since the newest slot was written. An older change is
    /// none: a power cut may take away the later ones.
    #[must_use]
    pub fn touched(&self) -> Option<i64> {
        let newest = self
            .valid()
            .reduce(|one, other| if other.is_later_than(one) { other } else { one })?;
        let own = newest.clock.saturating_add(nanos(STALL));
        // Some file systems stamp whole seconds: within the second, which was later cannot be told.
        let second = nanos(SLACK);
        let latest = |changed: i64| match changed % second {
            0 => changed.saturating_add(second - 1),
            _ => changed,
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

    /// The bound for a mark of which nothing is known but that nobody wrote it after `moment`, in
    /// nanoseconds since 1970: no lost one can have been higher.
    pub(super) fn bound_at(&self, moment: i64, policy: &Policy) -> u64 {
        let tick = policy.layout.tick_at(moment).unwrap_or(0);
        tick.saturating_add(self.furthest(policy))
            .max(self.floor.tick)
            .max(self.witness(policy))
            .min(policy.layout.max_tick())
    }

    /// The bound that holds: what the marks say, what the witness knows, and what may be hidden. A mark
    /// that somebody had in hand may stand in the place of a later one, which was written before that.
    #[must_use]
    pub fn bound(&self, policy: &Policy) -> Option<u64> {
        let hidden = |seen: &Seen| {
            let moment = seen.touched()?;
            Some(self.bound_at(moment.saturating_add(nanos(SLACK)), policy))
        };
        let of = |seen: &Seen| Some(seen.bound()?.max(hidden(seen).unwrap_or(0)));
        let bound = self.overlapping.iter().filter_map(of).max()?;
        Some(bound.max(self.witness(policy)))
    }

    /// Whether `bound` is no further ahead of the moment at which the marks were last written or changed
    /// than one is, and that is over by the clock that reads `wall`: it is as right as it was then.
    pub(super) fn is_young(&self, bound: u64, policy: &Policy, wall: i64) -> bool {
        let slots = self.overlapping.iter().flat_map(Seen::valid);
        let touched = self.overlapping.iter().filter_map(Seen::touched);
        let changes = slots.map(|slot| slot.written.wall).chain(touched);
        changes.max().is_some_and(|changed| {
            let tick = policy.layout.tick_at(changed.saturating_add(nanos(SLACK)));
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

    /// What the marks say, as far as they can be read.
    pub(super) fn read(&self) -> Option<u64> {
        self.overlapping.iter().filter_map(Seen::bound).max()
    }
}
