//! `/decode/{id}`: the fields of an ID, a UUID or a ULID.

use serde::Serialize;

use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{ENCODING, Format, Query};
use crate::http::response::Answer;
use crate::json::{Decoded, Wide, WideDecoded};
use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Encoding;

/// Takes apart the identifier that `text` is.
pub(in crate::http) fn decode(app: &App, text: &str, query: Option<&str>) -> Result<Answer, Error> {
    let query = Query::parse(query.unwrap_or_default(), &[ENCODING])?;
    if query.encoding == Encoding::Decimal
        && let Some(wide) = Wide::read(text)
    {
        let decoded = WideDecoded::new(wide.map_err(Error::Wide)?, SystemClock.realtime());
        let answer = shown(&decoded);
        // What is odd by today's clock need not be tomorrow.
        return Ok(match decoded.warning {
            Some(_) => answer,
            None => answer.lasting(),
        });
    }
    let id = query.encoding.decode(text)?;
    let decoded = Decoded::new(app.issuer().layout(), id)?;
    Ok(shown(&decoded).lasting())
}

fn shown(decoded: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(decoded).expect("numbers and texts make JSON");
    Answer::new(Format::Json, body)
}
