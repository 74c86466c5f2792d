//! The health of a shard, for probes and people.

use std::time::Duration;

use super::{Issuer, Phase, Refusal};
use crate::clock::{Clock, Verdict};
use crate::mark::rules::Wait;

/// How the shard stands.
#[derive(Debug, Clone)]
pub struct Health {
    /// `serving`, `starting`, `waiting`, `refusing` or `draining`.
    pub state: &'static str,
    /// Why a request would be refused now, saturation aside; `None` if the shard may issue.
    pub refusal: Option<Refusal>,
    /// Trouble that wants an operator, though IDs are issued.
    pub warning: Option<String>,
    /// How far the generator is ahead of the wall clock.
    pub clock_ahead: Duration,
    /// How far the wall clock was set forward without being followed yet.
    pub clock_doubted: Duration,
    /// The kernel's word on whether the clock is synchronised, where it may be asked.
    pub clock_synchronised: Option<bool>,
    /// How far ahead of use the durable bound is.
    pub window_remaining: Duration,
    /// How long the time field lasts yet.
    pub time_field_remaining: Duration,
}

impl<C: Clock> Issuer<C> {
    /// How the shard stands.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = self.timeline.wall_tick(self.clock.boottime());
        let next = self.next_tick();
        let used = next.map_or(now, |next| next.max(now));
        let refusal = self.refusal(now, next);
        let bound = self.window.bound();
        let state = match (self.status.phase(), &refusal) {
            (Phase::Serving, None) => "serving",
            (Phase::Serving, Some(_)) => "refusing",
            (Phase::Draining, _) => "draining",
            (Phase::Starting, _) => "starting",
            _ => "waiting",
        };
        let doubt = match self.following.verdict() {
            Verdict::Followed => None,
            Verdict::Pending { step, left } => Some((step, Wait::Stepped { step, left })),
            Verdict::Alarm { step } => Some((step, Wait::SteppedFar { step })),
        };
        Health {
            state,
            refusal,
            clock_doubted: doubt.as_ref().map_or(Duration::ZERO, |(step, _)| *step),
            warning: self
                .status
                .mark_error()
                .or_else(|| Some(doubt?.1.to_string())),
            clock_ahead: self.span(next.map_or(0, |next| next.saturating_sub(now))),
            clock_synchronised: self.clock.synchronised(),
            window_remaining: self.span(bound.saturating_sub(used)),
            time_field_remaining: self.span(self.layout().max_tick().saturating_sub(now)),
        }
    }

    fn refusal(&self, now: u64, next: Option<u64>) -> Option<Refusal> {
        let phase = self.status.phase();
        let (Phase::Serving, Some(next)) = (&phase, next) else {
            return Some(phase.refusal());
        };
        if next.max(now) > self.layout().max_tick() {
            return Some(self.time_field_over());
        }
        if self.too_far_ahead(next, now) {
            return Some(self.clock_ahead(next, now));
        }
        // An idle shard has no window either; that alone is no reason to send requests elsewhere.
        let slow = || {
            let hangs = self.pulse.is_in_step()
                && self.pulse.since_beat(self.clock.boottime()) > self.settings.deadline;
            hangs.then(|| self.slow_disk())
        };
        let reason = self.status.mark_error().or_else(slow)?;
        (self.window.bound() < next.max(now)).then_some(Refusal::WindowUsedUp { reason })
    }
}
