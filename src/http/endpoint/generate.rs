//! `/generate` and `/id`: one new ID. The hot path.

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;

use crate::config::Profile;
use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::response::Answer;
use crate::id::encoding::Text;
use crate::id::{Encoding, Layout};
use crate::issuer::Issued;
use crate::metrics::Route;

use super::head::head;

/// What is asked for: a new ID, in some form.
struct Wanted {
    json: Write,
    format: Format,
    encoding: Encoding,
}

/// Writes an ID as JSON.
type Write = fn(&mut Line, &Layout, &Issued, Encoding);

impl Wanted {
    /// What is wrong with a request is found before an ID is spent on it.
    #[inline]
    fn by(request: &Parts, json: Write) -> Result<Self, Error> {
        let query = match request.uri.query() {
            None => Query::default(),
            Some(query) => Query::parse(query, &[FORMAT, ENCODING])?,
        };
        let format = query
            .format
            .unwrap_or_else(|| negotiation::preferred(&request.headers, &Format::OF_IDS));
        Ok(Self {
            json,
            format,
            encoding: query.encoding,
        })
    }

    #[inline]
    fn answer(&self, app: &App, new: &Issued) -> Answer {
        let line = self.line(app, new);
        Answer::new(self.format, Bytes::copy_from_slice(line.bytes()))
    }

    #[inline]
    fn line(&self, app: &App, new: &Issued) -> Line {
        let mut line = Line::new();
        match self.format {
            Format::Json => (self.json)(&mut line, app.issuer().layout(), new, self.encoding),
            Format::Text => {
                line.text(&self.encoding.encode(new.id)).part(b"\n");
            }
            Format::Binary => {
                line.part(&new.id.to_be_bytes());
            }
        }
        line
    }
}

/// The answer of `route` if it takes no waiting; `None` if [`new_id`] has to be awaited. `boot` is the
/// boot clock's reading of just now.
#[inline]
pub(in crate::http) fn at_once(
    app: &App,
    route: Route,
    request: &Parts,
    boot: i64,
) -> Option<Result<Answer, Error>> {
    if request.method == Method::HEAD {
        return None;
    }
    let wanted = match Wanted::by(request, json(app, route)) {
        Ok(wanted) => wanted,
        Err(error) => return Some(Err(error)),
    };
    let new = app.issuer().try_issue_at(boot)?;
    Some(Ok(wanted.answer(app, &new)))
}

/// `/generate` and `/id`, as soon as there is an ID.
pub(in crate::http) async fn new_id(
    app: &App,
    route: Route,
    request: &Parts,
) -> Result<Answer, Error> {
    let wanted = Wanted::by(request, json(app, route))?;
    if request.method == Method::HEAD {
        return head(app, wanted.format, |next| {
            Some(wanted.line(app, next).length)
        });
    }
    let outcome = app.issuer().issue().await;
    let new = outcome.inspect_err(|refusal| app.metrics.refused(refusal.code()))?;
    Ok(wanted.answer(app, &new))
}

/// How `route` writes an ID in the profile of `app`.
#[inline]
fn json(app: &App, route: Route) -> Write {
    match (route, app.profile) {
        (_, Profile::SnowflakeDc) => number,
        (Route::Generate, _) => number_and_text,
        (_, Profile::Snowflake) => text,
        (_, Profile::SnowflakeNode) => number_and_machine,
        _ => text_and_machine,
    }
}

/// A new ID as a number and as a text, and when its tick began.
fn number_and_text(line: &mut Line, layout: &Layout, issued: &Issued, encoding: Encoding) {
    let number = Encoding::Decimal.encode(issued.id);
    let text = match encoding {
        Encoding::Decimal => number,
        other => other.encode(issued.id),
    };
    line.part(b"{\"id\":")
        .text(&number)
        .part(b",\"id_str\":\"")
        .text(&text)
        .part(b"\",\"timestamp\":")
        .text(&Encoding::Decimal.encode(layout.unix_ms(issued.tick) / 1000))
        .part(b"}");
}

/// A new ID as a text, and the machine ID in it.
fn text_and_machine(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":\"")
        .text(&encoding.encode(issued.id))
        .part(b"\",\"machine_id\":")
        .text(&Encoding::Decimal.encode(issued.machine.into()))
        .part(b"}");
}

/// A new ID as a text.
fn text(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    let text = encoding.encode(issued.id);
    line.part(b"{\"id\":\"").text(&text).part(b"\"}");
}

/// A new ID as a number.
fn number(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":")
        .number(issued.id, encoding)
        .part(b"}");
}

/// A new ID as a number, and the machine ID in it.
fn number_and_machine(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":")
        .number(issued.id, encoding)
        .part(b",\"machine_id\":")
        .text(&Encoding::Decimal.encode(issued.machine.into()))
        .part(b"}");
}

/// A short body. It is put together on the stack, in copies whose lengths the compiler knows: each
/// takes a few instructions, where one of any length takes a call.
struct Line {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Line {
    /// More than the longest body, by more than what is copied behind a text.
    const CAPACITY: usize = 128;

    #[inline]
    const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }

    #[inline]
    fn part<const N: usize>(&mut self, part: &[u8; N]) -> &mut Self {
        self.bytes[self.length..][..N].copy_from_slice(part);
        self.length += N;
        self
    }

    #[inline]
    fn text(&mut self, text: &Text) -> &mut Self {
        let (padded, length) = text.padded();
        let before = self.length;
        self.part(padded);
        // What comes next is written over the rest.
        self.length = before + length;
        self
    }

    /// An ID that is a number in decimal, and in quotes in other encodings, which are none.
    #[inline]
    fn number(&mut self, id: u64, encoding: Encoding) -> &mut Self {
        let text = encoding.encode(id);
        match encoding {
            Encoding::Decimal => self.text(&text),
            _ => self.part(b"\"").text(&text).part(b"\""),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: Issued = Issued {
        id: 547_205_677_056_000_001,
        tick: 32_616_000_000,
        machine: 1,
    };

    fn written(write: Write, issued: &Issued, encoding: Encoding) -> String {
        let mut line = Line::new();
        write(&mut line, &Layout::SONYFLAKE, issued, encoding);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn carries_exactly_the_documented_keys() {
        assert_eq!(
            written(number_and_text, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001,"id_str":"547205677056000001","timestamp":1735689600}"#
        );
        assert_eq!(
            written(number_and_text, &ISSUED, Encoding::Hex),
            r#"{"id":547205677056000001,"id_str":"079810aa00000001","timestamp":1735689600}"#
        );
        assert_eq!(
            written(text_and_machine, &ISSUED, Encoding::Base32),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
        assert_eq!(
            written(text, &ISSUED, Encoding::Decimal),
            r#"{"id":"547205677056000001"}"#
        );
        assert_eq!(
            written(number, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001}"#
        );
        assert_eq!(
            written(number_and_machine, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001,"machine_id":1}"#
        );
        assert_eq!(
            written(number_and_machine, &ISSUED, Encoding::Base32),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
    }

    #[test]
    fn the_longest_of_all_fits() {
        let last = Issued {
            id: i64::MAX.unsigned_abs(),
            tick: Layout::SONYFLAKE.max_tick(),
            machine: u32::MAX,
        };
        let all: [Write; 5] = [
            number_and_text,
            text_and_machine,
            text,
            number,
            number_and_machine,
        ];
        for write in all {
            for (_, encoding) in Encoding::ALL {
                let text = written(write, &last, encoding);
                assert!(
                    text.starts_with("{\"id\":") && text.ends_with('}'),
                    "{text}"
                );
            }
        }
    }
}
