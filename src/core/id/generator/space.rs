//! The IDs of one tick, and how they are counted.

use super::{Grid, Issued};
use crate::id::divisor::Divisor;
use crate::id::layout::{Layout, Order};
use crate::id::range::MachineRange;

/// The IDs of one tick: how an ordinal becomes a sequence number and a machine ID.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    layout: Layout,
    /// IDs per tick: sequence numbers × machine IDs.
    pub(super) capacity: u64,
    /// The largest value of the time field.
    pub(super) last_tick: u64,
    /// Bits below the tick: of an ID, and as many in the word, so that a word is all but its ID.
    below_tick: u32,
    /// Bits below the machine ID.
    below_machine: u8,
    last_machine: u32,
    /// The bits of the word that are an ordinal.
    ordinals: u64,
    /// The first ID of tick 0.
    base: u64,
    /// How many IDs follow each other without a gap.
    row: u64,
    /// How many numbers are skipped after each row: those of machine IDs that others own.
    gap: u64,
    by_row: Divisor,
}

/// A place in the order of all IDs: a tick, and an ordinal within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) tick: u64,
    pub(super) ordinal: u64,
}

impl Space {
    pub(super) fn new(layout: Layout, machines: MachineRange) -> Self {
        let capacity = u64::from(layout.sequences()) * u64::from(machines.count());
        let (row, jump) = match layout.order() {
            Order::SequenceMachine => (
                u64::from(machines.count()),
                u64::from(layout.max_machine()) + 1,
            ),
            Order::MachineSequence => {
                let sequences = u64::from(layout.sequences());
                (sequences, sequences)
            }
        };
        let below_tick = u32::from(layout.sequence_bits() + layout.machine_bits());
        Self {
            layout,
            capacity,
            last_tick: layout.max_tick(),
            below_tick,
            below_machine: match layout.order() {
                Order::SequenceMachine => 0,
                Order::MachineSequence => layout.sequence_bits(),
            },
            last_machine: layout.max_machine(),
            ordinals: (1 << below_tick) - 1,
            base: layout.pack(0, 0, u64::from(machines.first())),
            row,
            gap: jump - row,
            by_row: Divisor::new(row),
        }
    }

    /// The place that `word` names, whatever it was before the generator opened or after it closed.
    /// Beyond the last ID of a tick that is the first one of the next, however far.
    #[inline]
    pub(super) const fn position(&self, word: u64) -> Position {
        let tick = self.tick(word);
        if self.is_within(word) {
            let ordinal = word & self.ordinals;
            return Position { tick, ordinal };
        }
        Position {
            tick: tick + 1,
            ordinal: 0,
        }
    }

    #[inline]
    pub(super) const fn word(&self, at: Position) -> u64 {
        at.tick << self.below_tick | at.ordinal
    }

    /// The tick that `word` names.
    #[inline]
    pub(super) const fn tick(&self, word: u64) -> u64 {
        word >> self.below_tick
    }

    /// Whether the ordinal of `word` is one of the tick's.
    #[inline]
    pub(super) const fn is_within(&self, word: u64) -> bool {
        word & self.ordinals < self.capacity
    }

    /// How many IDs there are from `from` to the end of tick `last`.
    pub(super) fn left(&self, from: Position, last: u64) -> u64 {
        (last - from.tick)
            .saturating_mul(self.capacity)
            .saturating_add(self.capacity - from.ordinal)
    }

    pub(super) fn after(&self, from: Position, count: u32) -> Position {
        let ordinal = from.ordinal + u64::from(count);
        if ordinal < self.capacity {
            return Position { ordinal, ..from };
        }
        Position {
            tick: from.tick + ordinal / self.capacity,
            ordinal: ordinal % self.capacity,
        }
    }

    /// How many IDs follow each other without a gap, and how far it is from the first of them to the
    /// first of the next such row.
    pub(super) const fn row_and_jump(&self) -> (u64, u64) {
        (self.row, self.row + self.gap)
    }

    pub(super) fn grid(&self, from: Position, columns: u64, rows: u64) -> Grid {
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

    pub(super) const fn id(&self, at: Position) -> u64 {
        self.id_of(self.word(at))
    }

    /// The ID of `word`: as many numbers after its tick's first one as IDs, and the gaps between
    /// their rows, lie between.
    #[inline]
    pub(super) const fn id_of(&self, word: u64) -> u64 {
        let without_gaps = word + self.base;
        if self.gap == 0 {
            return without_gaps;
        }
        without_gaps + self.by_row.quotient(word & self.ordinals) * self.gap
    }

    #[inline]
    pub(super) const fn issued(&self, id: u64) -> Issued {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask has 22 bits at most"
        )]
        let machine = (id >> self.below_machine) as u32;
        Issued {
            id,
            tick: id >> self.below_tick,
            machine: machine & self.last_machine,
        }
    }
}
