//! The body of an answer: whole from the start, or made while it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::activity::Activity;
use super::line::Line;

/// The stream broke off: what was sent must not pass for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply was broken off")]
pub(super) struct BrokenOff;

/// The body that hyper takes an answer's bytes from. It is moved several times on its way, and kept small
/// for that: rare or large parts are boxed.
pub(super) enum Content {
    /// A new ID. `None` once it was taken.
    Line(Option<Box<Line>>),
    /// Anything else that is known from the start.
    Whole(Option<Box<Bytes>>),
    Stream(Box<Stream>),
    /// The length of a body that is not sent, as for HEAD, in bytes;
    Unsent(u64),
    /// one of unknown length.
    UnsentStream,
}

impl Content {
    /// A body of these bytes.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(Box::new(bytes.into())))
    }

    /// Whether its length is not known before it is sent.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.left.is_none())
    }

    /// How many bytes are yet to come, where that is known.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Line(line) => Some(line.as_ref().map_or(0, |line| line.remaining() as u64)),
            Self::Whole(whole) => Some(whole.as_ref().map_or(0, |whole| whole.len() as u64)),
            Self::Stream(stream) => stream.left,
            Self::Unsent(length) => Some(*length),
            Self::UnsentStream => None,
        }
    }
}

/// Bytes of a body on their way to the socket.
#[derive(Debug)]
pub(super) enum Data {
    Line(Box<Line>),
    Bytes(Bytes),
}

impl Buf for Data {
    #[inline]
    fn remaining(&self) -> usize {
        match self {
            Self::Line(line) => line.remaining(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self {
            Self::Line(line) => line.chunk(),
            Self::Bytes(bytes) => bytes,
        }
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        match self {
            Self::Line(line) => line.advance(count),
            Self::Bytes(bytes) => bytes.advance(count),
        }
    }
}

/// The rest of a body: a future of its next piece and the rest after that, or of its end.
pub(super) struct Rest(Pin<Box<dyn Future<Output = Next> + Send>>);

type Next = Result<Option<(Bytes, Rest)>, BrokenOff>;

/// A body whose pieces are made one at a time, each when the one before is on its way; nothing is
/// made any more once the reader has left.
pub(super) struct Stream {
    rest: Option<Rest>,
    /// Bytes that have yet to come, where that is known.
    left: Option<u64>,
    activity: Arc<Activity>,
}

impl Rest {
    pub(super) fn new(next: impl Future<Output = Next> + Send + 'static) -> Self {
        Self(Box::pin(next))
    }
}

impl Stream {
    /// A stream of `length` bytes, if that is known, over the connection of `activity`.
    pub(super) fn new(length: Option<u64>, activity: Arc<Activity>, rest: Rest) -> Self {
        Self {
            rest: Some(rest),
            left: length,
            activity,
        }
    }

    /// The next piece, as soon as it is made; `None` after the last.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let polled = rest.0.as_mut().poll(cx);
        if polled.is_pending() {
            // The reader has taken everything, and waits for IDs.
            self.activity.busy();
        }
        let next = ready!(polled);
        self.rest = None;
        let Some((piece, rest)) = next? else {
            return Poll::Ready(None);
        };
        self.rest = Some(rest);
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        self.activity.streaming();
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.activity.streamed();
    }
}

impl Body for Content {
    type Data = Data;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BrokenOff>>> {
        let data = match &mut *self {
            Self::Line(line) => line.take().map(|line| Ok(Data::Line(line))),
            Self::Whole(whole) => whole.take().map(|whole| Ok(Data::Bytes(*whole))),
            Self::Stream(stream) => {
                ready!(stream.poll_piece(cx)).map(|piece| piece.map(Data::Bytes))
            }
            Self::Unsent(_) | Self::UnsentStream => None,
        };
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Line(_) | Self::Whole(_) => self.length() == Some(0),
            Self::Stream(_) | Self::Unsent(_) => false,
            Self::UnsentStream => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
