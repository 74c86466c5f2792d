//! Machine IDs and ranges of them, parsed strictly.

use std::fmt;
use std::str::FromStr;

use super::layout::Layout;

/// A non-empty range of machine IDs, both ends included; one machine ID is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineRange {
    first: u32,
    last: u32,
}

/// Why a text is not a machine ID or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Nothing between the quotes.
    #[error("the shard number is empty; set a whole number such as 1, or a range such as 16-31")]
    Empty,
    /// Something other than decimal digits, or two groups of them around one dash.
    #[error(
        "{0:?} is not a shard number; use decimal digits alone, such as 1, or a range such as 16-31"
    )]
    Malformed(String),
    /// A first number above the last.
    #[error("the range {first}-{last} runs backwards; write {last}-{first}")]
    Backwards {
        /// The number before the dash.
        first: u32,
        /// The number after the dash.
        last: u32,
    },
    /// More digits than any machine field holds.
    #[error(
        "shard number {0} fits no layout; use 0 to 65535, or with more machine bits up to 4194303"
    )]
    Huge(String),
    /// Above what the layout's machine field holds.
    #[error("shard number {value} does not fit this layout; use 0 to {max}")]
    TooLarge {
        /// The number that was asked for.
        value: String,
        /// The largest that fits.
        max: u32,
    },
}

impl MachineRange {
    /// The range from `first` to `last`, both included, or `None` if it runs backwards.
    #[must_use]
    pub const fn new(first: u32, last: u32) -> Option<Self> {
        if first > last {
            return None;
        }
        Some(Self { first, last })
    }

    /// The smallest machine ID.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The largest machine ID.
    #[must_use]
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// How many machine IDs the range holds.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.last - self.first + 1
    }

    /// Whether the two ranges share a machine ID.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The parts of this range that lie outside `other`: none, one or two.
    pub fn without(self, other: Self) -> impl Iterator<Item = Self> {
        if !self.overlaps(&other) {
            return [Some(self), None].into_iter().flatten();
        }
        let below = (self.first < other.first).then(|| Self {
            first: self.first,
            last: other.first - 1,
        });
        let above = (self.last > other.last).then(|| Self {
            first: other.last + 1,
            last: self.last,
        });
        [below, above].into_iter().flatten()
    }

    /// Checks that the range fits the machine field of `layout`.
    ///
    /// # Errors
    /// [`RangeError::TooLarge`] if it does not.
    pub fn fit(self, layout: &Layout) -> Result<Self, RangeError> {
        self.below(layout.max_machine())
    }

    /// Reads a range that ends at `max` or before.
    ///
    /// # Errors
    /// [`RangeError`] if the text is none, or ends above.
    pub fn parse_below(text: &str, max: u32) -> Result<Self, RangeError> {
        match text.parse::<Self>() {
            // Where the limit is known, that is the one to name.
            Err(RangeError::Huge(value)) => Err(RangeError::TooLarge { value, max }),
            read => read?.below(max),
        }
    }

    fn below(self, max: u32) -> Result<Self, RangeError> {
        if self.last > max {
            return Err(RangeError::TooLarge {
                value: self.last.to_string(),
                max,
            });
        }
        Ok(self)
    }
}

impl FromStr for MachineRange {
    type Err = RangeError;

    /// Reads `7` or `16-31`: decimal digits, without sign, space or leading zero.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        if text.is_empty() {
            return Err(RangeError::Empty);
        }
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let canonical = part == "0" || !part.starts_with('0');
            if !(digits && canonical) {
                return Err(RangeError::Malformed(text.to_owned()));
            }
            part.parse().map_err(|_| RangeError::Huge(part.to_owned()))
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        Self::new(first, last).ok_or(RangeError::Backwards { first, last })
    }
}

impl fmt::Display for MachineRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_ranges() {
        assert_eq!("0".parse(), Ok(MachineRange { first: 0, last: 0 }));
        assert_eq!(
            "16-31".parse(),
            Ok(MachineRange {
                first: 16,
                last: 31
            })
        );
        assert_eq!("7-7".parse::<MachineRange>().unwrap().to_string(), "7");
        assert_eq!(
            "16-31".parse::<MachineRange>().unwrap().to_string(),
            "16-31"
        );
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for text in [
            "1.9", "true", "-1", " 1", "1 ", "01x", "01", "+1", "0x1", "1e3", "1-2-3", "1-", "-",
            "１", "1–2", "1,2", "\n1",
        ] {
            assert_eq!(
                text.parse::<MachineRange>(),
                Err(RangeError::Malformed(text.to_owned()))
            );
        }
        assert_eq!("".parse::<MachineRange>(), Err(RangeError::Empty));
        assert_eq!(
            "5-3".parse::<MachineRange>(),
            Err(RangeError::Backwards { first: 5, last: 3 })
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let range: MachineRange = "65536".parse().unwrap();
        assert_eq!(
            range.fit(&Layout::SONYFLAKE),
            Err(RangeError::TooLarge {
                value: "65536".to_owned(),
                max: 65_535
            })
        );
        for huge in ["4294967296", "99999999999999999999999"] {
            let error = huge.parse::<MachineRange>().unwrap_err();
            assert_eq!(error, RangeError::Huge(huge.to_owned()));
            assert!(error.to_string().contains("use 0 to 65535"), "{error}");
        }
        for (max, limit) in [(1023, "use 0 to 1023"), (31, "use 0 to 31")] {
            for text in ["99999999999", "1024", "3-4294967296"] {
                let error = MachineRange::parse_below(text, max).unwrap_err();
                assert!(error.to_string().ends_with(limit), "{error}");
            }
        }
        let all: MachineRange = "0-65535".parse().unwrap();
        assert_eq!(all.fit(&Layout::SONYFLAKE), Ok(all));
    }

    #[test]
    fn left_overs_are_what_the_other_does_not_hold() {
        let parts = |a: &str, b: &str| {
            let (a, b): (MachineRange, MachineRange) = (a.parse().unwrap(), b.parse().unwrap());
            a.without(b)
                .map(|part| part.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(parts("16-31", "20-23"), ["16-19", "24-31"]);
        assert_eq!(parts("16-31", "16"), ["17-31"]);
        assert_eq!(parts("16-31", "31-40"), ["16-30"]);
        assert_eq!(parts("16-31", "0-100"), [""; 0]);
        assert_eq!(parts("16-31", "32"), ["16-31"]);
    }

    #[test]
    fn ranges_compare_as_the_sets_that_they_are() {
        let ends = || (0..6_u32).flat_map(|first| (first..6).map(move |last| (first, last)));
        for ((a, b), (c, d)) in ends().flat_map(|one| ends().map(move |other| (one, other))) {
            let (one, other) = (
                MachineRange::new(a, b).unwrap(),
                MachineRange::new(c, d).unwrap(),
            );
            let has = |number: &u32| (c..=d).contains(number);
            assert_eq!(one.overlaps(&other), (a..=b).any(|n| has(&n)));
            let parts: Vec<_> = one.without(other).collect();
            assert!(parts.iter().all(|part| part.first() <= part.last()));
            let left: Vec<_> = parts.iter().flat_map(|p| p.first()..=p.last()).collect();
            assert!(left.into_iter().eq((a..=b).filter(|n| !has(n))));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(a in 0..70_000u32, b in 0..70_000u32) {
            let range = MachineRange::new(a.min(b), a.max(b)).unwrap();
            proptest::prop_assert_eq!(range.to_string().parse(), Ok(range));
        }

        #[test]
        fn any_text_that_is_accepted_is_canonical(text in "[-0-9a-z+. ]{0,8}") {
            if let Ok(range) = text.parse::<MachineRange>() {
                let one = range.to_string();
                let doubled = format!("{one}-{one}");
                proptest::prop_assert!(text == one || text == doubled);
            }
        }
    }
}
