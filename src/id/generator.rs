//! The generator: one atomic word that says which ID comes next.
//!
//! The word is `tick << k | ordinal`. The ordinal counts the IDs of one tick, over the sequence and
//! over all machine IDs that this shard owns, in the layout's own order; so a larger word is a
//! larger ID, and a compare-and-swap that moves the word on has issued everything between.

use std::num::NonZeroU32;

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

    /// The IDs as at most three grids, in increasing order: the rest of a row, whole rows, and the
    /// beginning of one.
    pub fn grids(&self) -> impl Iterator<Item = Grid> {
        let Self { space, from, count } = *self;
        let (row, _) = space.row_and_jump();
        let count = u64::from(count);
        let head = match from.ordinal % row {
            0 => 0,
            column => count.min(row - column),
        };
        let whole = (count - head) / row;
        let tail = count - head - whole * row;
        let parts = [
            (0, head, u64::from(head > 0)),
            (head, row, whole),
            (count - tail, tail, u64::from(tail > 0)),
        ];
        parts
            .into_iter()
            .filter(|(_, _, rows)| *rows > 0)
            .map(move |(skipped, columns, rows)| {
                let ordinal = from.ordinal + skipped;
                space.grid(Position { ordinal, ..from }, columns, rows)
            })
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
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn generator(layout: Layout, range: &str) -> Generator {
        let range: MachineRange = range.parse().unwrap();
        Generator::new(layout, range.fit(&layout).unwrap())
    }

    fn ids(reservation: &Reservation) -> Vec<u64> {
        reservation
            .runs()
            .flat_map(|run| run.ids().collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn issues_nothing_until_opened_and_after_closing() {
        let generator = generator(Layout::SONYFLAKE, "1");
        assert_eq!(generator.reserve(5, ONE, 9).unwrap_err(), Blocked::Closed);
        assert_eq!(generator.tick(), None);
        assert!(generator.open(7));
        assert!(!generator.open(3));
        assert_eq!(generator.reserve(5, ONE, 9).unwrap().first(), 7 << 24 | 1);
        assert_eq!(generator.close(), Some(7));
        assert_eq!(generator.reserve(5, ONE, 9).unwrap_err(), Blocked::Closed);
        assert!(!generator.open(20));
        assert_eq!(generator.close(), None);
    }

    #[test]
    fn closing_unused_names_the_tick_before_the_first() {
        let generator = generator(Layout::SONYFLAKE, "1");
        assert!(generator.open(7));
        assert_eq!(generator.close(), Some(6));
    }

    #[test]
    fn follows_time_forward_and_stands_when_it_goes_back() {
        let generator = generator(Layout::SONYFLAKE, "1");
        assert!(generator.open(0));
        let first = |now| generator.reserve(now, ONE, 100).unwrap().first();
        assert_eq!(first(50), 50 << 24 | 1);
        assert_eq!(first(20), 50 << 24 | 1 << 16 | 1);
        assert_eq!(first(51), 51 << 24 | 1);
    }

    #[test]
    fn a_used_up_tick_leads_into_the_next_up_to_the_ceiling() {
        let generator = generator(Layout::SONYFLAKE, "1");
        assert!(generator.open(0));
        let many = NonZeroU32::new(300).unwrap();
        let reservation = generator.reserve(10, many, 11).unwrap();
        assert_eq!(reservation.count(), 300);
        assert_eq!(
            (reservation.first_tick(), reservation.last_tick()),
            (10, 11)
        );
        let runs: Vec<_> = reservation
            .runs()
            .map(|run| (run.tick(), run.count()))
            .collect();
        assert_eq!(runs, [(10, 256), (11, 44)]);
        assert_eq!(generator.reserve(10, many, 11).unwrap().count(), 212);
        assert_eq!(
            generator.reserve(10, ONE, 11).unwrap_err(),
            Blocked::Above(12)
        );
        assert_eq!(generator.tick(), Some(12));
        assert_eq!(generator.close(), Some(11));
    }

    #[test]
    fn the_time_field_ends_and_never_wraps() {
        let generator = generator(Layout::SONYFLAKE, "1");
        let last = Layout::SONYFLAKE.max_tick();
        assert!(generator.open(last));
        let all = generator.reserve(last, NonZeroU32::MAX, u64::MAX).unwrap();
        assert_eq!(all.count(), 256);
        assert_eq!(ids(&all).last(), Some(&(i64::MAX as u64 - 65_535 + 1)));
        for now in [0, last, last + 1, u64::MAX] {
            assert_eq!(
                generator.reserve(now, ONE, u64::MAX).unwrap_err(),
                Blocked::TimeFieldOver
            );
        }
    }

    #[test]
    fn a_whole_layout_fits_the_word() {
        for (layout, range) in [
            (Layout::SONYFLAKE, "0-65535"),
            (Layout::SNOWFLAKE, "0-1023"),
        ] {
            let generator = generator(layout, range);
            assert!(generator.open(layout.max_tick()));
            let all = generator.reserve(0, NonZeroU32::MAX, u64::MAX).unwrap();
            let last = all.runs().last().unwrap().ids().last();
            assert_eq!(last, Some(i64::MAX as u64));
            assert_eq!(
                generator.reserve(0, ONE, u64::MAX).unwrap_err(),
                Blocked::TimeFieldOver
            );
        }
    }

    #[test]
    fn agrees_with_sonyflake_on_one_machine() {
        let generator = generator(Layout::SONYFLAKE, "42");
        let oracle = sonyflake::Sonyflake::builder()
            .machine_id(&|| Ok(42))
            .finalize()
            .unwrap();
        assert!(generator.open(0));
        // The oracle waits at the end of a tick, so this crosses several of them.
        for _ in 0..600 {
            let theirs = oracle.next_id().unwrap().to_u64();
            let tick = theirs >> 24;
            let ours = generator.reserve(tick, ONE, tick).unwrap().first();
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn threads_never_share_an_id() {
        let generator = generator(Layout::SONYFLAKE, "3-5");
        assert!(generator.open(0));
        let all: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let generator = &generator;
                    scope.spawn(move || {
                        let wanted = NonZeroU32::new(thread + 1).unwrap();
                        let take = |now| generator.reserve(now, wanted, u64::MAX).unwrap();
                        (0..20_000).flat_map(|now| ids(&take(now / 90))).collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for one in &all {
            assert!(one.is_sorted_by(|a, b| a < b));
        }
        let count: usize = all.iter().map(Vec::len).sum();
        let unique: BTreeSet<u64> = all.into_iter().flatten().collect();
        assert_eq!(unique.len(), count);
    }

    proptest::proptest! {
        #[test]
        fn ids_strictly_increase_whatever_is_asked(
            preset in 0usize..super::super::layout::PRESETS.len(),
            first in 0u32..1000,
            machines in 1u32..24,
            asks in proptest::collection::vec((0u64..40, 1u32..2000, 0u64..40), 1..60),
        ) {
            let (_, layout) = super::super::layout::PRESETS[preset];
            let range = MachineRange::new(first, first + machines - 1).unwrap();
            let generator = Generator::new(layout, range);
            generator.open(1);
            let mut last = 0;
            for (now, wanted, ceiling) in asks {
                let wanted = NonZeroU32::new(wanted).unwrap();
                let Ok(reservation) = generator.reserve(now, wanted, ceiling) else { continue };
                let ids = ids(&reservation);
                proptest::prop_assert_eq!(ids.len(), reservation.count() as usize);
                proptest::prop_assert!(reservation.count() <= wanted.get());
                proptest::prop_assert_eq!(ids[0], reservation.first());
                for id in ids {
                    proptest::prop_assert!(id > last);
                    last = id;
                    let fields = layout.decompose(id).unwrap();
                    let datacenter = fields.datacenter_id.unwrap_or(0) << 5;
                    let machine = u32::try_from(datacenter | fields.machine_id).unwrap();
                    proptest::prop_assert!((range.first()..=range.last()).contains(&machine));
                    proptest::prop_assert!((now..=ceiling).contains(&fields.time));
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn grids_hold_what_a_run_holds(
            order in proptest::sample::select(vec![Layout::SONYFLAKE, Layout::SNOWFLAKE]),
            skipped in 1..9000u32,
            count in 1..9000u32,
            last in 3..9u32,
        ) {
            let generator = generator(order, &format!("3-{last}"));
            generator.open(1);
            generator.reserve(1, skipped.try_into().unwrap(), 1 << 30).unwrap();
            let reservation = generator.reserve(1, count.try_into().unwrap(), 1 << 30).unwrap();
            let mut found = BTreeSet::new();
            for run in reservation.runs() {
                for grid in run.grids() {
                    for (machine, sequence) in (0..grid.machines)
                        .flat_map(|m| (0..grid.sequences).map(move |s| (m, s)))
                    {
                        let id = grid.first + machine * grid.machine_step + sequence * grid.sequence_step;
                        proptest::prop_assert!(found.insert(id));
                    }
                }
            }
            proptest::prop_assert!(found.into_iter().eq(ids(&reservation)));
        }
    }
}
