//! Why there is no ID right now, told without sleeping or allocating.

use std::time::{Duration, Instant};

use super::Issuer;
use crate::clock::Clock;

/// How long raising the bound takes, on a disk that is not slow.
const RAISE: Duration = Duration::from_millis(5);

/// No ID is available right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ID is available right now ({code}): ask again later, or call id(), which waits")]
pub struct Busy {
    /// Why: a code of [`Refusal::CODES`](super::Refusal::CODES), or `forked` in a forked child.
    pub code: &'static str,
    /// When to ask again.
    pub retry_at: Instant,
}

impl<C: Clock> Issuer<C> {
    /// Why [`Issuer::try_issue_ahead`] has just returned nothing. Also asks for a higher bound, if that is why.
    #[must_use]
    pub fn busy(&self) -> Busy {
        let (code, left) = self.why_busy();
        Busy {
            code,
            retry_at: Instant::now() + left,
        }
    }

    fn why_busy(&self) -> (&'static str, Duration) {
        let boot = self.clock.boottime();
        let now = self.timeline.wall_tick(boot);
        let Some(next) = self.generator.tick() else {
            return self.status.code();
        };
        let furthest = self.furthest_issue(now);
        if next > furthest {
            return ("clock_ahead", self.span(next - furthest));
        }
        if next.max(now) > self.layout().max_tick() {
            return ("time_field_over", Duration::from_secs(3600));
        }
        if !self.risen_or_ask(next.max(now).saturating_sub(1)) {
            return ("window_used_up", RAISE);
        }
        // Of a tick to come nothing is to be had at once, and the present one is used up.
        let free = next.max(now + 1);
        ("saturated", self.timeline.until_begun(boot, free))
    }
}
