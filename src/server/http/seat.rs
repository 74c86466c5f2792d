//! The seat of a connection that has something to do: hyper's state, with its two buffers.
//!
//! Making one and taking it apart costs half as much as a request. So one whose last request left nothing
//! special in hyper's state is kept for the next connection that wakes on this thread.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;

use super::activity::Rest;
use super::context::Context;
use super::cork::{Cork, Slot};
use super::response::Reply;
use super::router::{self, Answering};
use super::stream::Stream;
use super::{App, Limits};

/// The smallest buffer that hyper takes, in bytes.
const MIN_BUFFER: usize = 8 * 1024;
/// How many seats are kept on each thread. More are of use only to connections that wait for their ticks.
const SPARE: usize = 4;

thread_local! {
    static SPARES: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

struct Answers(Arc<Context>);

impl Service<Request<Incoming>> for Answers {
    type Response = Reply;
    type Error = Infallible;
    type Future = Answering;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Answering {
        router::answer(&self.0, request)
    }
}

/// hyper's state, and what it shares with the task that polls it.
pub(super) struct Seat {
    context: Arc<Context>,
    slot: Arc<Slot<Stream>>,
    connection: Box<http1::Connection<TokioIo<Cork<Stream>>, Answers>>,
}

impl Seat {
    /// A seat for the connection on `stream`, of which `ahead` was read already.
    pub(super) fn take(
        app: &Arc<App>,
        limits: &Limits,
        rest: Rest,
        stream: Stream,
        ahead: Bytes,
    ) -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        let fits = |seat: &Self| seat.context.is_for(app, limits);
        let seat = spare
            .filter(fits)
            .inspect(|seat| seat.context.activity.resume(rest))
            .unwrap_or_else(|| Self::new(Context::new(app, limits, rest)));
        seat.slot.put_in(stream, ahead);
        seat
    }

    fn new(context: Context) -> Self {
        let context = Arc::new(context);
        let slot = Arc::default();
        let cork = Cork::new(
            Arc::clone(&slot),
            Arc::clone(&context.turn),
            Arc::clone(&context.activity),
        );
        let connection = builder(&context.limits)
            .serve_connection(TokioIo::new(cork), Answers(Arc::clone(&context)));
        Self {
            context,
            slot,
            connection: Box::new(connection),
        }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Lets hyper do what there is to do, for one turn.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<hyper::Result<()>> {
        let connection = &mut *self.connection;
        self.context
            .turn
            .poll(|| Pin::new(&mut *connection).poll(cx))
    }

    /// The next answer, if there is one, is to be the last.
    pub(super) fn end_soon(&mut self) {
        Pin::new(&mut *self.connection).graceful_shutdown();
    }

    /// Gives up the seat of a connection that has come to rest: its socket, and bytes that were read from it
    /// but are not a whole head yet.
    pub(super) fn leave(self) -> Option<(Stream, Bytes)> {
        if let Some(stream) = self.slot.take_out() {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARE {
                    spares.push(self);
                }
            });
            return Some((stream, Bytes::new()));
        }
        let parts = self.connection.into_parts();
        // An empty one keeps the buffer that it was taken from.
        let ahead = Some(parts.read_buf).filter(|ahead| !ahead.is_empty());
        let stream = parts.io.into_inner().into_stream()?;
        Some((stream, ahead.unwrap_or_default()))
    }

    /// The socket with the answers that it keeps, and the connection's context.
    pub(super) fn take_apart(self) -> (Cork<Stream>, Arc<Context>) {
        (self.connection.into_parts().io.into_inner(), self.context)
    }
}

/// hyper's settings. Without its own time-out, which sets up a timer for each request, at a sixth of the
/// request's cost, and does not see a client that takes no answers.
///
/// Without `pipeline_flush`: hyper then holds an answer back for as long as anything unread follows
/// its request, be it an empty line or half a request, and loses it if the connection ends there.
///
/// Without `writev`: answers are short, and copying one behind its head is cheaper than a list.
fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.saturating_mul(2).max(MIN_BUFFER))
        .writev(false)
        .half_close(true);
    builder
}
