//! Unique 64-bit, time-ordered IDs that never repeat.
pub mod id;
