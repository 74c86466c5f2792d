//! What happens to the clocks, and letting time pass.

use std::time::Duration;

use shardflake::clock::Clock;
use shardflake::issuer::ACCEPT_CLOCK;
use shardflake::timestamp::rfc3339_nanos;
use tokio::task::yield_now;
use tokio::time::advance;

use super::{MILLI, World};
use crate::fault::Fault;
use crate::plan::Op;

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
                let slept = self.shards.iter().any(Option::is_some);
                self.clock.pass(ms * MILLI);
                self.noted();
                self.settle().await;
                return slept;
            }
            Op::SlowKeeper { ms } => {
                for shard in self.shards.iter_mut().flatten() {
                    shard.due += ms * MILLI;
                }
                return self.shards.iter().any(Option::is_some);
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
        self.clock.step(nanos);
        self.noted();
        if seen {
            for shard in self.shards.iter().flatten() {
                if shard.thaw.is_none() {
                    shard.common.observe();
                }
            }
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
            let events = self.shards.iter().flatten();
            let next = events.map(|shard| shard.thaw.unwrap_or(shard.due)).min();
            let next = next.unwrap_or(end).clamp(now + 1, end);
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
        for shard in self.shards.iter_mut().flatten() {
            if shard.thaw.is_some_and(|thaw| thaw <= now) {
                shard.go_on();
            }
        }
        // Threads of several processes take turns as it comes.
        loop {
            let due = |slot: &usize| {
                self.shards[*slot]
                    .as_ref()
                    .is_some_and(|shard| shard.is_due(now))
            };
            let due: Vec<usize> = (0..self.shards.len()).filter(due).collect();
            let Some(slot) = self.luck.choice(due) else {
                break;
            };
            self.step(slot, now);
        }
        yield_now().await;
    }

    /// One step of the keeper in `slot`.
    fn step(&mut self, slot: usize, now: i64) {
        let Some(shard) = &mut self.shards[slot] else {
            return;
        };
        let Ok(park) = shard.step() else {
            // It ended well, or with what an operator must mend.
            self.shards[slot] = None;
            return;
        };
        let park = i64::try_from(park.as_nanos()).unwrap_or(i64::MAX / 4);
        let late = if park > 0 { self.luck.i64(0..MILLI) } else { 0 };
        shard.due = now + park + late;
    }
}
