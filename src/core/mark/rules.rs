//! The start rules, as a pure decision over what lies in the state directory and what time it is.
//!
//! [`decide`] is asked again and again until it says [`Verdict::Open`]: a wait is over when the
//! clock has moved, a settlement is followed by another look at the directory.
//!
//! The rules are numbered in `packaging/doc/start-rules.md`; R1 and so on, here and elsewhere, are those.

mod check;
mod clock;
mod reason;
mod view;

use std::time::Duration;

use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::time::WallTime;

pub use check::adoptable;
use check::check;
use clock::{passed, plausible};
pub use reason::{Invocation, Refused, Wait};
pub(super) use view::STALL;
pub use view::{Floor, Other, Seen, View, floor_name, mark_name};

/// The settings that a start follows.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The state directory, for messages.
    pub directory: String,
    /// How to call the program for the shard, for messages.
    pub invocation: Invocation,
    /// The layout of the IDs to issue.
    pub layout: Layout,
    /// The machine IDs to own.
    pub range: MachineRange,
    /// M in ticks: how far ahead of the wall clock IDs may be issued.
    pub max_ahead: u64,
    /// Q in ticks: no bound is further ahead of the wall clock than this.
    pub furthest: u64,
    /// Q in ticks by the default settings.
    pub usual: u64,
    /// Whether a mark may be created.
    pub create: bool,
    /// Whether to wait while the kernel's clock is not synchronised.
    pub require_sync: bool,
    /// When the program was built.
    pub build_date: WallTime,
    /// The last tick that an operator lets the shard issue ahead of the wall clock.
    pub continue_ahead: Option<u64>,
}

/// The present time, and how far it may be trusted.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The wall clock that is followed.
    pub wall: WallTime,
    /// A step forward that is not followed yet: how far, and how long until it will be;
    /// without that time only an operator can accept it.
    pub doubted: Option<(Duration, Option<Duration>)>,
    /// The kernel's word on synchronisation.
    pub synchronised: Option<bool>,
    /// An operator's word that the wall clock is right up to then.
    pub accept_until: Option<WallTime>,
}

/// The next thing that a start has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An operator has to decide; nothing was written.
    Refuse(Refused),
    /// The clock has to move; nothing was written.
    Wait(Wait),
    /// Make this floor durable, then look again.
    Raise(Floor),
    /// Write marks that do not overlap, then look again.
    Settle(Settlement),
    /// Open the generator at this tick.
    Open {
        /// The first tick to issue, above every bound that was read.
        first: u64,
    },
}

/// Marks to be written so that the shard's range has one of its own, and none overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The bound for the shard's own mark.
    pub own_bound: u64,
    /// Whether some machine ID had no mark and no other bound covers it: then time must pass the bound
    /// before the first ID (R16).
    pub fresh: bool,
    /// Marks for machine IDs that are in an overlapping mark and not in the shard's range.
    pub left_over: Vec<MachineRange>,
    /// Their bound.
    pub left_over_bound: u64,
    /// Marks to be removed when all of these are durable.
    pub obsolete: Vec<MachineRange>,
}

impl Settlement {
    /// Whether marks are split or joined.
    #[must_use]
    pub fn regroups(&self) -> bool {
        !(self.left_over.is_empty() && self.obsolete.is_empty())
    }
}

/// The bound of a mark that this run has created, as [`decide`] asked for; `None` if there is none.
pub type FreshBound = Option<u64>;

/// Applies the start rules. `fresh` is the bound of a mark that this run has created. What is to be written
/// comes last, so that nothing is while any rule refuses or waits (R6).
#[must_use]
pub fn decide(view: &View, policy: &Policy, now: &Now, fresh: FreshBound) -> Verdict {
    if let Err(refused) = check(view, policy) {
        return Verdict::Refuse(refused);
    }
    let missing = missing(view, policy.range);
    // R14.
    if let (Some(missing), false) = (missing, policy.create) {
        return Verdict::Refuse(Refused::Missing {
            directory: policy.directory.clone(),
            missing,
            command: policy.invocation.of("state init"),
        });
    }
    let bound = view.bound(policy);
    match passed(view, bound, policy, now, fresh) {
        Ok(tick) => {
            let verdict = settle_or_open(view, policy, now.wall, bound, missing.is_some());
            match due(view, policy, tick) {
                Some(floor) if matches!(verdict, Verdict::Open { .. }) => raise(view, bound, floor),
                _ => verdict,
            }
        }
        Err(wait) => Verdict::Wait(wait),
    }
}

/// Raises the floor, but first writes a mark that was touched: the newer mark that may hide behind it is
/// bounded by the floor of earlier starts, not by the one of this start.
fn raise(view: &View, bound: Option<u64>, floor: Floor) -> Verdict {
    match bound {
        Some(own_bound) if view.overlapping.iter().any(|seen| seen.touched().is_some()) => {
            Verdict::Settle(Settlement {
                own_bound,
                fresh: false,
                left_over: Vec::new(),
                left_over_bound: 0,
                obsolete: Vec::new(),
            })
        }
        _ => Verdict::Raise(floor),
    }
}

/// R18: the floor that has to be durable before this start goes on at `tick`, if it is not yet.
fn due(view: &View, policy: &Policy, tick: u64) -> Option<Floor> {
    let known = view.covering;
    let told = policy.continue_ahead.filter(|until| *until > tick);
    let wanted = Floor {
        tick: told.unwrap_or(0),
        furthest: Some(policy.furthest)
            .filter(|furthest| *furthest > policy.usual)
            .unwrap_or(0),
    };
    let floor = known.max(wanted);
    (floor != known).then_some(floor)
}

/// The bound for marks whose own cannot be trusted (a copy, a damaged file): no lower than any that can
/// be read, or that the lost ones can have had.
///
/// # Errors
/// [`Wait`] if the clock is not plausible enough to say so.
pub fn adopted_bound(view: &View, policy: &Policy, now: &Now) -> Result<u64, Wait> {
    plausible(None, policy, now)?;
    let read = view.read().unwrap_or(0);
    Ok(view.bound_at(now.wall, policy).max(read))
}

/// The first machine IDs of `range` that lie in no mark.
fn missing(view: &View, range: MachineRange) -> Option<MachineRange> {
    let mut left = vec![range];
    for seen in &view.overlapping {
        left = left
            .into_iter()
            .flat_map(|part| part.without(seen.range))
            .collect();
    }
    left.first().copied()
}

/// R28: opens on the shard's only mark, or settles the marks so that it has one and none overlap.
fn settle_or_open(
    view: &View,
    policy: &Policy,
    wall: WallTime,
    bound: Option<u64>,
    missing: bool,
) -> Verdict {
    let own = policy.range;
    if let ([only], Some(bound)) = (&view.overlapping[..], bound)
        && only.range == own
    {
        return Verdict::Open { first: bound + 1 };
    }
    let known = bound.unwrap_or(0);
    let own_bound = if missing {
        view.bound_at(wall, policy).max(known)
    } else {
        known
    };
    let left_over = left_over(view, own);
    let obsolete = view
        .overlapping
        .iter()
        .map(|seen| seen.range)
        .filter(|range| *range != own && !left_over.contains(range))
        .collect();
    Verdict::Settle(Settlement {
        own_bound,
        fresh: missing && own_bound > known,
        left_over,
        left_over_bound: known,
        obsolete,
    })
}

/// The machine IDs of overlapping marks that are not the shard's `own`, in ranges that do not overlap.
fn left_over(view: &View, own: MachineRange) -> Vec<MachineRange> {
    let mut left_over = Vec::new();
    for seen in &view.overlapping {
        for part in seen.range.without(own) {
            // Marks that overlap each other are what an interrupted settlement leaves behind.
            let new: Vec<_> = left_over
                .iter()
                .fold(vec![part], |parts, known: &MachineRange| {
                    parts
                        .into_iter()
                        .flat_map(|part| part.without(*known))
                        .collect()
                });
            left_over.extend(new);
        }
    }
    left_over
}
