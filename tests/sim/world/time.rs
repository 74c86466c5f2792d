//! What happens to the clocks, and letting time pass.

use shardflake::clock::Clock;
use shardflake::mark::ACCEPT_CLOCK;
use shardflake::time::TimeDelta;
use tokio::task::yield_now;
use tokio::time::advance;

use super::processes::PLACES;
use super::{MILLI, World};
use crate::clock::some_time;
use crate::fault::Fault;
use crate::plan::Op;
use crate::shard::Shard;

impl World {
    pub(super) async fn time(&mut self, op: Op) -> bool {
        match op {
            Op::Clock { nanos, seen } => {
                return self.step_clock(TimeDelta::from_nanos(nanos), seen).await;
            }
            Op::Strobe { nanos, times } => {
                let mut stepped = false;
                for time in 0..times {
                    let sign = if time % 2 == 0 { 1 } else { -1 };
                    let seen = self.luck.bool();
                    let step = TimeDelta::from_nanos(sign * nanos);
                    stepped |= self.step_clock(step, seen).await;
                    self.issue(0, 30).await;
                    let time = some_time(&mut self.luck, MILLI..80 * MILLI);
                    self.pass(time).await;
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
                self.processes
                    .each(|shard| shard.due = shard.due + ms * MILLI);
                return !self.processes.is_idle();
            }
            Op::AcceptClock { ahead_ms } => {
                let until = self.clock.realtime() + ahead_ms * MILLI;
                self.volume.volume().leave(ACCEPT_CLOCK, &until.to_string());
            }
            _ => return false,
        }
        true
    }

    /// False if it was left out, as the promise does not cover it.
    pub(super) async fn step_clock(&mut self, step: TimeDelta, seen: bool) -> bool {
        if step.is_negative() && self.mark_is_lost() {
            // A lost mark together with a clock set back is outside the promise.
            return false;
        }
        let synchronised = self.luck.bool();
        self.clock.step(step, synchronised);
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

    /// Lets `time` pass: keepers come round and requests wake up when it is their time.
    pub(super) async fn pass(&mut self, time: TimeDelta) {
        let end = self.clock.boottime() + time;
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
            let next = next.clamp(now + TimeDelta::from_nanos(1), end);
            // Timers count by another clock than the one that is slewed.
            let skew = (next - now) / 1_000_000 * self.ppm;
            self.clock.pass(next - now);
            self.noted();
            if skew != TimeDelta::ZERO && self.slewed != Some(self.ppm) {
                self.slewed = Some(self.ppm);
                self.count(Fault::Slew);
            }
            advance((next - now - skew).length()).await;
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
