//! The atomics of what hands out IDs, for the generator, the published bound and the pace.
//!
//! They are the standard library's. `tests/loom` compiles those three with a model checker's in
//! this module's place, so that every interleaving of the code that ships can be tried.

pub(crate) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
