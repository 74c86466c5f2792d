//! `/bounds`: the smallest and the largest ID of a time span.

use std::time::SystemTime;

use percent_encoding::percent_decode_str;

use crate::config::value::{rfc3339, show_time};
use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{Format, QueryError, shorten};
use crate::http::response::Answer;
use crate::json::Bounds;
use shardflake::id::TimeSpan;

/// The bounds of the IDs from `from`, included, to `to`, excluded.
pub(in crate::http) fn bounds(app: &App, query: Option<&str>) -> Result<Answer, Error> {
    let mut from = None;
    let mut to = None;
    for pair in query.unwrap_or_default().split('&') {
        let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, place) = match key {
            "" => continue,
            "from" => ("from", &mut from),
            "to" => ("to", &mut to),
            _ => return Err(unknown(key).into()),
        };
        if place.replace(time(app, name, text)?).is_some() {
            return Err(QueryError::Repeated(name).into());
        }
    }
    let missing = |key| QueryError::Missing {
        key,
        example: "2025-01-01T00:00:00Z",
    };
    let from = from.ok_or_else(|| missing("from"))?;
    let to = to.ok_or_else(|| missing("to"))?;
    let span = TimeSpan::new(app.issuer().layout(), from, to)?;
    let body = serde_json::to_vec(&Bounds::from(span)).expect("texts make JSON");
    Ok(Answer::new(Format::Json, body).lasting())
}

fn unknown(key: &str) -> QueryError {
    QueryError::Key {
        key: shorten(key),
        known: "from or to".to_owned(),
    }
}

/// Reads a time. Clients may write a colon as `%3A`, and the space between date and time as `+`; before an
/// offset a `+` stands for itself. Times before 1970 cannot be read.
fn time(app: &App, key: &'static str, text: &str) -> Result<SystemTime, QueryError> {
    let spaced = text.split_at_checked("2025-01-01".len());
    let spaced =
        spaced.and_then(|(date, time)| Some(format!("{date} {}", time.strip_prefix('+')?)));
    let text = percent_decode_str(spaced.as_deref().unwrap_or(text)).decode_utf8_lossy();
    rfc3339(&text).map_err(|_| QueryError::Value {
        key,
        value: shorten(&text),
        known: format!(
            "RFC 3339, from the epoch, {}, on",
            show_time(app.issuer().layout().epoch_ms())
        ),
    })
}
