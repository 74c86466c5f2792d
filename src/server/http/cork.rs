//! A connection's socket, which sends the short answers to pipelined requests together.
//!
//! hyper writes each answer by itself: sixteen requests that came at once would cost sixteen system
//! calls. Only the first answer of a turn, a poll of the connection, goes out at once. Those behind it
//! are kept until the turn is over, and go out as one. Nothing is kept while anybody waits.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// The most bytes that are kept; a longer answer is sent as it is.
const ROOM: usize = 8 * 1024;

/// The bytes that a client of HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// As much of it as HTTP/1 would take for a request's head.
const HEAD_OF_PREFACE: usize = 18;

/// The state of a turn, which a connection and its socket share within one task.
#[derive(Default)]
pub(super) struct Turn {
    /// Whether an answer has gone out in this turn.
    answered: AtomicBool,
    keeps: AtomicBool,
    pulls: AtomicBool,
    /// Whether something was written and not yet flushed.
    writes: AtomicBool,
    /// Whether the last read gave something, so that there may be more.
    reads: AtomicBool,
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
        let keeps = self.keeps();
        if keeps {
            self.pulls.store(true, Ordering::Relaxed);
        }
        keeps
    }

    /// Whether answers are kept.
    pub(super) fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// Whether everything has gone out, and nothing more has come in.
    pub(super) fn is_settled(&self) -> bool {
        let any = [&self.keeps, &self.writes, &self.reads];
        !any.iter().any(|flag| flag.load(Ordering::Relaxed))
    }
}

/// How a socket gets to hyper, and away from it.
pub(super) struct Slot<S> {
    /// With what was read from it already.
    goes_in: Mutex<Option<(S, Bytes)>>,
    goes_out: Mutex<Option<S>>,
}

impl<S> Default for Slot<S> {
    fn default() -> Self {
        Self {
            goes_in: Mutex::new(None),
            goes_out: Mutex::new(None),
        }
    }
}

impl<S> Slot<S> {
    /// The next read takes `stream`, of which `ahead` was read already.
    pub(super) fn put_in(&self, stream: S, ahead: Bytes) {
        *locked(&self.goes_in) = Some((stream, ahead));
    }

    /// The socket, if a read has let go of it.
    pub(super) fn take_out(&self) -> Option<S> {
        locked(&self.goes_out).take()
    }

    fn take_in(&self) -> (Option<S>, Bytes) {
        let taken = locked(&self.goes_in).take();
        taken.map_or_else(Default::default, |(stream, ahead)| (Some(stream), ahead))
    }

    fn let_out(&self, stream: Option<S>) {
        *locked(&self.goes_out) = stream;
    }
}

/// Locks `mutex`. Both sides are in one task: nobody waits for the lock, nor panics with it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket, owned by hyper.
pub(super) struct Cork<S> {
    /// None before the first read, and once a read has let go of it.
    stream: Option<S>,
    /// Bytes that were read before, and come before those of the socket.
    ahead: Bytes,
    kept: Vec<u8>,
    /// Whether the bytes that were read last end with a request's head, and nothing is behind it.
    is_whole: bool,
    slot: Arc<Slot<S>>,
    turn: Arc<Turn>,
    activity: Arc<Activity>,
}

impl<S> Cork<S> {
    /// A cork over the socket that is put in `slot`; `activity` is told when its client sends and takes.
    pub(super) fn new(slot: Arc<Slot<S>>, turn: Arc<Turn>, activity: Arc<Activity>) -> Self {
        Self {
            stream: None,
            ahead: Bytes::new(),
            kept: Vec::new(),
            is_whole: false,
            slot,
            turn,
            activity,
        }
    }

    pub(super) fn into_stream(self) -> Option<S> {
        self.stream
    }
}

impl<S: AsyncWrite + Unpin> Cork<S> {
    fn socket(&mut self) -> io::Result<Pin<&mut S>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Sends what is kept.
    pub(super) fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let stream = self.stream.as_mut().map(Pin::new);
            let stream = stream.ok_or(io::ErrorKind::NotConnected)?;
            match ready!(stream.poll_write(cx, &self.kept))? {
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

impl<S: AsyncRead + Unpin> Cork<S> {
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
            if self.ahead.is_empty() {
                // An empty one would keep the buffer that it was taken from.
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, buffer),
            None => Poll::Pending,
        }
    }

    /// Lets go of the socket if that leaves hyper as it was: the connection has come to rest, and the
    /// last thing that came was a whole head of a request that leaves nothing behind.
    fn let_go(&mut self) {
        let leaves = self.is_whole && self.activity.is_plain() && self.kept.is_empty();
        if leaves && self.turn.is_settled() && self.activity.is_between() {
            self.slot.let_out(self.stream.take());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cork<S> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.stream.is_none() {
            (this.stream, this.ahead) = this.slot.take_in();
        }
        let before = buffer.filled().len();
        let polled = this.poll_next(cx, buffer);
        this.turn.reads.store(polled.is_ready(), Ordering::Relaxed);
        if polled.is_pending() && this.activity.is_rare() {
            this.let_go();
        }
        ready!(polled)?;
        complete_preface(buffer, before);
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            this.activity.read();
            this.is_whole = ends_head(read);
        }
        Poll::Ready(Ok(()))
    }
}

/// Completes the preface of HTTP/2 if its first piece has come: hyper tells it from a malformed head only
/// if all of it comes at once, and a client whose preface came in two pieces gets the same answer then.
#[inline]
fn complete_preface(buffer: &mut ReadBuf<'_>, before: usize) {
    let length = buffer.filled().len() - before;
    let is_part = (HEAD_OF_PREFACE..PREFACE.len()).contains(&length);
    if is_part && PREFACE.starts_with(&buffer.filled()[before..]) {
        let rest = &PREFACE[length..];
        if rest.len() <= buffer.remaining() {
            buffer.put_slice(rest);
        }
    }
}

/// Whether a head ends there, and not one with an empty line behind it.
#[inline]
fn ends_head(bytes: &[u8]) -> bool {
    let end = bytes.strip_suffix(b"\r\n\r\n");
    end.and_then(<[u8]>::last)
        .is_some_and(|before| *before != b'\n')
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cork<S> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.turn.writes.store(true, Ordering::Relaxed);
        if self.has_to_keep(bytes.len()) {
            self.keep(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if !self.kept.is_empty() {
            ready!(self.poll_pull(cx))?;
        }
        let sent = ready!(self.socket()?.poll_write(cx, bytes))?;
        if sent > 0 {
            self.turn.answered.store(true, Ordering::Relaxed);
            self.activity.wrote();
        }
        Poll::Ready(Ok(sent))
    }

    /// Flushes the socket. Answers that are kept go out only at the end of the turn.
    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.turn.pulls.load(Ordering::Relaxed) {
            ready!(self.poll_pull(cx))?;
        }
        if self.stream.is_some() {
            ready!(self.socket()?.poll_flush(cx))?;
        }
        self.turn.writes.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pull(cx))?;
        self.socket()?.poll_shutdown(cx)
    }
}
