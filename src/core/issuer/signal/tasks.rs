//! Waking tasks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Signal;

/// The tasks that wait, each by a receiver that is marked as changed.
#[derive(Debug, Default)]
pub(super) struct Tasks(watch::Sender<()>);

impl Tasks {
    pub(super) fn wake(&self) {
        self.0.send_replace(());
    }
}

impl Signal {
    /// A receiver that is marked as changed whenever something changes.
    pub(in crate::issuer) fn subscribe(&self) -> watch::Receiver<()> {
        self.tasks.0.subscribe()
    }

    /// [`Signal::wait`] for a task.
    pub(in crate::issuer) async fn wait_async(
        &self,
        patience: Duration,
        is_met: impl Fn() -> bool,
    ) -> bool {
        let until = Instant::now() + patience;
        // Taken before the look, or a change between the two would be missed.
        let mut changes = self.subscribe();
        while !is_met() {
            if timeout_at(until, changes.changed()).await.is_err() {
                return false;
            }
        }
        true
    }
}
