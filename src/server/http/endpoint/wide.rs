//! `/uuid`, `/ulid`, `/uuids/{count}` and `/ulids/{count}`: new 128-bit identifiers, one or many. All of a kind
//! have the same length, so that the length of every reply is known before it is made.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task;

use super::bulk::{PIECE, TURN, free_place, parse};
use super::unspent;
use crate::http::App;
use crate::http::activity::Activity;
use crate::http::body::{BrokenOff, Rest, Stream};
use crate::http::error::Error;
use crate::http::head::Head;
use crate::http::negotiation::{self, FORMAT, Format, Query, VERSION};
use crate::http::response::Answer;
use shardflake::random;
use shardflake::wide::{Kind, Stamp, Ulid, Uuid};

/// A reply on its way.
struct Reply {
    app: Arc<App>,
    form: Form,
    /// How many identifiers are yet to be written.
    left: u32,
    /// What the next piece begins with: the opening, or what parts two entries.
    before: &'static str,
    /// Pieces of this turn.
    in_turn: u8,
    /// Given back when the reply ends, however it does. A short one needs none.
    _place: Option<OwnedSemaphorePermit>,
}

/// The identifiers of a reply and how they are written.
#[derive(Debug, Clone, Copy)]
struct Form {
    kind: Kind,
    format: Format,
    /// Around the whole reply, and between two entries.
    opening: &'static str,
    comma: &'static str,
    closing: &'static str,
}

/// The kind that a request to `/uuid` or `/uuids/{count}` asks for.
pub(in crate::http) fn uuid(request: &Head<'_>) -> Result<(Kind, Format), Error> {
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[FORMAT, VERSION])?;
    Ok((query.version.unwrap_or(Kind::Uuid7), format(query, request)))
}

/// The kind that a request to `/ulid` or `/ulids/{count}` asks for.
pub(in crate::http) fn ulid(request: &Head<'_>) -> Result<(Kind, Format), Error> {
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[FORMAT])?;
    Ok((Kind::Ulid, format(query, request)))
}

fn format(query: Query, request: &Head<'_>) -> Format {
    let preferred = || negotiation::preferred(request, &Format::OF_IDS);
    query.format.unwrap_or_else(preferred)
}

/// Reads what a request asks for: the kind and the format.
pub(in crate::http) type ReadKind = fn(&Head<'_>) -> Result<(Kind, Format), Error>;

/// The answer with one identifier.
pub(in crate::http) async fn one_wide(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    kind: ReadKind,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let (kind, format) = kind(request)?;
    let form = Form::one(kind, format);
    answer(app, activity, form, NonZeroU32::MIN, request).await
}

/// The answer with as many identifiers as the text says.
pub(in crate::http) async fn many_wide(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    kind: ReadKind,
    count: &str,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let count = parse(count)?;
    let (kind, format) = kind(request)?;
    answer(app, activity, Form::many(kind, format), count, request).await
}

async fn answer(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    form: Form,
    count: NonZeroU32,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let length = form.length(count);
    if *request.method == Method::HEAD {
        if form.kind != Kind::Uuid4 {
            unspent::check(app)?;
        }
        return Ok(Answer::head(form.format, Some(length)));
    }
    let is_short = count <= form.room();
    let place = if is_short {
        None
    } else {
        Some(free_place(app).await?)
    };
    let mut reply = Reply {
        app: Arc::clone(app),
        form,
        left: count.get(),
        before: form.opening,
        in_turn: 0,
        _place: place,
    };
    // Awaited here, so that a refusal is a status and not a broken reply.
    let first = reply.piece().await?;
    if is_short {
        return Ok(Answer::new(form.format, first));
    }
    let rest = Rest::new(async move { Ok(Some((first, reply.rest()))) });
    let stream = Stream::new(Some(length as u64), Arc::clone(activity), rest);
    Ok(Answer::stream(form.format, stream))
}

impl Form {
    const fn one(kind: Kind, format: Format) -> Self {
        let (opening, closing) = match (format, kind) {
            (Format::Json, Kind::Ulid) => ("{\"ulid\":\"", "\"}"),
            (Format::Json, _) => ("{\"uuid\":\"", "\"}"),
            (Format::Text, _) => ("", "\n"),
            (Format::Binary, _) => ("", ""),
        };
        Self {
            kind,
            format,
            opening,
            comma: "",
            closing,
        }
    }

    const fn many(kind: Kind, format: Format) -> Self {
        let (opening, comma, closing) = match (format, kind) {
            (Format::Json, Kind::Ulid) => ("{\"ulids\":[\"", "\",\"", "\"]}"),
            (Format::Json, _) => ("{\"uuids\":[\"", "\",\"", "\"]}"),
            (Format::Text, _) => ("", "\n", "\n"),
            (Format::Binary, _) => ("", "", ""),
        };
        Self {
            kind,
            format,
            opening,
            comma,
            closing,
        }
    }

    /// The bytes of one identifier.
    const fn width(self) -> usize {
        match (self.format, self.kind) {
            (Format::Binary, _) => 16,
            (_, Kind::Ulid) => Ulid::TEXT,
            _ => Uuid::TEXT,
        }
    }

    /// The length of the whole reply in bytes.
    const fn length(self, count: NonZeroU32) -> usize {
        let count = count.get() as usize;
        self.opening.len() + count * (self.width() + self.comma.len()) - self.comma.len()
            + self.closing.len()
    }

    /// How many identifiers one piece has room for.
    fn room(self) -> NonZeroU32 {
        let around = self.opening.len() + self.closing.len();
        let room = (PIECE - around) / (self.width() + self.comma.len());
        u32::try_from(room)
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(NonZeroU32::MIN)
    }

    fn put(self, piece: &mut Vec<u8>, bytes: [u8; 16]) {
        match (self.format, self.kind) {
            (Format::Binary, _) => piece.extend(bytes),
            (_, Kind::Ulid) => piece.extend(Ulid::from_bytes(bytes).text()),
            _ => piece.extend(Uuid::from_bytes(bytes).text()),
        }
    }
}

impl Reply {
    /// The rest of the body. If a refusal ends it early the body is broken off, which the reader sees.
    fn rest(mut self) -> Rest {
        Rest::new(async move {
            if self.left == 0 {
                return Ok(None);
            }
            match self.piece().await {
                Ok(piece) => Ok(Some((piece, self.rest()))),
                Err(_) => Err(BrokenOff),
            }
        })
    }

    /// The next piece, as soon as there is something for it.
    async fn piece(&mut self) -> Result<Bytes, Error> {
        if self.in_turn == TURN {
            self.in_turn = 0;
            task::yield_now().await;
        }
        self.in_turn += 1;
        let form = self.form;
        let most = self.left.min(form.room().get());
        let size = form.opening.len() + form.closing.len();
        let size = size + most as usize * (form.width() + form.comma.len());
        let mut piece = Vec::with_capacity(size);
        let mut open = most;
        while let Some(wanted) = NonZeroU32::new(open) {
            open -= match form.kind {
                Kind::Uuid4 => self.write_random(&mut piece, wanted)?,
                kind => self.write_stamped(&mut piece, kind, wanted).await?,
            };
        }
        self.left -= most;
        self.app.metrics.identifiers_issued(form.kind, most);
        if self.left == 0 {
            piece.extend(form.closing.as_bytes());
        }
        Ok(piece.into())
    }

    /// Writes one identifier, after what comes before it.
    fn write(&mut self, piece: &mut Vec<u8>, bytes: [u8; 16]) {
        let before = std::mem::replace(&mut self.before, self.form.comma);
        piece.extend(before.as_bytes());
        self.form.put(piece, bytes);
    }

    /// Writes `wanted` random UUIDs. All bits are the kernel's, as these alone make them unique.
    fn write_random(&mut self, piece: &mut Vec<u8>, wanted: NonZeroU32) -> Result<u32, Error> {
        let mut random = vec![0; 16 * wanted.get() as usize];
        random::fill(&mut random).map_err(|error| Error::no_random(&error))?;
        let (all, _) = random.as_chunks::<16>();
        for bytes in all {
            self.write(piece, Uuid::v4(u128::from_be_bytes(*bytes)).to_bytes());
        }
        Ok(wanted.get())
    }

    /// Writes up to `wanted` identifiers of the milliseconds that have begun; how many these are.
    async fn write_stamped(
        &mut self,
        piece: &mut Vec<u8>,
        kind: Kind,
        wanted: NonZeroU32,
    ) -> Result<u32, Error> {
        let outcome = self.app.issuer().stamps(wanted).await;
        let stamps = outcome.inspect_err(|refusal| self.app.metrics.refused(refusal.code()))?;
        let mut written = 0;
        for stamp in stamps {
            let bytes = made(kind, stamp)?;
            self.write(piece, bytes);
            written += 1;
        }
        Ok(written)
    }
}

/// The identifier of `stamp`.
fn made(kind: Kind, stamp: Stamp) -> Result<[u8; 16], Error> {
    let made = match kind {
        Kind::Ulid => random::few().map(|random| Ulid::new(stamp, random).to_bytes()),
        Kind::Uuid4 | Kind::Uuid7 => random::few().map(|random| Uuid::v7(stamp, random).to_bytes()),
    };
    made.map_err(|error| Error::no_random(&error))
}
