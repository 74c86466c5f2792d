//! `/decode/{id}`: the fields of an ID.

use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{ENCODING, Format, Query};
use crate::http::response::Answer;
use crate::json::Decoded;

/// Takes apart the ID that `text` is.
pub(in crate::http) fn decode(app: &App, text: &str, query: Option<&str>) -> Result<Answer, Error> {
    let query = Query::parse(query.unwrap_or_default(), &[ENCODING])?;
    let id = query.encoding.decode(text)?;
    let decoded = Decoded::new(app.issuer().layout(), id)?;
    let body = serde_json::to_vec(&decoded).expect("numbers and texts make JSON");
    Ok(Answer::new(Format::Json, body).lasting())
}
