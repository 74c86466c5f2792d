//! The path of a request: what it reads, in which order, and how far it lets the generator go.
//!
//! Apart from the issuer, so that `tests/loom` can compile it with a model checker's atomics.

use std::num::NonZeroU32;

use super::published::Published;
use super::timeline::Timeline;
use crate::id::generator::{Blocked, Generator, Reservation};
use crate::time::BootTime;

/// The source of requests' IDs: the parts of an issuer that they share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) generator: &'a Generator,
    pub(super) bound: &'a Published,
    pub(super) timeline: &'a Timeline,
}

impl Source<'_> {
    /// Takes one ID if that takes no waiting; also returns how many ticks are left up to the bound. The
    /// ID's fields are for the caller to read, which costs less than handing them on.
    #[expect(
        clippy::inline_always,
        reason = "a call, and fields that nobody reads, cost half as many instructions again"
    )]
    #[inline(always)]
    pub(super) fn take(&self, boot: BootTime) -> Option<(u64, u64)> {
        let now = self.timeline.wall_tick(boot);
        let bound = self.bound.get();
        // A tick of the wall clock or before it: it has begun, and nothing is ahead.
        let id = self.generator.take(now, bound.min(now))?;
        Some((id, bound - now))
    }

    /// Takes up to `wanted` IDs out of the order from tick `now` on, of ticks up to `horizon` or the
    /// bound, which is told too.
    pub(super) fn reserve(
        &self,
        now: u64,
        wanted: NonZeroU32,
        horizon: u64,
    ) -> (Result<Reservation, Blocked>, u64) {
        let bound = self.bound.get();
        let reserved = self.generator.reserve(now, wanted, bound.min(horizon));
        (reserved, bound)
    }
}
