//! The checks that make a start wait for the clock: R16 and R21 to R27. A wrong clock never ends a start:
//! once it is set right, the next look lets the shard begin (R19).

use std::time::Duration;

use super::{FreshBound, Now, Policy, Seen, View, Wait, missing};
use crate::timestamp::rfc3339;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A mark whose bound is further behind the clock was long not in use, or the clock is wrong.
const STALE: Duration = DAY.saturating_mul(365);
/// No build is in use for longer than this, or the clock is wrong.
const OUTDATED: Duration = DAY.saturating_mul(20 * 365 + 5);

/// R21 to R27: the present tick, if the clock allows to issue above `bound`.
pub(super) fn passed(
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
    // R21.
    if first > layout.max_tick() {
        return Err(Wait::TimeFieldOver {
            end: policy.moment(layout.max_tick() + 1),
        });
    }
    // R27, then R16 and R26.
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
        clock: now.wall.to_string(),
        bound: policy.moment(bound),
        behind: policy.span(first - tick),
        limit: policy.span(policy.max_ahead),
        left,
    })
}

/// R25: whether no mark was touched at a time that the clock has yet to reach: a bound that is made from such
/// a time could never be lowered again.
fn in_the_past(view: &View, policy: &Policy, now: &Now) -> Result<(), Wait> {
    let touched = view.overlapping.iter().filter_map(Seen::touched).max();
    match touched.filter(|touched| *touched > now.wall) {
        None => Ok(()),
        Some(touched) => Err(Wait::TouchedAhead {
            directory: policy.directory.clone(),
            clock: now.wall.to_string(),
            touched: touched.to_string(),
            left: touched.since(now.wall),
            command: policy.invocation.of("state adopt"),
        }),
    }
}

/// R21 to R23: the present tick, if the clock is plausible.
pub(super) fn plausible(bound: Option<u64>, policy: &Policy, now: &Now) -> Result<u64, Wait> {
    let layout = &policy.layout;
    let Some(tick) = layout.tick_at(now.wall) else {
        return Err(Wait::BeforeEpoch {
            clock: now.wall.to_string(),
            epoch: policy.moment(0),
        });
    };
    if tick > layout.max_tick() {
        return Err(Wait::TimeFieldOver {
            end: policy.moment(layout.max_tick() + 1),
        });
    }
    // An operator accepts what the wall clock shows. While that is doubted, `now` is an older time, which
    // an earlier acceptance could cover by mistake.
    let told = now.doubted.is_none() && now.accept_until.is_some_and(|until| now.wall <= until);
    if !told {
        believable(bound, tick, policy, now)?;
    }
    // R23, also for a clock that an operator accepted: being right now does not make it synchronised.
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

/// R22: whether what the clock shows may be taken for true without an operator's word.
fn believable(bound: Option<u64>, tick: u64, policy: &Policy, now: &Now) -> Result<(), Wait> {
    let layout = &policy.layout;
    let clock = || now.wall.to_string();
    if now.wall < policy.build_date {
        return Err(Wait::BeforeBuild {
            clock: clock(),
            built: policy.build_date.to_string(),
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
        None if now.wall.since(policy.build_date) > OUTDATED => {
            return Err(Wait::TooLate {
                clock: clock(),
                limit: "20 years",
                what: format!("when this program was built ({})", policy.build_date),
            });
        }
        _ => {}
    }
    Ok(())
}

/// R24: whether this start can do with a clock that lags, as it does while a step forward is doubted. A shard
/// that knows its bound can: it issues by that clock, as a running one does. One whose mark is missing
/// cannot: the lost bound may have followed the real clock. Nor can one whose mark was touched later than
/// the lagging clock reads.
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

impl Policy {
    fn moment(&self, tick: u64) -> String {
        rfc3339(i64::try_from(self.layout.unix_ms(tick)).unwrap_or(i64::MAX))
    }

    fn span(&self, ticks: u64) -> Duration {
        // Ticks are of whole milliseconds; nanoseconds would end after 584 years.
        Duration::from_millis(ticks.saturating_mul(self.layout.tick_nanos() / 1_000_000))
    }
}
