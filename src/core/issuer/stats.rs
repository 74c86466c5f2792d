//! The counters of an issuer. Plain atomics, read by whoever prints metrics.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::id::padded::Padded;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`Counter`] that many threads add to at the same time. The first ones each have a stripe of their
/// own: if all wrote the same cache line, passing it on would take longer than taking an ID.
#[derive(Debug)]
pub struct StripedCounter {
    stripes: [Padded<AtomicU64>; Self::STRIPES],
    /// The sum of all other threads.
    rest: Counter,
}

impl StripedCounter {
    /// As many as a server has workers, unless it runs on a very large machine.
    const STRIPES: usize = 64;

    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        match self.stripes.get(thread_number()) {
            // Nobody else writes it, so that nothing is locked.
            Some(own) => own.store(own.load(Ordering::Relaxed) + n, Ordering::Relaxed),
            None => self.rest.add(n),
        }
    }

    /// The sum so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        let stripes = self.stripes.iter();
        let own: u64 = stripes.map(|stripe| stripe.load(Ordering::Relaxed)).sum();
        own + self.rest.total()
    }
}

impl Default for StripedCounter {
    fn default() -> Self {
        Self {
            stripes: std::array::from_fn(|_| Padded::default()),
            rest: Counter::default(),
        }
    }
}

/// A number that no other thread of this process has or had, from 0 in the order of the first calls.
#[inline]
fn thread_number() -> usize {
    const UNKNOWN: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(UNKNOWN) };
    }
    OWN.with(|own| {
        if own.get() == UNKNOWN {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        own.get()
    })
}

/// Durations, counted by how long they were.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; Self::BOUNDS.len() + 1],
    nanos: Counter,
}

impl Histogram {
    /// Upper bounds of the buckets in nanoseconds; the last bucket has none.
    pub const BOUNDS: [u64; 12] = [
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        100_000_000,
        250_000_000,
        1_000_000_000,
    ];

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        self.record_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one duration in nanoseconds.
    pub fn record_nanos(&self, nanos: u64) {
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < nanos);
        self.buckets[bucket].add(1);
        self.nanos.add(nanos);
    }

    /// How many durations fell into each bucket, in the order of [`Histogram::BOUNDS`],
    /// and above the last bound.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(Counter::total)
    }

    /// All durations added up.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.total())
    }
}

/// The counters of one issuer since it began.
#[derive(Debug, Default)]
pub struct Stats {
    /// IDs handed out.
    pub ids_issued: StripedCounter,
    /// Ticks of which IDs were taken before they began, as the one before was used up.
    pub sequence_exhausted: Counter,
    /// How long requests that could not be served at once waited for their tick.
    pub issue_wait: Histogram,
    /// Steps of the wall clock forward, accepted or not.
    pub steps_forward: Counter,
    /// Steps of the wall clock back.
    pub steps_back: Counter,
    /// How long raising the mark took: both slots are written and flushed, one after the other.
    pub mark_fsync: Histogram,
    /// Writes or flushes of the mark that failed.
    pub mark_failures: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or what one adds overwrites what the other has added.
    #[test]
    fn no_two_threads_have_one_number() {
        let own = thread_number();
        assert_eq!(thread_number(), own);
        let others: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(thread_number).join().unwrap())
            .collect();
        for (place, other) in others.iter().enumerate() {
            assert_ne!(*other, own);
            assert!(!others[..place].contains(other), "{others:?}");
        }
    }

    #[test]
    fn what_any_number_of_threads_add_is_in_the_sum() {
        let counter = StripedCounter::default();
        std::thread::scope(|scope| {
            for number in 0..2 * StripedCounter::STRIPES as u64 {
                let counter = &counter;
                scope.spawn(move || {
                    for _ in 0..100 {
                        counter.add(number);
                    }
                });
            }
        });
        let numbers = 0..2 * StripedCounter::STRIPES as u64;
        assert_eq!(counter.total(), 100 * numbers.sum::<u64>());
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for nanos in [0, 50_000, 50_001, 1_000_000_000, 1_000_000_001] {
            histogram.record(Duration::from_nanos(nanos));
        }
        let counts: Vec<_> = histogram.counts().collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum(), Duration::from_nanos(2_000_100_002));
    }
}
