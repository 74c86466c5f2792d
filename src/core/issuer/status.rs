//! The status of a shard: the phase of its life, and trouble with its mark.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Refusal;
use super::signal::Signal;
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

impl Phase {
    /// Whether both are of one kind: the time left differs at every look.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Waiting(one), Self::Waiting(other)) => one.code() == other.code(),
            (one, other) => one == other,
        }
    }

    /// Whether a closed generator is about to open, or has just closed and the phase does not say so yet.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self, Self::Starting | Self::Serving)
    }

    /// Why there is no ID while the generator is not open.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Starting => Refusal::Starting,
            Self::LockHeld(holder) => Refusal::LockHeld {
                holder: holder.clone(),
            },
            Self::Waiting(wait) => Refusal::Waiting(wait.clone()),
            Self::Unwritable(error) => Refusal::Unwritable {
                error: error.clone(),
            },
            Self::Serving | Self::Draining => Refusal::Draining,
        }
    }
}

/// The phase and the trouble, behind a lock that no request takes which gets its ID at once.
#[derive(Debug)]
pub(super) struct Status {
    state: Mutex<State>,
    /// Told when the phase has changed.
    changed: Signal,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    mark_error: Option<String>,
}

impl Status {
    /// That of a shard which starts.
    pub(super) fn starting() -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Starting,
                mark_error: None,
            }),
            changed: Signal::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and every field is valid at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told when the phase has changed.
    pub(super) const fn changed(&self) -> &Signal {
        &self.changed
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase.clone()
    }

    /// Enters a phase; after draining there is none. Returns true if it is of another kind than the one before.
    pub(super) fn enter(&self, phase: Phase) -> bool {
        let mut state = self.state();
        let is_news = state.phase != Phase::Draining && !phase.is_like(&state.phase);
        if state.phase != Phase::Draining {
            state.phase = phase;
        }
        drop(state);
        self.changed.tell();
        is_news
    }

    /// The code of why there is no ID while the generator is not open, and how long that is likely to last.
    pub(super) fn code(&self) -> (&'static str, Duration) {
        const SOON: Duration = Duration::from_secs(1);
        match &self.state().phase {
            Phase::Starting => ("starting", SOON),
            Phase::LockHeld(_) => ("lock_held", SOON),
            Phase::Waiting(wait) => (wait.code(), wait.left().unwrap_or(SOON)),
            Phase::Unwritable(_) => ("mark_unwritable", SOON),
            Phase::Serving | Phase::Draining => ("draining", SOON),
        }
    }

    /// The failure to write the mark since it was last written.
    pub(super) fn mark_error(&self) -> Option<String> {
        self.state().mark_error.clone()
    }

    /// The mark was written; whether that had failed before.
    pub(super) fn written(&self) -> bool {
        self.state().mark_error.take().is_some()
    }

    /// The mark could not be written; whether that is news.
    pub(super) fn failed(&self, error: &str) -> bool {
        let known = self.state().mark_error.replace(error.to_owned());
        known.as_deref() != Some(error)
    }
}
