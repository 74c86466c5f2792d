//! Many random schedules of more threads than can be tried in every order.

use shardflake_models::models::{self, Size};

const LARGE: Size = Size {
    requesters: 6,
    requests: 8,
    wanted: 1,
    rises: 8,
};
const SCHEDULES: usize = 10_000;
/// At how many points a schedule by priorities lets another thread go first.
const CHANGES: usize = 4;

/// Runs `model` under schedules drawn evenly, and under schedules by random priorities, which find
/// what needs one thread to stand still for long.
fn sample(size: Size, model: fn(Size)) {
    shuttle::check_random(move || model(size), SCHEDULES);
    shuttle::check_pct(move || model(size), SCHEDULES, CHANGES);
}

#[test]
fn close() {
    sample(LARGE, models::close);
    sample(Size { wanted: 5, ..LARGE }, models::close);
    sample(Size { wanted: 0, ..LARGE }, models::close);
}

#[test]
fn order() {
    sample(LARGE, models::order);
    sample(Size { wanted: 0, ..LARGE }, models::order);
}

#[test]
fn raise() {
    sample(LARGE, models::raise);
    sample(Size { wanted: 5, ..LARGE }, models::raise);
    sample(Size { wanted: 0, ..LARGE }, models::raise);
}

#[test]
fn publish() {
    sample(LARGE, models::publish);
}

#[test]
fn open() {
    sample(LARGE, models::open);
    sample(Size { wanted: 3, ..LARGE }, models::open);
    sample(Size { wanted: 0, ..LARGE }, models::open);
}

#[test]
fn rollover() {
    let size = Size {
        requests: 1,
        ..LARGE
    };
    sample(size, models::rollover);
    sample(Size { wanted: 3, ..size }, models::rollover);
}

#[test]
fn clock() {
    sample(LARGE, models::clock);
}

#[test]
fn pace() {
    sample(LARGE, models::pace);
    sample(LARGE, models::pace_set_back);
}
