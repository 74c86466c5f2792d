//! The path of a request: what it reads, in which order, and how far it lets the generator go.
//!
//! Apart from the issuer, so that `tests/loom` can compile it with a model checker's atomics.

use std::num::NonZeroU32;

use super::published::Published;
use crate::atomic::{AtomicI64, Ordering};
use crate::id::divisor::Divisor;
use crate::id::generator::{Blocked, Generator, Reservation};

/// The source of requests' IDs: the parts of an issuer that they share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) generator: &'a Generator,
    pub(super) bound: &'a Published,
    /// Boot time plus this is the wall clock that is followed, in nanoseconds since the epoch.
    pub(super) offset: &'a AtomicI64,
    pub(super) by_tick: Divisor,
}

impl Source<'_> {
    /// The wall clock that is followed, in nanoseconds since the epoch.
    #[inline]
    pub(super) fn wall(&self, boot: i64) -> i64 {
        boot + self.offset.load(Ordering::Acquire)
    }

    /// The tick at `logical` nanoseconds since the epoch; the first one before it.
    #[inline]
    pub(super) fn tick(&self, logical: i64) -> u64 {
        self.by_tick.quotient(u64::try_from(logical).unwrap_or(0))
    }

    /// Takes one ID if that takes no waiting; also returns how many ticks are left up to the bound. The
    /// ID's fields are for the caller to read, which costs less than handing them on.
    #[inline]
    pub(super) fn take(&self, boot: i64) -> Option<(u64, u64)> {
        let now = self.tick(self.wall(boot));
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
