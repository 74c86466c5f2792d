//! The generator alone: no clock, no bound, nothing counted.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use shardflake::id::generator::Generator;
use shardflake::id::layout::{Bits, Layout, Order};

use crate::Peer;

/// The tick at which the clocks stand that never run out.
pub(crate) const TICK: u64 = 38_000_000_000;

/// Two million IDs a tick and machine ID: more than one run of the bench takes.
pub(crate) fn wide() -> Layout {
    let bits = Bits {
        order: Order::MachineSequence,
        time: 41,
        sequence: 21,
        machine: 1,
        datacenter: 0,
    };
    Layout::new(bits, 1, 0).expect("the bits add up to 63")
}

fn generator() -> Generator {
    let machine = "1".parse().expect("a machine ID");
    let generator = Generator::new(wide(), machine);
    assert!(generator.open(TICK));
    generator
}

/// One ID, as [`shardflake::issuer::Issuer::try_issue`] takes it.
pub(crate) fn single() -> impl Fn() -> u64 + Sync {
    let generator = generator();
    let clock = AtomicU64::new(TICK);
    move || {
        let now = clock.load(Ordering::Relaxed);
        generator.take(now, now).expect("a tick with room")
    }
}

/// One ID, as a reservation of one.
pub(crate) fn general() -> impl Fn() -> u64 + Sync {
    let generator = generator();
    let clock = AtomicU64::new(TICK);
    move || {
        let now = clock.load(Ordering::Relaxed);
        let reservation = generator.reserve(now, NonZeroU32::MIN, now);
        reservation.expect("a tick with room").first().id
    }
}

/// Runs of IDs, written where the caller wants them.
pub(crate) struct Runs(Generator);

impl Runs {
    /// As many IDs as are written at a time: a tick of Snowflake's layout.
    const LENGTH: usize = 4096;

    pub(crate) fn new() -> Self {
        Self(generator())
    }
}

impl Peer for Runs {
    fn issue(&self, count: u64) -> u64 {
        let mut ids = vec![0; Self::LENGTH];
        let mut left = usize::try_from(count).expect("a count that fits memory");
        while left > 0 {
            let wanted = left.min(ids.len());
            let number = u32::try_from(wanted).ok().and_then(NonZeroU32::new);
            let wanted_ids = number.expect("1 to the length");
            let reservation = self.0.reserve(TICK, wanted_ids, TICK);
            for run in reservation.expect("a tick with room").runs() {
                left -= run.write(&mut ids);
            }
            black_box(&mut ids);
        }
        ids[0]
    }
}
