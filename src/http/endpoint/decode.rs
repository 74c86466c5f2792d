//! `/decode/{id}`: the fields of an ID.

use serde::Serialize;

use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{ENCODING, Format, Query};
use crate::http::response::Answer;
use crate::id::{Encoding, Layout};
use crate::timestamp;

/// An ID taken apart, under Sonyflake's names.
#[derive(Serialize)]
struct Decoded {
    /// In decimal, whatever it was read from.
    id: String,
    /// Ticks since the epoch.
    time: u64,
    sequence: u64,
    machine_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter_id: Option<u64>,
    /// When the ID's tick began.
    datetime: String,
}

/// Takes apart the ID that `text` is.
pub(in crate::http) fn decode(app: &App, text: &str, query: Option<&str>) -> Result<Answer, Error> {
    let query = Query::parse(query.unwrap_or_default(), &[ENCODING])?;
    let id = query.encoding.decode(text)?;
    let decoded = decoded(app.issuer().layout(), id)?;
    let body = serde_json::to_vec(&decoded).expect("numbers and texts make JSON");
    Ok(Answer::new(Format::Json, body).lasting())
}

fn decoded(layout: &Layout, id: u64) -> Result<Decoded, Error> {
    let fields = layout.decompose(id)?;
    let unix_ms = i64::try_from(layout.unix_ms(fields.time)).unwrap_or(i64::MAX);
    Ok(Decoded {
        id: Encoding::Decimal.encode(id).to_string(),
        time: fields.time,
        sequence: fields.sequence,
        machine_id: fields.machine_id,
        datacenter_id: fields.datacenter_id,
        datetime: timestamp::rfc3339(unix_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(layout: &Layout, id: u64) -> String {
        serde_json::to_string(&decoded(layout, id).unwrap()).unwrap()
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
        assert!(matches!(
            decoded(&Layout::SONYFLAKE, u64::MAX),
            Err(Error::Fields(_))
        ));
    }
}
