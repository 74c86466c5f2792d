//! The production code under simulated clocks, disks and faults: a bounded set of what
//! `scripts/sim` runs at length, and small scope exhaustively.

mod checker;
mod clock;
mod disk;
mod exhaustive;
mod fault;
mod plan;
mod shard;
mod shrink;
mod trust;
mod volume;
mod world;

use std::sync::Mutex;
use std::thread;

use checker::Checker;
use fault::Fault;
use plan::Plan;
use shardflake::id::Layout;
use world::Outcome;

/// Runs the histories of `seeds` on two threads, up to the first that fails.
fn outcomes(seeds: std::ops::Range<u64>) -> Vec<(u64, Outcome)> {
    let next = Mutex::new(seeds);
    let work = || {
        let mut done = Vec::new();
        while let Some(seed) = { next.lock().unwrap().next() } {
            let outcome = world::run(&Plan::of(seed));
            if outcome.fails() {
                *next.lock().unwrap() = 0..0;
            }
            done.push((seed, outcome));
        }
        done
    };
    thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(work));
        let done: Vec<Vec<_>> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect();
        done.concat()
    })
}

#[test]
fn no_history_repeats_an_id() {
    let outcomes = outcomes(0..1000);
    if let Some((seed, _)) = outcomes.iter().find(|(_, outcome)| outcome.fails()) {
        panic!("{}", shrink::report(&Plan::of(*seed)));
    }
    let mut faults = [0; Fault::ALL.len()];
    for (seed, outcome) in &outcomes {
        assert!(outcome.incarnations >= 3, "seed {seed}");
        assert!(outcome.kinds() >= 2, "seed {seed}");
        for (sum, count) in faults.iter_mut().zip(outcome.faults) {
            *sum += count;
        }
    }
    for fault in Fault::ALL {
        assert!(faults[fault.index()] > 20, "{fault:?} hardly happened");
    }
    let between: u64 = outcomes.iter().map(|(_, outcome)| outcome.between).sum();
    assert!(between > 1000, "{between} steps in the middle of another's");
    let issued: u64 = outcomes.iter().map(|(_, outcome)| outcome.issued).sum();
    assert!(issued > 1_000_000, "{issued} IDs");
    // A disk that lies about flushes is outside the promise. That it shows proves that the
    // checker looks; it must not count as a pass.
    let caught = |outcome: &Outcome| outcome.outside && outcome.violation.is_some();
    assert!(outcomes.iter().any(|(_, outcome)| caught(outcome)));
}

#[test]
fn only_what_follows_a_lie_is_excused() {
    let mut checker = Checker::new(Layout::SONYFLAKE);
    checker.fail("before".into());
    checker.lied();
    checker.fail("after".into());
    assert!(checker.inside);
    let mut checker = Checker::new(Layout::SONYFLAKE);
    checker.lied();
    checker.fail("after".into());
    assert!(!checker.inside);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..40 {
        let plan = Plan::of(seed);
        assert_eq!(world::run(&plan), world::run(&plan), "seed {seed}");
    }
}
