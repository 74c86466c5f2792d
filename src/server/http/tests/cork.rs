//! What a connection's socket sends, and when.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::Limits;
use crate::http::activity::{Activity, Rest};
use crate::http::cork::{Cork, Slot, Turn};
use shardflake::clock::{Clock, SystemClock};

/// A stream that lists what each write took.
#[derive(Clone, Default)]
struct Listed {
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
    /// How many bytes the next writes take; past the last, all. None stands for "not now".
    takes: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Listed {
    fn taking(takes: &[Option<usize>]) -> Self {
        let listed = Self::default();
        *listed.takes.lock().unwrap() = takes.iter().rev().copied().collect();
        listed
    }

    /// What each write took since this was asked last.
    fn taken(&self) -> Vec<Vec<u8>> {
        mem::take(&mut self.writes.lock().unwrap())
    }
}

/// Nothing comes.
impl AsyncRead for Listed {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Listed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = match self.takes.lock().unwrap().pop() {
            None => bytes.len(),
            Some(None) => return Poll::Pending,
            Some(Some(most)) => most.min(bytes.len()),
        };
        self.writes.lock().unwrap().push(bytes[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writes.lock().unwrap().push(b"shutdown".to_vec());
        Poll::Ready(Ok(()))
    }
}

/// A cork over `stream`, which it has taken.
fn cork(stream: &Listed, turn: &Arc<Turn>) -> Cork<Listed> {
    let slot = Arc::<Slot<_>>::default();
    slot.put_in(stream.clone(), Bytes::new());
    let activity = Arc::new(Activity::new(Rest::new(&Limits::default())));
    let mut cork = Cork::new(slot, Arc::clone(turn), activity);
    let mut context = Context::from_waker(Waker::noop());
    let read = Pin::new(&mut cork).poll_read(&mut context, &mut ReadBuf::new(&mut []));
    assert!(read.is_pending());
    cork
}

fn write(cork: &mut Cork<Listed>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(cork).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
}

fn flush(cork: &mut Cork<Listed>) -> Poll<io::Result<()>> {
    Pin::new(cork).poll_flush(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn answers_behind_the_first_go_out_together() {
    let (stream, turn) = (Listed::default(), Arc::<Turn>::default());
    let mut cork = cork(&stream, &turn);
    for _ in 0..2 {
        turn.begin();
        for answer in [b"one", b"two", b"six"] {
            assert!(matches!(write(&mut cork, answer), Poll::Ready(Ok(3))));
            assert!(flush(&mut cork).is_ready());
        }
        assert_eq!(stream.taken(), [b"one"]);
        assert!(turn.ends_with_kept());
        assert!(flush(&mut cork).is_ready());
        assert_eq!(stream.taken(), [b"twosix"]);
        assert!(!turn.ends_with_kept());
    }
}

#[test]
fn a_lone_answer_is_not_kept() {
    let (stream, turn) = (Listed::default(), Arc::<Turn>::default());
    let mut cork = cork(&stream, &turn);
    for _ in 0..2 {
        turn.begin();
        assert!(write(&mut cork, b"one").is_ready());
        assert!(!turn.ends_with_kept());
        assert_eq!(stream.taken(), [b"one"]);
    }
}

#[test]
fn what_has_no_room_goes_out_in_order() {
    let (stream, turn) = (Listed::default(), Arc::<Turn>::default());
    let mut cork = cork(&stream, &turn);
    let answers = [
        vec![1; 10],
        vec![2; 100],
        vec![3; 8 * 1024],
        vec![4; 64 * 1024],
        vec![5; 8 * 1024],
    ];
    for answer in &answers {
        assert!(matches!(write(&mut cork, answer), Poll::Ready(Ok(sent)) if sent == answer.len()));
    }
    assert_eq!(stream.taken(), answers[..4]);
    assert!(turn.ends_with_kept());
    assert!(flush(&mut cork).is_ready());
    assert_eq!(stream.taken(), answers[4..]);
}

#[test]
fn a_stream_that_takes_little_gets_the_rest_later() {
    let stream = Listed::taking(&[Some(2), None, Some(1), None, Some(3)]);
    let turn = Arc::<Turn>::default();
    let mut cork = cork(&stream, &turn);
    assert!(matches!(write(&mut cork, b"answer"), Poll::Ready(Ok(2))));
    assert!(matches!(write(&mut cork, b"swer"), Poll::Ready(Ok(4))));
    assert!(turn.ends_with_kept());
    assert!(flush(&mut cork).is_pending());
    // Another turn, in which the stream takes one byte.
    turn.begin();
    assert!(write(&mut cork, b", next").is_pending());
    assert_eq!(stream.taken().concat(), b"ans");
    assert!(turn.ends_with_kept());
    assert!(flush(&mut cork).is_ready());
    assert!(write(&mut cork, b", next").is_ready());
    assert_eq!(stream.taken().concat(), b"wer, next");
}

#[test]
fn a_stream_is_shut_down_behind_what_is_kept() {
    let (stream, turn) = (Listed::default(), Arc::<Turn>::default());
    let mut cork = cork(&stream, &turn);
    assert!(write(&mut cork, b"first").is_ready());
    assert!(write(&mut cork, b"last").is_ready());
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut cork).poll_shutdown(&mut context).is_ready());
    assert_eq!(stream.taken().concat(), b"firstlastshutdown");
}

#[test]
fn a_stream_that_takes_nothing_any_more_is_an_error() {
    let (stream, turn) = (Listed::taking(&[Some(5), Some(0)]), Arc::<Turn>::default());
    let mut cork = cork(&stream, &turn);
    assert!(write(&mut cork, b"first").is_ready());
    assert!(write(&mut cork, b"lost").is_ready());
    assert!(turn.ends_with_kept());
    let flushed = flush(&mut cork);
    assert!(matches!(flushed, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WriteZero));
}

/// A client that has sent this, once.
struct Sending(Option<Vec<u8>>);

impl AsyncRead for Sending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(bytes) = self.0.take() else {
            return Poll::Pending;
        };
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

/// Whether the socket of a connection is let go of that was opened a while ago, sent this, and was
/// answered as the closure says.
fn lets_go(bytes: &str, answered: impl FnOnce(&Activity)) -> bool {
    let now = SystemClock.boottime();
    let activity = Arc::new(Activity::new(Rest::new(&Limits::default())));
    activity.waiting(now - Duration::from_secs(1));
    let (slot, turn) = (Arc::<Slot<_>>::default(), Arc::<Turn>::default());
    let mut cork = Cork::new(Arc::clone(&slot), turn, Arc::clone(&activity));
    slot.put_in(Sending(Some(bytes.into())), Bytes::new());
    let mut read = || {
        let mut space = [0; 256];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut cork).poll_read(&mut context, &mut ReadBuf::new(&mut space))
    };
    assert!(read().is_ready());
    activity.asked(now);
    answered(&activity);
    assert!(read().is_pending());
    slot.take_out().is_some()
}

#[test]
fn a_socket_is_let_go_of_behind_a_plain_request_alone() {
    let plainly = |activity: &Activity| {
        activity.plain();
        activity.waiting(SystemClock.boottime());
    };
    let whole = "GET /id HTTP/1.1\r\nhost: a\r\n\r\n";
    assert!(lets_go(whole, plainly));
    assert!(lets_go("GET /id HTTP/1.1\r\n\r\n", plainly));
    assert!(lets_go(&whole.repeat(2), plainly));
    for behind in [
        "\r\n",
        "\n",
        "\r\n\r\n",
        "\n\r\n",
        "G",
        "GET /id HTTP/1.1\r\nhost: a\r\n",
    ] {
        assert!(!lets_go(&format!("{whole}{behind}"), plainly), "{behind:?}");
    }
    assert!(
        !lets_go(whole, |activity| activity.waiting(SystemClock.boottime())),
        "not plain"
    );
    assert!(!lets_go(whole, Activity::plain), "not answered");
    assert!(!lets_go(whole, |activity| {
        plainly(activity);
        activity.streaming();
    }));
    assert!(
        !lets_go(whole, |activity| {
            activity.waiting(SystemClock.boottime());
            activity.asked(SystemClock.boottime());
            plainly(activity);
        }),
        "asks often"
    );
}
