//! UUIDs of RFC 9562: those of version 7, and random ones.

use std::str::FromStr;

use super::{COUNTER_BITS, MACHINE_BITS, Parts, Stamp, TIME_BITS, low, low32, low64};

/// Where the version stands, from the lowest bit.
const VERSION_AT: u8 = 76;
/// Where the variant stands.
const VARIANT_AT: u8 = 62;
/// The variant of RFC 9562.
const VARIANT: u128 = 0b10;
/// How many bits of the counter are below the variant.
const COUNTER_BELOW: u8 = COUNTER_BITS - 12;
const RANDOM_BITS: u8 = VARIANT_AT - COUNTER_BELOW - MACHINE_BITS;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The places of the four hyphens in a text.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A UUID. Written as RFC 9562 has it; in order of its bytes, which is the order of its texts and, for those of
/// version 7, of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(u128);

impl Uuid {
    /// The length of its text.
    pub const TEXT: usize = 36;

    /// A UUID of version 7. Bits of the stamp that its fields do not hold are left out.
    #[must_use]
    #[inline]
    pub const fn v7(stamp: Stamp, random: [u8; 4]) -> Self {
        let counter = stamp.counter as u128;
        let upper = low(stamp.unix_ms as u128, TIME_BITS) << (VERSION_AT + 4)
            | 7 << VERSION_AT
            | low(counter >> COUNTER_BELOW, 12) << 64;
        let lower = VARIANT << VARIANT_AT
            | low(counter, COUNTER_BELOW) << (MACHINE_BITS + RANDOM_BITS)
            | low(stamp.machine as u128, MACHINE_BITS) << RANDOM_BITS
            | u32::from_be_bytes(random) as u128;
        Self(upper | lower)
    }

    /// A UUID of version 4; of `random` all but six bits are used.
    #[must_use]
    pub const fn v4(random: u128) -> Self {
        let fixed = 0xf << VERSION_AT | 0b11 << VARIANT_AT;
        Self(random & !fixed | 4 << VERSION_AT | VARIANT << VARIANT_AT)
    }

    /// Its version, if it is of the variant that RFC 9562 defines.
    #[must_use]
    pub const fn version(self) -> Option<u8> {
        if low(self.0 >> VARIANT_AT, 2) != VARIANT {
            return None;
        }
        let [version, ..] = low(self.0 >> VERSION_AT, 4).to_le_bytes();
        Some(version)
    }

    /// Its fields, if it is of version 7.
    #[must_use]
    pub fn parts(self) -> Option<Parts> {
        (self.version() == Some(7)).then(|| {
            let above = low32(self.0 >> 64, 12) << COUNTER_BELOW;
            let below = low32(self.0 >> (MACHINE_BITS + RANDOM_BITS), COUNTER_BELOW);
            Parts {
                stamp: Stamp {
                    unix_ms: low64(self.0 >> (VERSION_AT + 4), TIME_BITS),
                    counter: above | below,
                    machine: low32(self.0 >> RANDOM_BITS, MACHINE_BITS),
                },
                random: low64(self.0, RANDOM_BITS),
            }
        })
    }

    /// Its text, in lower case: ASCII throughout.
    #[must_use]
    #[inline]
    pub fn text(self) -> [u8; Self::TEXT] {
        let mut text = [b'-'; Self::TEXT];
        // The bytes between two hyphens, and where their text begins.
        for (bytes, at) in [(0..4, 0), (4..6, 9), (6..8, 14), (8..10, 19), (10..16, 24)] {
            let (pairs, _) = text[at..].as_chunks_mut::<2>();
            for (pair, byte) in pairs.iter_mut().zip(&self.to_bytes()[bytes]) {
                *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]];
            }
        }
        text
    }
}

bits_and_text!(Uuid);

/// A text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a UUID; send 32 hexadecimal digits, with or without the four hyphens, such as 019b7a2c-1d40-7000-8000-000112345678"
)]
pub struct NotUuid(
    /// The beginning of what was sent.
    pub String,
);

/// 32 hexadecimal digits in either case, with the four hyphens or without.
impl FromStr for Uuid {
    type Err = NotUuid;

    fn from_str(text: &str) -> Result<Self, NotUuid> {
        let refused = || NotUuid(text.chars().take(Self::TEXT + 4).collect());
        let hyphens = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-');
        let is_formed = match text.len() {
            32 => hyphens.count() == 0,
            Self::TEXT => hyphens.map(|(place, _)| place).eq(HYPHENS),
            _ => false,
        };
        if !is_formed {
            return Err(refused());
        }
        let mut digits = text.chars().filter(|digit| *digit != '-');
        let value = digits.try_fold(0, |value, digit| {
            Some(value << 4 | u128::from(digit.to_digit(16)?))
        });
        value.map(Self).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        unix_ms: 0x0123_4567_89ab,
        counter: 0xf_edcb,
        machine: 0x2a_bcde,
    };

    #[test]
    fn version_7_has_its_fields_where_the_standard_and_the_table_say() {
        let uuid = Uuid::v7(STAMP, [0x76, 0x54, 0x32, 0x10]);
        assert_eq!(uuid.to_string(), "01234567-89ab-7fed-b2ea-bcde76543210");
        let parts = uuid.parts().unwrap();
        assert_eq!((parts.stamp, parts.random), (STAMP, 0x7654_3210));
        assert_eq!(uuid.version(), Some(7));
    }

    #[test]
    fn what_does_not_fit_a_field_reaches_no_other() {
        let all = Stamp {
            unix_ms: u64::MAX,
            counter: u32::MAX,
            machine: u32::MAX,
        };
        let uuid = Uuid::v7(all, [0; 4]);
        assert_eq!(uuid.to_string(), "ffffffff-ffff-7fff-bfff-ffff00000000");
        let none = Stamp {
            unix_ms: 0,
            counter: 0,
            machine: 0,
        };
        let uuid = Uuid::v7(none, [0xff; 4]);
        assert_eq!(uuid.to_string(), "00000000-0000-7000-8000-0000ffffffff");
    }

    #[test]
    fn version_4_is_random_but_for_six_bits() {
        let uuid = Uuid::v4(u128::MAX);
        assert_eq!(uuid.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let uuid = Uuid::v4(0);
        assert_eq!(uuid.to_string(), "00000000-0000-4000-8000-000000000000");
        assert_eq!((uuid.version(), uuid.parts()), (Some(4), None));
    }

    #[test]
    fn the_order_is_that_of_time_then_counter() {
        let later = Stamp {
            unix_ms: STAMP.unix_ms + 1,
            counter: 0,
            machine: 0,
        };
        let next = Stamp {
            counter: STAMP.counter + 1,
            machine: 0,
            ..STAMP
        };
        let uuids = [
            Uuid::v7(STAMP, [0xff; 4]),
            Uuid::v7(next, [0; 4]),
            Uuid::v7(later, [0; 4]),
        ];
        assert!(uuids.is_sorted());
        assert!(uuids.map(|uuid| uuid.to_string()).is_sorted());
        assert!(uuids.map(Uuid::to_bytes).is_sorted());
    }

    #[test]
    fn texts_read_back_in_either_case_and_without_hyphens() {
        let uuid = Uuid::v7(STAMP, [9; 4]);
        let text = uuid.to_string();
        for text in [text.clone(), text.to_uppercase(), text.replace('-', "")] {
            assert_eq!(text.parse(), Ok(uuid), "{text}");
        }
        assert_eq!(Uuid::from_bytes(uuid.to_bytes()), uuid);
        assert_eq!(format!("{uuid:>38}"), format!("  {text}"));
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in [
            "",
            "0123456789ab7fedb2eabcde7654321",
            "0123456789ab7fedb2eabcde7654321g",
            "01234567-89ab-7fed-b2eabcde-76543210",
            "012345678-9ab-7fed-b2ea-bcde76543210",
            "01234567-89ab-7fed-b2ea-bcde7654321-",
            "{1234567-89ab-7fed-b2ea-bcde7654321}",
            "é1234567-89ab-7fed-b2ea-bcde7654321",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
        let long = "7".repeat(1000);
        assert_eq!(long.parse::<Uuid>(), Err(NotUuid("7".repeat(40))));
    }

    #[test]
    fn another_variant_has_no_version() {
        assert_eq!(Uuid::from_bytes([0; 16]).version(), None);
        assert_eq!(Uuid::from_bytes([0xff; 16]).version(), None);
    }
}
