//! Stamps of 128-bit identifiers, under the bound that the IDs have.
//!
//! They come from a generator of their own, which counts milliseconds since 1970 and up to 2^20 stamps in
//! each. Ticks are whole milliseconds long and begin on one, so that a bound in ticks bounds milliseconds too:
//! a start begins above the bound with both, and the exact mark covers what either has issued.

use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use super::request::{ONE, Turn, Wait};
use super::reserve::Delay;
use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::{Blocked, Generator};
use crate::id::layout::{Bits, Layout, Order};
use crate::id::range::MachineRange;
use crate::time::BootTime;
use crate::wide::{COUNTER_BITS, Stamp};

/// Milliseconds since 1970 to the year 2248, and a counter: the generator's numbers are both and no more. A
/// layout has a machine ID of a bit at least; owned whole, it is the counter's last.
const MILLIS: Layout = {
    let bits = Bits {
        order: Order::SequenceMachine,
        time: 63 - COUNTER_BITS,
        sequence: COUNTER_BITS - 1,
        machine: 1,
        datacenter: 0,
    };
    match Layout::new(bits, 1, 0) {
        Ok(layout) => layout,
        Err(_) => panic!("the widths add up to 63"),
    }
};

/// The stamps of a shard.
#[derive(Debug)]
pub(super) struct Stamps {
    generator: Generator,
    /// Of the layout of the IDs, whose ticks the bound counts.
    epoch_ms: u64,
    tick_ms: u64,
    /// The machine ID in all of them: the first of the shard's range, which nobody else owns.
    machine: u32,
}

impl Stamps {
    pub(super) fn new(layout: &Layout, machines: MachineRange) -> Self {
        let both = MachineRange::new(0, 1).expect("two machine IDs of one bit");
        Self {
            generator: Generator::new(MILLIS, both),
            epoch_ms: layout.unix_ms(0),
            tick_ms: layout.unix_ms(1) - layout.unix_ms(0),
            machine: machines.first(),
        }
    }

    /// The first millisecond of `tick`, or the one after the last that there are stamps of.
    fn first_of(&self, tick: u64) -> u64 {
        let begin = tick
            .saturating_mul(self.tick_ms)
            .saturating_add(self.epoch_ms);
        begin.min(MILLIS.max_tick() + 1)
    }

    /// The last millisecond of `tick`.
    #[inline]
    fn last_of(&self, tick: u64) -> u64 {
        let end = tick.saturating_add(1).saturating_mul(self.tick_ms);
        end.saturating_add(self.epoch_ms) - 1
    }

    /// The tick that `unix_ms` lies in.
    fn tick_of(&self, unix_ms: u64) -> u64 {
        unix_ms.saturating_sub(self.epoch_ms) / self.tick_ms
    }

    /// Starts with the first stamp of tick `first`.
    pub(super) fn open(&self, first: u64) {
        self.generator.open(self.first_of(first));
    }

    /// Ends for good; returns the last tick of which there may have been a stamp, or `None` if it was not open.
    pub(super) fn close(&self) -> Option<u64> {
        self.generator.close().map(|last| self.tick_of(last))
    }

    /// The tick of the next stamp, unless time moves past it first; `None` while closed.
    pub(super) fn tick(&self) -> Option<u64> {
        self.generator.tick().map(|next| self.tick_of(next))
    }

    /// The tick of the last stamp, or the one before the first; `None` while closed.
    pub(super) fn last_tick(&self) -> Option<u64> {
        self.generator.last_tick().map(|last| self.tick_of(last))
    }

    /// Takes up to `wanted` stamps of milliseconds from `now` to `ceiling`.
    fn reserve(&self, now: u64, wanted: NonZeroU32, ceiling: u64) -> Result<StampRun, Blocked> {
        let reserved = self.generator.reserve(now, wanted, ceiling)?;
        let first = reserved.first().id;
        Ok(StampRun {
            numbers: first..first + u64::from(reserved.count()),
            machine: self.machine,
        })
    }
}

/// The stamp with that number of the generator: every number is one, and the next number is the next stamp.
#[inline]
const fn stamp(number: u64, machine: u32) -> Stamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the counter is what the lower bits are"
    )]
    let counter = number as u32 & ((1 << COUNTER_BITS) - 1);
    Stamp {
        unix_ms: number >> COUNTER_BITS,
        counter,
        machine,
    }
}

/// Stamps that now belong to the caller, in increasing order.
#[derive(Debug)]
pub struct StampRun {
    numbers: Range<u64>,
    machine: u32,
}

impl Iterator for StampRun {
    type Item = Stamp;

    #[inline]
    fn next(&mut self) -> Option<Stamp> {
        let number = self.numbers.next()?;
        Some(stamp(number, self.machine))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

/// A request for stamps under way.
#[derive(Debug)]
pub(super) struct StampRequest {
    wanted: NonZeroU32,
    /// The moment up to which it is answered.
    until: BootTime,
}

impl StampRequest {
    /// A request for up to `wanted` stamps that comes at `begin`.
    pub(super) fn new<C: Clock>(issuer: &Issuer<C>, begin: BootTime, wanted: NonZeroU32) -> Self {
        Self {
            wanted,
            until: begin + issuer.settings.deadline,
        }
    }

    /// Takes the stamps, at `boot`, if there are any.
    ///
    /// # Errors
    /// [`Refusal`] says why there will be none.
    pub(super) fn turn<C: Clock>(
        &self,
        issuer: &Issuer<C>,
        boot: BootTime,
    ) -> Result<Turn<StampRun>, Refusal> {
        let left = self.until.since(boot);
        let wait = match issuer.reserve_stamps(boot, self.wanted) {
            Ok(run) => return Ok(Turn::Over(run)),
            Err(Delay::Refused(refusal)) => return Err(refusal),
            Err(Delay::NotOpen) => Wait::Opening(left),
            Err(Delay::Bound(bound)) => Wait::Bound(bound, left),
            Err(Delay::Later(unix_ms)) => {
                let begins = issuer.timeline.until_ms(boot, unix_ms);
                if begins > left {
                    return Err(issuer.saturated(boot, issuer.stamps.tick_of(unix_ms)));
                }
                Wait::Sleep(begins)
            }
        };
        Ok(Turn::Wait(wait))
    }
}

impl<C: Clock> Issuer<C> {
    /// Takes a stamp if its millisecond has begun by the wall clock, and nothing has to be waited for. `boot` is
    /// a reading of the boot clock that the caller has just taken; an old one does no harm.
    #[must_use]
    #[inline]
    pub fn try_stamp_at(&self, boot: BootTime) -> Option<Stamp> {
        let stamps = &self.stamps;
        let now = self.timeline.wall_ms(boot);
        let bound = self.window.bound();
        // A millisecond of the wall clock or before it: it has begun, and nothing is ahead.
        let ceiling = stamps.last_of(bound).min(now);
        let number = stamps.generator.take(now, ceiling)?;
        let left = bound.saturating_sub(self.timeline.wall_tick(boot));
        if self.window.is_low(left) {
            self.want_window();
        }
        Some(stamp(number, stamps.machine))
    }

    /// Takes a stamp if its millisecond has begun: by the wall clock, or by the pace while IDs are ahead of it. The
    /// clock is read as by [`Issuer::try_issue_ahead`].
    #[must_use]
    #[inline]
    pub fn try_stamp(&self) -> Option<Stamp> {
        let recent = self.try_stamp_at(self.clock.recent());
        recent.or_else(|| self.stamp_ahead())
    }

    #[cold]
    #[inline(never)]
    fn stamp_ahead(&self) -> Option<Stamp> {
        let boot = self.clock.renewed();
        self.try_stamp_at(boot)
            .or_else(|| self.reserve_stamps(boot, ONE).ok()?.next())
    }

    /// Takes up to `wanted` stamps of milliseconds that have begun. What is to come later is told in
    /// milliseconds.
    fn reserve_stamps(&self, boot: BootTime, wanted: NonZeroU32) -> Result<StampRun, Delay> {
        let stamps = &self.stamps;
        let now = self.timeline.wall_tick(boot);
        let Some(next) = stamps.tick() else {
            return Err(Delay::NotOpen);
        };
        self.keep_pace(boot, now);
        if self.too_far_ahead(next, now) {
            return Err(Delay::Refused(self.clock_ahead(next, now)));
        }
        let bound = self.window.bound();
        if self.window.is_low(bound.saturating_sub(now.max(next))) {
            self.want_window();
        }
        let furthest = bound.min(self.furthest_issue(now));
        let ceiling = stamps.last_of(furthest).min(self.timeline.begun_ms(boot));
        match stamps.reserve(self.timeline.wall_ms(boot), wanted, ceiling) {
            Ok(run) => Ok(run),
            Err(Blocked::Above(unix_ms)) if stamps.tick_of(unix_ms) > bound => {
                Err(Delay::Bound(bound))
            }
            Err(Blocked::Above(unix_ms)) => Err(Delay::Later(unix_ms)),
            Err(Blocked::TimeFieldOver) => Err(Delay::Refused(self.time_field_over())),
            Err(Blocked::Closed) => Err(Delay::NotOpen),
        }
    }

    /// How long it takes from `boot` until the millisecond of the next stamp begins.
    pub(super) fn until_stamp(&self, boot: BootTime) -> Duration {
        let next = self.stamps.generator.tick().unwrap_or(0);
        self.timeline.until_ms(boot, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_that_have_no_stamps_any_more_are_over() {
        let machine = "1".parse().unwrap();
        let stamps = Stamps::new(&Layout::SONYFLAKE, machine);
        let last = MILLIS.max_tick();
        assert_eq!(stamps.first_of(1), Layout::SONYFLAKE.unix_ms(1));
        assert_eq!(stamps.first_of(u64::MAX), last + 1);
        stamps.open(u64::MAX);
        let reserved = stamps.reserve(0, ONE, u64::MAX);
        assert_eq!(reserved.err(), Some(Blocked::TimeFieldOver));
    }
}
