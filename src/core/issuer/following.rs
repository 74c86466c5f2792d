//! Following the wall clock: which one is believed so far, and what a look at it changes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Event, Issuer};
use crate::clock::{Assurance, Clock, Follower, Step, Verdict};
use crate::time::{BootTime, Offset, WallTime};

/// The belief in the wall clock, behind a lock that no request takes.
#[derive(Debug)]
pub(super) struct Following(Mutex<Belief>);

#[derive(Debug)]
struct Belief {
    /// None before the first look at the marks.
    follower: Option<Follower>,
    verdict: Verdict,
    /// The moment up to which an operator takes the clock for right: read anew for each look at the clock.
    accept_until: Option<WallTime>,
}

impl Following {
    /// No clock is followed yet.
    pub(super) const fn nothing() -> Self {
        Self(Mutex::new(Belief {
            follower: None,
            verdict: Verdict::Followed,
            accept_until: None,
        }))
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        // Nothing panics while it holds the lock, and every field is valid at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the last look at the clock ended.
    pub(super) fn verdict(&self) -> Verdict {
        self.belief().verdict
    }

    /// The offset of the clock that is followed, and how the last look at it ended.
    pub(super) fn state(&self) -> (Offset, Verdict) {
        let belief = self.belief();
        let offset = belief.follower.as_ref().map(Follower::offset);
        (offset.unwrap_or_default(), belief.verdict)
    }

    /// Takes an operator's word, for the next look at the clock.
    pub(super) fn accept(&self, until: Option<WallTime>) {
        self.belief().accept_until = until;
    }

    /// Follows anew, if `choose` says so, which is told the offset that is followed. Nobody looks at the
    /// clock meanwhile.
    pub(super) fn restart(&self, choose: impl FnOnce(Option<Offset>) -> Option<Follower>) {
        let mut belief = self.belief();
        let known = belief.follower.as_ref().map(Follower::offset);
        if let Some(follower) = choose(known) {
            belief.follower = Some(follower);
        }
    }
}

impl<C: Clock> Issuer<C> {
    /// Looks at the wall clock and follows it, or not. To be called when it may have stepped.
    pub fn observe_clock(&self) {
        let mut belief = self.following.belief();
        // Taken each time: the operator may have withdrawn it.
        let assurance = Assurance {
            accept_until: belief.accept_until.take(),
            synchronised: self.clock.synchronised() == Some(true),
        };
        let Some(follower) = belief.follower.as_mut() else {
            return;
        };
        let boot = self.clock.boottime();
        let observed = self.clock.offset();
        let caught = self
            .halted_at(boot)
            .and_then(|used| follower.catch_up(boot, observed, used));
        let (verdict, step) = match caught {
            Some(_) => (Verdict::Followed, caught),
            None => follower.observe(boot, observed, assurance),
        };
        let offset = follower.offset();
        let known = std::mem::replace(&mut belief.verdict, verdict) != Verdict::Followed;
        if let (Some(Step::Back(_)), Some(used)) = (step, self.last_tick()) {
            self.timeline.keep(boot, used);
        }
        self.timeline.follow(offset);
        drop(belief);
        if let Some(step) = step {
            self.count_step(step, known);
            self.tell(&Event::Clock(step));
            self.pulse.wake();
        }
    }

    /// The place of IDs and stamps, if it is too far ahead of the wall clock to go on. `None` while it goes on: it
    /// holds IDs of ticks to come, and letting the clock catch up with them would drive it ever further ahead.
    fn halted_at(&self, boot: BootTime) -> Option<WallTime> {
        let next = self.next_tick()?;
        self.too_far_ahead(next, self.timeline.wall_tick(boot))
            .then(|| self.timeline.moment_of(next))
    }

    /// Counts a step; `known` is whether it was doubted before, and counted then.
    fn count_step(&self, step: Step, known: bool) {
        match step {
            Step::Back(_) => self.stats.steps_back.add(1),
            Step::Forward(_) if known => {}
            Step::Forward(_) | Step::Doubted(_) => self.stats.steps_forward.add(1),
        }
    }
}
