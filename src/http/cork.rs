//! A connection's socket, which sends the short answers to pipelined requests together.
//!
//! hyper writes each answer by itself: sixteen requests that came at once would cost sixteen system
//! calls. Only the first answer of a turn, a poll of the connection, goes out at once. Those behind it
//! are kept until the turn is over, and go out as one. Nothing is kept while anybody waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// The most bytes that are kept; a longer answer is sent as it is.
const ROOM: usize = 8 * 1024;

/// What a connection and its socket tell each other, both in one task.
#[derive(Default)]
pub(super) struct Turn {
    /// Whether an answer has gone out in this turn.
    answered: AtomicBool,
    keeps: AtomicBool,
    pulls: AtomicBool,
}

impl Turn {
    /// Polls the connection for one turn; once more if answers are kept then, so that hyper flushes,
    /// which sends them.
    pub(super) fn poll<T>(&self, mut connection: impl FnMut() -> Poll<T>) -> Poll<T> {
        self.begin();
        let polled = connection();
        if polled.is_pending() && self.ends_with_kept() {
            return connection();
        }
        polled
    }

    /// The connection is about to be polled.
    pub(super) fn begin(&self) {
        self.answered.store(false, Ordering::Relaxed);
        self.pulls.store(false, Ordering::Relaxed);
    }

    /// The connection has been polled. Whether answers are kept: the next flush sends them.
    pub(super) fn ends_with_kept(&self) -> bool {
        let keeps = self.keeps.load(Ordering::Relaxed);
        if keeps {
            self.pulls.store(true, Ordering::Relaxed);
        }
        keeps
    }
}

/// The socket, owned by hyper.
pub(super) struct Cork<'a, S> {
    stream: S,
    kept: Vec<u8>,
    turn: &'a Turn,
    activity: Arc<Activity>,
}

impl<'a, S> Cork<'a, S> {
    /// Over `stream`; `activity` is told what its client takes.
    pub(super) fn new(stream: S, turn: &'a Turn, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            kept: Vec::new(),
            turn,
            activity,
        }
    }
}

impl<S: AsyncWrite + Unpin> Cork<'_, S> {
    /// Sends what is kept.
    pub(super) fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.kept))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => drop(self.kept.drain(..sent)),
            }
            self.activity.wrote();
        }
        self.turn.keeps.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Whether an answer of that length is to be kept.
    fn has_to_keep(&self, length: usize) -> bool {
        self.turn.answered.load(Ordering::Relaxed) && length <= ROOM - self.kept.len()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        self.turn.keeps.store(true, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cork<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cork<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.has_to_keep(bytes.len()) {
            self.keep(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if !self.kept.is_empty() {
            ready!(self.poll_pull(cx))?;
        }
        let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        if sent > 0 {
            self.turn.answered.store(true, Ordering::Relaxed);
            self.activity.wrote();
        }
        Poll::Ready(Ok(sent))
    }

    /// While the turn lasts, without what is kept.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turn.pulls.load(Ordering::Relaxed) {
            ready!(self.poll_pull(cx))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pull(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
