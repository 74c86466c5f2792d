//! The generator: one atomic word that says which ID comes next.
//!
//! The word is `tick << k | ordinal`. The ordinal counts the IDs of one tick, over the sequence and
//! over all machine IDs that this shard owns, in the layout's own order; so a larger word is a
//! larger ID, and a compare-and-swap that moves the word on has issued everything between.

use std::num::NonZeroU32;
use std::ops::Range;

use super::layout::{Layout, Order};
use super::range::MachineRange;
use crate::atomic::{AtomicU64, Ordering};

/// The word after [`Generator::close`]. No tick reaches it: words take 63 bits.
const CLOSED: u64 = u64::MAX;
/// The word before [`Generator::open`].
const UNOPENED: u64 = u64::MAX - 1;

/// Hands out every ID of a shard once, in strictly increasing order.
#[derive(Debug)]
pub struct Generator {
    word: AtomicU64,
    space: Space,
}

/// The IDs of one tick: how an ordinal becomes a sequence number and a machine ID.
#[derive(Debug, Clone, Copy)]
struct Space {
    layout: Layout,
    machines: MachineRange,
    /// IDs per tick: sequence numbers × machine IDs.
    capacity: u64,
    /// Bits of the ordinal in the word.
    ordinal_bits: u32,
}

/// A place in the order of all IDs: a tick, and an ordinal within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    tick: u64,
    ordinal: u64,
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
        let capacity = u64::from(layout.sequences()) * u64::from(machines.count());
        Self {
            word: AtomicU64::new(UNOPENED),
            space: Space {
                layout,
                machines,
                capacity,
                ordinal_bits: capacity.next_power_of_two().trailing_zeros(),
            },
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
    /// compare-and-swap, and a request that succeeded before is covered by the returned tick.
    pub fn close(&self) -> Option<u64> {
        let word = self.word.swap(CLOSED, Ordering::AcqRel);
        self.space
            .position(word)
            .map(|next| next.tick.saturating_sub(u64::from(next.ordinal == 0)))
    }

    /// The tick of the next ID, unless time moves past it first; `None` while closed.
    #[must_use]
    pub fn tick(&self) -> Option<u64> {
        let word = self.word.load(Ordering::Acquire);
        self.space.position(word).map(|next| next.tick)
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
        let last = space.layout.max_tick();
        let present = Position {
            tick: now,
            ordinal: 0,
        };
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let from = space.position(word).ok_or(Blocked::Closed)?.max(present);
            if from.tick > last {
                return Err(Blocked::TimeFieldOver);
            }
            if from.tick > ceiling {
                return Err(Blocked::Above(from.tick));
            }
            let left = space.left(from, ceiling.min(last));
            let count = u32::try_from(left).map_or(wanted.get(), |left| left.min(wanted.get()));
            let next = space.word(space.after(from, count));
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => {
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
}

impl Space {
    fn position(&self, word: u64) -> Option<Position> {
        if word >= UNOPENED {
            return None;
        }
        Some(Position {
            tick: word >> self.ordinal_bits,
            ordinal: word & ((1 << self.ordinal_bits) - 1),
        })
    }

    fn word(&self, at: Position) -> u64 {
        at.tick << self.ordinal_bits | at.ordinal
    }

    /// How many IDs there are from `from` to the end of tick `last`.
    fn left(&self, from: Position, last: u64) -> u64 {
        (last - from.tick)
            .saturating_mul(self.capacity)
            .saturating_add(self.capacity - from.ordinal)
    }

    fn after(&self, from: Position, count: u32) -> Position {
        let ordinal = from.ordinal + u64::from(count);
        if ordinal < self.capacity {
            return Position { ordinal, ..from };
        }
        Position {
            tick: from.tick + ordinal / self.capacity,
            ordinal: ordinal % self.capacity,
        }
    }

    fn sequence_and_machine(&self, ordinal: u64) -> (u64, u64) {
        let first = u64::from(self.machines.first());
        match self.layout.order() {
            Order::SequenceMachine => {
                let machines = u64::from(self.machines.count());
                (ordinal / machines, first + ordinal % machines)
            }
            Order::MachineSequence => {
                let sequences = u64::from(self.layout.sequences());
                (ordinal % sequences, first + ordinal / sequences)
            }
        }
    }

    /// How many IDs follow each other without a gap, and how far it is from the first of them to the
    /// first of the next such row.
    fn row_and_jump(&self) -> (u64, u64) {
        let sequences = u64::from(self.layout.sequences());
        match self.layout.order() {
            Order::SequenceMachine => (
                u64::from(self.machines.count()),
                u64::from(self.layout.max_machine()) + 1,
            ),
            Order::MachineSequence => (sequences, sequences),
        }
    }

    fn grid(&self, from: Position, columns: u64, rows: u64) -> Grid {
        let (_, jump) = self.row_and_jump();
        let first = self.id(from);
        match self.layout.order() {
            Order::SequenceMachine => Grid {
                first,
                machines: columns,
                machine_step: 1,
                sequences: rows,
                sequence_step: jump,
            },
            Order::MachineSequence => Grid {
                first,
                machines: rows,
                machine_step: jump,
                sequences: columns,
                sequence_step: 1,
            },
        }
    }

    fn id(&self, at: Position) -> u64 {
        let (sequence, machine) = self.sequence_and_machine(at.ordinal);
        self.layout.pack(at.tick, sequence, machine)
    }
}

impl Reservation {
    /// The smallest ID.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.space.id(self.from)
    }

    /// The machine ID of the smallest ID, the datacenter in its upper bits.
    ///
    /// # Panics
    /// Never: a machine field has 22 bits at most.
    #[must_use]
    pub fn first_machine(&self) -> u32 {
        let (_, machine) = self.space.sequence_and_machine(self.from.ordinal);
        u32::try_from(machine).expect("a machine ID takes 22 bits at most")
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

    /// The IDs in increasing order; the next one costs an addition, not a division.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        let (row, jump) = self.space.row_and_jump();
        let mut column = self.from.ordinal % row;
        let mut next = self.space.id(self.from);
        (0..self.count).map(move |_| {
            let id = next;
            column += 1;
            next += 1;
            if column == row {
                column = 0;
                next += jump - row;
            }
            id
        })
    }
}

#[cfg(test)]
mod tests;
