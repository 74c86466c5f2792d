//! The window of a shard that runs: its bound is durable before the first ID, and is kept ahead of use from
//! then on. What cannot be written is not published, so that the IDs end with the window.

use std::sync::Arc;
use std::time::Duration;

use super::{IDLE_ROUND, Keeper, Next, Stage};
use crate::clock::Clock;
use crate::issuer::{Event, Phase};
use crate::mark::storage::Storage;
use crate::mark::{MarkError, Record};

/// Between two tries to write after a failure.
const WRITE_RETRY: Duration = Duration::from_millis(250);
/// The keeper looks at the clock at least this often, should the kernel not tell of a step.
const ROUND: Duration = Duration::from_millis(250);
/// A shard that issued nothing for this long is not in use, and its bound is left alone.
const IDLE: Duration = Duration::from_secs(60);

impl<S: Storage + Clone, C: Clock> Keeper<S, C> {
    /// R31: opens the generators once the run's own bound is durable. The bound that was read may have been in
    /// the page cache alone.
    pub(super) fn open(&mut self, mut record: Record<S>, first: u64) -> Next {
        let issuer = Arc::clone(&self.issuer);
        let read = record.bound();
        let boot = issuer.clock.boottime();
        let now = issuer.timeline.wall_tick(boot);
        let target = self.target(first.max(now), now);
        if let Err(error) = self.raise(&mut record, target) {
            self.tell_unwritable(&error);
            self.stage = Stage::Opening { record, first };
            return Next::Park(WRITE_RETRY);
        }
        issuer.timeline.begin(boot, first);
        issuer.window.begin(first, record.bound());
        issuer.stamps.open(first);
        issuer.generator.open(first);
        self.enter(Phase::Serving, &Event::Opened(first));
        self.stage = Stage::Running { record, read };
        Next::Park(Duration::ZERO)
    }

    /// Keeps the bound a window ahead of use while the shard is in use.
    pub(super) fn keep_ahead(&mut self, mut record: Record<S>, read: u64, demanded: bool) -> Next {
        let issuer = Arc::clone(&self.issuer);
        self.warn_of_end();
        let boot = issuer.clock.boottime();
        let now = issuer.timeline.wall_tick(boot);
        let next = issuer.next_tick().unwrap_or(now);
        if next != self.moved.0 {
            self.moved = (next, boot);
        }
        let used = next.max(now);
        let idle = boot.since(self.moved.1) > IDLE;
        let left = record.bound().saturating_sub(used);
        // After a failure also unasked: whoever looks after health only comes back when that is well.
        let failed = issuer.status.mark_error().is_some();
        let due = issuer.window.is_low(left) && (demanded || failed || !idle);
        let mut park = self.rest(left, idle);
        if boot < self.retry {
            park = self.retry.since(boot);
        } else if due && !issuer.too_far_ahead(next, now) {
            let target = self.target(used, now);
            match self.raise(&mut record, target) {
                Ok(()) => {
                    self.publish(record.bound());
                    let used = used.max(issuer.timeline.wall_tick(issuer.clock.boottime()));
                    park = self.rest(record.bound().saturating_sub(used), idle);
                }
                Err(error) => {
                    self.fail(&error);
                    self.retry = issuer.clock.boottime() + WRITE_RETRY;
                    park = WRITE_RETRY;
                }
            }
        }
        self.stage = Stage::Running { record, read };
        Next::Park(park)
    }

    /// How long to park when `left` ticks of the window are left: a round, or to the moment at which
    /// less than half is.
    fn rest(&self, left: u64, idle: bool) -> Duration {
        let issuer = &self.issuer;
        let round = if idle { IDLE_ROUND } else { ROUND };
        match issuer.window.spare(left) {
            Some(more) => round.min(issuer.span(more + 1)),
            None => round,
        }
    }

    /// The bound for IDs up to tick `used` when the wall clock is at `now`: a window above, but never further
    /// ahead of the clock than a lost mark is taken to have been.
    fn target(&self, used: u64, now: u64) -> u64 {
        let settings = &self.issuer.settings;
        let layout = &settings.layout;
        let furthest = now
            .saturating_add(settings.furthest())
            .max(settings.continue_ahead.unwrap_or(0));
        used.saturating_add(layout.ticks(settings.window))
            .min(furthest)
            .min(layout.max_tick())
    }

    fn raise(&self, record: &mut Record<S>, target: u64) -> Result<(), MarkError> {
        let clock = &self.issuer.clock;
        if target <= record.bound() {
            return Ok(());
        }
        let begin = clock.boottime();
        let result = record.raise(target, self.moment());
        let stats = &self.issuer.stats;
        stats.mark_fsync.record(clock.boottime().since(begin));
        if result.is_err() {
            stats.mark_failures.add(1);
        }
        result
    }

    fn publish(&self, bound: u64) {
        let issuer = &self.issuer;
        issuer.window.publish(bound);
        if issuer.status.written() {
            issuer.tell(&Event::MarkRecovered);
        }
    }

    fn fail(&self, error: &MarkError) {
        let text = error.to_string();
        if self.issuer.status.failed(&text) {
            self.issuer.tell(&Event::MarkFailed(text));
        }
    }
}
