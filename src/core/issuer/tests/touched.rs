//! Starts over marks that somebody had in hand.

use super::*;
use crate::mark::storage::Storage;

/// A shard by the kernel's clock, which stamps files, `later` than now.
fn shard_at(state: &Path, later: TimeDelta) -> Shard {
    shard_told(state, later, None)
}

/// A shard by the kernel's clock, `later` than now, that is let go on `ahead` ticks ahead of the clock.
fn shard_told(state: &Path, later: TimeDelta, ahead: Option<u64>) -> Shard {
    let storage = Directory::new(state);
    let wall = storage.now() + later;
    let now = settings().layout.tick_at(wall).unwrap();
    let settings = Settings {
        continue_ahead: ahead.map(|ahead| now + ahead),
        ..settings()
    };
    let policy = Policy {
        build_date: wall - 1000 * SECOND,
        ..policy(state, &settings)
    };
    // Of another boot each: what a clock was before does not count.
    let boot_id = ([u8::from(later > TimeDelta::ZERO); 16], 0);
    shard_under(policy, boot_id, storage, &TestClock::at(wall), settings)
}

/// A mark of shard 1 that was written when the kernel's clock was a day ago, for all that it says.
fn leave_old(state: &Path) {
    leave_old_above(state, 0);
}

/// A mark as [`leave_old`] leaves it, with a bound of `above` at least.
fn leave_old_above(state: &Path, above: u64) {
    let mut shard = shard_at(state, -24 * 3600 * SECOND);
    shard.settle();
    assert!(shard.stop().is_ok());
    let path = state.join("1.mark");
    let mut bytes = fs::read(&path).unwrap();
    for at in [0, SLOT_LEN] {
        let mut slot = Slot::decode(&bytes[at..]).unwrap();
        slot.clock = slot.clock - 60 * SECOND;
        slot.bound = slot.bound.max(above);
        bytes[at..at + SLOT_LEN].copy_from_slice(&slot.encode()[..]);
    }
    // In place: it stays the file that it is, with a new stamp.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_issues_nothing_leaves_the_bound_that_it_began_above() {
    let state = tempfile::tempdir().unwrap();
    leave_old(state.path());
    let stamp = Directory::new(state.path()).now();
    let mut shard = shard_at(state.path(), 10 * SECOND);
    shard.settle();
    let told = shard.told();
    let [.., Event::MarkTouched { first, .. }, Event::Opened(opened)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(first, opened);
    let hidden = shard
        .issuer
        .layout()
        .tick_at(stamp + Duration::from_secs(6));
    assert!(first > hidden.unwrap());
    assert!(shard.stop().is_ok());
    assert_eq!(bounds(state.path()), [first - 1, first - 1]);
}

#[tokio::test(start_paused = true)]
async fn a_touch_is_told_of_where_a_floor_is_raised_after_it() {
    let state = tempfile::tempdir().unwrap();
    leave_old(state.path());
    let mut shard = shard_told(state.path(), 10 * SECOND, Some(360_000));
    shard.settle();
    // The mark is raised before the floor: that splits and joins nothing.
    let told = shard.told();
    let [.., Event::MarkTouched { first, .. }, Event::Opened(opened)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(first, opened);
    assert!(!told.contains(&Event::MarksSettled), "{told:?}");
    assert!(state.path().join("1.floor").exists());
}

#[tokio::test(start_paused = true)]
async fn a_touch_that_costs_nothing_is_not_told_of() {
    let state = tempfile::tempdir().unwrap();
    let now = Directory::new(state.path()).now();
    let hour = settings().layout.tick_at(now).unwrap() + 360_000;
    leave_old_above(state.path(), hour);
    let mut shard = shard_told(state.path(), 10 * SECOND, Some(720_000));
    shard.settle();
    let told = shard.told();
    let [.., Event::Opened(opened)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(opened, hour + 1);
    let is_touched = |event: &Event| matches!(event, Event::MarkTouched { .. });
    assert!(!told.iter().any(is_touched), "{told:?}");
}
