//! The published bound: how far requests may go.

use crate::atomic::{AtomicU64, Ordering};

/// The tick above which no ID leaves the process. It only rises.
#[derive(Debug)]
pub(super) struct Published {
    bound: AtomicU64,
}

impl Published {
    /// Nothing may be issued yet.
    pub(super) fn nothing() -> Self {
        Self {
            bound: AtomicU64::new(0),
        }
    }

    /// The bound. It may have risen by the time it is used, which does no harm.
    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.bound.load(Ordering::Acquire)
    }

    /// Publishes `bound`, which must be durable already; a lower one changes nothing.
    pub(super) fn raise(&self, bound: u64) {
        self.bound.fetch_max(bound, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_rises() {
        let published = Published::nothing();
        assert_eq!(published.get(), 0);
        published.raise(7);
        published.raise(5);
        assert_eq!(published.get(), 7);
    }
}
