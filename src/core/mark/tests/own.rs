//! What shards do themselves to the directory and the marks is not taken for somebody else's doing.

use super::failing::{Faulty, Meanwhile};
use super::touched::{built_lately, left_a_minute_ago, real, wait_past};
use super::*;
use crate::mark::rules::Floor;
use crate::mark::storage::Storage;

/// What shard 1 sees in its directory once it has written a floor, which says little.
fn over_a_new_floor<S: Storage>(mut claim: Claim<S>) -> View {
    let floor = Floor {
        tick: 7,
        furthest: 0,
    };
    claim.raise_floor(&author(), floor).unwrap();
    claim.look().unwrap()
}

#[test]
fn the_files_that_a_start_makes_are_not_taken_for_somebody_elses() {
    let state = tempfile::tempdir().unwrap();
    let bound = left_a_minute_ago(state.path());
    wait_past(read(state.path(), "1.mark")[1].clock);
    // Also where they cannot be noted.
    let storage = Faulty::new(state.path());
    storage.disk().loses_notes = true;
    let view = over_a_new_floor(storage.take("1", None).unwrap());
    assert_eq!(view.bound(&policy("1")), Some(bound));
}

#[test]
fn a_settlement_is_not_taken_for_somebody_elses_doing() {
    let state = tempfile::tempdir().unwrap();
    let lately = |range: &str| Policy {
        range: range.parse().unwrap(),
        ..built_lately()
    };
    start(state.path(), &lately("0-3"), &now(real() - 60 * SECOND)).unwrap();
    let storage = Faulty::new(state.path());
    storage.disk().loses_notes = true;
    // Removing the old mark stamps the directory when the new ones have been there for a while.
    let slow: Meanwhile = Box::new(|call| {
        if call == "n" {
            wait_past(real());
        }
        Ok(())
    });
    let mut claim = storage.take("0-1", Some(slow)).unwrap();
    let policy = lately("0-1");
    let settled = claim.settle(&author(), |view| settlement(view, &policy, &now(real())));
    assert_eq!(settled.unwrap().unwrap().obsolete, [lately("0-3").range]);
    let view = claim.look().unwrap();
    assert_eq!(view.overlapping.len(), 1);
    assert_eq!(view.overlapping[0].touched(), None);
}

#[test]
fn what_somebody_did_to_a_mark_is_not_forgotten_over_a_new_floor() {
    let state = tempfile::tempdir().unwrap();
    left_a_minute_ago(state.path());
    wait_past(read(state.path(), "1.mark")[1].clock);
    let before = real();
    fs::write(state.path().join("something"), "").unwrap();
    let view = over_a_new_floor(claim(state.path(), "1").unwrap());
    assert!(view.overlapping[0].touched() >= Some(before - SECOND / 10));
}

#[test]
fn a_neighbour_that_makes_its_mark_has_touched_no_other() {
    let state = tempfile::tempdir().unwrap();
    let bound = left_a_minute_ago(state.path());
    let first_of = |range: &str| {
        // However long a disk takes for a new mark.
        let at = now(real() + 600 * SECOND);
        let mut policy = built_lately();
        policy.range = range.parse().unwrap();
        start(state.path(), &policy, &at).unwrap().0
    };
    // Each later than the mark of the first one by more than a stall.
    for range in ["2", "3-9", "10-19"] {
        wait_past(real());
        first_of(range);
    }
    let (seen, _) = survey(&Directory::new(state.path()), "/state").unwrap();
    assert!(seen.iter().all(|seen| seen.touched().is_none()));
    assert_eq!(first_of("1"), bound + 1);
    // What somebody did before, or does since, still counts.
    for neighbour in ["20", "21"] {
        let before = real();
        fs::write(state.path().join("something"), "").unwrap();
        fs::remove_file(state.path().join("something")).unwrap();
        wait_past(real());
        first_of(neighbour);
        let mut claim = claim(state.path(), "1").unwrap();
        let touched = claim.look().unwrap().overlapping[0].touched();
        assert!(touched >= Some(before - SECOND / 10), "{touched:?}");
    }
}
