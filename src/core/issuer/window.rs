//! The window: how far requests may go, and their demand for more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::published::Published;
use super::signal::Signal;

/// The durable bound as requests see it.
#[derive(Debug)]
pub(super) struct Window {
    /// No ID with a tick above it leaves the process.
    bound: Published,
    /// With fewer ticks left than this, more are asked for.
    half: u64,
    /// The first tick of this run; 0 before it is known.
    first: AtomicU64,
    /// Whether somebody has asked for more.
    demanded: AtomicBool,
    /// Told when the bound has risen.
    raised: Signal,
}

impl Window {
    /// A window of `ticks`, of which nothing is durable yet.
    pub(super) fn nothing(ticks: u64) -> Self {
        Self {
            bound: Published::nothing(),
            half: ticks / 2,
            first: AtomicU64::new(0),
            demanded: AtomicBool::new(false),
            raised: Signal::default(),
        }
    }

    #[inline]
    pub(super) const fn published(&self) -> &Published {
        &self.bound
    }

    /// The bound.
    pub(super) fn bound(&self) -> u64 {
        self.bound.get()
    }

    /// The first tick of this run; 0 before it is known.
    pub(super) fn first(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// A run begins at tick `first`, up to `bound`, which is durable.
    pub(super) fn begin(&self, first: u64, bound: u64) {
        self.first.store(first, Ordering::Relaxed);
        self.bound.raise(bound);
    }

    /// Lets requests go up to `bound`, which is durable.
    pub(super) fn publish(&self, bound: u64) {
        self.bound.raise(bound);
        self.raised.tell();
    }

    /// Whether `left` ticks are so few that more are wanted.
    #[inline]
    pub(super) const fn is_low(&self, left: u64) -> bool {
        left < self.half
    }

    /// By how many ticks `left` is above half a window, if it is.
    pub(super) const fn spare(&self, left: u64) -> Option<u64> {
        left.checked_sub(self.half)
    }

    /// Asks for more; whether nobody has asked since the last [`Window::take_demand`].
    pub(super) fn demand(&self) -> bool {
        !self.demanded.load(Ordering::Relaxed) && !self.demanded.swap(true, Ordering::AcqRel)
    }

    /// Whether somebody has asked for more since the last call.
    pub(super) fn take_demand(&self) -> bool {
        self.demanded.swap(false, Ordering::AcqRel)
    }

    /// Told when the bound has risen.
    pub(super) const fn raised(&self) -> &Signal {
        &self.raised
    }
}
