//! Decimal text of IDs that follow each other, without a division for each.

use std::ops::Range;

/// Bytes that are copied for each ID, whatever its length: a fixed size costs two moves.
const ENTRY: usize = 32;
/// How many IDs in a row differ in their last two digits alone.
const BLOCK: u64 = 100;

/// "00" to "99".
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// IDs as decimal text, each between the same few characters.
#[derive(Debug, Clone, Copy)]
pub struct Decimals {
    before: &'static [u8],
    after: &'static [u8],
}

/// The text of one ID and what surrounds it.
struct Entry {
    text: [u8; ENTRY],
    length: usize,
    /// Where the last digit ends.
    end: usize,
}

impl Decimals {
    /// The room that [`Decimals::write`] wants for each ID, in bytes.
    pub const ROOM: usize = ENTRY;

    /// Each ID stands between `before` and `after`.
    ///
    /// # Panics
    /// If these two take more than 12 bytes: an ID has up to 20 digits.
    #[must_use]
    pub const fn new(before: &'static [u8], after: &'static [u8]) -> Self {
        assert!(before.len() + after.len() <= ENTRY - 20);
        Self { before, after }
    }

    /// Writes `ids` to the beginning of `out`, and returns how many bytes that took. What follows
    /// them in `out` is overwritten too.
    ///
    /// # Panics
    /// If `out` has less than [`Decimals::ROOM`] bytes for each ID.
    #[must_use]
    pub fn write(&self, ids: Range<u64>, out: &mut [u8]) -> usize {
        let mut written = 0;
        let mut next = ids.start;
        while next < ids.end {
            let entry = self.entry(next);
            let end = if next < BLOCK {
                // Among these the number of digits changes.
                next + 1
            } else {
                ids.end
                    .min((next / BLOCK).saturating_add(1).saturating_mul(BLOCK))
            };
            written += entry.write(next..end, &mut out[written..]);
            next = end;
        }
        written
    }

    fn entry(&self, id: u64) -> Entry {
        let mut text = [0; ENTRY];
        let mut length = 0;
        let mut put = |part: &[u8]| {
            text[length..length + part.len()].copy_from_slice(part);
            length += part.len();
            length
        };
        put(self.before);
        let end = put(itoa::Buffer::new().format(id).as_bytes());
        let length = put(self.after);
        Entry { text, length, end }
    }
}

impl Entry {
    /// Writes IDs that differ from this in their last two digits at most.
    fn write(&self, ids: Range<u64>, out: &mut [u8]) -> usize {
        let mut written = 0;
        let mut put = |pair: Option<&[u8; 2]>| {
            let text = out[written..].first_chunk_mut::<ENTRY>();
            let text = text.expect("there is room for every ID");
            *text = self.text;
            if let Some(pair) = pair {
                text[self.end - 2..self.end].copy_from_slice(pair);
            }
            written += self.length;
        };
        if ids.start < BLOCK {
            put(None);
        } else {
            let index = |id: u64| usize::try_from(id % BLOCK).unwrap_or_default();
            for pair in &PAIRS[index(ids.start)..=index(ids.end - 1)] {
                put(Some(pair));
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: Decimals = Decimals::new(b"", b"\n");
    const QUOTED: Decimals = Decimals::new(b",\"", b"\"");

    fn text(decimals: Decimals, ids: Range<u64>) -> String {
        let count = usize::try_from(ids.end - ids.start).unwrap();
        let mut out = vec![0; count * Decimals::ROOM];
        let length = decimals.write(ids, &mut out);
        String::from_utf8(out[..length].to_vec()).unwrap()
    }

    #[test]
    fn writes_carries_and_growing_lengths() {
        for ids in [0..1, 7..102, 98..100, 99..101, 999..1001, 1_200..1_200] {
            let expected: Vec<String> = ids.clone().map(|id| id.to_string()).collect();
            let written = text(LINES, ids);
            assert_eq!(written.lines().collect::<Vec<_>>(), expected);
        }
        let largest = u64::MAX - 1..u64::MAX;
        assert_eq!(text(QUOTED, largest), ",\"18446744073709551614\"");
    }

    #[test]
    #[should_panic(expected = "room for every ID")]
    fn wants_room_for_each() {
        let _ = LINES.write(100..102, &mut [0; Decimals::ROOM]);
    }

    proptest! {
        #[test]
        fn writes_as_the_standard_library_does(
            first in prop_oneof![0..2000u64, 0..u64::MAX - 2000],
            count in 0..1000u64,
        ) {
            let ids = first..first + count;
            let expected: Vec<String> = ids.clone().map(|id| format!(",\"{id}\"")).collect();
            prop_assert_eq!(text(QUOTED, ids), expected.concat());
        }
    }
}
