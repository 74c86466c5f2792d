//! Why no ID is issued.

use std::time::Duration;

use super::Issuer;
use crate::clock::Clock;
use crate::mark::rules::Wait;
use crate::time::BootTime;
use crate::timestamp::{rfc3339, span};

/// Why a request gets no ID. The text says what was seen, the limit, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the values that the messages name"
)]
pub enum Refusal {
    /// The locks are not taken yet.
    #[error("the shard is starting: try again in a second")]
    Starting,
    /// Somebody else has the locks.
    #[error("{holder}; waiting for it to end")]
    LockHeld { holder: String },
    /// The start rules wait.
    #[error(transparent)]
    Waiting(Wait),
    /// The mark cannot be read or written at the start.
    #[error("the mark cannot be used, so no ID may be issued yet: {error}")]
    Unwritable { error: String },
    /// IDs are further ahead of the wall clock than is allowed.
    #[error(
        "IDs are {} ahead of the clock, and at most {} is allowed; the clock was set back, or the shard was started several times within seconds: set the clock right, or wait {}",
        span(*ahead), span(*limit), span(*left)
    )]
    ClockAhead {
        ahead: Duration,
        limit: Duration,
        left: Duration,
    },
    /// The durable window is used up and could not be extended in time.
    #[error(
        "the window of the mark is used up, and no ID is issued beyond what is safe on disk: {reason}"
    )]
    WindowUsedUp { reason: String },
    /// Every ID up to the deadline is taken, or no tick begins until then.
    #[error(
        "no ID is free for the next {}: come back in {}, or own a range of machine IDs (such as 16-31) for a higher rate",
        span(*deadline), span(*left)
    )]
    Saturated { deadline: Duration, left: Duration },
    /// The time field is used up.
    #[error(
        "the time field of the layout ended at {end}, so it has no more IDs: use a layout with more time bits or a later epoch, and keep its IDs apart from the earlier ones, since the same numbers may occur in both"
    )]
    TimeFieldOver { end: String },
    /// The process is about to end.
    #[error("the shard is shutting down: ask another one, or this one again when it is back")]
    Draining,
}

impl Refusal {
    /// Every code that [`Refusal::code`] can return.
    pub const CODES: [&'static str; 14] = [
        "starting",
        "lock_held",
        "fresh_mark",
        "clock_behind_mark",
        "clock_behind_touch",
        "clock_implausible",
        "clock_stepped_forward",
        "clock_unsynchronised",
        "mark_unwritable",
        "clock_ahead",
        "window_used_up",
        "saturated",
        "time_field_over",
        "draining",
    ];

    /// A short name for machines, in `snake_case`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::LockHeld { .. } => "lock_held",
            Self::Waiting(wait) => wait.code(),
            Self::Unwritable { .. } => "mark_unwritable",
            Self::ClockAhead { .. } => "clock_ahead",
            Self::WindowUsedUp { .. } => "window_used_up",
            Self::Saturated { .. } => "saturated",
            Self::TimeFieldOver { .. } => "time_field_over",
            Self::Draining => "draining",
        }
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Saturated { left, .. } | Self::ClockAhead { left, .. } => *left,
            Self::Waiting(wait) => wait.left().unwrap_or(Duration::from_secs(30)),
            Self::TimeFieldOver { .. } => Duration::from_secs(3600),
            _ => Duration::from_secs(1),
        }
    }
}

impl<C: Clock> Issuer<C> {
    pub(super) fn clock_ahead(&self, tick: u64, now: u64) -> Refusal {
        Refusal::ClockAhead {
            ahead: self.span(tick.saturating_sub(now)),
            limit: self.settings.max_ahead,
            left: self.span(tick.saturating_sub(self.furthest_issue(now))),
        }
    }

    pub(super) fn saturated(&self, boot: BootTime, tick: u64) -> Refusal {
        Refusal::Saturated {
            deadline: self.settings.deadline,
            left: self.timeline.until_begun(boot, tick),
        }
    }

    pub(super) fn time_field_over(&self) -> Refusal {
        Refusal::TimeFieldOver {
            end: self.end_of_time_field(),
        }
    }

    pub(super) fn end_of_time_field(&self) -> String {
        let layout = self.layout();
        let end = layout.unix_ms(layout.max_tick() + 1);
        rfc3339(i64::try_from(end).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_is_told_when_to_come_back() {
        let left = Duration::from_secs(7);
        let step = Duration::from_secs(9);
        for (refusal, seconds) in [
            (
                Refusal::Saturated {
                    deadline: step,
                    left,
                },
                7,
            ),
            (
                Refusal::ClockAhead {
                    ahead: step,
                    limit: step,
                    left,
                },
                7,
            ),
            (Refusal::Waiting(Wait::Stepped { step, left }), 7),
            (Refusal::Waiting(Wait::SteppedFar { step }), 30),
            (Refusal::TimeFieldOver { end: String::new() }, 3600),
            (Refusal::Draining, 1),
        ] {
            assert_eq!(refusal.retry_after(), Duration::from_secs(seconds));
        }
    }
}
