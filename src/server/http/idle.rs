//! When a connection is closed for its client's silence, and when only its buffers are given up.

use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::socket::{MsgFlags, recv};
use tokio::task::unconstrained;
use tokio::time::{self, Sleep};

use super::activity::{Rest, unless_unparked};
use super::context::Context;
use super::seat::Seat;
use super::stream::Stream;
use super::{App, Limits};

/// How often a connection that has buffers is looked at: whether it has come to rest.
const LOOK: Duration = unless_unparked(Duration::from_secs(1));
/// The time to read bytes that have come already, on top of a client's own.
pub(super) const READING: Duration = Duration::from_secs(1);
/// An alarm that is later than this tells that the process was stopped, or kept from running.
const LATE: Duration = Duration::from_millis(100);

/// The time-keeping of one connection: how long its client may do nothing, or still ask when the server
/// stops.
pub(super) struct Idle {
    limits: Limits,
    /// As it was when the connection was parked.
    rest: Rest,
    socket: RawFd,
    alarm: Pin<Box<Sleep>>,
    /// Whether there was a first poll, which sets the alarm.
    is_set: bool,
    /// Whether the alarm is to be set before this turn ends.
    is_due: bool,
    /// When the time was over with bytes unread, or the alarm was late: the activity's stamp then, and until
    /// when the client is waited for nevertheless.
    reading: Option<(u64, Instant)>,
}

impl Idle {
    /// The time-keeping of a new connection; `socket` has to be open for as long as this is polled.
    pub(super) fn new(app: &App, socket: RawFd) -> Self {
        let limits = app.limits();
        let _timers = app.timers.enter();
        Self {
            limits,
            rest: Rest::new(&limits),
            socket,
            alarm: Box::pin(time::sleep(limits.idle_timeout)),
            is_set: false,
            is_due: false,
            reading: None,
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    /// Gives the connection a seat: something has come, or `ahead` is left over from before.
    pub(super) fn wake(&mut self, app: &Arc<App>, stream: Stream, ahead: Bytes) -> Seat {
        // If it does not come to rest within a turn, it is to be looked at.
        self.is_due = true;
        let begun = !ahead.is_empty();
        let seat = Seat::take(app, &self.limits, self.rest, stream, ahead);
        if begun {
            seat.context().activity.left_over();
        }
        seat
    }

    /// Ready when the client has done nothing for too long. `awake` is the context, unless it is parked.
    #[inline]
    pub(super) fn poll(&mut self, awake: Option<&Context>, cx: &mut Task<'_>) -> Poll<()> {
        // Polling the alarm takes a lock that all connections share, and costs more than the rest
        // of a request's time-keeping. So it is polled only where it is set, and only read here.
        if self.is_set && !self.alarm.is_elapsed() {
            return Poll::Pending;
        }
        self.is_set = true;
        self.look(awake, cx)
    }

    fn look(&mut self, awake: Option<&Context>, cx: &mut Task<'_>) -> Poll<()> {
        if self.left(awake) == Some(Duration::ZERO) {
            return Poll::Ready(());
        }
        self.is_due = true;
        if awake.is_none() {
            self.set(awake, cx);
        }
        Poll::Pending
    }

    /// To be called at the end of a turn: whether the connection has come to rest, and is to be parked.
    #[inline]
    pub(super) fn ends_turn(&mut self, awake: &Context, cx: &mut Task<'_>) -> bool {
        let activity = &awake.activity;
        let begins = activity.begins_head();
        if !(self.is_due || begins || activity.is_rare()) {
            return false;
        }
        self.settle(awake, begins, cx)
    }

    fn settle(&mut self, awake: &Context, begins: bool, cx: &mut Task<'_>) -> bool {
        if awake.turn.is_settled() && awake.activity.is_between() {
            self.rest = awake.activity.rest();
            // On a connection that asks now and then the alarm stays as it is: it looks again when it
            // goes off.
            if self.alarm.is_elapsed() {
                self.set(None, cx);
            }
            return true;
        }
        if self.is_due || begins {
            self.set(Some(awake), cx);
        }
        false
    }

    /// Sets the alarm to when there is something to look at.
    fn set(&mut self, awake: Option<&Context>, cx: &mut Task<'_>) {
        let left = self.left(awake).unwrap_or(LOOK);
        let left = awake.map_or(left, |_| left.min(LOOK));
        self.wake_at(Instant::now() + left, cx);
        self.is_due = false;
    }

    /// Without regard to how much the task has done in this turn: one that has done too much would not be
    /// woken by the alarm, which is not polled again before it goes off.
    pub(super) fn wake_at(&mut self, until: Instant, cx: &mut Task<'_>) {
        self.alarm.as_mut().reset(until.into());
        let mut alarm = unconstrained(self.alarm.as_mut());
        if Pin::new(&mut alarm).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// How long the client may do nothing yet; `None` while it waits.
    fn left(&mut self, awake: Option<&Context>) -> Option<Duration> {
        let (left, stamp) = match awake {
            None => (self.rest.patience(&self.limits), self.rest.quiet_since()),
            Some(context) => {
                let settled = context.turn.is_settled();
                let activity = &context.activity;
                (activity.patience(&self.limits, settled)?, activity.stamp())
            }
        };
        if !left.is_zero() {
            return Some(left);
        }
        // The process may have been stopped, or kept from running, while the client was prompt. Once
        // only: a client that sends a byte now and then is not waited for longer.
        let now = Instant::now();
        let is_late = now > self.alarm.deadline().into_std() + LATE;
        let until = match self.reading {
            Some((of, until)) if of == stamp => until,
            _ if is_late || self.has_unread(awake) => now + READING,
            _ => now,
        };
        self.reading = Some((stamp, until));
        Some(until.saturating_duration_since(now))
    }

    /// Whether something has come that was not read. The runtime tells of it soon.
    fn has_unread(&self, awake: Option<&Context>) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        awake.is_none_or(|context| context.turn.is_settled())
            && recv(self.socket, &mut [0], flags).is_ok_and(|read| read > 0)
    }

    /// Ready when a connection may close because the server stops: its client has asked for nothing more, and
    /// a new one has had its time to ask.
    pub(super) fn poll_stop(&mut self, awake: Option<&Context>, cx: &mut Task<'_>) -> Poll<()> {
        let rest = awake.map_or(self.rest, |context| context.activity.rest());
        if let Some(until) = rest.awaited_until() {
            self.wake_at(until, cx);
            return Poll::Pending;
        }
        // What has come already counts as asked before the stop.
        if self.has_unread(awake) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
