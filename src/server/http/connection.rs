//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time;

use super::App;
use super::error::Error;
use super::idle::Idle;
use super::memory::Parked;
use super::seat::Seat;
use super::stream::Stream;

/// How long, and for how many bytes, a client that was refused in the middle of its request is
/// still read from.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;
/// How much is read before there are buffers: most heads are shorter.
const FIRST: usize = 1024;

/// Serves requests until the client or an error ends the connection, it was idle for too long,
/// or `stopping` changes. A request that is being answered then still gets its answer, and so does
/// the first one of a client that has only just connected: it was let in, and nobody else hears it.
///
/// A connection is awake or parked. Awake it has a seat, hyper's state with its two buffers; parked it
/// waits for its socket, its alarm and the stop alone, so that thousands of idle connections take little
/// memory. One that asks often stays awake between its requests, as a new seat costs half as much as a
/// request. The order of polls matters. The stop is polled before the socket: reading and serving may use
/// up the budget that Tokio gives a task, a poll after that would not register the wake-up, and the stop is
/// polled once only. But a stop closes a connection only after its socket was polled: a request
/// that has come already counts as asked in time, and would get no answer otherwise.
pub(super) async fn serve(mut stream: Stream, app: &Arc<App>, stopping: watch::Receiver<()>) {
    let mut idle = Idle::new(app, stream.as_raw_fd());
    let mut changes = stopping.clone();
    let mut stop = pin!(changes.changed());
    let stops = || stopping.has_changed().unwrap_or(true);
    let mut ahead = Bytes::new();
    loop {
        if ahead.is_empty() {
            let mut parked = None;
            let wakes = poll_fn(|cx| {
                let is_new = !idle.is_set();
                if is_new {
                    // Once, for the wake-up: polling it takes a lock that all connections share.
                    let _ = stop.as_mut().poll(cx);
                }
                let wakes = poll_parked(&mut idle, &mut stream, &mut ahead, is_new, stops, cx);
                if wakes.is_pending() {
                    parked.get_or_insert_with(|| Parked::new(app));
                }
                wakes
            });
            if !wakes.await {
                return;
            }
        }
        let mut seat = idle.wake(app, stream, ahead);
        let ended = poll_fn(|cx| poll_awake(&mut idle, &mut seat, stops, cx));
        if let Some(ended) = ended.await {
            if let Some(rest) = end(seat, ended) {
                rest.await;
            }
            return;
        }
        let Some(left) = seat.leave() else {
            return;
        };
        (stream, ahead) = left;
    }
}

/// Polls a parked connection: ready with true when something has come, and with false when it is to be
/// closed.
fn poll_parked(
    idle: &mut Idle,
    stream: &mut Stream,
    ahead: &mut Bytes,
    is_new: bool,
    stops: impl Fn() -> bool,
    cx: &mut task::Context<'_>,
) -> Poll<bool> {
    if idle.poll(None, cx).is_ready() {
        return Poll::Ready(false);
    }
    let readable = if is_new {
        poll_first(stream, ahead, cx)
    } else {
        stream.poll_readable(cx)
    };
    if readable.is_ready() {
        return Poll::Ready(true);
    }
    if stops() && idle.poll_stop(None, cx).is_ready() {
        return Poll::Ready(false);
    }
    Poll::Pending
}

/// Polls a connection that is awake, for one turn: ready with its outcome when it has ended, and with `None`
/// when it has come to rest and is to be parked.
#[inline]
fn poll_awake(
    idle: &mut Idle,
    seat: &mut Seat,
    stops: impl Fn() -> bool,
    cx: &mut task::Context<'_>,
) -> Poll<Option<hyper::Result<()>>> {
    if idle.poll(Some(seat.context()), cx).is_ready() {
        return Poll::Ready(Some(Ok(())));
    }
    if stops() {
        seat.context().end();
        // Bytes that have come already count as asked before the stop.
        if let Poll::Ready(ended) = seat.poll(cx) {
            return Poll::Ready(Some(ended));
        }
        if idle.poll_stop(Some(seat.context()), cx).is_ready() {
            seat.end_soon();
        }
    }
    if let Poll::Ready(ended) = seat.poll(cx) {
        return Poll::Ready(Some(ended));
    }
    if idle.ends_turn(seat.context(), cx) {
        return Poll::Ready(None);
    }
    Poll::Pending
}

/// Reads the first bytes of a new connection, once some have come. A new socket counts as readable until it
/// was read.
fn poll_first(stream: &mut Stream, ahead: &mut Bytes, cx: &mut task::Context<'_>) -> Poll<()> {
    let mut space = [MaybeUninit::uninit(); FIRST];
    let mut buffer = ReadBuf::uninit(&mut space);
    // The next read returns the error.
    let _ = ready!(Pin::new(stream).poll_read(cx, &mut buffer));
    *ahead = Bytes::copy_from_slice(buffer.filled());
    Poll::Ready(())
}

/// The work that is left after the end of a connection; most have none.
fn end(seat: Seat, ended: hyper::Result<()>) -> Option<Pin<Box<impl Future<Output = ()>>>> {
    let (mut socket, context) = seat.take_apart();
    let speaks_http_2 = matches!(&ended, Err(error) if error.is_parse_version_h2());
    let refused = ended.is_err_and(|error| error.is_parse());
    let lingers = refused || context.has_left_unread();
    let goes_on = lingers || context.turn.keeps();
    goes_on.then(|| {
        Box::pin(async move {
            if speaks_http_2 {
                let answer = Error::Http2.bytes(context.app.replies);
                // One try, as below.
                poll_fn(|cx| {
                    let written = Pin::new(&mut socket).poll_write(cx, answer.as_bytes());
                    let is_written = written.is_ready();
                    Poll::Ready(is_written && Pin::new(&mut socket).poll_shutdown(cx).is_ready())
                })
                .await;
            }
            // An error ends a connection without a flush. One try only: a client that takes nothing could
            // hold up more.
            poll_fn(|cx| Poll::Ready(socket.poll_pull(cx).is_ready())).await;
            if lingers {
                linger(socket).await;
            }
        })
    })
}

/// Reads on and discards for a moment: a socket that is closed over unread bytes resets its
/// connection, and the client may lose the answer that says why it was refused.
async fn linger<S: AsyncRead + Unpin>(mut stream: S) {
    let mut space = vec![0; 8 * 1024];
    let mut left = LINGER_BYTES;
    let discard = poll_fn(|cx| {
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => break,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => break,
                Poll::Ready(Ok(())) => left = left.saturating_sub(buffer.filled().len()),
            }
        }
        Poll::Ready(())
    });
    // Either way the connection is over now.
    let _ = time::timeout(LINGER, discard).await;
}
