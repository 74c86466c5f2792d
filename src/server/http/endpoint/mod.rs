//! One file for each kind of answer.

mod bounds;
mod bulk;
mod decode;
mod generate;
mod health;
mod metrics;
mod unspent;

pub(super) use bounds::bounds;
#[cfg(test)]
pub(super) use bulk::ranges_within;
pub(super) use bulk::{MOST, Shape, ids, many_ids, ranges};
pub(super) use decode::decode;
pub(super) use generate::{at_once, new_id};
pub(super) use health::{health, livez, readyz};
pub(super) use metrics::metrics;
