//! The atomics of what hands out IDs: the generator, the published bound, the pace, and the path of a
//! request over them.
//!
//! They are the standard library's. `tests/loom` compiles all of that with a model checker's in this
//! module's place, so that every interleaving of the code that ships can be tried.

pub(crate) use std::sync::atomic::*;
