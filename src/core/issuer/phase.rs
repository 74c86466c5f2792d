//! The phases of a shard, and requests that come while it opens.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::mark::rules::Wait;

/// The phase of a shard's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    LockHeld(String),
    Waiting(Wait),
    Unwritable(String),
    Serving,
    Draining,
}

impl<C: Clock> Issuer<C> {
    /// A receiver that is marked as changed whenever the phase of the shard changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells `/health` that the process is about to end; IDs are issued until the keeper stops.
    pub fn drain(&self) {
        self.set_phase(Phase::Draining);
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        let mut cold = self.cold();
        if cold.phase != Phase::Draining {
            cold.phase = phase;
        }
        drop(cold);
        self.changed.send_replace(());
    }

    pub(super) fn refusal_of_phase(&self) -> Refusal {
        match &self.cold().phase {
            Phase::Starting => Refusal::Starting,
            Phase::LockHeld(holder) => Refusal::LockHeld {
                holder: holder.clone(),
            },
            Phase::Waiting(wait) => Refusal::Waiting(wait.clone()),
            Phase::Unwritable(error) => Refusal::Unwritable {
                error: error.clone(),
            },
            Phase::Serving | Phase::Draining => Refusal::Draining,
        }
    }

    /// Waits until the generator is open. After a clean end that takes milliseconds, and requests that come
    /// meanwhile, as at a restart, are better served late than refused.
    ///
    /// # Errors
    /// The reason if there is one to be told at once, or if it takes longer than `patience`.
    pub(super) async fn await_opening(&self, patience: Duration) -> Result<(), Refusal> {
        let until = Instant::now() + patience;
        // Taken before the look, or a change between the two would be missed.
        let mut changes = self.changes();
        loop {
            if self.generator.tick().is_some() {
                return Ok(());
            }
            let refusal = self.refusal_of_phase();
            let passing = self.is_passing();
            if !passing || timeout_at(until, changes.changed()).await.is_err() {
                return Err(refusal);
            }
        }
    }

    /// Whether a generator that is not open is about to be, or about to be known as closed: it opens
    /// and closes before the phase changes.
    fn is_passing(&self) -> bool {
        matches!(self.cold().phase, Phase::Starting | Phase::Serving)
    }
}
