//! Room around a number that many threads write.

use std::ops::Deref;

/// A value that shares no cache line with anything else: a write to a line takes it away from all other
/// processors, whatever they read there.
///
/// A line of most processors has 64 bytes, which those of x86-64 fetch in pairs, and one of some ARM has
/// 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(T);

impl<T> Padded<T> {
    /// `value` with nothing beside it.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_a_row_has_lines_of_its_own() {
        let row = [1_u64, 2].map(Padded::new);
        let places = row.each_ref().map(|each| (&raw const **each).addr());
        assert_eq!(places.map(|place| place % 128), [0, 0]);
        assert_eq!(places[1] - places[0], 128);
        assert_eq!(row.map(|each| *each), [1, 2]);
    }
}
