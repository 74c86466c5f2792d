//! User instructions of issuing, counted under valgrind: the same for the same binary, whatever
//! else the machine does.
#![expect(missing_docs, reason = "the macros document nothing")]
#![expect(clippy::disallowed_methods, reason = "the macros end the process")]

use std::hint::black_box;
use std::num::NonZeroU32;

use gungraun::{library_benchmark, library_benchmark_group, main};
use shardflake::id::generator::{Generator, Reservation};
use shardflake::id::layout::Layout;

/// IDs in one run of a benchmark; the table shows the instructions of all of them.
const IDS: u32 = 1000;

/// A generator whose tick never runs out in a run.
fn generator() -> Generator {
    let all = "0-65535".parse().expect("a range");
    let generator = Generator::new(Layout::SONYFLAKE, all);
    assert!(generator.open(1));
    generator
}

fn reservation() -> (Generator, Reservation) {
    let generator = generator();
    let wanted = NonZeroU32::new(IDS).expect("more than none");
    let reservation = generator.reserve(1, wanted, 1).expect("an open generator");
    (generator, reservation)
}

#[library_benchmark]
#[bench::thousand(setup = generator)]
fn single_ids(generator: Generator) -> u64 {
    let mut last = 0;
    for _ in 0..IDS {
        let reservation = generator.reserve(black_box(1), NonZeroU32::MIN, black_box(1));
        last = black_box(reservation.expect("an open generator").first().id);
    }
    last
}

#[library_benchmark]
#[bench::thousand(setup = reservation)]
fn ids_of_a_run((_generator, reservation): (Generator, Reservation)) -> u64 {
    reservation
        .runs()
        .flat_map(|run| run.ids().collect::<Vec<_>>())
        .fold(0, |_, id| black_box(id))
}

library_benchmark_group!(name = core, benchmarks = [single_ids, ids_of_a_run]);
main!(library_benchmark_groups = core);
