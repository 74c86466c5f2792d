//! The generator: one atomic word that says which ID comes next.
//!
//! The word is `tick << k | ordinal`. The ordinal counts the IDs of one tick, over the sequence and
//! over all machine IDs that this shard owns, in the layout's own order; so a larger word is a
//! larger ID, and whoever moves the word on has taken everything between.
//!
//! An ID of the present tick is taken by adding one to the word. Whether the word named one is seen
//! afterwards: if it lay beyond the end of the tick, or in another tick, it is left unused, and never
//! handed out. Everything else is a compare-and-swap.

mod space;

use std::num::NonZeroU32;
use std::ops::Range;

use space::{Position, Space};

use super::layout::Layout;
use super::padded::Padded;
use super::range::MachineRange;
use crate::atomic::{AtomicU64, Ordering};

/// The word before [`Generator::open`]. No tick reaches it: words take 63 bits, and the end of the time
/// field is the 64th.
const UNOPENED: u64 = 0b110 << 61;
/// The word after [`Generator::close`], and for ever above it: additions that come late do not lead
/// out of there.
const CLOSED: u64 = 0b111 << 61;
/// No tick: the word is not in the one that it was.
const NONE: u64 = u64::MAX;

/// Hands out every ID of a shard once, in strictly increasing order.
#[derive(Debug)]
pub struct Generator {
    /// Padded: what is beside it would be fetched anew after each write to it.
    word: Padded<AtomicU64>,
    /// The tick that the word is in, if single IDs may be taken of it by adding one: a hint, which
    /// saves reading the word, that all threads write. A wrong one costs IDs, and repeats none.
    hint: AtomicU64,
    space: Space,
}

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// The next free ID lies in this tick, which is above the ceiling.
    #[error("the next free ID lies in tick {0}, above the ceiling")]
    Above(u64),
    /// The generator is not open: not yet, or not any more.
    #[error("the generator is closed")]
    Closed,
    /// The time field is used up. This is for ever.
    #[error("the time field of this layout has ended")]
    TimeFieldOver,
}

/// One issued ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// The ID.
    pub id: u64,
    /// Its tick.
    pub tick: u64,
    /// Its machine ID, the datacenter in the upper bits.
    pub machine: u32,
}

/// IDs that now belong to the caller, in increasing order, over one or more ticks.
#[derive(Debug, Clone, Copy)]
pub struct Reservation {
    space: Space,
    from: Position,
    count: u32,
}

/// The part of a reservation that lies in one tick.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    space: Space,
    from: Position,
    count: u32,
}

/// IDs of one tick: `first` plus every sum of a multiple of `machine_step` below `machines` and one of
/// `sequence_step` below `sequences`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The smallest ID.
    pub first: u64,
    /// How many machine IDs.
    pub machines: u64,
    /// From one machine ID to the next.
    pub machine_step: u64,
    /// How many sequence numbers of each.
    pub sequences: u64,
    /// From one sequence number to the next.
    pub sequence_step: u64,
}

impl Generator {
    /// A generator for the machine IDs of `machines`; closed until [`Generator::open`].
    #[must_use]
    pub fn new(layout: Layout, machines: MachineRange) -> Self {
        Self {
            word: Padded::new(AtomicU64::new(UNOPENED)),
            hint: AtomicU64::new(NONE),
            space: Space::new(layout, machines),
        }
    }

    /// Starts issuing at the first ID of tick `first`, once in the generator's life.
    /// Returns false if it was open or closed already.
    pub fn open(&self, first: u64) -> bool {
        let word = self.space.word(Position {
            tick: first,
            ordinal: 0,
        });
        self.word
            .compare_exchange(UNOPENED, word, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Ends issuing for good. Returns the last tick of which an ID may have been reserved, or
    /// `None` if the generator was not open.
    ///
    /// The swap is the whole of it: a request that read the word before has to fail its
    /// compare-and-swap, one that adds to it gets a word that is no ID, and a request that succeeded
    /// before is covered by the returned tick.
    pub fn close(&self) -> Option<u64> {
        let word = self.word.swap(CLOSED, Ordering::AcqRel);
        self.position(word).map(last_tick)
    }

    /// The tick of the next ID, unless time moves past it first; `None` while closed.
    #[must_use]
    pub fn tick(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        self.position(word).map(|next| next.tick)
    }

    /// The tick of the last ID that was taken, or the one before the first; `None` while closed.
    #[must_use]
    pub fn last_tick(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        self.position(word).map(last_tick)
    }

    /// Reserves up to `wanted` IDs from the later of the generator's place and the beginning of
    /// tick `now`, none of them in a tick above `ceiling`. At least one ID is reserved.
    ///
    /// # Errors
    /// [`Blocked`] says why there is none to reserve; nothing has changed then.
    pub fn reserve(
        &self,
        now: u64,
        wanted: NonZeroU32,
        ceiling: u64,
    ) -> Result<Reservation, Blocked> {
        let space = &self.space;
        let last = space.last_tick;
        let present = Position {
            tick: now,
            ordinal: 0,
        };
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let from = self.position(word).ok_or(Blocked::Closed)?.max(present);
            if from.tick > last {
                return Err(Blocked::TimeFieldOver);
            }
            if from.tick > ceiling {
                return Err(Blocked::Above(from.tick));
            }
            let left = space.left(from, ceiling.min(last));
            let count = u32::try_from(left).map_or(wanted.get(), |left| left.min(wanted.get()));
            let next = space.after(from, count);
            match self.word.compare_exchange_weak(
                word,
                space.word(next),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    self.tell(if next.tick == now { now } else { NONE });
                    return Ok(Reservation {
                        space: *space,
                        from,
                        count,
                    });
                }
                Err(current) => word = current,
            }
        }
    }

    /// Takes one ID: what [`Generator::reserve`] of one ID would reserve. `None` if that would have to
    /// say why there is none.
    #[must_use]
    #[inline]
    pub fn take(&self, now: u64, ceiling: u64) -> Option<u64> {
        // The rule: somebody has taken an ID of this tick already, and it is not known to be used up.
        if self.hint.load(Ordering::Relaxed) != now || now > ceiling {
            return self.take_otherwise(now, ceiling);
        }
        let space = &self.space;
        let word = self.word.fetch_add(1, Ordering::AcqRel);
        // A generator that is not open stands beyond all ticks.
        if space.tick(word) == now && space.is_within(word) {
            return Some(space.id_of(word));
        }
        self.tell(NONE);
        self.take_otherwise(now, ceiling)
    }

    /// The rarer cases: the first ID of a tick, a tick that is used up, a clock that was set back.
    #[cold]
    #[inline(never)]
    fn take_otherwise(&self, now: u64, ceiling: u64) -> Option<u64> {
        let reservation = self.reserve(now, NonZeroU32::MIN, ceiling).ok()?;
        Some(reservation.first().id)
    }

    /// Notes the tick that the word is in. All threads read the hint for every ID, so that it is
    /// written only where it changes.
    fn tell(&self, tick: u64) {
        if self.hint.load(Ordering::Relaxed) != tick {
            self.hint.store(tick, Ordering::Relaxed);
        }
    }

    /// The tick and the machine ID of one of this generator's IDs.
    #[must_use]
    #[inline]
    pub const fn issued(&self, id: u64) -> Issued {
        self.space.issued(id)
    }

    /// The place that `word` names; `None` unless the generator is open.
    fn position(&self, word: u64) -> Option<Position> {
        (word < UNOPENED).then(|| self.space.position(word))
    }
}

/// The tick of the ID before the next one.
fn last_tick(next: Position) -> u64 {
    next.tick.saturating_sub(u64::from(next.ordinal == 0))
}

impl Reservation {
    /// The smallest ID.
    #[must_use]
    pub const fn first(&self) -> Issued {
        self.space.issued(self.space.id(self.from))
    }

    /// The tick of the smallest ID.
    #[must_use]
    pub const fn first_tick(&self) -> u64 {
        self.from.tick
    }

    /// The tick of the largest ID.
    #[must_use]
    pub fn last_tick(&self) -> u64 {
        self.space.after(self.from, self.count - 1).tick
    }

    /// Whether the smallest ID is the first one of its tick.
    #[must_use]
    pub const fn opens_tick(&self) -> bool {
        self.from.ordinal == 0
    }

    /// How many IDs these are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// One run for each tick, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run> {
        let Self { space, from, count } = *self;
        let mut rest = Some((from, count));
        std::iter::from_fn(move || {
            let (from, left) = rest?;
            let in_tick = u32::try_from(space.capacity - from.ordinal).unwrap_or(u32::MAX);
            let count = left.min(in_tick);
            rest = (left > count).then(|| (space.after(from, count), left - count));
            Some(Run { space, from, count })
        })
    }
}

impl Run {
    /// The tick of all these IDs.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.from.tick
    }

    /// How many IDs these are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Takes up to `most` IDs that follow each other without a gap off the front; none after the
    /// last.
    pub fn take_row(&mut self, most: u32) -> Range<u64> {
        let (row, _) = self.space.row_and_jump();
        let left = row - self.from.ordinal % row;
        let count = left.min(self.count.min(most).into());
        let first = self.space.id(self.from);
        self.skip(count);
        first..first + count
    }

    /// Takes the IDs of the longest grid off the front; all are taken after three at most: the rest
    /// of a row, whole rows, and the beginning of one.
    pub fn take_grid(&mut self) -> Option<Grid> {
        let (row, _) = self.space.row_and_jump();
        let column = self.from.ordinal % row;
        let left = u64::from(self.count);
        let (columns, rows) = if column > 0 || left < row {
            (left.min(row - column), 1)
        } else {
            (row, left / row)
        };
        if columns == 0 {
            return None;
        }
        let grid = self.space.grid(self.from, columns, rows);
        self.skip(columns * rows);
        Some(grid)
    }

    fn skip(&mut self, count: u64) {
        self.from.ordinal += count;
        self.count -= u32::try_from(count).expect("no more than there are");
    }

    /// Writes the IDs in increasing order to the front of `ids`, as many as there is room for.
    /// Returns how many these are.
    #[must_use]
    pub fn write(&self, ids: &mut [u64]) -> usize {
        let (row, jump) = self.space.row_and_jump();
        let count = usize::try_from(self.count).map_or(ids.len(), |count| count.min(ids.len()));
        let ids = &mut ids[..count];
        let first = self.space.id(self.from);
        if row == 1 {
            write_row(ids, first, jump);
            return count;
        }
        let mut next = first;
        let mut in_row = row - self.from.ordinal % row;
        let mut left = ids;
        while !left.is_empty() {
            let here = usize::try_from(in_row).map_or(left.len(), |here| here.min(left.len()));
            let (these, later) = left.split_at_mut(here);
            write_row(these, next, 1);
            next += in_row + jump - row;
            in_row = row;
            left = later;
        }
        count
    }

    /// The IDs in increasing order.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        let mut rest = *self;
        let rows = std::iter::repeat_with(move || rest.take_row(u32::MAX));
        rows.take_while(|row| !row.is_empty()).flatten()
    }
}

/// Writes IDs at equal steps. Each block is the one before and a distance, which the compiler adds to
/// several IDs at a time.
fn write_row(ids: &mut [u64], first: u64, step: u64) {
    const BLOCK: usize = 32;
    let distance = BLOCK as u64 * step;
    let (blocks, rest) = ids.as_chunks_mut::<BLOCK>();
    write_steps(rest, first + blocks.len() as u64 * distance, step);
    if let Some(block) = blocks.first_mut() {
        write_steps(block, first, step);
    }
    for place in 1..blocks.len() {
        if let [before, block] = &mut blocks[place - 1..=place] {
            for (id, before) in block.iter_mut().zip(before) {
                *id = *before + distance;
            }
        }
    }
}

fn write_steps(ids: &mut [u64], first: u64, step: u64) {
    let mut next = first;
    for id in ids {
        *id = next;
        next += step;
    }
}

#[cfg(test)]
mod tests;
