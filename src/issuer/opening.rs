//! Requests that come while the shard opens.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Issuer, Phase, Refusal};
use crate::clock::Clock;

impl<C: Clock> Issuer<C> {
    /// Waits until the generator is open. That takes milliseconds after a clean end, and who asks
    /// meanwhile, as at a restart, is better served late than refused.
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
