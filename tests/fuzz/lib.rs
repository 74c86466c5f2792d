//! What the fuzzers run. The tests compile the same files as `tests/fuzz/replay.rs`.

pub mod targets;
