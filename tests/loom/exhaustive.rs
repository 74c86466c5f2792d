//! Every interleaving of a few threads, with everything that the memory model allows.
#![cfg(not(feature = "shuttle"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::model::Builder;
use shardflake_models::models::{self, Size};

/// [`Size::wanted`] for single IDs, taken as single requests take them.
const SINGLE: u32 = 0;

const SMALL: Size = Size {
    requesters: 2,
    requests: 1,
    wanted: 1,
    rises: 2,
};

/// Runs `model` in all its interleavings.
fn explore(name: &str, size: Size, model: fn(Size)) {
    explore_within(None, name, size, model);
}

/// Runs `model` in all interleavings in which threads are interrupted at most `preemptions` times
/// in the middle of what they do, and says how many there were.
fn explore_within(preemptions: Option<usize>, name: &str, size: Size, model: fn(Size)) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model(size);
    });
    let runs = runs.load(Ordering::Relaxed);
    let within = preemptions.map_or(String::new(), |most| format!(" with {most} preemptions"));
    println!("{name}: all {runs} interleavings{within} of {size:?}");
    assert!(runs > 10, "the threads did not race");
}

#[test]
fn close() {
    explore("close", Size { wanted: 3, ..SMALL }, models::close);
}

#[test]
fn close_on_single_ids() {
    let size = Size {
        wanted: SINGLE,
        ..SMALL
    };
    explore("close", size, models::close);
}

#[test]
fn order_of_single_ids() {
    let size = Size {
        requests: 2,
        wanted: SINGLE,
        ..SMALL
    };
    explore_within(Some(3), "order", size, models::order);
}

#[test]
fn raise_under_single_ids() {
    let size = Size {
        requesters: 1,
        requests: 3,
        wanted: SINGLE,
        ..SMALL
    };
    explore("raise", size, models::raise);
}

#[test]
fn open_under_single_ids() {
    let size = Size {
        requesters: 1,
        requests: 2,
        wanted: SINGLE,
        ..SMALL
    };
    explore("open", size, models::open);
}

#[test]
fn close_under_repeated_requests() {
    let size = Size {
        requesters: 1,
        requests: 3,
        ..SMALL
    };
    explore("close", size, models::close);
}

#[test]
fn order() {
    let size = Size {
        requests: 2,
        ..SMALL
    };
    explore_within(Some(3), "order", size, models::order);
}

#[test]
fn raise() {
    explore("raise", Size { rises: 1, ..SMALL }, models::raise);
}

#[test]
fn raise_twice() {
    explore_within(Some(2), "raise", SMALL, models::raise);
}

#[test]
fn raise_under_repeated_requests() {
    let size = Size {
        requesters: 1,
        requests: 3,
        ..SMALL
    };
    explore("raise", size, models::raise);
}

#[test]
fn publish() {
    explore("publish", SMALL, models::publish);
}

#[test]
fn open() {
    let size = Size {
        requesters: 1,
        wanted: 3,
        ..SMALL
    };
    explore("open", size, models::open);
}

#[test]
fn open_under_more_requests() {
    explore_within(Some(2), "open", Size { wanted: 3, ..SMALL }, models::open);
}

#[test]
fn rollover() {
    let size = Size {
        requests: 2,
        wanted: 3,
        ..SMALL
    };
    explore("rollover", size, models::rollover);
}

#[test]
fn clock() {
    explore("clock", SMALL, models::clock);
}

#[test]
fn clock_under_more_requests() {
    let size = Size {
        requests: 2,
        ..SMALL
    };
    explore_within(Some(2), "clock", size, models::clock);
}

#[test]
fn pace() {
    explore("pace", SMALL, models::pace);
}

#[test]
fn pace_set_back() {
    explore("pace set back", SMALL, models::pace_set_back);
}
