//! Layouts against values worked out by hand, and against another implementation.

use super::*;
use crate::time::TimeDelta;

#[test]
fn golden_values_of_sonyflake_v1() {
    let layout = Layout::SONYFLAKE;
    let tick = layout
        .tick_at(WallTime::from_nanos(1_735_689_600_000_000_000))
        .unwrap();
    assert_eq!(tick, 32_616_000_000);
    assert_eq!(layout.compose(tick, 0, 1), Ok(547_205_677_056_000_001));
    assert_eq!(
        layout.compose(tick, 255, 65_535),
        Ok(547_205_677_072_777_215)
    );
    assert_eq!(layout.unix_ms(tick), 1_735_689_600_000);
}

#[test]
fn v2_counts_from_2025() {
    let (_, v2) = PRESETS[1];
    assert_eq!(
        v2.tick_at(WallTime::from_nanos(1_735_689_600_000_000_000)),
        Some(0)
    );
    assert_eq!(
        v2.tick_at(WallTime::from_nanos(1_735_689_599_999_999_999)),
        None
    );
    assert_eq!(v2.compose(1, 2, 3), Ok(1 << 24 | 2 << 16 | 3));
}

#[test]
fn every_order_puts_each_field_where_its_document_says() {
    assert_eq!(
        Layout::SNOWFLAKE.compose(5, 7, 1023),
        Ok(5 << 22 | 1023 << 12 | 7)
    );
    let id = Layout::SNOWFLAKE_DC.compose(5, 7, 3 << 5 | 4).unwrap();
    assert_eq!(id, 5 << 22 | 3 << 17 | 4 << 12 | 7);
    assert_eq!(
        Layout::SNOWFLAKE_DC.decompose(id),
        Ok(Fields {
            time: 5,
            sequence: 7,
            machine_id: 4,
            datacenter_id: Some(3)
        })
    );
}

#[test]
fn a_layout_tells_what_it_is_made_of() {
    let layout = Layout::SNOWFLAKE_DC;
    let bits = (
        layout.time_bits(),
        layout.sequence_bits(),
        layout.machine_bits(),
        layout.datacenter_bits(),
    );
    assert_eq!(bits, (41, 12, 10, 5));
    assert_eq!(layout.order(), Order::MachineSequence);
    assert_eq!(layout.tick(), Duration::from_millis(1));
    assert_eq!(layout.tick_nanos(), 1_000_000);
    assert_eq!(layout.epoch_ms(), 1_288_834_974_657);
    assert_eq!(layout.max_tick(), (1 << 41) - 1);
    assert_eq!(layout.sequences(), 4096);
    assert_eq!(layout.max_machine(), 1023);
    assert_eq!(layout.unix_ms(1), 1_288_834_974_658);
    assert_eq!(Layout::SONYFLAKE.tick_nanos(), 10_000_000);
}

#[test]
fn a_layout_is_known_by_its_name_or_described() {
    for (name, layout) in PRESETS {
        assert_eq!(layout.preset_name(), Some(name));
    }
    assert_eq!(Layout::SONYFLAKE.with_epoch_ms(7).preset_name(), None);
    let told = |layout: Layout| layout.with_epoch_ms(7).to_string();
    assert_eq!(
        told(Layout::SONYFLAKE),
        "39 bits of 10 ms, 8 sequence, 16 machine, epoch 7 ms"
    );
    assert_eq!(
        told(Layout::SNOWFLAKE),
        "41 bits of 1 ms, 10 machine, 12 sequence, epoch 7 ms"
    );
    assert_eq!(
        told(Layout::SNOWFLAKE_DC),
        "41 bits of 1 ms, 5 datacenter, 5 machine, 12 sequence, epoch 7 ms"
    );
}

#[test]
fn values_are_refused_not_masked() {
    let layout = Layout::SONYFLAKE;
    for (tick, sequence, machine, field) in [
        (1 << 39, 0, 0, "time"),
        (0, 256, 0, "sequence"),
        (0, 0, 65_536, "machine_id"),
    ] {
        assert_eq!(
            layout.compose(tick, sequence, machine).unwrap_err().field,
            field
        );
    }
    assert_eq!(layout.decompose(1 << 63).unwrap_err().field, "id");
    assert!(layout.decompose((1 << 63) - 1).is_ok());
}

#[test]
fn widths_that_do_not_fit_are_refused() {
    let bits = |time, sequence, machine, datacenter| Bits {
        order: Order::SequenceMachine,
        time,
        sequence,
        machine,
        datacenter,
    };
    assert_eq!(
        Layout::new(bits(40, 8, 16, 0), 10, 0),
        Err(LayoutError::Sum(64))
    );
    assert!(matches!(
        Layout::new(bits(48, 15, 0, 0), 10, 0),
        Err(LayoutError::Width {
            field: "the machine ID",
            bits: 0,
            ..
        })
    ));
    for (time, sequence, machine) in [(27, 18, 18), (54, 4, 5)] {
        assert!(matches!(
            Layout::new(bits(time, sequence, machine, 0), 10, 0),
            Err(LayoutError::Width {
                field: "the time",
                ..
            })
        ));
    }
    assert!(matches!(
        Layout::new(bits(39, 8, 16, 16), 10, 0),
        Err(LayoutError::Width {
            field: "the datacenter",
            ..
        })
    ));
    assert_eq!(
        Layout::new(bits(39, 8, 16, 0), 0, 0),
        Err(LayoutError::Tick(0))
    );
    assert!(Layout::new(bits(39, 8, 16, 0), 10, 0).is_ok());
}

#[test]
fn durations_round_up_to_two_ticks_at_least() {
    let layout = Layout::SONYFLAKE;
    assert_eq!(layout.ticks(Duration::ZERO), 2);
    assert_eq!(layout.ticks(Duration::from_millis(250)), 25);
    assert_eq!(layout.ticks(Duration::from_millis(251)), 26);
}

proptest::proptest! {
    #[test]
    fn decompose_undoes_compose(tick in 0..1u64 << 39, sequence in 0..256u64, machine in 0..65_536u64) {
        let id = Layout::SONYFLAKE.compose(tick, sequence, machine).unwrap();
        proptest::prop_assert!(i64::try_from(id).is_ok());
        let oracle = sonyflake::decompose(id.into());
        proptest::prop_assert_eq!((oracle.time, oracle.sequence, oracle.machine_id), (tick, sequence, machine));
        let fields = Layout::SONYFLAKE.decompose(id).unwrap();
        proptest::prop_assert_eq!((fields.time, fields.sequence, fields.machine_id), (tick, sequence, machine));
    }

    #[test]
    fn every_layout_reads_what_it_wrote_to_the_end_of_its_time(
        order in proptest::sample::select(vec![Order::SequenceMachine, Order::MachineSequence]),
        time in 28..=53u8,
        machine in 1..=22u8,
        tick_ms in 1..=60_000u64,
        back in 0..1000u64,
    ) {
        let below = 63 - time;
        let machine = machine.clamp(below.saturating_sub(22).max(1), below - 1);
        let bits = Bits { order, time, sequence: below - machine, machine, datacenter: 0 };
        let layout = Layout::new(bits, tick_ms, 0).unwrap();
        let tick = layout.max_tick() - back;
        let (sequence, machine) = (u64::from(layout.sequences() - 1), u64::from(layout.max_machine()));
        let fields = layout.decompose(layout.compose(tick, sequence, machine).unwrap()).unwrap();
        proptest::prop_assert_eq!((fields.time, fields.sequence, fields.machine_id), (tick, sequence, machine));
        proptest::prop_assert_eq!(layout.unix_ms(tick), tick.saturating_mul(tick_ms));
        // As far as nanoseconds since 1970 reach.
        let tick = tick.min(9_000_000_000_000 / tick_ms);
        let begins = WallTime::ZERO + Duration::from_millis(layout.unix_ms(tick));
        proptest::prop_assert_eq!(layout.tick_at(begins), Some(tick));
        proptest::prop_assert_eq!(layout.tick_at(begins - TimeDelta::from_nanos(1)), tick.checked_sub(1));
    }

    #[test]
    fn every_preset_decomposes_what_it_composed(tick in 0..1u64 << 39, sequence in 0..256u64, machine in 0..1024u64) {
        for (_, layout) in PRESETS {
            let fields = layout.decompose(layout.compose(tick, sequence, machine).unwrap()).unwrap();
            let datacenter = fields.datacenter_id.unwrap_or(0) << 5;
            proptest::prop_assert_eq!((fields.time, fields.sequence, datacenter | fields.machine_id), (tick, sequence, machine));
        }
    }
}
