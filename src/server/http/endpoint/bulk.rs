//! `/ids/{count}` and `/ranges/{count}`: many IDs in one reply. A reply that fits one piece is sent whole, a
//! longer one as its ticks come.

mod piece;

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Version};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task;
use tokio::time::timeout;

use crate::http::App;
use crate::http::activity::Activity;
use crate::http::body::{BrokenOff, Rest, Stream};
use crate::http::error::Error;
use crate::http::head::Head;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::response::Answer;
use shardflake::id::Encoding;
use shardflake::id::generator::Run;
use shardflake::issuer::{Bulk, Refusal};

use super::unspent::head;
pub(super) use piece::PIECE;
use piece::Piece;
pub(in crate::http) use piece::Shape;

/// The most IDs of one reply.
pub const MOST: u32 = 4_096_000;

/// How many pieces are made in a row, for a reader that is as fast as we are, before other tasks have their
/// turn. Without it they have it only when the task's budget for polling is used up, after megabytes.
pub(super) const TURN: u8 = 4;

/// A reply on its way.
struct Reply {
    app: Arc<App>,
    bulk: Bulk,
    shape: Shape,
    /// Issued, and not yet written.
    run: Option<Run>,
    begun: bool,
    /// Pieces of this turn.
    in_turn: u8,
    /// Given back when the reply ends, however it does. A short one needs none.
    place: Option<OwnedSemaphorePermit>,
}

/// The shape that a request to `/ids/{count}` asks for.
pub(in crate::http) fn ids(request: &Head<'_>) -> Result<Shape, Error> {
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[FORMAT, ENCODING])?;
    let format = query
        .format
        .unwrap_or_else(|| negotiation::preferred(request, &Format::OF_IDS));
    Ok(Shape::Ids(format, query.encoding))
}

/// The shape that a request to `/ranges/{count}` asks for.
pub(in crate::http) fn ranges(request: &Head<'_>) -> Result<Shape, Error> {
    let query = Query::parse(request.uri.query().unwrap_or_default(), &[ENCODING])?;
    Ok(Shape::Ranges(query.encoding))
}

/// Reads a number of IDs. Decimal digits alone, as everywhere: nothing odd about a number is guessed away.
pub(super) fn parse(text: &str) -> Result<NonZeroU32, Error> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|count: &NonZeroU32| count.get() <= MOST)
        .ok_or_else(|| Error::count(text))
}

/// The answer with as many IDs as the text says, in the shape that is asked for.
pub(in crate::http) async fn many_ids(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: &str,
    shape: fn(&Head<'_>) -> Result<Shape, Error>,
    request: &Head<'_>,
) -> Result<Answer, Error> {
    let count = parse(count)?;
    let shape = shape(request)?;
    let format = shape.format();
    let per_tick =
        u64::from(app.issuer().machines().count()) * u64::from(app.issuer().layout().sequences());
    let whole = shape.whole(count, per_tick);
    // Only the end of the connection would end it, whether it is whole or broken off.
    let is_old = request.version < Version::HTTP_11;
    let unseen = whole.is_none() && shape.length(count, None).is_none();
    if is_old && unseen && format == Format::Text {
        return Err(Error::EndUnseen);
    }
    if *request.method == Method::HEAD {
        return head(app, format, |next| {
            let decimals = Encoding::Decimal.encode(next.id).as_bytes().len();
            shape.length(count, whole.map(|_| decimals))
        });
    }
    many(app, activity, count, shape, whole).await
}

/// The answer of `/ranges/{count}` with `room` bytes for a reply that is begun without a place.
#[cfg(test)]
pub(in crate::http) async fn ranges_within(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: NonZeroU32,
    room: usize,
) -> Result<Answer, Error> {
    let shape = Shape::Ranges(Encoding::Decimal);
    many(app, activity, count, shape, Some(room)).await
}

/// The reply with `count` IDs. `whole` is the room for all of it, if it is expected to fit one piece.
async fn many(
    app: &Arc<App>,
    activity: &Arc<Activity>,
    count: NonZeroU32,
    shape: Shape,
    whole: Option<usize>,
) -> Result<Answer, Error> {
    let place = match whole {
        Some(_) => None,
        None => Some(free_place(app).await?),
    };
    let mut reply = Reply {
        app: Arc::clone(app),
        bulk: Bulk::new(count),
        shape,
        run: None,
        begun: false,
        in_turn: 0,
        place,
    };
    // The first IDs are awaited here, so that a refusal is a status and not a broken reply.
    let first = match whole {
        Some(room) => reply.whole(room).await.map(Some),
        None => reply.next_run().await.map(|()| None),
    };
    let first = first.inspect_err(|refusal| app.metrics.refused(refusal.code()))?;
    let rest = match first {
        Some(whole) if reply.is_over() => return Ok(Answer::new(shape.format(), whole)),
        Some(begun) => {
            reply.place = Some(free_place(app).await?);
            Rest::new(async move { Ok(Some((begun, reply.rest()))) })
        }
        None => reply.rest(),
    };
    let length = shape.length(count, None).map(|length| length as u64);
    let stream = Stream::new(length, Arc::clone(activity), rest);
    Ok(Answer::stream(shape.format(), stream))
}

/// A place for a long reply, as soon as there is one.
pub(super) async fn free_place(app: &App) -> Result<OwnedSemaphorePermit, Error> {
    let place = Arc::clone(&app.bulk).acquire_owned();
    match timeout(app.issuer().deadline(), place).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(Error::TooManyBulk {
            limit: app.limits().bulk_replies,
        }),
    }
}

impl Reply {
    /// The rest of the body. If a refusal ends it early the body is broken off, which the reader sees.
    fn rest(mut self) -> Rest {
        Rest::new(async move {
            match self.piece().await {
                Ok(Some(piece)) => Ok(Some((piece, self.rest()))),
                Ok(None) => Ok(None),
                Err(refusal) => {
                    self.app.metrics.refused(refusal.code());
                    Err(BrokenOff)
                }
            }
        })
    }

    /// The whole body, or as much of it as there is room for, as soon as there are the IDs.
    async fn whole(&mut self, room: usize) -> Result<Bytes, Refusal> {
        // Awaited first, so that a reply that waits for its first ID takes no room.
        self.next_run().await?;
        let mut piece = Piece::with_room(self.shape, room);
        piece.open();
        self.begun = true;
        loop {
            self.next_run().await?;
            let Some(run) = &mut self.run else {
                piece.close();
                return Ok(piece.into());
            };
            piece.fill(run);
            if run.count() > 0 {
                return Ok(piece.into());
            }
            self.run = None;
        }
    }

    /// Whether everything has been written.
    fn is_over(&self) -> bool {
        self.run.is_none() && self.bulk.is_over()
    }

    /// Makes sure that there is a run, unless all have been written.
    async fn next_run(&mut self) -> Result<(), Refusal> {
        if self.run.is_none() {
            self.run = self.bulk.next(self.app.issuer()).await?;
        }
        Ok(())
    }

    /// The next piece, as soon as there are IDs for it.
    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.in_turn == TURN {
            self.in_turn = 0;
            task::yield_now().await;
        }
        self.in_turn += 1;
        self.next_run().await?;
        let Some(run) = &mut self.run else {
            return Ok(None);
        };
        let mut piece = Piece::new(self.shape, run);
        if !std::mem::replace(&mut self.begun, true) {
            piece.open();
        }
        piece.fill(run);
        if run.count() == 0 {
            self.run = None;
            if self.bulk.is_over() {
                piece.close();
            }
        }
        Ok(Some(piece.into()))
    }
}
