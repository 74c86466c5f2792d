//! Requests that a thread waits for.

use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use super::request::{ONE, Request, Turn, Wait};
use super::stamps::StampRequest;
use super::{Bulk, Issued, Issuer, Refusal, StampRun};
use crate::clock::Clock;
use crate::id::generator::Run;

impl<C: Clock> Issuer<C> {
    /// Issues an ID if its tick has begun: by the wall clock, as [`Issuer::try_issue`] does, or by the pace
    /// while IDs are ahead of the wall clock, as after a step back or a `kill -9`. The second takes no
    /// waiting either, but more steps.
    ///
    /// The clock is read once in a tick of the kernel's timer only, of 10 ms at most, unless that is not enough:
    /// so much earlier than now may the ID's tick be. The order of IDs is that of the calls, as always.
    #[inline]
    pub fn try_issue_ahead(&self) -> Option<Issued> {
        let recent = self.try_issue_at(self.clock.recent());
        recent.or_else(|| self.issue_ahead())
    }

    #[cold]
    #[inline(never)]
    fn issue_ahead(&self) -> Option<Issued> {
        let boot = self.clock.renewed();
        self.try_issue_at(boot).or_else(|| {
            let reservation = self.reserve(boot, Duration::ZERO, ONE).ok()?;
            let left = self.until_leave(reservation.first_tick(), boot).ok()?;
            left.is_none().then(|| {
                self.stats.ids_issued.add(1);
                reservation.first()
            })
        })
    }

    /// Issues an ID; the thread sleeps until its tick begins, at most as long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub fn issue_blocking(&self) -> Result<Issued, Refusal> {
        let mut boot = self.clock.boottime();
        let mut request = Request::new(self, boot);
        loop {
            match request.turn(self, boot)? {
                Turn::Over(issued) => return Ok(issued),
                Turn::Wait(wait) => self.sleep(&wait)?,
            }
            boot = self.clock.boottime();
        }
    }

    /// Takes up to `wanted` stamps of milliseconds that have begun; the thread sleeps until there is one, at most
    /// as long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub fn stamps_blocking(&self, wanted: NonZeroU32) -> Result<StampRun, Refusal> {
        let mut boot = self.clock.boottime();
        let request = StampRequest::new(self, boot, wanted);
        loop {
            match request.turn(self, boot)? {
                Turn::Over(run) => return Ok(run),
                Turn::Wait(wait) => self.sleep(&wait)?,
            }
            boot = self.clock.boottime();
        }
    }

    /// Sleeps until IDs are issued, for `patience` at most.
    ///
    /// # Errors
    /// [`Refusal`] says why they are not, or not yet.
    pub fn await_ready(&self, patience: Duration) -> Result<(), Refusal> {
        let changed = self.status.changed();
        changed.wait(patience, || {
            self.generator.tick().is_some() || self.is_stopping()
        });
        self.opened()
    }

    pub(super) fn sleep(&self, wait: &Wait) -> Result<(), Refusal> {
        match *wait {
            Wait::Sleep(duration) => {
                #[expect(clippy::disallowed_methods, reason = "until the tick begins")]
                thread::sleep(duration);
                Ok(())
            }
            Wait::Bound(bound, patience) => {
                let raised = self.window.raised();
                self.risen(raised.wait(patience, || self.risen_or_ask(bound)))
            }
            Wait::Opening(patience) => {
                let changed = self.status.changed();
                changed.wait(patience, || self.settled().is_some());
                self.opened()
            }
        }
    }
}

impl Bulk {
    /// The next IDs, all of one tick, as soon as that has begun; `None` after the last. The thread sleeps
    /// meanwhile.
    ///
    /// # Errors
    /// [`Refusal`] if the shard may issue no more for now, or for ever; being saturated is no reason.
    pub fn next_blocking<C: Clock>(&mut self, issuer: &Issuer<C>) -> Result<Option<Run>, Refusal> {
        loop {
            match self.turn(issuer)? {
                Turn::Over(run) => return Ok(run),
                Turn::Wait(wait) => issuer.sleep(&wait)?,
            }
        }
    }
}
