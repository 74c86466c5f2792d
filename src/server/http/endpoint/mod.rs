//! One file for each kind of answer.

mod bounds;
mod bulk;
mod decode;
mod generate;
mod health;
mod metrics;
mod unspent;
mod wide;

pub(super) use bounds::bounds;
pub use bulk::MOST;
#[cfg(test)]
pub(super) use bulk::ranges_within;
pub(super) use bulk::{Shape, ids, many_ids, ranges};
pub(super) use decode::decode;
pub(super) use generate::{at_once, new_id};
pub(super) use health::{health, livez, readyz};
pub(super) use metrics::metrics;
pub(super) use wide::{ReadKind, many_wide, one_wide, ulid, uuid};
