//! Ranges of machine IDs that overlap: who owns them, and what becomes of their marks.

use super::*;

/// R15.
#[test]
fn another_range_takes_over_the_bound_and_leaves_none_behind() {
    let state = tempfile::tempdir().unwrap();
    let bound = tick(NOW) + 77;
    leave(state.path(), "16-31", bound);
    let (first, record) = start(state.path(), &policy("20-23"), &now(NOW)).unwrap();
    assert_eq!(first, bound + 1);
    assert_eq!(
        marks(state.path()),
        ["16-19.mark", "20-23.mark", "24-31.mark"]
    );
    for name in ["16-19.mark", "24-31.mark"] {
        assert_eq!(read(state.path(), name)[0].bound, bound);
    }
    record.finish(bound + 5, Moment::default()).unwrap();
    // And back again: the highest of the parts holds, machine IDs without a mark add theirs.
    let (first, _record) = start(state.path(), &policy("16-31"), &now(NOW)).unwrap();
    assert_eq!(first, bound + 6);
    assert_eq!(marks(state.path()), ["16-31.mark"]);
}

#[test]
fn a_range_that_is_partly_new_is_above_both() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let (first, _record) = start(state.path(), &policy("1-2"), &now(NOW)).unwrap();
    assert_eq!(first, tick(NOW) + Q + 1);
    assert_eq!(marks(state.path()), ["1-2.mark"]);
}

#[test]
fn a_settlement_tells_whether_it_splits_or_joins_marks() {
    let of = |left_over: &[&str], obsolete: &[&str]| {
        let ranges = |all: &[&str]| all.iter().map(|range| range.parse().unwrap()).collect();
        let settlement = Settlement {
            own_bound: 1,
            fresh: false,
            left_over: ranges(left_over),
            left_over_bound: 1,
            obsolete: ranges(obsolete),
        };
        settlement.regroups()
    };
    assert!(!of(&[], &[]));
    assert!(of(&["1"], &[]));
    assert!(of(&[], &["0-1"]));
    assert!(of(&["1"], &["0-1"]));
}

/// R28.
#[test]
fn an_interrupted_settlement_is_taken_up() {
    // As it is left when a start of 20-23 dies before it removes 16-31.mark.
    let state = tempfile::tempdir().unwrap();
    let aside = tempfile::tempdir().unwrap();
    let bound = tick(NOW) + 50;
    leave(state.path(), "16-31", bound);
    fs::rename(state.path().join("16-31.mark"), aside.path().join("kept")).unwrap();
    leave(state.path(), "20-23", bound + 9);
    fs::rename(aside.path().join("kept"), state.path().join("16-31.mark")).unwrap();
    let (first, _record) = start(state.path(), &policy("17"), &now(NOW)).unwrap();
    assert_eq!(first, bound + 10);
    assert_eq!(marks(state.path()), ["16.mark", "17.mark", "18-31.mark"]);
    assert_eq!(read(state.path(), "18-31.mark")[0].bound, bound + 9);
}

#[test]
fn overlapping_ranges_exclude_each_other_and_the_refusal_names_the_holder() {
    let state = tempfile::tempdir().unwrap();
    let (_, _held) = start(state.path(), &policy("16-31"), &now(NOW)).unwrap();
    let text = claim(state.path(), "31-40")
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("host here, pid 7 in namespace 1, started 2067-01-15T08:00:00"),
        "{text}"
    );
    assert!(claim(state.path(), "32").is_ok());
}

/// R14.
#[test]
fn no_mark_is_made_where_a_volume_must_be_mounted() {
    let state = tempfile::tempdir().unwrap();
    let strict = Policy {
        create: false,
        ..policy("5-6")
    };
    let refused = refusal(state.path(), &strict);
    assert!(refused.to_string().contains("machine ID 5-6"), "{refused}");
    leave(state.path(), "5", tick(NOW));
    let refused = refusal(state.path(), &strict);
    assert!(refused.to_string().contains("machine ID 6 "), "{refused}");
}
