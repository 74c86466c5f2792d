//! Taking turns in the state directory (R3). Hundreds of shards of a host may start at once: each is alone in
//! it for milliseconds, and it should not lie idle in between.

use std::time::Duration;

use crate::id::range::MachineRange;

/// The shortest time between two tries.
const SHORTEST: Duration = Duration::from_millis(5);

/// How long to wait after that many tries for a turn: 5 to 36 ms, different for each shard and try.
pub(super) fn delay(shard: MachineRange, tries: u64) -> Duration {
    let which = u64::from(shard.first()) << 16 | tries & 0xffff;
    // The highest bits of a product with the golden ratio are as good as drawn by lot.
    let lot = which.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
    SHORTEST + Duration::from_millis(lot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_wait_for_their_turn_are_not_in_step() {
        let delays = |shard: u32| {
            let shard = MachineRange::new(shard, shard).unwrap();
            (1..=10)
                .map(|tries| delay(shard, tries))
                .collect::<Vec<_>>()
        };
        for shard in 0..300 {
            assert_ne!(delays(shard), delays(shard + 1), "{shard}");
            let within = Duration::from_millis(5)..Duration::from_millis(37);
            assert!(delays(shard).iter().all(|delay| within.contains(delay)));
            // Nor does one try again after the same time for ever.
            assert!(delays(shard).iter().any(|delay| *delay != delays(shard)[0]));
        }
    }
}
