//! Ranges of IDs as `/ranges` describes them.

use std::borrow::Cow;

use serde::Deserialize;

/// The most IDs that are asked for at once. A server sends their description whole in nearly all layouts,
/// without a place among its bulk replies.
pub(crate) const MOST: u32 = 10_000;

/// Fraction bits of the inverse of a row's length. Indices and rows are below 2^14, so that the product of
/// an index and the inverse fits 64 bits, and the error of the inverse is too small to be seen.
const FRACTION: u32 = 40;

/// The largest ID: 63 bits.
const LARGEST: u64 = i64::MAX as u64;

/// IDs in rows of equal length. In a row each is `step` above the one before, and from the end of a row to
/// the beginning of the next it is `step + jump`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) step: u64,
    pub(crate) jump: u64,
    /// One over the length of a row, rounded up: a multiplication is quicker than a division.
    pub(crate) inverse: u64,
    pub(crate) count: u32,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    ranges: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    first: Cow<'a, str>,
    machines: u64,
    #[serde(borrow)]
    machine_step: Cow<'a, str>,
    sequences: u64,
    #[serde(borrow)]
    sequence_step: Cow<'a, str>,
    count: u64,
}

impl Range {
    /// No IDs.
    pub(crate) const NONE: Self = Self {
        first: 0,
        step: 0,
        jump: 0,
        inverse: 0,
        count: 0,
    };

    /// The ID at that place, in increasing order; `index` is below `count`.
    #[inline]
    pub(crate) const fn id(&self, index: u32) -> u64 {
        let index = index as u64;
        let rows = index.wrapping_mul(self.inverse) >> FRACTION;
        let in_rows = self.first.wrapping_add(index.wrapping_mul(self.step));
        in_rows.wrapping_add(rows.wrapping_mul(self.jump))
    }

    const fn last(&self) -> u64 {
        self.id(self.count - 1)
    }

    /// `rows` rows of `length` IDs, which are `step` from each other in a row and `row_step` from row to
    /// row. `None` if the IDs would not increase, are too many, or too large.
    fn new(first: u64, (length, step): (u64, u64), (rows, row_step): (u64, u64)) -> Option<Self> {
        let count = length.checked_mul(rows).filter(|count| *count > 0)?;
        let count = u32::try_from(count).ok().filter(|count| *count <= MOST)?;
        let width = (length - 1).checked_mul(step)?;
        let height = (rows - 1).checked_mul(row_step)?;
        let last = first.checked_add(width)?.checked_add(height)?;
        let increases = (length == 1 || step > 0) && (rows == 1 || row_step > width);
        (increases && last <= LARGEST).then(|| Self {
            first,
            step,
            jump: row_step.wrapping_sub(length.wrapping_mul(step)),
            inverse: (1 << FRACTION) / length + 1,
            count,
        })
    }
}

impl Entry<'_> {
    fn range(&self) -> Option<Range> {
        let number = |text: &str| text.parse::<u64>().ok();
        let machines = (self.machines, number(&self.machine_step)?);
        let sequences = (self.sequences, number(&self.sequence_step)?);
        // Which of the two stands lower in an ID is a matter of the layout.
        let (row, rows) = if machines.1 < sequences.1 {
            (machines, sequences)
        } else {
            (sequences, machines)
        };
        let range = Range::new(number(&self.first)?, row, rows)?;
        (u64::from(range.count) == self.count).then_some(range)
    }
}

/// Reads the reply to a request for `count` IDs.
///
/// What does not add up is refused as a whole: an ID that is worked out of a wrong description may be
/// another server's.
pub(crate) fn parse(body: &[u8], count: u32) -> Result<Vec<Range>, String> {
    let body: Body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut ranges = Vec::with_capacity(body.ranges.len());
    let (mut total, mut below) = (0_u64, 0);
    for entry in &body.ranges {
        let range = entry
            .range()
            .filter(|range| range.first > below || below == 0);
        let range = range.ok_or_else(|| format!("the range from {} is wrong", entry.first))?;
        total += u64::from(range.count);
        below = range.last();
        ranges.push(range);
    }
    if total != u64::from(count) {
        return Err(format!("{total} IDs instead of {count}"));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: &str, machines: (u64, u64), sequences: (u64, u64)) -> String {
        format!(
            r#"{{"first":"{first}","machines":{},"machine_step":"{}","sequences":{},"sequence_step":"{}","count":{}}}"#,
            machines.0,
            machines.1,
            sequences.0,
            sequences.1,
            machines.0.wrapping_mul(sequences.0)
        )
    }

    fn body(entries: &[String]) -> String {
        format!(r#"{{"ranges":[{}]}}"#, entries.join(","))
    }

    /// The IDs as the document describes them.
    fn described(first: u64, machines: (u64, u64), sequences: (u64, u64)) -> Vec<u64> {
        let mut ids: Vec<_> = (0..machines.0)
            .flat_map(|machine| {
                (0..sequences.0)
                    .map(move |sequence| first + machine * machines.1 + sequence * sequences.1)
            })
            .collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn every_shape_gives_its_ids_in_order() {
        for machines in [1, 2, 3, 16, 255, 10_000] {
            for sequences in [1, 2, 7, 256, 4096, 10_000] {
                if machines * sequences > u64::from(MOST) {
                    continue;
                }
                for (machine_step, sequence_step) in [(1, 1 << 16), (1 << 16, 1)] {
                    let (machines, sequences) =
                        ((machines, machine_step), (sequences, sequence_step));
                    let text = body(&[entry("7000000000", machines, sequences)]);
                    let count = u32::try_from(machines.0 * sequences.0).unwrap();
                    let ranges = parse(text.as_bytes(), count).unwrap();
                    let ids: Vec<_> = (0..count).map(|index| ranges[0].id(index)).collect();
                    assert_eq!(ids, described(7_000_000_000, machines, sequences));
                }
            }
        }
    }

    #[test]
    fn a_description_that_does_not_add_up_is_refused() {
        let good = entry("700", (1, 1), (2, 65_536));
        for (what, text) in [
            ("JSON", "{".to_owned()),
            ("keys", r#"{"ranges":[{"first":"1"}]}"#.to_owned()),
            ("too few", body(&[entry("700", (1, 1), (1, 65_536))])),
            ("none", body(&[])),
            ("empty", body(&[entry("700", (0, 1), (2, 1))])),
            ("twice", body(&[good.clone(), good.clone()])),
            (
                "down",
                body(&[entry("700", (1, 1), (1, 1)), entry("699", (1, 1), (1, 1))]),
            ),
            ("no step", body(&[entry("700", (1, 1), (2, 0))])),
            (
                "too large",
                body(&[entry("9223372036854775807", (1, 1), (2, 1))]),
            ),
            ("too wide", body(&[entry("7", (1, 1), (2, u64::MAX))])),
            ("too many", body(&[entry("7", (1 << 63, 1), (2, 1))])),
            ("count", body(&[good.replace("\"count\":2", "\"count\":3")])),
            ("first", body(&[entry("-1", (1, 1), (2, 1))])),
        ] {
            assert!(parse(text.as_bytes(), 2).is_err(), "{what}");
        }
        assert!(parse(body(&[good]).as_bytes(), 2).is_ok());
        // Rows that overlap have an ID twice.
        assert!(parse(body(&[entry("7", (3, 1), (2, 2))]).as_bytes(), 6).is_err());
        assert!(parse(body(&[entry("7", (3, 1), (2, 3))]).as_bytes(), 6).is_ok());
    }
}
