//! `/ids/{count}` and `/ranges/{count}`: many IDs in one reply, sent as their ticks come.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::Method;
use hyper::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use crate::http::App;
use crate::http::activity::Activity;
use crate::http::body::{self, ReaderLeft, Writer};
use crate::http::error::Error;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::response::Answer;
use crate::id::generator::{Grid, Run};
use crate::id::{Decimal, Encoding};
use crate::issuer::{Bulk, Refusal};

use super::generate::head;

/// The most IDs of one reply.
pub(in crate::http) const MOST: u32 = 4_096_000;
/// How much is sent at a time.
const PIECE: usize = 64 * 1024;
/// The longest entry: three numbers of 20 digits and their names.
const ENTRY: usize = 256;

/// What a reply is made of.
enum Shape {
    Ids(Format, Encoding),
    Ranges(Encoding),
}

/// A reply on its way.
struct Reply {
    app: Arc<App>,
    bulk: Bulk,
    shape: Shape,
    decimal: Decimal,
    piece: BytesMut,
    /// Whether an entry was written before.
    follows: bool,
    writer: Writer,
    /// Given back when the reply ends, however it does.
    _place: OwnedSemaphorePermit,
}

/// Why a reply ended early.
enum Ended {
    ReaderLeft,
    Refused(Refusal),
}

/// `/ids/{count}`.
pub(in crate::http) async fn ids(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: &str,
    request: &Parts,
) -> Result<Answer, Error> {
    let count = parse(count)?;
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[FORMAT, ENCODING])?;
    let format = query
        .format
        .or_else(|| negotiation::preferred(&request.headers, &Format::OF_IDS))
        .ok_or(Error::NotAcceptable)?;
    let shape = Shape::Ids(format, query.encoding);
    answer(app, activity, count, shape, request).await
}

/// `/ranges/{count}`.
pub(in crate::http) async fn ranges(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: &str,
    request: &Parts,
) -> Result<Answer, Error> {
    let count = parse(count)?;
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[ENCODING])?;
    let shape = Shape::Ranges(query.encoding);
    answer(app, activity, count, shape, request).await
}

/// Decimal digits alone, as everywhere: what is odd about a number is never guessed away.
fn parse(text: &str) -> Result<NonZeroU32, Error> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|count: &NonZeroU32| count.get() <= MOST)
        .ok_or_else(|| Error::count(text))
}

async fn answer(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: NonZeroU32,
    shape: Shape,
    request: &Parts,
) -> Result<Answer, Error> {
    if request.method == Method::HEAD {
        return head(app, shape.format());
    }
    let place = Arc::clone(&app.bulk)
        .try_acquire_owned()
        .map_err(|_| Error::TooManyBulk {
            limit: app.limits().bulk_replies,
        })?;
    let mut bulk = Bulk::new(count);
    // The first IDs are awaited here, so that a refusal is a status and not a broken reply.
    let first = bulk.next(app.issuer()).await;
    let first = first.inspect_err(|refusal| app.metrics.refused(refusal.code()))?;
    let format = shape.format();
    let (writer, stream) = body::stream(shape.length(count), Arc::clone(activity));
    let reply = Reply {
        app: Arc::clone(app),
        bulk,
        shape,
        decimal: Decimal::new(),
        piece: BytesMut::new(),
        follows: false,
        writer,
        _place: place,
    };
    tokio::spawn(reply.send(first));
    Ok(Answer::stream(format, stream))
}

impl Shape {
    const fn format(&self) -> Format {
        match self {
            Self::Ids(format, _) => *format,
            Self::Ranges(_) => Format::Json,
        }
    }

    /// The length of the whole reply in bytes, where every ID takes the same.
    fn length(&self, count: NonZeroU32) -> Option<u64> {
        let each = match self {
            Self::Ids(Format::Binary, _) => 8,
            Self::Ids(Format::Text, Encoding::Hex) => 16 + 1,
            Self::Ids(Format::Text, Encoding::Base32) => 13 + 1,
            _ => return None,
        };
        Some(each * u64::from(count.get()))
    }

    const fn opening(&self) -> &'static [u8] {
        match self {
            Self::Ids(Format::Json, _) => b"{\"ids\":[",
            Self::Ranges(_) => b"{\"ranges\":[",
            Self::Ids(..) => b"",
        }
    }

    const fn closing(&self) -> &'static [u8] {
        match self {
            Self::Ids(Format::Json, _) | Self::Ranges(_) => b"]}",
            Self::Ids(..) => b"",
        }
    }
}

impl Reply {
    /// Sends everything, beginning with `first`. Ended early it leaves the body broken off, which the
    /// reader sees.
    async fn send(mut self, first: Option<Run>) {
        match self.write(first).await {
            Ok(()) => self.writer.finish(),
            Err(Ended::ReaderLeft) => {}
            Err(Ended::Refused(refusal)) => self.app.metrics.refused(refusal.code()),
        }
    }

    async fn write(&mut self, first: Option<Run>) -> Result<(), Ended> {
        self.piece.extend_from_slice(self.shape.opening());
        let mut next = first;
        while let Some(run) = next {
            self.write_run(&run).await?;
            next = self.bulk.next(&self.app.issuer).await?;
            if next.is_some() {
                self.flush().await?;
            }
        }
        self.piece.extend_from_slice(self.shape.closing());
        self.flush().await
    }

    async fn write_run(&mut self, run: &Run) -> Result<(), Ended> {
        match self.shape {
            Shape::Ids(format, encoding) => {
                for id in run.ids() {
                    self.room().await?;
                    self.put(format, encoding, id);
                }
            }
            Shape::Ranges(encoding) => {
                for grid in run.grids() {
                    self.room().await?;
                    self.put_grid(encoding, &grid);
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the next entry fits the piece.
    async fn room(&mut self) -> Result<(), Ended> {
        if self.piece.len() + ENTRY > PIECE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let piece: Bytes = self.piece.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        self.piece.reserve(PIECE);
        self.writer
            .write(piece)
            .await
            .map_err(|ReaderLeft| Ended::ReaderLeft)
    }

    fn put(&mut self, format: Format, encoding: Encoding, id: u64) {
        let (before, after): (&[u8], &[u8]) = match (format, self.follows) {
            (Format::Binary, _) => {
                self.piece.extend_from_slice(&id.to_be_bytes());
                return;
            }
            (Format::Text, _) => (b"", b"\n"),
            (Format::Json, false) => (b"\"", b"\""),
            (Format::Json, true) => (b",\"", b"\""),
        };
        self.follows = true;
        self.piece.extend_from_slice(before);
        if encoding == Encoding::Decimal {
            self.piece.extend_from_slice(self.decimal.write(id));
        } else {
            self.piece.extend_from_slice(encoding.encode(id).as_bytes());
        }
        self.piece.extend_from_slice(after);
    }

    fn put_grid(&mut self, encoding: Encoding, grid: &Grid) {
        let Grid {
            first,
            machines,
            machine_step,
            sequences,
            sequence_step,
        } = *grid;
        let comma = if self.follows { "," } else { "" };
        self.follows = true;
        write!(
            self.piece,
            r#"{comma}{{"first":"{}","machines":{machines},"machine_step":"{machine_step}","sequences":{sequences},"sequence_step":"{sequence_step}","count":{}}}"#,
            encoding.encode(first),
            machines * sequences,
        )
        .expect("a buffer takes any text");
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
