//! Why there is no ID right now, told without sleeping or allocating.

use std::time::{Duration, Instant};

use super::Issuer;
use crate::clock::Clock;
use crate::time::BootTime;

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
        self.busy_until(self.generator.tick(), |boot, next| {
            self.timeline.until_begun(boot, next)
        })
    }

    /// Why [`Issuer::try_stamp`] has just returned nothing; as [`Issuer::busy`] otherwise.
    #[must_use]
    pub fn busy_stamps(&self) -> Busy {
        self.busy_until(self.stamps.tick(), |boot, _| self.until_stamp(boot))
    }

    /// Why nothing of tick `next` is to be had; `until_begun` is how long it takes from a moment until what is
    /// next begins.
    fn busy_until(
        &self,
        next: Option<u64>,
        until_begun: impl FnOnce(BootTime, u64) -> Duration,
    ) -> Busy {
        let (code, left) = self.why_busy(next, until_begun);
        Busy {
            code,
            retry_at: Instant::now() + left,
        }
    }

    fn why_busy(
        &self,
        next: Option<u64>,
        until_begun: impl FnOnce(BootTime, u64) -> Duration,
    ) -> (&'static str, Duration) {
        let boot = self.clock.boottime();
        let now = self.timeline.wall_tick(boot);
        let Some(next) = next else {
            return self.status.code();
        };
        if self.too_far_ahead(next, now) {
            return ("clock_ahead", self.span(next - self.furthest_issue(now)));
        }
        if next.max(now) > self.layout().max_tick() {
            return ("time_field_over", Duration::from_secs(3600));
        }
        if !self.risen_or_ask(next.max(now).saturating_sub(1)) {
            return ("window_used_up", RAISE);
        }
        ("saturated", until_begun(boot, next))
    }
}
