//! ULIDs: 26 digits of Crockford's base32.

use std::str::FromStr;

use super::{COUNTER_BITS, MACHINE_BITS, Parts, Stamp, TIME_BITS, low, low32, low64};
use crate::id::encoding::{CROCKFORD, crockford};

const RANDOM_BITS: u8 = 128 - TIME_BITS - COUNTER_BITS - MACHINE_BITS;
const MACHINE_AT: u8 = RANDOM_BITS;
const COUNTER_AT: u8 = MACHINE_AT + MACHINE_BITS;
const TIME_AT: u8 = COUNTER_AT + COUNTER_BITS;

/// A ULID. In order of its bytes, which is the order of its texts and of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ulid(u128);

impl Ulid {
    /// The length of its text.
    pub const TEXT: usize = 26;

    /// The ULID of `stamp`; of `random` all but the upper two bits are used. Bits of the stamp that its fields do
    /// not hold are left out.
    #[must_use]
    #[inline]
    pub const fn new(stamp: Stamp, random: [u8; 5]) -> Self {
        let [top, rest @ ..] = random;
        let random = (top as u64) << 32 | u32::from_be_bytes(rest) as u64;
        Self(
            low(stamp.unix_ms as u128, TIME_BITS) << TIME_AT
                | low(stamp.counter as u128, COUNTER_BITS) << COUNTER_AT
                | low(stamp.machine as u128, MACHINE_BITS) << MACHINE_AT
                | low(random as u128, RANDOM_BITS),
        )
    }

    /// Its fields.
    #[must_use]
    pub const fn parts(self) -> Parts {
        Parts {
            stamp: Stamp {
                unix_ms: low64(self.0 >> TIME_AT, TIME_BITS),
                counter: low32(self.0 >> COUNTER_AT, COUNTER_BITS),
                machine: low32(self.0 >> MACHINE_AT, MACHINE_BITS),
            },
            random: low64(self.0, RANDOM_BITS),
        }
    }

    /// Its text, in upper case: ASCII throughout.
    #[must_use]
    #[inline]
    pub fn text(self) -> [u8; Self::TEXT] {
        let mut text = [0; Self::TEXT];
        let mut left = self.0;
        for digit in text.iter_mut().rev() {
            *digit = CROCKFORD[low32(left, 5) as usize];
            left >>= 5;
        }
        text
    }
}

bits_and_text!(Ulid);

/// A text is not a ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a ULID; send 26 Crockford base32 digits, at most 7ZZZZZZZZZZZZZZZZZZZZZZZZZ")]
pub struct NotUlid(
    /// The beginning of what was sent.
    pub String,
);

/// 26 digits of Crockford's base32 in either case; I and L are read as 1 and O as 0, as in IDs.
impl FromStr for Ulid {
    type Err = NotUlid;

    fn from_str(text: &str) -> Result<Self, NotUlid> {
        let refused = || NotUlid(text.chars().take(Self::TEXT + 14).collect());
        if text.len() != Self::TEXT {
            return Err(refused());
        }
        let value = text.bytes().try_fold(0u128, |value, byte| {
            // The first digit has three bits.
            let value = value.checked_mul(32)?;
            Some(value | u128::from(crockford(byte)?))
        });
        value.map(Self).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        unix_ms: 1_469_922_850_259,
        counter: 0xf_edcb,
        machine: 0x2a_bcde,
    };

    #[test]
    fn the_fields_are_where_the_specification_and_the_table_say() {
        let ulid = Ulid::new(STAMP, [0xff, 0x76, 0x54, 0x32, 0x10]);
        // The time is the specification's own example.
        assert_eq!(&ulid.to_string()[..10], "01ARZ3NDEK");
        assert_eq!(
            ulid.to_bytes()[6..],
            [0xfe, 0xdc, 0xba, 0xaf, 0x37, 0xbf, 0x76, 0x54, 0x32, 0x10]
        );
        let parts = ulid.parts();
        assert_eq!((parts.stamp, parts.random), (STAMP, 0x3f_7654_3210));
    }

    #[test]
    fn what_does_not_fit_a_field_reaches_no_other() {
        let stamp = |unix_ms, counter, machine| Stamp {
            unix_ms,
            counter,
            machine,
        };
        let parts_of = |stamp, random| Ulid::new(stamp, [random; 5]).parts();
        let parts = parts_of(stamp(0, u32::MAX, 0), 0);
        assert_eq!((parts.stamp, parts.random), (stamp(0, 0xf_ffff, 0), 0));
        let parts = parts_of(stamp(0, 0, u32::MAX), 0);
        assert_eq!((parts.stamp, parts.random), (stamp(0, 0, 0x3f_ffff), 0));
        let parts = parts_of(stamp(u64::MAX, 0, 0), 0xff);
        let most = stamp(0xffff_ffff_ffff, 0, 0);
        assert_eq!((parts.stamp, parts.random), (most, 0x3f_ffff_ffff));
    }

    #[test]
    fn texts_read_back_in_either_case() {
        for ulid in [Ulid(0), Ulid::new(STAMP, [7; 5]), Ulid(u128::MAX)] {
            let text = ulid.to_string();
            assert_eq!(text.parse(), Ok(ulid));
            assert_eq!(text.to_lowercase().parse(), Ok(ulid));
            assert_eq!(Ulid::from_bytes(ulid.to_bytes()), ulid);
        }
        assert_eq!(Ulid(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!("0000000000000000000000000L".parse(), Ok(Ulid(1)));
    }

    #[test]
    fn the_order_of_texts_is_that_of_time_then_counter() {
        let next = Stamp {
            counter: STAMP.counter + 1,
            machine: 0,
            ..STAMP
        };
        let later = Stamp {
            unix_ms: STAMP.unix_ms + 1,
            counter: 0,
            machine: 0,
        };
        let ulids = [
            Ulid::new(STAMP, [0xff; 5]),
            Ulid::new(next, [0; 5]),
            Ulid::new(later, [0; 5]),
        ];
        assert!(ulids.is_sorted());
        assert!(ulids.map(|ulid| ulid.to_string()).is_sorted());
    }

    #[test]
    fn what_is_no_ulid_is_refused() {
        for text in [
            "",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "80000000000000000000000000",
            "01ARZ3NDEK-SV4RRFFQ69G5FAV",
        ] {
            assert!(text.parse::<Ulid>().is_err(), "{text}");
        }
        let long = "Z".repeat(1000);
        assert_eq!(long.parse::<Ulid>(), Err(NotUlid("Z".repeat(40))));
    }
}
