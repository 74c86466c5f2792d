//! `/ids/{count}` and `/ranges/{count}`: many IDs in one reply, sent as their ticks come.

mod piece;

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Version};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task;

use crate::http::App;
use crate::http::activity::Activity;
use crate::http::body::{BrokenOff, Rest, Stream};
use crate::http::error::Error;
use crate::http::negotiation::{self, ENCODING, FORMAT, Format, Query};
use crate::http::response::Answer;
use crate::id::generator::Run;
use crate::issuer::{Bulk, Refusal};

use super::generate::head;
use piece::{Piece, Shape};

/// The most IDs of one reply.
pub(in crate::http) const MOST: u32 = 4_096_000;

/// How many pieces are made in a row before the runtime looks for what else there is to do, while the
/// reader is as fast as we are. Without it that is only when its budget for a poll is used up, after
/// megabytes.
const TURN: u8 = 4;

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
    /// Given back when the reply ends, however it does.
    _place: OwnedSemaphorePermit,
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
        .unwrap_or_else(|| negotiation::preferred(&request.headers, &Format::OF_IDS));
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
    let (format, length) = (shape.format(), shape.length(count));
    // Only the end of the connection would end it, also where it is broken off.
    if request.version < Version::HTTP_11 && length.is_none() && format == Format::Text {
        return Err(Error::EndUnseen);
    }
    if request.method == Method::HEAD {
        return head(app, format);
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
    let reply = Reply {
        app: Arc::clone(app),
        bulk,
        shape,
        run: first,
        begun: false,
        in_turn: 0,
        _place: place,
    };
    let stream = Stream::new(length, Arc::clone(activity), reply.rest());
    Ok(Answer::stream(format, stream))
}

impl Reply {
    /// Everything that has yet to be sent. Ended early it leaves the body broken off, which the
    /// reader sees.
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

    /// The next piece, as soon as there are IDs for it.
    async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.in_turn == TURN {
            self.in_turn = 0;
            task::yield_now().await;
        }
        self.in_turn += 1;
        if self.run.is_none() {
            self.run = self.bulk.next(self.app.issuer()).await?;
        }
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
