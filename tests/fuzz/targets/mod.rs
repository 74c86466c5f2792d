//! One file for each target. A target takes any bytes, and panics when a promise is broken.

pub mod config;
pub mod decode;
pub mod http;
pub mod input;
pub mod mark;
pub mod memory;
pub mod shard;
