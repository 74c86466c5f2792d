//! The JSON that HTTP and the command line share.
//!
//! IDs are texts in it: many JSON readers round numbers of this size.

use serde::Serialize;

use shardflake::id::layout::Overflow;
use shardflake::id::{Encoding, Layout, TimeSpan};
use shardflake::timestamp;

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
        let unix_ms = i64::try_from(layout.unix_ms(fields.time)).unwrap_or(i64::MAX);
        Ok(Self {
            id: Encoding::Decimal.encode(id).to_string(),
            time: fields.time,
            sequence: fields.sequence,
            machine_id: fields.machine_id,
            datacenter_id: fields.datacenter_id,
            datetime: timestamp::rfc3339(unix_ms),
        })
    }
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
    use super::*;

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
