//! An ID as a value of its own type.

use std::fmt;
use std::str::FromStr;

use super::encoding::{DecodeError, Encoding, Text};
use super::generator::Issued;
use super::layout::{Fields, Layout};

/// An ID: 0 to 2^63 − 1. Written and read as decimal digits; in order of its number, which is the order of
/// time.
///
/// It becomes a number only by an explicit call, as JavaScript and many a JSON library round numbers above
/// 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(i64);

impl Id {
    /// The ID with that number; `None` above 2^63 − 1.
    #[must_use]
    pub fn from_u64(number: u64) -> Option<Self> {
        i64::try_from(number).ok().map(Self)
    }

    /// The ID with that number, such as a database's BIGINT; `None` below 0.
    #[must_use]
    pub const fn from_i64(number: i64) -> Option<Self> {
        if number < 0 {
            return None;
        }
        Some(Self(number))
    }

    /// The ID with a number that a layout has made: its bit 63 is clear.
    #[inline]
    const fn of(number: u64) -> Self {
        Self(number.cast_signed())
    }

    /// Its number.
    #[must_use]
    #[inline]
    pub const fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// Its number, as databases have it.
    #[must_use]
    #[inline]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// 16 lower-case hexadecimal digits, in the order of IDs.
    #[must_use]
    pub fn hex(self) -> Text {
        Encoding::Hex.encode(self.as_u64())
    }

    /// 13 digits of Crockford's base32, in the order of IDs.
    #[must_use]
    pub fn base32(self) -> Text {
        Encoding::Base32.encode(self.as_u64())
    }

    /// Reads an ID in that encoding.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with the text.
    pub fn decode(text: &str, encoding: Encoding) -> Result<Self, DecodeError> {
        // No larger number is read.
        encoding.decode(text).map(Self::of)
    }

    /// Its fields, if it is of that layout.
    #[must_use]
    pub fn parts(self, layout: &Layout) -> Fields {
        layout.fields(self.as_u64())
    }
}

impl Issued {
    /// The ID as a value of its own type.
    #[must_use]
    #[inline]
    pub const fn id(&self) -> Id {
        Id::of(self.id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Decimal digits alone.
impl FromStr for Id {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        Self::decode(text, Encoding::Decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: i64 = i64::MAX;

    #[test]
    fn an_id_is_a_number_of_63_bits() {
        for number in [0, 1, LAST] {
            let id = Id::from_i64(number).unwrap();
            assert_eq!(Id::from_u64(number.unsigned_abs()), Some(id));
            assert_eq!((id.as_i64(), id.as_u64()), (number, number.unsigned_abs()));
        }
        assert_eq!(Id::from_i64(-1), None);
        assert_eq!(Id::from_u64(1 << 63), None);
        assert_eq!(Id::from_u64(u64::MAX), None);
    }

    #[test]
    fn every_text_form_reads_back_and_keeps_the_order() {
        let ids = [0, 9, 10, 1 << 40, LAST].map(|number| Id::from_i64(number).unwrap());
        assert!(ids.is_sorted());
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(Id::decode(&id.hex().to_string(), Encoding::Hex), Ok(id));
            assert_eq!(
                Id::decode(&id.base32().to_string(), Encoding::Base32),
                Ok(id)
            );
        }
        assert!(ids.map(|id| id.hex().to_string()).is_sorted());
        assert!(ids.map(|id| id.base32().to_string()).is_sorted());
        assert_eq!(format!("{:>22}", ids[4]), "   9223372036854775807");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "-1", "+1", " 1", "1.0", "9223372036854775808", "0x10"] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn its_parts_are_those_of_the_layout() {
        let layout = Layout::SONYFLAKE;
        let id = Id::from_u64(layout.compose(5, 7, 9).unwrap()).unwrap();
        let Fields {
            time,
            sequence,
            machine_id,
            ..
        } = id.parts(&layout);
        assert_eq!((time, sequence, machine_id), (5, 7, 9));
    }
}
