//! The range that IDs are taken from without a lock.
//!
//! One word says which ID is next: the number of the range since the client was built, and an index in it.
//! Whoever adds one to the word owns that index of that range, and no other call ever gets the two again. What
//! the range is stands beside the word, and may be replaced while a slow thread reads it. So the number of the
//! described range stands there too, and is looked at after the rest was read: if it is not the number that
//! was in the word, the description is another range's, and the index is given up. Without that look an ID
//! would be worked out of two ranges, and might be one that was handed out before.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::range::Range;
use crate::time::{Clock, Nanos};

/// Bits of the index in the word.
const INDEX_BITS: u32 = 24;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
/// From here on nothing is added to the index, which is far beyond the end of any range: threads that ask
/// again and again while there is none must not make it flow over into the number.
const FULL: u64 = 1 << (INDEX_BITS - 1);
/// No number of a range.
const BEING_WRITTEN: u64 = u64::MAX;

/// What is taken from by all threads.
#[derive(Debug)]
pub(crate) struct Counter {
    word: Word,
    shown: Shown,
}

/// In a cache line of its own (two are fetched at a time): each call writes it.
#[derive(Debug)]
#[repr(align(128))]
struct Word(AtomicU64);

/// The range that the word counts in. Only who holds the stock's lock writes it.
#[derive(Debug)]
#[repr(align(128))]
struct Shown {
    number: AtomicU64,
    first: AtomicU64,
    step: AtomicU64,
    jump: AtomicU64,
    inverse: AtomicU64,
    expires: AtomicU64,
    count: AtomicU32,
}

impl Counter {
    /// One that has no IDs.
    pub(crate) const fn new() -> Self {
        Self {
            word: Word(AtomicU64::new(0)),
            shown: Shown {
                number: AtomicU64::new(0),
                first: AtomicU64::new(0),
                step: AtomicU64::new(0),
                jump: AtomicU64::new(0),
                inverse: AtomicU64::new(0),
                expires: AtomicU64::new(0),
                count: AtomicU32::new(0),
            },
        }
    }

    /// The next ID. `None` if there is none, if it is too old, or if the range is being replaced: who holds
    /// the lock can tell.
    #[inline]
    pub(crate) fn take(&self, clock: &Clock) -> Option<u64> {
        let word = self.claim()?;
        self.id(word, clock)
    }

    /// A number and an index that nobody else gets; `None` if nothing is to be added.
    #[inline]
    fn claim(&self) -> Option<u64> {
        if self.word.0.load(Ordering::Relaxed) & INDEX >= FULL {
            return None;
        }
        // Acquires what was shown before the number came into the word.
        Some(self.word.0.fetch_add(1, Ordering::Acquire))
    }

    /// The ID that was claimed by `word`, if its range is still described, has so many, and is young enough.
    #[inline]
    fn id(&self, word: u64, clock: &Clock) -> Option<u64> {
        let shown = &self.shown;
        let range = Range {
            first: shown.first.load(Ordering::Relaxed),
            step: shown.step.load(Ordering::Relaxed),
            jump: shown.jump.load(Ordering::Relaxed),
            inverse: shown.inverse.load(Ordering::Relaxed),
            count: shown.count.load(Ordering::Relaxed),
        };
        let expires = shown.expires.load(Ordering::Relaxed);
        // With the fence of `show`: if any of these was of a later range, its number is seen too.
        fence(Ordering::Acquire);
        if shown.number.load(Ordering::Relaxed) != word >> INDEX_BITS {
            return None;
        }
        let index = u32::try_from(word & INDEX).ok()?;
        if index >= range.count || clock.now() >= expires {
            return None;
        }
        Some(range.id(index))
    }

    /// Puts `range` in place of what was there, from that index on. For one thread at a time.
    pub(crate) fn show(&self, range: &Range, from: u32, expires: Nanos) {
        let number = (self.word.0.load(Ordering::Relaxed) >> INDEX_BITS) + 1;
        let shown = &self.shown;
        shown.number.store(BEING_WRITTEN, Ordering::Relaxed);
        fence(Ordering::Release);
        shown.first.store(range.first, Ordering::Relaxed);
        shown.step.store(range.step, Ordering::Relaxed);
        shown.jump.store(range.jump, Ordering::Relaxed);
        shown.inverse.store(range.inverse, Ordering::Relaxed);
        shown.count.store(range.count, Ordering::Relaxed);
        shown.expires.store(expires, Ordering::Relaxed);
        shown.number.store(number, Ordering::Relaxed);
        let word = number << INDEX_BITS | u64::from(from);
        self.word.0.store(word, Ordering::Release);
    }

    /// The word: it changes with every call, and with every range.
    pub(crate) fn word(&self) -> u64 {
        self.word.0.load(Ordering::Relaxed)
    }

    /// How many IDs are left. For who holds the lock.
    pub(crate) fn left(&self) -> u32 {
        let index = u32::try_from(self.word() & INDEX).unwrap_or(u32::MAX);
        self.shown
            .count
            .load(Ordering::Relaxed)
            .saturating_sub(index)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn range(first: u64, count: u32) -> Range {
        Range {
            first,
            step: 1,
            jump: 0,
            inverse: 0,
            count,
        }
    }

    #[test]
    fn a_range_is_handed_out_once_and_in_order() {
        let (counter, clock) = (Counter::new(), Clock::new());
        assert_eq!(counter.take(&clock), None);
        counter.show(&range(100, 5), 2, Nanos::MAX);
        assert_eq!(counter.left(), 3);
        let ids: Vec<_> = (0..5).map(|_| counter.take(&clock)).collect();
        assert_eq!(ids, [Some(102), Some(103), Some(104), None, None]);
        assert_eq!(counter.left(), 0);
        counter.show(&range(7, 1), 0, Nanos::MAX);
        assert_eq!(counter.take(&clock), Some(7));
    }

    #[test]
    fn asking_in_vain_does_not_lead_into_the_next_range() {
        let (counter, clock) = (Counter::new(), Clock::new());
        for _ in 0..FULL + 10 {
            assert_eq!(counter.take(&clock), None);
        }
        assert_eq!(counter.word(), FULL);
        counter.show(&range(7, 2), 0, Nanos::MAX);
        assert_eq!(counter.take(&clock), Some(7));
    }

    #[test]
    fn no_call_gets_an_id_of_a_range_that_is_too_old() {
        let (counter, clock) = (Counter::new(), Clock::new());
        counter.show(&range(0, 100), 0, clock.now() + 3_600_000_000_000);
        for id in 0..8 {
            assert_eq!(counter.take(&clock), Some(id));
        }
        clock.forward(Duration::from_secs(3600));
        let taken = (0..8).filter_map(|_| counter.take(&clock)).count();
        assert_eq!(taken, 0);
    }

    #[test]
    fn what_was_claimed_of_a_range_that_is_replaced_is_given_up() {
        let (counter, clock) = (Counter::new(), Clock::new());
        counter.show(&range(100, 5), 0, Nanos::MAX);
        let slow = counter.claim().unwrap();
        counter.show(&range(7, 5), 0, Nanos::MAX);
        assert_eq!(counter.id(slow, &clock), None);
        assert_eq!(counter.take(&clock), Some(7));
        let being_replaced = counter.claim().unwrap();
        let number = &counter.shown.number;
        number.store(BEING_WRITTEN, Ordering::Relaxed);
        assert_eq!(counter.id(being_replaced, &clock), None);
    }

    /// Ranges that are replaced while threads take from them, each with numbers of its own: an ID of two
    /// descriptions would be outside of all.
    #[test]
    fn nothing_comes_twice_while_ranges_are_replaced() {
        const WANTED: usize = 30_000;
        const COUNT: u32 = 64;
        let (counter, clock, taken) = (Counter::new(), Clock::new(), AtomicUsize::new(0));
        let mut ids: Vec<u64> = thread::scope(|scope| {
            let take = || {
                let mut ids = Vec::new();
                while taken.load(Ordering::Relaxed) < WANTED {
                    if let Some(id) = counter.take(&clock) {
                        taken.fetch_add(1, Ordering::Relaxed);
                        ids.push(id);
                    }
                }
                ids
            };
            let takers = [(); 3].map(|()| scope.spawn(take));
            // One that has ended before has panicked.
            let goes_on = || {
                let all_go_on = takers.iter().all(|taker| !taker.is_finished());
                all_go_on && taken.load(Ordering::Relaxed) < WANTED
            };
            let mut number = 0;
            while goes_on() {
                number += 1;
                // The step tells the ranges apart.
                let shown = Range {
                    first: number << 40,
                    step: number,
                    ..range(0, COUNT)
                };
                counter.show(&shown, 0, Nanos::MAX);
                // It is replaced when so many are left.
                let left = u32::try_from(number % u64::from(COUNT)).unwrap();
                while counter.left() > left && goes_on() {
                    thread::yield_now();
                }
            }
            let ids = takers.into_iter().flat_map(|taker| {
                let ids = taker.join().unwrap();
                assert!(ids.is_sorted());
                ids
            });
            ids.collect()
        });
        for id in &ids {
            let (number, rest) = (id >> 40, id & ((1 << 40) - 1));
            assert!(rest % number == 0 && rest / number < COUNT.into(), "{id:x}");
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
