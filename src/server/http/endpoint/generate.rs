//! `/generate` and `/id`: one new ID. The hot path.

use bytes::Buf;
use hyper::Method;

use crate::http::App;
use crate::http::error::Error;
use crate::http::head::Head;
use crate::http::line::Line;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::profile::WriteId;
use crate::http::response::Answer;
use shardflake::id::Encoding;
use shardflake::issuer::Issued;
use shardflake::time::BootTime;

use super::unspent::head;

/// A request for a new ID in a form.
struct Wanted {
    json: WriteId,
    format: Format,
    encoding: Encoding,
}

impl Wanted {
    /// Reads the request: whatever is wrong with it is found before an ID is spent on it.
    #[inline]
    fn by(request: &Head<'_>, json: WriteId) -> Result<Self, Error> {
        let query = match request.uri.query() {
            None => Query::default(),
            Some(query) => Query::parse(query, &[FORMAT, ENCODING])?,
        };
        let format = query
            .format
            .unwrap_or_else(|| negotiation::preferred(request, &Format::OF_IDS));
        Ok(Self {
            json,
            format,
            encoding: query.encoding,
        })
    }

    #[inline]
    fn answer(&self, app: &App, new: &Issued) -> Answer {
        let mut line = Box::new(Line::new());
        self.write(&mut line, app, new);
        Answer::line(self.format, line)
    }

    #[inline]
    fn write(&self, line: &mut Line, app: &App, new: &Issued) {
        match self.format {
            Format::Json => (self.json)(line, app.issuer().layout(), new, self.encoding),
            Format::Text => {
                line.text(&self.encoding.encode(new.id)).part(b"\n");
            }
            Format::Binary => {
                line.part(&new.id.to_be_bytes());
            }
        }
    }
}

/// The answer with a new ID, which `json` writes, if that takes no waiting, or the error of a wrong request;
/// `None` if [`new_id`] has to be awaited. `boot` is a reading of the boot clock of just now.
#[inline]
pub(in crate::http) fn at_once(
    app: &App,
    json: WriteId,
    request: &Head<'_>,
    boot: BootTime,
) -> Option<Answer> {
    if *request.method == Method::HEAD {
        return None;
    }
    let wanted = match Wanted::by(request, json) {
        Ok(wanted) => wanted,
        Err(error) => return Some(error.answer(app.replies)),
    };
    let new = app.issuer().try_issue_at(boot)?;
    Some(wanted.answer(app, &new))
}

/// The answer with a new ID, which `json` writes, as soon as there is one.
pub(in crate::http) async fn new_id(
    app: &App,
    json: WriteId,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let wanted = Wanted::by(request, json)?;
    if *request.method == Method::HEAD {
        return head(app, wanted.format, |next| {
            let mut line = Line::new();
            wanted.write(&mut line, app, next);
            Some(line.remaining())
        });
    }
    let outcome = app.issuer().issue().await;
    let new = outcome.inspect_err(|refusal| app.metrics.refused(refusal.code()))?;
    Ok(wanted.answer(app, &new))
}
