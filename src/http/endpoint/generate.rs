//! `/generate` and `/id`: one new ID. The hot path.

use hyper::Method;
use hyper::http::request::Parts;

use crate::config::Profile;
use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::response::Answer;
use crate::id::{Encoding, Layout};
use crate::issuer::Issued;

/// `/generate`.
pub(in crate::http) async fn generate(app: &App, request: &Parts) -> Result<Answer, Error> {
    let json = match app.profile {
        Profile::SnowflakeDc => number,
        _ => number_and_text,
    };
    one(app, request, json).await
}

/// `/id`.
pub(in crate::http) async fn id(app: &App, request: &Parts) -> Result<Answer, Error> {
    let json = match app.profile {
        Profile::Snowflake => text,
        Profile::SnowflakeNode => number_and_machine,
        Profile::SnowflakeDc => number,
        _ => text_and_machine,
    };
    one(app, request, json).await
}

/// Writes an ID as JSON.
type Write = fn(&Layout, &Issued, Encoding) -> Vec<u8>;

async fn one(app: &App, request: &Parts, json: Write) -> Result<Answer, Error> {
    // What is wrong with a request is found before an ID is spent on it.
    let query = match request.uri.query() {
        None => Query::default(),
        Some(query) => Query::parse(query, &[FORMAT, ENCODING])?,
    };
    let format = query
        .format
        .or_else(|| negotiation::preferred(&request.headers, &Format::OF_IDS))
        .ok_or(Error::NotAcceptable)?;
    if request.method == Method::HEAD {
        return head(app, format);
    }
    let issuer = app.issuer();
    let outcome = match issuer.try_issue() {
        Some(id) => Ok(id),
        None => issuer.issue().await,
    };
    let new = outcome.inspect_err(|refusal| app.metrics.refused(refusal.code()))?;
    let body = match format {
        Format::Json => json(issuer.layout(), &new, query.encoding),
        Format::Text => line(new.id, query.encoding),
        Format::Binary => new.id.to_be_bytes().to_vec(),
    };
    Ok(Answer::new(format, body))
}

/// What the request would have been answered with, but for the ID.
pub(super) fn head(app: &App, format: Format) -> Result<Answer, Error> {
    match app.issuer().health().refusal {
        None => Ok(Answer::new(format, Vec::new())),
        Some(refusal) => Err(refusal.into()),
    }
}

/// A new ID as a number and as a text, and when its tick began.
fn number_and_text(layout: &Layout, issued: &Issued, encoding: Encoding) -> Vec<u8> {
    let number = Encoding::Decimal.encode(issued.id);
    let text = encoding.encode(issued.id);
    let mut seconds = itoa::Buffer::new();
    let seconds = seconds.format(layout.unix_ms(issued.tick) / 1000);
    joined([
        b"{\"id\":",
        number.as_bytes(),
        b",\"id_str\":\"",
        text.as_bytes(),
        b"\",\"timestamp\":",
        seconds.as_bytes(),
        b"}",
    ])
}

/// A new ID as a text, and the machine ID in it.
fn text_and_machine(_: &Layout, issued: &Issued, encoding: Encoding) -> Vec<u8> {
    let text = encoding.encode(issued.id);
    let mut machine = itoa::Buffer::new();
    let machine = machine.format(issued.machine);
    joined([
        b"{\"id\":\"",
        text.as_bytes(),
        b"\",\"machine_id\":",
        machine.as_bytes(),
        b"}",
    ])
}

/// A new ID as a text.
fn text(_: &Layout, issued: &Issued, encoding: Encoding) -> Vec<u8> {
    let text = encoding.encode(issued.id);
    joined([b"{\"id\":\"", text.as_bytes(), b"\"}"])
}

/// A new ID as a number.
fn number(_: &Layout, issued: &Issued, encoding: Encoding) -> Vec<u8> {
    let quote = quote(encoding);
    let number = encoding.encode(issued.id);
    joined([b"{\"id\":", quote, number.as_bytes(), quote, b"}"])
}

/// A new ID as a number, and the machine ID in it.
fn number_and_machine(_: &Layout, issued: &Issued, encoding: Encoding) -> Vec<u8> {
    let quote = quote(encoding);
    let number = encoding.encode(issued.id);
    let mut machine = itoa::Buffer::new();
    let machine = machine.format(issued.machine);
    joined([
        b"{\"id\":",
        quote,
        number.as_bytes(),
        quote,
        b",\"machine_id\":",
        machine.as_bytes(),
        b"}",
    ])
}

/// What stands around an ID where decimal is a number: no other encoding is one.
const fn quote(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Decimal => b"",
        _ => b"\"",
    }
}

fn line(id: u64, encoding: Encoding) -> Vec<u8> {
    joined([encoding.encode(id).as_bytes(), b"\n"])
}

/// The parts in one allocation that fits them exactly.
fn joined<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    let mut all = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        all.extend_from_slice(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: Issued = Issued {
        id: 547_205_677_056_000_001,
        tick: 32_616_000_000,
        machine: 1,
    };

    fn exact(bytes: Vec<u8>) -> String {
        assert_eq!(bytes.len(), bytes.capacity());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn carries_exactly_the_documented_keys() {
        let layout = Layout::SONYFLAKE;
        assert_eq!(
            exact(number_and_text(&layout, &ISSUED, Encoding::Decimal)),
            r#"{"id":547205677056000001,"id_str":"547205677056000001","timestamp":1735689600}"#
        );
        assert_eq!(
            exact(number_and_text(&layout, &ISSUED, Encoding::Hex)),
            r#"{"id":547205677056000001,"id_str":"079810aa00000001","timestamp":1735689600}"#
        );
        assert_eq!(
            exact(text_and_machine(&layout, &ISSUED, Encoding::Base32)),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
        assert_eq!(
            exact(text(&layout, &ISSUED, Encoding::Decimal)),
            r#"{"id":"547205677056000001"}"#
        );
        assert_eq!(
            exact(number(&layout, &ISSUED, Encoding::Decimal)),
            r#"{"id":547205677056000001}"#
        );
        assert_eq!(
            exact(number_and_machine(&layout, &ISSUED, Encoding::Decimal)),
            r#"{"id":547205677056000001,"machine_id":1}"#
        );
        assert_eq!(
            exact(number_and_machine(&layout, &ISSUED, Encoding::Base32)),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
        assert_eq!(
            exact(line(ISSUED.id, Encoding::Decimal)),
            "547205677056000001\n"
        );
    }
}
