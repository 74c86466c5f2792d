//! The body of an answer: whole from the start, or streamed as it comes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Body, Frame, SizeHint};

use super::activity::Activity;

/// How many pieces wait for a reader.
const WAITING: usize = 1;

/// The stream broke off: what was sent must not pass for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply was broken off")]
pub(super) struct BrokenOff;

/// What hyper takes an answer's bytes from.
pub(super) enum Content {
    Whole(Full<Bytes>),
    Stream(Box<Stream>),
}

/// A body whose pieces come from a [`Writer`].
pub(super) struct Stream {
    pieces: Channel<Bytes, Infallible>,
    /// Whether everything was written.
    complete: Arc<AtomicBool>,
    /// Bytes that have yet to come, where that is known.
    left: Option<u64>,
    activity: Arc<Activity>,
}

/// The writing end of a [`Stream`]. Dropped before [`Writer::finish`], it breaks the reply off.
pub(super) struct Writer {
    pieces: Sender<Bytes, Infallible>,
    complete: Arc<AtomicBool>,
}

/// The reader has left.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReaderLeft;

/// A stream of `length` bytes, if that is known, over the connection of `activity`.
pub(super) fn stream(length: Option<u64>, activity: Arc<Activity>) -> (Writer, Stream) {
    let (sender, pieces) = Channel::new(WAITING);
    let complete = Arc::new(AtomicBool::new(false));
    let writer = Writer {
        pieces: sender,
        complete: Arc::clone(&complete),
    };
    let stream = Stream {
        pieces,
        complete,
        left: length,
        activity,
    };
    (writer, stream)
}

impl Writer {
    /// Writes a piece; waits while one before it has not been taken.
    ///
    /// # Errors
    /// [`ReaderLeft`] if nobody will take it.
    pub(super) async fn write(&mut self, piece: Bytes) -> Result<(), ReaderLeft> {
        self.pieces.send_data(piece).await.map_err(|_| ReaderLeft)
    }

    /// Ends the stream: everything was written.
    pub(super) fn finish(self) {
        self.complete.store(true, Ordering::Release);
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let polled = Pin::new(&mut self.pieces).poll_frame(cx);
        match polled {
            Poll::Pending => {
                // The reader has taken everything, and waits for IDs.
                self.activity.busy();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.activity.streaming();
                if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) if self.complete.load(Ordering::Acquire) => Poll::Ready(None),
            Poll::Ready(None) => Poll::Ready(Some(Err(BrokenOff))),
        }
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
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}
