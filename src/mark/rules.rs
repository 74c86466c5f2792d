//! The start rules, as a pure decision over what lies in the state directory and what time it is.
//!
//! [`decide`] is asked again and again until it says [`Verdict::Open`]: a wait is over when the
//! clock has moved, a settlement is followed by another look at the directory.

mod reason;
mod view;

use std::time::Duration;

use super::slot::SlotError;
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::timestamp::{nanos, rfc3339, rfc3339_nanos};

pub use reason::{Invocation, Refused, Wait};
pub(super) use view::STALL;
pub use view::{Floor, Other, Seen, View, floor_name, mark_name};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A mark that is older than this was not in use, or the clock is wrong.
const STALE: Duration = DAY.saturating_mul(365);
/// No build is in use for longer than this, or the clock is wrong.
const OUTDATED: Duration = DAY.saturating_mul(20 * 365 + 5);

/// What a start is to follow.
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
    /// When the program was built, in nanoseconds since 1970.
    pub build_date: i64,
    /// The last tick that an operator lets the shard issue ahead of the wall clock.
    pub continue_ahead: Option<u64>,
}

/// What time it is.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The wall clock that is followed, in nanoseconds since 1970.
    pub wall: i64,
    /// A step forward that is not followed yet: how far, and how long until it will be;
    /// without that time only an operator can accept it.
    pub doubted: Option<(Duration, Option<Duration>)>,
    /// The kernel's word on synchronisation.
    pub synchronised: Option<bool>,
    /// An operator's word that the wall clock is right up to then, in nanoseconds since 1970.
    pub accept_until: Option<i64>,
}

/// What to do next.
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
    /// before the first ID.
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

impl Seen {
    /// Rules 2 and 4 for one mark.
    fn check(&self, policy: &Policy) -> Result<(), Refused> {
        let directory = || policy.directory.clone();
        let file = || mark_name(self.range);
        for slot in &self.slots {
            if let Err(SlotError::Version(version)) = slot {
                return Err(Refused::Newer {
                    directory: directory(),
                    file: file(),
                    version: *version,
                });
            }
        }
        if let [Err(first), Err(second)] = self.slots {
            return Err(Refused::Damaged {
                directory: directory(),
                file: file(),
                first,
                second,
                command: policy.invocation.of("state adopt"),
            });
        }
        for slot in self.valid() {
            if slot.range != self.range {
                return Err(policy.misnamed(self.range, slot.range));
            }
            policy.check_layout(file(), slot.layout)?;
        }
        // Last, as `state adopt` overrules it alone.
        for slot in self.valid() {
            if let Some(difference) = slot.identity.difference(&self.identity) {
                return Err(Refused::Copied {
                    directory: directory(),
                    file: file(),
                    difference: Box::new(difference),
                    command: policy.invocation.of("state adopt"),
                });
            }
        }
        Ok(())
    }
}

impl Policy {
    fn check_layout(&self, file: String, found: Layout) -> Result<(), Refused> {
        if found == self.layout {
            return Ok(());
        }
        Err(Refused::Layout {
            directory: self.directory.clone(),
            file,
            found: found.to_string(),
            configured: self.layout.to_string(),
        })
    }

    fn misnamed(&self, named: MachineRange, found: MachineRange) -> Refused {
        Refused::Misnamed {
            directory: self.directory.clone(),
            file: mark_name(named),
            found,
        }
    }

    fn moment(&self, tick: u64) -> String {
        rfc3339(i64::try_from(self.layout.unix_ms(tick)).unwrap_or(i64::MAX))
    }

    fn span(&self, ticks: u64) -> Duration {
        // Ticks are of whole milliseconds; nanoseconds would end after 584 years.
        Duration::from_millis(ticks.saturating_mul(self.layout.tick_nanos() / 1_000_000))
    }
}

/// Whether a mark that `decide` asked for was made in this run, with which bound.
pub type FreshBound = Option<u64>;

/// Applies the start rules. `fresh` is the bound of a mark that this run has created.
#[must_use]
pub fn decide(view: &View, policy: &Policy, now: &Now, fresh: FreshBound) -> Verdict {
    if let Err(refused) = check(view, policy) {
        return Verdict::Refuse(refused);
    }
    let missing = missing(view, policy.range);
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

/// Raises the floor, once no mark looks touched: what such a mark may hide is bounded by the floor, and
/// by the one of earlier starts, not of this one.
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

/// The floor that has to be durable before this start goes on at `tick`, if it is not yet.
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

/// The bound for marks whose own cannot be trusted (a copy, a damaged file): above every bound
/// that can be read, and above every one that cannot.
///
/// # Errors
/// [`Wait`] if the clock is not plausible enough to say so.
pub fn adopted_bound(view: &View, policy: &Policy, now: &Now) -> Result<u64, Wait> {
    plausible(None, policy, now)?;
    let read = view.read().unwrap_or(0);
    Ok(view.bound_at(now.wall, policy).max(read))
}

/// Checks for `state adopt`: all rules but those that adoption is there to overrule. A floor that cannot
/// be read takes an operator's word on where to begin, as a tick `above` which it is.
///
/// # Errors
/// [`Refused`] for what adoption cannot mend.
pub fn adoptable(view: &View, policy: &Policy, above: Option<u64>) -> Result<(), Refused> {
    check_others(view, policy)?;
    if above.is_none() {
        check_floor(view, policy)?;
    }
    for seen in &view.overlapping {
        match seen.check(policy) {
            Err(Refused::Copied { .. } | Refused::Damaged { .. }) => {}
            other => other?,
        }
    }
    Ok(())
}

fn check(view: &View, policy: &Policy) -> Result<(), Refused> {
    check_others(view, policy)?;
    view.overlapping
        .iter()
        .try_for_each(|seen| seen.check(policy))?;
    check_floor(view, policy)
}

fn check_floor(view: &View, policy: &Policy) -> Result<(), Refused> {
    match view.damaged_floors.first() {
        None => Ok(()),
        Some(range) => Err(Refused::FloorDamaged {
            directory: policy.directory.clone(),
            file: floor_name(*range),
            command: policy.invocation.of("state adopt --above ID"),
        }),
    }
}

fn check_others(view: &View, policy: &Policy) -> Result<(), Refused> {
    for (range, layout) in &view.floors {
        policy.check_layout(floor_name(*range), *layout)?;
    }
    for other in &view.others {
        policy.check_layout(mark_name(other.named), other.layout)?;
        // A mark of ours must not hide behind the name of another.
        if other.named != other.range && other.range.overlaps(&policy.range) {
            return Err(policy.misnamed(other.named, other.range));
        }
    }
    Ok(())
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

/// Rules 5 and 6: the present tick, if the clock allows to issue above `bound`.
fn passed(
    view: &View,
    bound: Option<u64>,
    policy: &Policy,
    now: &Now,
    fresh: FreshBound,
) -> Result<u64, Wait> {
    let layout = &policy.layout;
    let tick = plausible(view.read(), policy, now)?;
    beyond_doubt(view, policy, now)?;
    in_the_past(view, policy, now)?;
    let Some(bound) = bound else {
        return Ok(tick);
    };
    let first = bound + 1;
    if first > layout.max_tick() {
        return Err(Wait::TimeFieldOver {
            end: policy.moment(layout.max_tick() + 1),
        });
    }
    let told = policy.continue_ahead.is_some_and(|until| bound <= until);
    let is_fresh = fresh.is_some() && fresh == view.read();
    if is_fresh && tick <= bound && !told {
        return Err(Wait::Fresh {
            left: policy.span(first - tick),
            command: policy.invocation.of("state init"),
        });
    }
    if told || first <= tick + policy.max_ahead {
        return Ok(tick);
    }
    let left = policy.span(first - tick - policy.max_ahead);
    if view.is_young(bound, policy, now.wall) {
        return Err(Wait::Young { left });
    }
    Err(Wait::Behind {
        clock: rfc3339_nanos(now.wall),
        bound: policy.moment(bound),
        behind: policy.span(first - tick),
        limit: policy.span(policy.max_ahead),
        left,
    })
}

/// Whether no mark was touched later than the clock reads: the bound to be made of that could never be
/// lowered again.
fn in_the_past(view: &View, policy: &Policy, now: &Now) -> Result<(), Wait> {
    let touched = view.overlapping.iter().filter_map(Seen::touched).max();
    match touched.filter(|touched| *touched > now.wall) {
        None => Ok(()),
        Some(touched) => Err(Wait::TouchedAhead {
            directory: policy.directory.clone(),
            clock: rfc3339_nanos(now.wall),
            touched: rfc3339_nanos(touched),
            left: Duration::from_nanos(touched.abs_diff(now.wall)),
            command: policy.invocation.of("state adopt"),
        }),
    }
}

/// Rule 6: the present tick, if the clock is plausible.
fn plausible(bound: Option<u64>, policy: &Policy, now: &Now) -> Result<u64, Wait> {
    let layout = &policy.layout;
    let Some(tick) = layout.tick_at(now.wall) else {
        return Err(Wait::BeforeEpoch {
            clock: rfc3339_nanos(now.wall),
            epoch: policy.moment(0),
        });
    };
    if tick > layout.max_tick() {
        return Err(Wait::TimeFieldOver {
            end: policy.moment(layout.max_tick() + 1),
        });
    }
    // The word of an operator is on what the wall clock shows. While that is doubted, this is another
    // one, which lags, and an old word would cover it.
    let told = now.doubted.is_none() && now.accept_until.is_some_and(|until| now.wall <= until);
    if !told {
        believable(bound, tick, policy, now)?;
    }
    // Whether it shows the right time or not: nothing keeps it there.
    match (policy.require_sync, now.synchronised) {
        (true, Some(false)) => Err(Wait::Unsynchronised {
            seen: "the kernel says so",
        }),
        (true, None) => Err(Wait::Unsynchronised {
            seen: "the kernel may not be asked here",
        }),
        _ => Ok(tick),
    }
}

/// Whether what the clock shows may be taken for true without an operator's word.
fn believable(bound: Option<u64>, tick: u64, policy: &Policy, now: &Now) -> Result<(), Wait> {
    let layout = &policy.layout;
    let clock = || rfc3339_nanos(now.wall);
    if now.wall < policy.build_date {
        return Err(Wait::BeforeBuild {
            clock: clock(),
            built: rfc3339_nanos(policy.build_date),
        });
    }
    match bound {
        Some(bound) if tick > bound.saturating_add(layout.ticks(STALE)) => {
            return Err(Wait::TooLate {
                clock: clock(),
                limit: "365 days",
                what: format!("the mark ({})", policy.moment(bound)),
            });
        }
        None if now.wall - policy.build_date > nanos(OUTDATED) => {
            return Err(Wait::TooLate {
                clock: clock(),
                limit: "20 years",
                what: format!(
                    "when this program was built ({})",
                    rfc3339_nanos(policy.build_date)
                ),
            });
        }
        _ => {}
    }
    Ok(())
}

/// Whether nothing here depends on where the wall clock really stands. While a step forward is doubted
/// the clock lags, and a shard that knows its bound issues by it, as one that runs does. What was lost
/// may have been issued by the clock as it is, and a touch is later than one that lags.
fn beyond_doubt(view: &View, policy: &Policy, now: &Now) -> Result<(), Wait> {
    let touched = view.overlapping.iter().filter_map(Seen::touched);
    let depends = missing(view, policy.range).is_some()
        || touched.max().is_some_and(|touched| touched > now.wall);
    match now.doubted.filter(|_| depends) {
        Some((step, Some(left))) => Err(Wait::Stepped { step, left }),
        Some((step, None)) => Err(Wait::SteppedFar { step }),
        None => Ok(()),
    }
}

/// Rule 3, and what keeps marks from overlapping.
fn settle_or_open(
    view: &View,
    policy: &Policy,
    wall: i64,
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
