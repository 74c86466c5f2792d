//! When something last happened on a connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::{Clock, SystemClock};

/// How long a connection may be open without a request when the server stops, and still make one.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// The value of [`Activity::since`] while the server has something to do or to wait for.
const BUSY: u64 = u64::MAX;
/// The same before the first request.
const UNASKED: u64 = BUSY - 1;

/// Since when a connection waits for its client.
pub(super) struct Activity {
    opened: Instant,
    /// A reading of the boot clock in nanoseconds; or [`BUSY`] or [`UNASKED`].
    since: AtomicU64,
    /// Whether every write counts, as it does while a long reply is sent.
    streaming: AtomicBool,
}

impl Activity {
    /// Of a connection that has just opened.
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            since: AtomicU64::new(UNASKED),
            streaming: AtomicBool::new(false),
        }
    }

    /// The client has asked for something, or waits for it.
    pub(super) fn busy(&self) {
        self.since.store(BUSY, Ordering::Relaxed);
    }

    /// A piece of a long reply is to be taken by the client; from now on its taking counts.
    pub(super) fn streaming(&self) {
        self.streaming.store(true, Ordering::Relaxed);
        self.waiting(SystemClock.boottime());
    }

    /// A long reply has ended.
    pub(super) fn streamed(&self) {
        self.streaming.store(false, Ordering::Relaxed);
        self.waiting(SystemClock.boottime());
    }

    /// From `boot`, a reading of the boot clock, on it is for the client to do something.
    pub(super) fn waiting(&self, boot: i64) {
        self.since.store(boot.unsigned_abs(), Ordering::Relaxed);
    }

    /// Until when the first request may come although the server stops; `None` once it has.
    pub(super) fn awaited_until(&self) -> Option<Instant> {
        let unasked = self.since.load(Ordering::Relaxed) == UNASKED;
        let until = self.opened + FIRST_REQUEST;
        (unasked && Instant::now() < until).then_some(until)
    }

    /// When the client will have done nothing for as long as `patience`, if nothing happens until
    /// then.
    pub(super) fn deadline(&self, patience: Duration) -> Instant {
        let since = match self.since.load(Ordering::Relaxed) {
            BUSY => Instant::now(),
            UNASKED => self.opened,
            boot => {
                let elapsed = SystemClock.boottime().unsigned_abs().saturating_sub(boot);
                let left = patience.saturating_sub(Duration::from_nanos(elapsed));
                return Instant::now() + left;
            }
        };
        since + patience
    }

    /// The client has taken something.
    pub(super) fn wrote(&self) {
        if self.streaming.load(Ordering::Relaxed) && self.since.load(Ordering::Relaxed) != BUSY {
            self.waiting(SystemClock.boottime());
        }
    }
}
