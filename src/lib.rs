//! Unique 64-bit, time-ordered IDs that never repeat.
pub mod clock;
pub mod id;
pub mod issuer;
pub mod logging;
pub mod mark;
pub mod syscall;
pub mod systemd;
pub mod timestamp;
