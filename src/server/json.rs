//! The JSON that HTTP and the command line share.
//!
//! IDs are texts in it: many JSON readers round numbers of this size.

use serde::Serialize;

use shardflake::id::layout::Overflow;
use shardflake::id::{Encoding, Layout, TimeSpan};
use shardflake::time::WallTime;
use shardflake::timestamp;
use shardflake::wide::{NotUlid, NotUuid, Parts, Ulid, Uuid};

/// An ID taken apart, under Sonyflake's names, as `/decode` and `shardflake decode` show it.
#[derive(Debug, Serialize)]
pub struct Decoded {
    /// The ID, in decimal.
    pub id: String,
    /// Ticks since the epoch.
    pub time: u64,
    /// The sequence within the tick.
    pub sequence: u64,
    /// The machine ID, without the datacenter's bits.
    pub machine_id: u64,
    /// The datacenter, where the layout has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datacenter_id: Option<u64>,
    /// When the ID's tick began, in RFC 3339.
    pub datetime: String,
}

impl Decoded {
    /// Takes `id` apart.
    ///
    /// # Errors
    /// [`Overflow`] if bit 63 is set: no layout has such IDs.
    pub fn new(layout: &Layout, id: u64) -> Result<Self, Overflow> {
        let fields = layout.decompose(id)?;
        Ok(Self {
            id: Encoding::Decimal.encode(id).to_string(),
            time: fields.time,
            sequence: fields.sequence,
            machine_id: fields.machine_id,
            datacenter_id: fields.datacenter_id,
            datetime: datetime(layout.unix_ms(fields.time)),
        })
    }
}

/// A UUID or a ULID taken apart, as `/decode` and `shardflake decode` show it.
#[derive(Debug, Serialize)]
pub struct WideDecoded {
    /// The UUID, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The UUID's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// The ULID, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ulid: Option<String>,
    /// What it says, if its version is one that is read.
    #[serde(flatten)]
    pub fields: Option<WideFields>,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The fields of a UUIDv7 or a ULID.
#[derive(Debug, Serialize)]
pub struct WideFields {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Its number within the millisecond.
    pub counter: u32,
    /// The machine ID, the datacenter in the upper bits.
    pub machine_id: u32,
    /// The random bits, in hexadecimal.
    pub random: String,
    /// Its time, in RFC 3339.
    pub datetime: String,
}

/// An identifier of 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wide {
    /// A UUID of any version.
    Uuid(Uuid),
    /// A ULID.
    Ulid(Ulid),
}

impl Wide {
    /// Whether `text` is meant as one, by its length: an ID in decimal has 19 digits at most. What has no
    /// letter among 26 digits is rather a number that is too large than a ULID.
    ///
    /// # Errors
    /// If it is meant as one and is none.
    pub fn read(text: &str) -> Option<Result<Self, String>> {
        let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        match text.len() {
            Ulid::TEXT if has_letter => Some(
                text.parse()
                    .map(Self::Ulid)
                    .map_err(|error: NotUlid| error.to_string()),
            ),
            32 | Uuid::TEXT if has_letter || text.contains('-') => Some(
                text.parse()
                    .map(Self::Uuid)
                    .map_err(|error: NotUuid| error.to_string()),
            ),
            _ => None,
        }
    }
}

impl WideDecoded {
    /// The earliest time that is not odd: that of the first ULIDs, before all UUIDs of version 7.
    const FIRST_MS: u64 = 1_451_606_400_000;
    /// How far ahead of the clock a time may be: clocks differ by hours where a time zone was mistaken.
    const AHEAD_MS: u64 = 86_400_000;

    /// Takes `wide` apart, at `now`.
    #[must_use]
    pub fn new(wide: Wide, now: WallTime) -> Self {
        match wide {
            Wide::Uuid(uuid) => Self {
                uuid: Some(uuid.to_string()),
                version: uuid.version(),
                ..Self::of(uuid.parts(), 8, now)
            },
            Wide::Ulid(ulid) => Self {
                ulid: Some(ulid.to_string()),
                ..Self::of(Some(ulid.parts()), 10, now)
            },
        }
    }

    /// What the parts say; the random ones have that many digits.
    fn of(parts: Option<Parts>, digits: usize, now: WallTime) -> Self {
        let latest = now.as_millis().saturating_add(Self::AHEAD_MS);
        let unix_ms = parts.map(|parts| parts.stamp.unix_ms);
        let odd = unix_ms.filter(|unix_ms| !(Self::FIRST_MS..=latest).contains(unix_ms));
        Self {
            uuid: None,
            version: None,
            ulid: None,
            fields: parts.map(|parts| WideFields::new(&parts, digits)),
            warning: odd.map(|unix_ms| {
                format!(
                    "its time is {}, and the clock reads {now}: it was made by a wrong clock, by a library that counts in another unit, or is not what it looks like",
                    datetime(unix_ms)
                )
            }),
        }
    }
}

impl WideFields {
    fn new(parts: &Parts, digits: usize) -> Self {
        let Parts { stamp, random } = parts;
        Self {
            unix_ms: stamp.unix_ms,
            counter: stamp.counter,
            machine_id: stamp.machine,
            random: format!("{random:0digits$x}"),
            datetime: datetime(stamp.unix_ms),
        }
    }
}

fn datetime(unix_ms: u64) -> String {
    timestamp::rfc3339(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}

/// The bounds of the IDs of a time span, as `/bounds` and `shardflake bounds` show them.
#[derive(Debug, Serialize)]
pub struct Bounds {
    /// The smallest ID, in decimal.
    pub smallest: String,
    /// The largest ID, in decimal.
    pub largest: String,
}

impl From<TimeSpan> for Bounds {
    fn from(span: TimeSpan) -> Self {
        Self {
            smallest: span.smallest.to_string(),
            largest: span.largest.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use shardflake::wide::Stamp;

    fn json(layout: &Layout, id: u64) -> String {
        serde_json::to_string(&Decoded::new(layout, id).unwrap()).unwrap()
    }

    #[test]
    fn shows_every_field_under_sonyflakes_names() {
        assert_eq!(
            json(&Layout::SONYFLAKE, 547_205_677_072_777_215),
            r#"{"id":"547205677072777215","time":32616000000,"sequence":255,"machine_id":65535,"datetime":"2025-01-01T00:00:00.000Z"}"#
        );
    }

    #[test]
    fn shows_a_datacenter_where_there_is_one() {
        let id = Layout::SNOWFLAKE_DC.compose(1, 7, 3 << 5 | 9).unwrap();
        assert_eq!(
            json(&Layout::SNOWFLAKE_DC, id),
            format!(
                r#"{{"id":"{id}","time":1,"sequence":7,"machine_id":9,"datacenter_id":3,"datetime":"2010-11-04T01:42:54.658Z"}}"#
            )
        );
    }

    #[test]
    fn a_negative_id_is_none() {
        assert!(Decoded::new(&Layout::SONYFLAKE, u64::MAX).is_err());
    }

    /// At 2026-01-01.
    fn wide(text: &str) -> String {
        let wide = Wide::read(text).unwrap().unwrap();
        let now = WallTime::ZERO + Duration::from_secs(1_767_225_600);
        serde_json::to_string(&WideDecoded::new(wide, now)).unwrap()
    }

    #[test]
    fn shows_the_fields_of_a_uuid_and_of_a_ulid() {
        let stamp = Stamp {
            unix_ms: 1_767_225_600_123,
            counter: 4097,
            machine: 65535,
        };
        let fields = r#""unix_ms":1767225600123,"counter":4097,"machine_id":65535"#;
        let datetime = r#""datetime":"2026-01-01T00:00:00.123Z""#;
        let uuid = Uuid::v7(stamp, [0, 0, 0x0a, 0xbc]).to_string();
        let shown =
            format!(r#"{{"uuid":"{uuid}","version":7,{fields},"random":"00000abc",{datetime}}}"#);
        assert_eq!(wide(&uuid), shown);
        assert_eq!(wide(&uuid.replace('-', "").to_uppercase()), shown);
        let text = Ulid::new(stamp, [0, 0, 0, 0x0a, 0xbc]).to_string();
        assert_eq!(
            wide(&text.to_lowercase()),
            format!(r#"{{"ulid":"{text}",{fields},"random":"0000000abc",{datetime}}}"#)
        );
    }

    #[test]
    fn a_uuid_without_a_time_shows_its_version() {
        for (uuid, version) in [
            ("9f3c1c1e-52a0-4c3e-8a3b-0123456789ab", r#","version":4"#),
            ("c232ab00-9414-11ec-b3c8-9f6bdeced846", r#","version":1"#),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", ""),
        ] {
            assert_eq!(wide(uuid), format!(r#"{{"uuid":"{uuid}"{version}}}"#));
        }
    }

    #[test]
    fn warns_of_times_that_cannot_be() {
        // Other units where milliseconds belong read as a time to come; seconds, as one soon after 1970.
        for (text, year) in [
            ("06b59f3c-1c00-7000-8000-000000000000", "its time is 2203-"),
            ("00006955-b900-7000-8000-000000000000", "its time is 1970-"),
            ("7ZZZZZZZZZ0000000000000000", "its time is after 9999"),
        ] {
            assert!(wide(text).contains(year), "{}", wide(text));
        }
        // A day ahead is not odd yet; nor are the first ULIDs.
        let at = |unix_ms| {
            let stamp = Stamp {
                unix_ms,
                counter: 0,
                machine: 0,
            };
            wide(&Uuid::v7(stamp, [0; 4]).to_string()).contains("warning")
        };
        let day = 1_767_225_600_000 + 86_400_000;
        assert_eq!([at(day), at(day + 1)], [false, true]);
        assert_eq!(
            [at(1_451_606_400_000), at(1_451_606_399_999)],
            [false, true]
        );
    }

    #[test]
    fn by_its_length_a_text_is_an_id_or_a_wide_one() {
        for text in [
            "547205677072777215",
            "",
            "01234567890123456789012345",
            "0f60gn8000001",
        ] {
            assert_eq!(Wide::read(text), None, "{text}");
        }
        for text in [
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "01234567-89ab-7fed-b2ea-bcde7654321g",
        ] {
            assert!(Wide::read(text).unwrap().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_bounds_as_texts() {
        let bounds = Bounds::from(TimeSpan {
            smallest: 0,
            largest: i64::MAX.unsigned_abs(),
        });
        assert_eq!(
            serde_json::to_string(&bounds).unwrap(),
            r#"{"smallest":"0","largest":"9223372036854775807"}"#
        );
    }
}
