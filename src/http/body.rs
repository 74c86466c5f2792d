//! The body of an answer: whole from the start, or made while it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::activity::Activity;

/// The stream broke off: what was sent must not pass for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply was broken off")]
pub(super) struct BrokenOff;

/// What hyper takes an answer's bytes from.
pub(super) enum Content {
    Whole(Full<Bytes>),
    Stream(Box<Stream>),
    /// What would have been sent: that many bytes, if it is known.
    Unsent(Option<u64>),
}

impl Content {
    /// Whether it is sent without its length being known before.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.left.is_none())
    }
}

/// What has yet to be sent: comes to the next piece and what follows that, or to the end.
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
}

impl Body for Stream {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
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
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.activity.streamed();
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
            Self::Unsent(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) | Self::Unsent(Some(_)) => false,
            Self::Unsent(None) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
            Self::Unsent(length) => length.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
