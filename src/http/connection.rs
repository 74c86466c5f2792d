//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{self, Sleep};

use super::activity::Activity;
use super::cork::{Cork, Turn};
use super::error::Error;
use super::{App, Limits, router};

/// How long, and for how many bytes, a client that was refused in the middle of its request is
/// still read from.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;
/// hyper takes no smaller one.
const MIN_BUFFER: usize = 8 * 1024;

/// What the requests of one connection share.
pub(super) struct Context<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) limits: Limits,
    pub(super) activity: Arc<Activity>,
    left_unread: AtomicBool,
    ending: AtomicBool,
}

impl<'a> Context<'a> {
    fn new(app: &'a Arc<App>) -> Self {
        Self {
            app,
            limits: app.limits(),
            activity: Arc::new(Activity::new()),
            left_unread: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }
    }

    /// To be called when a request is answered without reading all of its body.
    pub(super) fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the server stops, so that an answer is the connection's last.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    fn deadline(&self) -> Instant {
        self.activity.deadline(self.limits.idle_timeout)
    }
}

/// Serves requests until the client or an error ends the connection, it was idle for too long,
/// or `stopping` changes. A request that is being answered then still gets its answer, and so does
/// the first one of a client that has only just connected: it was let in, and nobody else hears it.
pub(super) async fn serve<S>(stream: S, app: &Arc<App>, stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let context = Context::new(app);
    let service = service_fn(|request| router::answer(&context, request));
    let turn = Turn::default();
    let io = TokioIo::new(Cork::new(stream, &turn, Arc::clone(&context.activity)));
    let mut connection = builder(&context.limits).serve_connection(io, service);
    let ended = {
        let mut changes = stopping.clone();
        let mut stop = pin!(changes.changed());
        let mut idle = Idle::new(&context);
        poll_fn(|cx| {
            // Polling it takes a lock that all connections share: it is done once, for the wake-up.
            // Before the connection, which may use up the task's budget for polling; as `idle` is.
            if !idle.is_set {
                let _ = stop.as_mut().poll(cx);
            }
            if idle.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if stopping.has_changed().unwrap_or(true) {
                context.ending.store(true, Ordering::Relaxed);
                // What has come already counts as asked before the stop.
                if let Poll::Ready(ended) = turn.poll(|| Pin::new(&mut connection).poll(cx)) {
                    return Poll::Ready(Some(ended));
                }
                if idle.poll_first_request(cx).is_ready() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
            turn.poll(|| Pin::new(&mut connection).poll(cx)).map(Some)
        })
        .await
    };
    let mut socket = connection.into_parts().io.into_inner();
    if matches!(&ended, Some(Err(error)) if error.is_parse_version_h2()) {
        let answer = Error::Http2.bytes(app.profile);
        // One try, as below.
        poll_fn(|cx| {
            let sent = Pin::new(&mut socket).poll_write(cx, answer.as_bytes());
            Poll::Ready(sent.is_ready() && Pin::new(&mut socket).poll_shutdown(cx).is_ready())
        })
        .await;
    }
    // An error ends a connection without a flush. One try: more, and a client could hold this up.
    poll_fn(|cx| Poll::Ready(socket.poll_pull(cx).is_ready())).await;
    let refused = ended.is_some_and(|ended| ended.is_err_and(|error| error.is_parse()));
    if refused || context.left_unread.load(Ordering::Relaxed) {
        linger(socket).await;
    }
}

/// The end of a connection whose client does nothing.
struct Idle<'a> {
    context: &'a Context<'a>,
    alarm: Pin<Box<Sleep>>,
    /// Whether there was a first poll, which sets the alarm.
    is_set: bool,
}

impl<'a> Idle<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        let _timers = context.app.timers.enter();
        Self {
            context,
            alarm: Box::pin(time::sleep_until(context.deadline().into())),
            is_set: false,
        }
    }

    /// Ready when the client has done nothing for too long.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        // Polling the alarm takes a lock that all connections share, and costs more than the rest
        // of a request's time-keeping: it is done for the wake-up. Afterwards a look tells.
        if self.is_set && !self.alarm.is_elapsed() {
            return Poll::Pending;
        }
        self.is_set = true;
        while self.alarm.as_mut().poll(cx).is_ready() {
            let deadline = self.context.deadline();
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline.into());
        }
        Poll::Pending
    }

    /// Ready when the client has asked for something, or has had its time to, although the server
    /// stops.
    fn poll_first_request(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(until) = self.context.activity.awaited_until() else {
            return Poll::Ready(());
        };
        self.alarm.as_mut().reset(until.into());
        self.alarm.as_mut().poll(cx)
    }
}

/// Without hyper's own time-out, which sets up a timer for each request, at a sixth of the
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
