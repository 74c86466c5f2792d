//! 128-bit identifiers: UUIDs (RFC 9562) and ULIDs. Pure: time, counter, machine ID and random bits come in,
//! an identifier comes out.
//!
//! A [`Stamp`] makes a UUIDv7 or a ULID unique. A shard gives each stamp once, in increasing order, so that its
//! identifiers increase strictly, and those of two machine IDs never collide, whatever the random bits are.
//!
//! | bits, from the top | UUIDv7 | ULID |
//! |---|---|---|
//! | milliseconds since 1970 | 48 | 48 |
//! | version | 4 | |
//! | counter within the millisecond | 12, and 8 more below the variant | 20 |
//! | variant | 2, within the counter | |
//! | machine ID, the datacenter in its upper bits | 22 | 22 |
//! | random | 32 | 38 |
//!
//! The fields are where any reader of UUIDv7 or ULID looks for them: what we put counter and machine ID into
//! is random to others.

/// What a UUID and a ULID have alike: 128 bits, and a text of their own.
macro_rules! bits_and_text {
    ($name:ident) => {
        impl $name {
            /// The one with these bytes, the highest first.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// Its bytes, the highest first: what `uuid` columns and other libraries take.
            #[must_use]
            #[inline]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(str::from_utf8(&self.text()).expect("only ASCII is written"))
            }
        }
    };
}

mod ulid;
mod uuid;

pub use ulid::{NotUlid, Ulid};
pub use uuid::{NotUuid, Uuid};

/// Bits of the counter.
pub const COUNTER_BITS: u8 = 20;
/// Bits of the machine ID: as many as the widest that a [`Layout`](crate::id::Layout) may have.
pub const MACHINE_BITS: u8 = 22;
const TIME_BITS: u8 = 48;

/// The parts that make an identifier unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970, below 2^48.
    pub unix_ms: u64,
    /// Its number within the millisecond, below 2^[`COUNTER_BITS`].
    pub counter: u32,
    /// The machine ID, below 2^[`MACHINE_BITS`].
    pub machine: u32,
}

/// The fields of a UUIDv7 or a ULID, as a shard fills them. In one that somebody else made, only the time means
/// what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Time, counter and machine ID.
    pub stamp: Stamp,
    /// The random bits.
    pub random: u64,
}

/// The kinds of 128-bit identifier that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A UUID of version 4: 122 random bits.
    Uuid4,
    /// A UUID of version 7: in order of time.
    Uuid7,
    /// A ULID: in order of time.
    Ulid,
}

impl Kind {
    /// All kinds, with the names that users write.
    pub const ALL: [(&'static str, Self); 3] = [
        ("uuid4", Self::Uuid4),
        ("uuid7", Self::Uuid7),
        ("ulid", Self::Ulid),
    ];
}

/// The lower `bits` of `value`.
const fn low(value: u128, bits: u8) -> u128 {
    value & ((1 << bits) - 1)
}

/// [`low`] of what fits a number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "32 bits at most are left")]
const fn low32(value: u128, bits: u8) -> u32 {
    low(value, bits) as u32
}

/// [`low`] of what fits a number of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "64 bits at most are left")]
const fn low64(value: u128, bits: u8) -> u64 {
    low(value, bits) as u64
}
