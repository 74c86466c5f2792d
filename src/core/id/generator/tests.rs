//! The generator against its promises, and against another implementation.

use super::*;
use std::collections::BTreeSet;

use crate::id::layout::{Bits, Order};

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
    assert_eq!(
        generator.reserve(5, ONE, 9).unwrap().first().id,
        7 << 24 | 1
    );
    assert_eq!(generator.close(), Some(7));
    assert_eq!(generator.reserve(5, ONE, 9).unwrap_err(), Blocked::Closed);
    assert!(!generator.open(20));
    assert_eq!(generator.close(), None);
}

#[test]
fn closing_unused_names_the_tick_before_the_first() {
    let generator = generator(Layout::SONYFLAKE, "1");
    assert_eq!(generator.last_tick(), None);
    assert!(generator.open(7));
    assert_eq!(generator.last_tick(), Some(6));
    assert_eq!(generator.close(), Some(6));
    assert_eq!(generator.last_tick(), None);
}

#[test]
fn follows_time_forward_and_stands_when_it_goes_back() {
    let generator = generator(Layout::SONYFLAKE, "1");
    assert!(generator.open(0));
    let first = |now| generator.reserve(now, ONE, 100).unwrap().first().id;
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
    // All of tick 11 is taken, and nothing of the next.
    assert_eq!(
        (generator.last_tick(), generator.tick()),
        (Some(11), Some(12))
    );
    assert_eq!(generator.close(), Some(11));
}

#[test]
fn a_reservation_that_ends_with_its_tick_lies_in_no_other() {
    let generator = generator(Layout::SONYFLAKE, "1");
    assert!(generator.open(0));
    let whole = NonZeroU32::new(256).unwrap();
    let reservation = generator.reserve(10, whole, 11).unwrap();
    assert_eq!(reservation.last_tick(), 10);
    assert_eq!(reservation.runs().count(), 1);
}

#[test]
fn a_reservation_from_the_middle_of_a_tick_is_cut_at_its_end() {
    let generator = generator(Layout::SONYFLAKE, "1");
    assert!(generator.open(0));
    let first = generator.reserve(10, ONE, 11).unwrap();
    assert!(first.opens_tick());
    let many = NonZeroU32::new(300).unwrap();
    let rest = generator.reserve(10, many, 11).unwrap();
    assert!(!rest.opens_tick());
    let runs: Vec<_> = rest.runs().map(|run| (run.tick(), run.count())).collect();
    assert_eq!(runs, [(10, 255), (11, 45)]);
}

#[test]
fn every_id_tells_its_machine() {
    for (layout, machines) in [
        (Layout::SONYFLAKE, [3, 4, 5, 3]),
        // 4096 sequence numbers before the next machine ID.
        (Layout::SNOWFLAKE, [3, 3, 3, 3]),
    ] {
        let generator = generator(layout, "3-5");
        assert!(generator.open(1));
        for machine in machines {
            let reservation = generator.reserve(1, ONE, 1).unwrap();
            assert_eq!(reservation.first().machine, machine);
        }
    }
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
        let ours = generator.reserve(tick, ONE, tick).unwrap().first().id;
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
                    let reserve = |now| generator.reserve(now, wanted, u64::MAX).unwrap();
                    let ask = |now| match thread {
                        0 => vec![generator.take(now, u64::MAX).unwrap()],
                        _ => ids(&reserve(now)),
                    };
                    (0..20_000).flat_map(|now| ask(now / 90)).collect()
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
            proptest::prop_assert_eq!(ids[0], reservation.first().id);
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

/// The grids of a reservation of `count` IDs, behind `skipped` ones, on the machine IDs 3 to `last`.
fn check_grids(layout: Layout, skipped: u32, count: u32, last: u32) {
    let generator = generator(layout, &format!("3-{last}"));
    generator.open(1);
    generator
        .reserve(1, skipped.try_into().unwrap(), 1 << 30)
        .unwrap();
    let reservation = generator
        .reserve(1, count.try_into().unwrap(), 1 << 30)
        .unwrap();
    let mut found = BTreeSet::new();
    for mut run in reservation.runs() {
        let mut grids = 0;
        while let Some(grid) = run.take_grid() {
            grids += 1;
            assert!(grids <= 3, "it does not end");
            for (machine, sequence) in
                (0..grid.machines).flat_map(|m| (0..grid.sequences).map(move |s| (m, s)))
            {
                let id = grid.first + machine * grid.machine_step + sequence * grid.sequence_step;
                assert!(found.insert(id));
            }
        }
        assert!(grids > 0);
    }
    assert!(found.into_iter().eq(ids(&reservation)));
}

#[test]
fn a_grid_of_two_ids_of_one_machine() {
    check_grids(Layout::SONYFLAKE, 1, 2, 3);
}

proptest::proptest! {
    #[test]
    fn grids_hold_what_a_run_holds(
        order in proptest::sample::select(vec![Layout::SONYFLAKE, Layout::SNOWFLAKE]),
        skipped in 1..9000u32,
        count in 1..9000u32,
        last in 3..9u32,
    ) {
        check_grids(order, skipped, count, last);
    }

    #[test]
    fn rows_hold_what_a_run_holds(
        order in proptest::sample::select(vec![Layout::SONYFLAKE, Layout::SNOWFLAKE]),
        skipped in 1..9000u32,
        count in 1..9000u32,
        last in 3..9u32,
        most in 1..5000u32,
    ) {
        let generator = generator(order, &format!("3-{last}"));
        generator.open(1);
        generator.reserve(1, skipped.try_into().unwrap(), 1 << 30).unwrap();
        let reservation = generator.reserve(1, count.try_into().unwrap(), 1 << 30).unwrap();
        let mut found = Vec::new();
        for mut run in reservation.runs() {
            while run.count() > 0 {
                let row = run.take_row(most);
                proptest::prop_assert!((1..=u64::from(most)).contains(&(row.end - row.start)));
                found.extend(row);
            }
            proptest::prop_assert!(run.take_row(most).is_empty());
        }
        proptest::prop_assert_eq!(found, ids(&reservation));
    }
}

proptest::proptest! {
    #[test]
    fn taking_one_is_reserving_one(
        preset in 0usize..super::super::layout::PRESETS.len(),
        machines in 1u32..5,
        open in proptest::bool::weighted(0.9),
        from_the_end in 0u64..3,
        asks in proptest::collection::vec((0u64..4, 0u64..4, 1u32..3000), 1..40),
    ) {
        let (_, layout) = super::super::layout::PRESETS[preset];
        let range = MachineRange::new(3, 2 + machines).unwrap();
        let [one, other] = [(); 2].map(|()| Generator::new(layout, range));
        // Up to the end of the time field, and beyond.
        let start = layout.max_tick() - from_the_end;
        if open {
            one.open(start);
            other.open(start);
        }
        for (now, ceiling, many) in asks {
            let (now, ceiling) = (start + now - 1, start + ceiling - 1);
            let reserved = other.reserve(now, ONE, ceiling).ok();
            proptest::prop_assert_eq!(
                one.take(now, ceiling),
                reserved.map(|reservation| reservation.first().id)
            );
            // Towards the end of a tick, which few single IDs reach.
            let many = many.try_into().unwrap();
            let skipped = [&one, &other].map(|generator| generator.reserve(now, many, ceiling).ok());
            let counts = skipped.map(|skipped| skipped.map(|reservation| reservation.count()));
            proptest::prop_assert_eq!(counts[0], counts[1]);
        }
        one.close();
        proptest::prop_assert_eq!(one.take(start, u64::MAX), None);
    }
}

#[test]
fn what_follows_the_last_id_of_a_tick_is_the_first_of_the_next() {
    let space = generator(Layout::SONYFLAKE, "1-3").space;
    let last = Position {
        tick: 5,
        ordinal: space.capacity - 1,
    };
    for (count, tick, ordinal) in [(1, 6, 0), (2, 6, 1)] {
        assert_eq!(space.after(last, count), Position { tick, ordinal });
    }
}

/// Or each ID would be taken the long way.
#[test]
fn the_tick_at_hand_is_noted_until_it_is_used_up() {
    let generator = generator(Layout::SONYFLAKE, "1");
    generator.open(5);
    let noted = || generator.hint.load(Ordering::Relaxed);
    assert!(generator.take(5, 9).is_some());
    assert_eq!(noted(), 5);
    for _ in 1..256 {
        assert!(generator.take(5, 9).is_some());
    }
    assert_eq!(generator.take(5, 5), None);
    assert_eq!(noted(), NONE);
    assert!(generator.take(6, 9).is_some());
    assert_eq!(noted(), 6);
}

/// As a thread may leave it that was held up for a while.
#[test]
fn a_stale_hint_costs_an_id_and_gives_none() {
    let generator = generator(Layout::SONYFLAKE, "1");
    generator.open(5);
    let first = generator.take(6, 6).unwrap();
    generator.hint.store(5, Ordering::Relaxed);
    assert_eq!(generator.take(5, 5), None);
    // One that nobody has is between the two.
    assert_eq!(generator.take(6, 6), Some(first + (2 << 16)));
    // In a tick that is not used up, an ID of it is as good.
    generator.hint.store(5, Ordering::Relaxed);
    assert_eq!(generator.take(5, 6), Some(first + (4 << 16)));
}

#[test]
fn nothing_leads_out_of_the_closing() {
    let generator = generator(Layout::SONYFLAKE, "1");
    generator.open(5);
    assert!(generator.take(5, 5).is_some());
    assert_eq!(generator.close(), Some(5));
    for _ in 0..3 {
        // What adds to the word late, as it has seen the hint before.
        generator.hint.store(5, Ordering::Relaxed);
        assert_eq!(generator.take(5, 5), None);
        assert_eq!(generator.tick(), None);
    }
    assert!(!generator.open(5));
    assert_eq!(generator.close(), None);
}

/// Additions beyond the end of the tick lead into the next one, where all machine IDs are one shard's.
#[test]
fn what_is_added_beyond_a_tick_that_fills_the_word_is_no_id() {
    let bits = Bits {
        order: Order::MachineSequence,
        time: 48,
        sequence: 1,
        machine: 14,
        datacenter: 0,
    };
    let layout = Layout::new(bits, 1, 0).unwrap();
    let generator = generator(layout, "0-16383");
    generator.open(5);
    for ordinal in 0..1 << 15 {
        assert_eq!(generator.take(5, 5), Some(5 << 15 | ordinal));
    }
    generator.hint.store(5, Ordering::Relaxed);
    assert_eq!(generator.take(5, 5), None);
    assert_eq!(generator.tick(), Some(6));
    // The first one of it is the one that was added.
    assert_eq!(generator.take(6, 6), Some(6 << 15 | 1));
    assert_eq!(generator.last_tick(), Some(6));
}

#[test]
fn the_last_id_of_a_tick_leads_into_the_next_also_one_by_one() {
    // Three machine IDs: ordinals of the word that are no IDs.
    for (layout, range) in [Layout::SONYFLAKE, Layout::SNOWFLAKE]
        .into_iter()
        .flat_map(|layout| [(layout, "1"), (layout, "3-5")])
    {
        let generator = generator(layout, range);
        assert!(generator.open(7));
        let machines: MachineRange = range.parse().unwrap();
        let capacity = layout.sequences() * machines.count();
        let mut last = 0;
        for tick in [7, 8] {
            for _ in 0..capacity {
                let issued = generator.issued(generator.take(7, tick).unwrap());
                assert_eq!(issued.tick, tick);
                assert!((machines.first()..=machines.last()).contains(&issued.machine));
                assert!(last < issued.id);
                last = issued.id;
            }
            assert_eq!(generator.take(7, tick), None);
            assert_eq!(generator.tick(), Some(tick + 1));
        }
    }
}

proptest::proptest! {
    #[test]
    fn a_run_is_written_as_it_is_listed(
        layout in proptest::sample::select(vec![Layout::SONYFLAKE, Layout::SNOWFLAKE]),
        skipped in 1..9000u32,
        count in 1..9000u32,
        last in 3..9u32,
        room in 0..9000usize,
    ) {
        let generator = generator(layout, &format!("3-{last}"));
        generator.open(1);
        generator.reserve(1, skipped.try_into().unwrap(), 1 << 30).unwrap();
        let reservation = generator.reserve(1, count.try_into().unwrap(), 1 << 30).unwrap();
        for run in reservation.runs() {
            let mut written = vec![0; room];
            let length = run.write(&mut written);
            proptest::prop_assert_eq!(length, room.min(run.count() as usize));
            proptest::prop_assert!(written[..length].iter().copied().eq(run.ids().take(length)));
            proptest::prop_assert!(written[length..].iter().all(|id| *id == 0));
        }
    }
}
