//! Random numbers that one seed gives again.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::Fallible;

/// A generator of random numbers (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    /// From the seed that the words hold, or from a fresh one; says which.
    pub(crate) fn from_word(words: &[&str]) -> Fallible<Self> {
        let seed = match words {
            [] => RandomState::new().hash_one(()) % 1_000_000,
            [seed] => seed.parse()?,
            _ => return Err("more words than a seed".into()),
        };
        println!("seed {seed}");
        Ok(Self(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in `range`, which must not be empty.
    pub(crate) fn within(&mut self, range: Range<i64>) -> i64 {
        let width = range.end.abs_diff(range.start);
        range.start.wrapping_add_unsigned(self.next() % width)
    }

    /// True once in `many` on the average.
    pub(crate) fn once_in(&mut self, many: i64) -> bool {
        self.within(0..many) == 0
    }
}
