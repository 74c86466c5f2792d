//! Telling whoever waits that something has changed.

#[cfg(feature = "async")]
mod tasks;
#[cfg(not(feature = "async"))]
#[path = "signal/no_tasks.rs"]
mod tasks;

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tasks::Tasks;

/// Wakes threads, and tasks where there are such, that wait for a change. It says nothing of the change:
/// whoever wakes looks again.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// Held by threads from their look until they sleep, so that no change falls in between.
    looking: Mutex<()>,
    threads: Condvar,
    tasks: Tasks,
}

impl Signal {
    /// Wakes all that wait. To be called after the change.
    pub(super) fn tell(&self) {
        drop(self.looking.lock().unwrap_or_else(PoisonError::into_inner));
        self.threads.notify_all();
        self.tasks.wake();
    }

    /// Sleeps until `is_met` says so, for `patience` at most; whether it did. It is asked again after each
    /// change.
    pub(super) fn wait(&self, patience: Duration, is_met: impl Fn() -> bool) -> bool {
        let looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .threads
            .wait_timeout_while(looking, patience, |()| !is_met());
        let (_looking, end) = waited.unwrap_or_else(PoisonError::into_inner);
        !end.timed_out()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    /// Far beyond what it takes to wake a thread.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_change_wakes_all_threads_that_wait_for_it() {
        let (signal, changes) = (Signal::default(), AtomicU32::new(0));
        thread::scope(|scope| {
            let wait = || signal.wait(PATIENCE, || changes.load(Ordering::Relaxed) == 1000);
            let waiting = [scope.spawn(wait), scope.spawn(wait)];
            for _ in 0..1000 {
                changes.fetch_add(1, Ordering::Relaxed);
                signal.tell();
            }
            assert!(waiting.into_iter().all(|one| one.join().unwrap()));
        });
    }

    #[test]
    fn a_wait_ends_with_its_patience() {
        let signal = Signal::default();
        assert!(!signal.wait(Duration::ZERO, || false));
        assert!(signal.wait(Duration::ZERO, || true));
    }
}
