//! Text forms of an ID: decimal, hexadecimal and Crockford's base32.
//!
//! Hexadecimal and base32 have a fixed width, so that the order of the texts is the order of the IDs.

use std::fmt;

/// How an ID is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Decimal digits, without leading zeros.
    #[default]
    Decimal,
    /// 16 lower-case hexadecimal digits.
    Hex,
    /// 13 digits of Crockford's base32, in upper case.
    Base32,
}

/// A written ID; it lives on the stack.
#[derive(Clone, Copy)]
pub struct Text {
    digits: [u8; Text::CAPACITY],
    length: usize,
}

/// Why a text is not an ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not of the digits that the encoding has.
    #[error("{text:?} is not an ID; send {form}, at most {max}")]
    NotDigits {
        /// The beginning of what was sent.
        text: String,
        /// The name of the digits, such as `decimal digits`.
        form: &'static str,
        /// The largest ID.
        max: Text,
    },
    /// Its digits make a number that is too large.
    #[error("{text:?} takes {bits} bits, and an ID takes 63; send at most {max}")]
    TooLarge {
        /// The text that was sent.
        text: String,
        /// How many bits the number takes.
        bits: u32,
        /// The largest ID.
        max: Text,
    },
}

const MAX_ID: u64 = i64::MAX as u64;
/// Digits of the longest number whose bits are told: 128 of them, in decimal.
const LONGEST: usize = 39;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The digits of Crockford's base32.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Encoding {
    /// All encodings, with the names that users write.
    pub const ALL: [(&'static str, Self); 3] = [
        ("decimal", Self::Decimal),
        ("hex", Self::Hex),
        ("base32", Self::Base32),
    ];

    /// The encoding of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, encoding)| *encoding)
    }

    /// Writes `id`.
    #[must_use]
    pub fn encode(self, id: u64) -> Text {
        match self {
            Self::Decimal => Text::decimal(id),
            Self::Hex => Text::fixed::<16>(id, 4, HEX),
            Self::Base32 => Text::fixed::<13>(id, 5, CROCKFORD),
        }
    }

    /// Reads an ID. Hexadecimal and base32 are read in either case and without their leading
    /// zeros too; base32 takes I and L for 1 and O for 0, as Crockford has it.
    ///
    /// # Errors
    /// [`DecodeError`] if a character is not a digit, there are more of them than the largest ID has, or
    /// the value is above 2^63 − 1.
    pub fn decode(self, text: &str) -> Result<u64, DecodeError> {
        // One decimal digit more than the largest ID has: an unsigned number of 64 bits may be sent.
        let (base, width) = match self {
            Self::Decimal => (10, 20),
            Self::Hex => (16, 16),
            Self::Base32 => (32, 13),
        };
        let max = self.encode(MAX_ID);
        let refuse = || self.refuse(text, max);
        if text.is_empty() || text.len() > LONGEST {
            return Err(refuse());
        }
        let value = text.bytes().try_fold(0u128, |value, byte| {
            let digit = u128::from(self.digit(byte)?);
            value.checked_mul(base)?.checked_add(digit)
        });
        let value = value.ok_or_else(refuse)?;
        let id = u64::try_from(value).ok().filter(|id| *id <= MAX_ID);
        let id = id.ok_or_else(|| DecodeError::TooLarge {
            text: text.to_owned(),
            bits: u128::BITS - value.leading_zeros(),
            max,
        })?;
        if text.len() > width {
            return Err(refuse());
        }
        Ok(id)
    }

    fn digit(self, byte: u8) -> Option<u64> {
        match self {
            Self::Decimal => char::from(byte).to_digit(10).map(u64::from),
            Self::Hex => char::from(byte).to_digit(16).map(u64::from),
            Self::Base32 => crockford(byte),
        }
    }

    fn refuse(self, text: &str, max: Text) -> DecodeError {
        DecodeError::NotDigits {
            // Long enough to recognise what was sent, short enough for a log line.
            text: text.chars().take(40).collect(),
            form: match self {
                Self::Decimal => "decimal digits",
                Self::Hex => "hexadecimal digits",
                Self::Base32 => "Crockford base32 digits",
            },
            max,
        }
    }
}

/// The value of a digit of Crockford's base32, in either case; I and L stand for 1, and O for 0.
pub(crate) fn crockford(byte: u8) -> Option<u64> {
    let byte = match byte.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        other => other,
    };
    let position = CROCKFORD.iter().position(|digit| *digit == byte);
    position.map(|position| position as u64)
}

impl Text {
    /// The digits of the largest number.
    pub const CAPACITY: usize = 20;

    fn decimal(id: u64) -> Self {
        let mut buffer = itoa::Buffer::new();
        let written = buffer.format(id).as_bytes();
        let mut digits = [0; Self::CAPACITY];
        digits[..written.len()].copy_from_slice(written);
        Self {
            digits,
            length: written.len(),
        }
    }

    fn fixed<const WIDTH: usize>(id: u64, bits: usize, alphabet: &[u8]) -> Self {
        let mut digits = [0; Self::CAPACITY];
        for (place, digit) in digits[..WIDTH].iter_mut().rev().enumerate() {
            let [low, ..] = (id >> (place * bits)).to_le_bytes();
            *digit = alphabet[usize::from(low) & (alphabet.len() - 1)];
        }
        Self {
            digits,
            length: WIDTH,
        }
    }

    /// The text as bytes; all of them are ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    /// The whole buffer, and the length of the text at its beginning: for a copy whose length the compiler
    /// knows.
    #[must_use]
    pub const fn padded(&self) -> (&[u8; Self::CAPACITY], usize) {
        (&self.digits, self.length)
    }

    /// The text.
    ///
    /// # Panics
    /// Never: only ASCII digits are written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).expect("only ASCII digits are written")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_known_values() {
        let id = 547_205_677_056_000_001;
        assert_eq!(Encoding::Decimal.encode(id).as_str(), "547205677056000001");
        assert_eq!(Encoding::Hex.encode(id).as_str(), "079810aa00000001");
        assert_eq!(Encoding::Base32.encode(id).as_str(), "0F60GN8000001");
        assert_eq!(Encoding::Decimal.encode(0).as_str(), "0");
        assert_eq!(
            Encoding::Decimal.encode(u64::MAX).as_str(),
            u64::MAX.to_string()
        );
    }

    #[test]
    fn encodings_have_the_names_that_users_write() {
        assert_eq!(Encoding::named("decimal"), Some(Encoding::Decimal));
        assert_eq!(Encoding::named("hex"), Some(Encoding::Hex));
        assert_eq!(Encoding::named("base32"), Some(Encoding::Base32));
        assert_eq!(Encoding::named("Hex"), None);
    }

    #[test]
    fn texts_are_equal_when_they_read_the_same() {
        let one = Encoding::Decimal.encode(1);
        assert_eq!(one, Encoding::Decimal.encode(1));
        assert_ne!(one, Encoding::Decimal.encode(2));
        assert_ne!(one, Encoding::Hex.encode(1));
        assert_eq!(format!("{one:?} {one:>3}"), "\"1\"   1");
    }

    #[test]
    fn refuses_what_is_not_an_id() {
        for text in [
            "",
            " 1",
            "+1",
            "-1",
            "1.0",
            "0x1",
            "१",
            "9223372036854775808",
            "12345678901234567890123",
        ] {
            let error = Encoding::Decimal.decode(text).unwrap_err().to_string();
            assert!(error.contains("at most 9223372036854775807"), "{error}");
        }
        // What has all its digits, and too many bits, is told so.
        for (encoding, text, bits) in [
            (Encoding::Decimal, "9223372036854775808", 64),
            (Encoding::Decimal, "18446744073709551616", 65),
            (Encoding::Hex, "8000000000000000", 64),
            (Encoding::Base32, "8000000000000", 64),
            (Encoding::Hex, "10000000000000000", 65),
            (Encoding::Base32, "ZZZZZZZZZZZZZ", 65),
            (Encoding::Base32, "10000000000000", 66),
            // Other kinds of ID.
            (Encoding::Hex, "f81d4fae7dec11d0a76500a0c91e6bf6", 128),
            (Encoding::Base32, "01ARZ3NDEKTSV4RRFFQ69G5FAV", 121),
            (
                Encoding::Decimal,
                "340282366920938463463374607431768211455",
                128,
            ),
        ] {
            let error = encoding.decode(text).unwrap_err().to_string();
            assert!(error.contains(&format!("takes {bits} bits")), "{error}");
        }
        for (encoding, text) in [
            (Encoding::Decimal, "340282366920938463463374607431768211456"),
            (Encoding::Decimal, "000000000000000000001"),
            (Encoding::Hex, "00000000000000001"),
            (Encoding::Base32, "00000000000001"),
        ] {
            let error = encoding.decode(text).unwrap_err();
            assert!(matches!(error, DecodeError::NotDigits { .. }), "{error}");
        }
        assert!(Encoding::Hex.decode("8000000000000000").is_err());
        assert!(Encoding::Hex.decode("g").is_err());
        assert!(Encoding::Base32.decode("U").is_err());
        assert!(Encoding::Base32.decode("8000000000000").is_err());
    }

    #[test]
    fn base32_reads_the_letters_that_look_like_digits() {
        assert_eq!(Encoding::Base32.decode("1O"), Encoding::Base32.decode("io"));
        assert_eq!(Encoding::Base32.decode("1L"), Ok(33));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back_and_keeps_its_order(a in 0..=MAX_ID, b in 0..=MAX_ID) {
            for (_, encoding) in Encoding::ALL {
                let (text_a, text_b) = (encoding.encode(a), encoding.encode(b));
                proptest::prop_assert_eq!(encoding.decode(text_a.as_str()), Ok(a));
                proptest::prop_assert_eq!(encoding.decode(&text_a.as_str().to_lowercase()), Ok(a));
                if encoding != Encoding::Decimal {
                    proptest::prop_assert_eq!(a.cmp(&b), text_a.as_str().cmp(text_b.as_str()));
                }
            }
            proptest::prop_assert_eq!(Encoding::Decimal.encode(a).to_string(), a.to_string());
            proptest::prop_assert_eq!(Encoding::Hex.encode(a).to_string(), format!("{a:016x}"));
        }
    }
}
