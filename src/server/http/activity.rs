//! When something last happened on a connection.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Limits;
use shardflake::clock::{Clock, SystemClock};
use shardflake::time::BootTime;

/// How long a connection may be open without a request when the server stops, and still make one.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// A connection whose requests are further apart than that is not worth keeping buffers for.
const RARE: Duration = unless_unparked(Duration::from_millis(250));
/// The value of [`Rest::since`] while the server has something to do or to wait for.
const BUSY: u64 = u64::MAX;
/// The value of [`Rest::since`] before the first request.
const UNASKED: u64 = BUSY - 1;
/// The value of [`Activity::head`] when nothing of the next request was read.
const UNHEARD: u64 = 0;
/// The value of [`Activity::head`] when something of it was read since it was last looked at.
const HEARD: u64 = 1;

/// The moments that a connection without buffers is judged by. They are readings of the boot clock in
/// nanoseconds, as are all below.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    opened: u64,
    /// When the last answer was made; or [`BUSY`] or [`UNASKED`].
    since: u64,
    /// From when on the connection is too old: the next answer on it is its last.
    old_at: u64,
}

impl Rest {
    /// The moments of a connection that has just opened.
    pub(super) fn new(limits: &Limits) -> Self {
        let opened = now();
        let age = limits.connection_age;
        let old_at = if age.is_zero() {
            u64::MAX
        } else {
            opened.saturating_add(scattered(nanos(age)))
        };
        Self {
            opened,
            since: UNASKED,
            old_at,
        }
    }

    /// Until when the first request may still come although the server stops; `None` once it has come, or the
    /// time for it is over.
    pub(super) fn awaited_until(&self) -> Option<Instant> {
        let left = left(self.opened, FIRST_REQUEST);
        (self.since == UNASKED && !left.is_zero()).then(|| Instant::now() + left)
    }

    /// How long it may stay as it is, if nothing happens until then.
    pub(super) fn patience(&self, limits: &Limits) -> Duration {
        left(self.quiet_since(), limits.idle_timeout)
    }

    /// When the last answer was made, or else when the connection was opened.
    #[inline]
    pub(super) fn quiet_since(&self) -> u64 {
        match self.since {
            BUSY | UNASKED => self.opened,
            boot => boot,
        }
    }
}

/// The activity on a connection while it has buffers: the moments of its [`Rest`], and more.
pub(super) struct Activity {
    /// As in [`Rest`], like the next two.
    opened: AtomicU64,
    since: AtomicU64,
    old_at: AtomicU64,
    /// When the first bytes of a request's head had come; or [`UNHEARD`] or [`HEARD`].
    head: AtomicU64,
    /// Whether every write counts, as it does while a long reply is sent.
    streaming: AtomicBool,
    /// Whether the last request came [`RARE`] or more after what was before it.
    rare: AtomicBool,
    /// Whether the last request was of the usual kind.
    plain: AtomicBool,
}

impl Activity {
    /// The activity of a connection that goes on after `rest`.
    pub(super) fn new(rest: Rest) -> Self {
        Self {
            opened: AtomicU64::new(rest.opened),
            since: AtomicU64::new(rest.since),
            old_at: AtomicU64::new(rest.old_at),
            head: AtomicU64::new(UNHEARD),
            streaming: AtomicBool::new(false),
            rare: AtomicBool::new(false),
            plain: AtomicBool::new(false),
        }
    }

    /// Takes on the connection that goes on after `rest`, in the place of the one before.
    pub(super) fn resume(&self, rest: Rest) {
        self.opened.store(rest.opened, Ordering::Relaxed);
        self.since.store(rest.since, Ordering::Relaxed);
        self.old_at.store(rest.old_at, Ordering::Relaxed);
        self.head.store(UNHEARD, Ordering::Relaxed);
        self.streaming.store(false, Ordering::Relaxed);
        self.rare.store(false, Ordering::Relaxed);
        self.plain.store(false, Ordering::Relaxed);
    }

    /// The moments that still matter once there are no buffers.
    #[inline]
    pub(super) fn rest(&self) -> Rest {
        Rest {
            opened: self.opened.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
            old_at: self.old_at.load(Ordering::Relaxed),
        }
    }

    /// A request has come, at `boot`, a reading of the boot clock.
    #[inline]
    pub(super) fn asked(&self, boot: BootTime) {
        let quiet = reading(boot).saturating_sub(self.rest().quiet_since());
        self.rare.store(quiet >= nanos(RARE), Ordering::Relaxed);
        self.head.store(UNHEARD, Ordering::Relaxed);
        self.plain.store(false, Ordering::Relaxed);
        self.busy();
    }

    /// The request leaves nothing special in hyper's state.
    #[inline]
    pub(super) fn plain(&self) {
        self.plain.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }

    /// The client waits for the server.
    pub(super) fn busy(&self) {
        self.since.store(BUSY, Ordering::Relaxed);
    }

    /// A piece of a long reply waits to be taken by the client; from now on each piece taken counts.
    pub(super) fn streaming(&self) {
        self.streaming.store(true, Ordering::Relaxed);
        self.waiting(SystemClock.boottime());
    }

    /// A long reply has ended.
    pub(super) fn streamed(&self) {
        self.streaming.store(false, Ordering::Relaxed);
        self.waiting(SystemClock.boottime());
    }

    /// From `boot` on, a reading of the boot clock, the server waits for the client.
    #[inline]
    pub(super) fn waiting(&self, boot: BootTime) {
        self.since.store(reading(boot), Ordering::Relaxed);
    }

    /// The client has taken something.
    #[inline]
    pub(super) fn wrote(&self) {
        if self.streaming.load(Ordering::Relaxed) && !self.is_busy() {
            self.waiting(SystemClock.boottime());
        }
    }

    /// Something was read: a part of a head, unless a request is under way.
    #[inline]
    pub(super) fn read(&self) {
        if self.head.load(Ordering::Relaxed) == UNHEARD && !self.is_busy() {
            self.head.store(HEARD, Ordering::Relaxed);
        }
    }

    /// Whether a head has begun to come, and not ended, since the last call. Its time counts from now.
    #[inline]
    pub(super) fn begins_head(&self) -> bool {
        self.head.load(Ordering::Relaxed) == HEARD && self.times_head(now())
    }

    /// Bytes behind the last request are a part of a head: its time counts from the last answer.
    pub(super) fn left_over(&self) {
        self.times_head(self.rest().quiet_since());
    }

    fn times_head(&self, since: u64) -> bool {
        if self.is_busy() {
            return false;
        }
        self.head.store(since.max(HEARD + 1), Ordering::Relaxed);
        true
    }

    /// Whether the client has been answered, owes nothing, and asks so rarely that buffers are better
    /// given up between its requests.
    pub(super) fn is_between(&self) -> bool {
        let quiet = || now().saturating_sub(self.rest().quiet_since()) >= nanos(RARE);
        !self.is_busy()
            && !self.streaming.load(Ordering::Relaxed)
            && self.head.load(Ordering::Relaxed) == UNHEARD
            && (self.is_rare() || quiet())
    }

    /// Whether the last request came long after what was before it.
    #[inline]
    pub(super) fn is_rare(&self) -> bool {
        self.rare.load(Ordering::Relaxed)
    }

    /// How long it may stay as it is, if nothing happens until then; `None` while the client waits.
    /// `taken` is whether it has taken all that was sent.
    pub(super) fn patience(&self, limits: &Limits, taken: bool) -> Option<Duration> {
        if self.is_busy() {
            return None;
        }
        let rest = self.rest();
        let head = self.head.load(Ordering::Relaxed);
        Some(if head > HEARD {
            left(head, limits.head_timeout)
        } else if taken && !self.streaming.load(Ordering::Relaxed) {
            rest.patience(limits)
        } else {
            left(rest.quiet_since(), limits.stall())
        })
    }

    /// A moment that changes whenever something happens that the client's patience is counted from.
    pub(super) fn stamp(&self) -> u64 {
        match self.head.load(Ordering::Relaxed) {
            UNHEARD | HEARD => self.rest().quiet_since(),
            head => head,
        }
    }

    /// Whether the connection is too old at `boot`, a reading of the boot clock.
    #[inline]
    pub(super) fn is_old(&self, boot: BootTime) -> bool {
        reading(boot) >= self.old_at.load(Ordering::Relaxed)
    }

    #[inline]
    fn is_busy(&self) -> bool {
        self.since.load(Ordering::Relaxed) == BUSY
    }
}

/// `span`; or, in a build that a benchmark compares with, whose connections keep their buffers, a span far
/// longer than a server runs.
pub(super) const fn unless_unparked(span: Duration) -> Duration {
    if cfg!(unparked) {
        Duration::from_secs(u32::MAX as u64)
    } else {
        span
    }
}

fn now() -> u64 {
    reading(SystemClock.boottime())
}

/// A reading of the boot clock as it is kept in an atomic.
#[inline]
const fn reading(boot: BootTime) -> u64 {
    boot.as_nanos().unsigned_abs()
}

/// The time that is left of `span`, which began at `since`.
fn left(since: u64, span: Duration) -> Duration {
    span.saturating_sub(Duration::from_nanos(now().saturating_sub(since)))
}

/// `nanos`, give or take a tenth at random: connections that opened together are not to end together.
fn scattered(nanos: u64) -> u64 {
    // The hash of nothing under random keys is a random number.
    let random = RandomState::new().build_hasher().finish();
    nanos - nanos / 10 + random % (nanos / 5).max(1)
}

/// A span in nanoseconds, at compile time for a constant. It must be below 584 years.
const fn nanos(span: Duration) -> u64 {
    span.as_secs() * 1_000_000_000 + span.subsec_nanos() as u64
}
