//! What happens to the clocks, and letting time pass.

use std::time::Duration;

use shardflake::clock::Clock;
use shardflake::mark::ACCEPT_CLOCK;
use shardflake::timestamp::rfc3339_nanos;
use tokio::task::yield_now;
use tokio::time::advance;

use super::processes::PLACES;
use super::{MILLI, World};
use crate::fault::Fault;
use crate::plan::Op;
use crate::shard::Shard;

impl World {
    pub(super) async fn time(&mut self, op: Op) -> bool {
        match op {
            Op::Clock { nanos, seen } => return self.step_clock(nanos, seen).await,
            Op::Strobe { nanos, times } => {
                let mut stepped = false;
                for time in 0..times {
                    let sign = if time % 2 == 0 { 1 } else { -1 };
                    let seen = self.luck.bool();
                    stepped |= self.step_clock(sign * nanos, seen).await;
                    self.issue(0, 30).await;
                    let nanos = self.luck.i64(MILLI..80 * MILLI);
                    self.pass(nanos).await;
                }
                return stepped;
            }
            Op::StopClock { ms } => {
                let mut stood = false;
                for _ in 0..=ms / 50 {
                    self.pass(50 * MILLI).await;
                    stood |= self.step_clock(-50 * MILLI, true).await;
                    self.issue(0, 40).await;
                }
                return stood;
            }
            Op::Slew { ppm } => (self.ppm, self.slewed) = (ppm, None),
            Op::Suspend { ms } => {
                let slept = !self.processes.is_idle();
                self.clock.pass(ms * MILLI);
                self.noted();
                self.settle().await;
                return slept;
            }
            Op::SlowKeeper { ms } => {
                self.processes.each(|shard| shard.due += ms * MILLI);
                return !self.processes.is_idle();
            }
            Op::AcceptClock { ahead_ms } => {
                let until = self.clock.realtime() + ahead_ms * MILLI;
                let text = rfc3339_nanos(until);
                self.volume.volume().leave(ACCEPT_CLOCK, &text);
            }
            _ => return false,
        }
        true
    }

    /// False if it was left out, as the promise does not cover it.
    pub(super) async fn step_clock(&mut self, nanos: i64, seen: bool) -> bool {
        if nanos < 0 && self.mark_is_lost() {
            // A lost mark together with a clock set back is outside the promise.
            return false;
        }
        let synchronised = self.luck.bool();
        self.clock.step(nanos, synchronised);
        self.noted();
        if seen {
            self.processes.each(|shard| {
                if shard.thaw.is_none() {
                    shard.common.observe();
                }
            });
        }
        self.settle().await;
        true
    }

    pub(super) fn noted(&mut self) {
        self.latest = self.latest.max(self.clock.realtime());
    }

    /// Lets `nanos` pass: keepers come round and requests wake up when it is their time.
    pub(super) async fn pass(&mut self, nanos: i64) {
        let end = self.clock.boottime() + nanos;
        loop {
            self.settle().await;
            let now = self.clock.boottime();
            if now >= end {
                return;
            }
            let mut next = end;
            self.processes.each(|shard| {
                if !shard.process.ended() {
                    next = next.min(shard.thaw.unwrap_or(shard.due));
                }
            });
            let next = next.clamp(now + 1, end);
            // Timers count by another clock than the one that is slewed.
            let skew = (next - now) / 1_000_000 * self.ppm;
            self.clock.pass(next - now);
            self.noted();
            if skew != 0 && self.slewed != Some(self.ppm) {
                self.slewed = Some(self.ppm);
                self.count(Fault::Slew);
            }
            advance(Duration::from_nanos((next - now - skew).unsigned_abs())).await;
        }
    }

    /// Does all that is due now.
    pub(super) async fn settle(&mut self) {
        yield_now().await;
        let now = self.clock.boottime();
        self.processes.each(|shard| {
            if shard.thaw.is_some_and(|thaw| thaw <= now) {
                shard.go_on();
            }
        });
        // Threads of several processes take turns as it comes.
        loop {
            let due = |slot: &usize| {
                let place = self.processes.at(*slot);
                place.as_ref().is_some_and(|shard| shard.is_due(now))
            };
            let due: Vec<usize> = (0..PLACES).filter(due).collect();
            let Some(slot) = self.luck.choice(due) else {
                break;
            };
            self.processes.step(slot, now, &mut self.luck);
        }
        yield_now().await;
        self.processes.each(Shard::see_to_requests);
        self.judge_ends();
    }
}
