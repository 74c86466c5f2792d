//! Clocks that a start does not believe, or cannot use.

use super::*;

#[test]
fn an_implausible_clock_is_waited_for_unless_accepted() {
    let state = tempfile::tempdir().unwrap();
    let day = 86_400 * SECOND;
    let accept = |wall| Now {
        accept_until: Some(wall),
        ..now(wall)
    };
    // A new mark: before the build, or twenty years after it.
    for wall in [BUILT - NANO, BUILT + 20 * 366 * day] {
        let wait = wait(state.path(), &policy("1"), &now(wall));
        assert_eq!(wait.code(), "clock_implausible");
        assert!(wait.to_string().contains("state accept-clock"), "{wait}");
    }
    let early = wait(state.path(), &policy("1"), &accept(WallTime::ZERO));
    assert!(matches!(early, Wait::BeforeEpoch { .. }));
    assert!(early.to_string().contains("correct `epoch`"), "{early}");
    // A mark of last year.
    leave(state.path(), "1", tick(NOW));
    let late = NOW + 366 * day;
    assert!(matches!(
        wait(state.path(), &policy("1"), &now(late)),
        Wait::TooLate { .. }
    ));
    assert!(start(state.path(), &policy("1"), &now(NOW + 364 * day)).is_ok());
    assert!(start(state.path(), &policy("1"), &accept(late)).is_ok());
}

/// R24.
#[test]
fn a_clock_that_was_set_forward_is_waited_for_where_a_mark_is_made() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let doubted = |left| Now {
        doubted: Some((Duration::from_secs(3600), left)),
        ..now(NOW)
    };
    for left in [Some(Duration::from_secs(36)), None] {
        // The mark tells all that was issued, and the clock that lags is above that.
        assert!(start(state.path(), &policy("1"), &doubted(left)).is_ok());
        // The one of 2 may be lost, and have issued by the clock as it is.
        let wait = wait(state.path(), &policy("1-2"), &doubted(left));
        assert_eq!((wait.code(), wait.left()), ("clock_stepped_forward", left));
    }
}

/// R23.
#[test]
fn a_clock_that_is_not_synchronised_is_waited_for_where_that_is_required() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let strict = Policy {
        require_sync: true,
        ..policy("1")
    };
    for synchronised in [Some(false), None] {
        let now = Now {
            synchronised,
            ..now(NOW)
        };
        assert_eq!(
            wait(state.path(), &strict, &now).code(),
            "clock_unsynchronised"
        );
        assert!(start(state.path(), &policy("1"), &now).is_ok());
        // That the clock is right does not make it synchronised.
        let accepted = Now {
            accept_until: Some(NOW),
            ..now
        };
        assert_eq!(
            wait(state.path(), &strict, &accepted).code(),
            "clock_unsynchronised"
        );
    }
}

#[test]
fn the_end_of_the_time_field_is_waited_out_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let last = Layout::SONYFLAKE.max_tick();
    leave(state.path(), "1", last);
    assert_eq!(
        wait(state.path(), &policy("1"), &now(NOW)).code(),
        "time_field_over"
    );
    let after = WallTime::ZERO + Duration::from_millis(Layout::SONYFLAKE.unix_ms(last + 1));
    let fresh = tempfile::tempdir().unwrap();
    assert_eq!(
        wait(fresh.path(), &policy("1"), &now(after)).code(),
        "time_field_over"
    );
}

/// R27.
#[test]
fn an_operator_may_continue_ahead_until_the_bound_passes_the_moment() {
    let state = tempfile::tempdir().unwrap();
    let bound = tick(NOW) + 1_000_000;
    leave(state.path(), "1", bound);
    let with = |until| Policy {
        continue_ahead: Some(until),
        ..policy("1")
    };
    wait(state.path(), &with(bound - 1), &now(NOW));
    let (first, _) = start(state.path(), &with(bound), &now(NOW)).unwrap();
    assert_eq!(first, bound + 1);
}

#[test]
fn a_start_begins_above_the_bound_at_once_if_it_may_be_made_up() {
    let state = tempfile::tempdir().unwrap();
    let present = tick(NOW);
    leave(state.path(), "1", present + M - 1);
    let (first, record) = start(state.path(), &policy("1"), &now(NOW)).unwrap();
    assert_eq!(first, present + M);
    record.finish(present + M, Moment::default()).unwrap();
    let wait = wait(state.path(), &policy("1"), &now(NOW));
    assert_eq!(wait.code(), "clock_behind_mark");
    assert_eq!(wait.left(), Some(Duration::from_millis(10)));
    assert!(wait.to_string().contains("--continue-ahead"), "{wait}");
}
