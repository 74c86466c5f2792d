//! The production files that hand out IDs, compiled with a checker's atomics, and the models that
//! run them. The files are the product's own, unchanged.

#[cfg(not(feature = "shuttle"))]
use loom as checker;
#[cfg(feature = "shuttle")]
use shuttle as checker;

/// What takes the place of `src/core/atomic.rs`.
mod atomic {
    pub(crate) use crate::checker::sync::atomic::{AtomicI64, AtomicU64, Ordering};
}

#[path = "../../src/core/id"]
#[allow(
    clippy::must_use_candidate,
    reason = "clippy does not know that a checker's atomics change behind a shared reference"
)]
pub mod id {
    pub(crate) mod divisor;
    pub mod generator;
    pub mod layout;
    pub(crate) mod padded;
    pub mod range;
}

#[path = "../../src/core/time.rs"]
pub mod time;

#[path = "../../src/core/clock"]
pub mod clock {
    mod pace;

    pub use pace::Pace;
}

#[path = "../../src/core/issuer/published.rs"]
mod published;

#[path = "../../src/core/issuer/source.rs"]
mod source;

#[path = "../../src/core/issuer/timeline.rs"]
#[expect(
    dead_code,
    reason = "what the keeper and waiting requests do is not modelled"
)]
mod timeline;

pub mod models;
