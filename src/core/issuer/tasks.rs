//! Requests that a task waits for, in a Tokio runtime that has timers.

use std::num::NonZeroU32;

use tokio::sync::watch;
use tokio::time::sleep;

use super::request::{Request, Turn, Wait};
use super::stamps::StampRequest;
use super::{Bulk, Issued, Issuer, Refusal, StampRun};
use crate::clock::Clock;
use crate::id::generator::Run;

impl<C: Clock> Issuer<C> {
    /// A receiver that is marked as changed whenever the phase of the shard changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.status.changed().subscribe()
    }

    /// Issues an ID; the task sleeps until its tick begins, at most as long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub async fn issue(&self) -> Result<Issued, Refusal> {
        let mut boot = self.clock.boottime();
        let mut request = Request::new(self, boot);
        loop {
            match request.turn(self, boot)? {
                Turn::Over(issued) => return Ok(issued),
                Turn::Wait(wait) => self.wait(wait).await?,
            }
            boot = self.clock.boottime();
        }
    }

    /// Takes up to `wanted` stamps of milliseconds that have begun; the task sleeps until there is one, at most as
    /// long as the deadline.
    ///
    /// # Errors
    /// [`Refusal`] says why there is none, and when to come back.
    pub async fn stamps(&self, wanted: NonZeroU32) -> Result<StampRun, Refusal> {
        let mut boot = self.clock.boottime();
        let request = StampRequest::new(self, boot, wanted);
        loop {
            match request.turn(self, boot)? {
                Turn::Over(run) => return Ok(run),
                Turn::Wait(wait) => self.wait(wait).await?,
            }
            boot = self.clock.boottime();
        }
    }

    pub(super) async fn wait(&self, wait: Wait) -> Result<(), Refusal> {
        match wait {
            Wait::Sleep(duration) => {
                sleep(duration).await;
                Ok(())
            }
            Wait::Bound(bound, patience) => {
                let raised = self.window.raised();
                let risen = raised
                    .wait_async(patience, || self.risen_or_ask(bound))
                    .await;
                self.risen(risen)
            }
            Wait::Opening(patience) => {
                let changed = self.status.changed();
                changed
                    .wait_async(patience, || self.settled().is_some())
                    .await;
                self.opened()
            }
        }
    }
}

impl Bulk {
    /// The next IDs, all of one tick, as soon as that has begun; `None` after the last.
    ///
    /// # Errors
    /// [`Refusal`] if the shard may issue no more for now, or for ever; being saturated is no reason.
    pub async fn next<C: Clock>(&mut self, issuer: &Issuer<C>) -> Result<Option<Run>, Refusal> {
        loop {
            match self.turn(issuer)? {
                Turn::Over(run) => return Ok(run),
                Turn::Wait(wait) => issuer.wait(wait).await?,
            }
        }
    }
}
