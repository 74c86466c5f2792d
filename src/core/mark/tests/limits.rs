//! The start rules at their limits, on marks that lie in no directory.

use super::*;
use crate::mark::rules::{Seen, adoptable, adopted_bound};
use crate::mark::slot::SlotError;
use crate::mark::storage::Identity;

const DAY: TimeDelta = TimeDelta::from_secs(86_400);
/// Twenty years with their leap days.
const OUTDATED: TimeDelta = TimeDelta::from_secs(7305 * 86_400);

fn slot(range: &str, bound: u64) -> Slot {
    author().slot(range.parse().unwrap(), bound, Identity::default(), NOW)
}

fn seen(range: &str, bound: u64) -> Seen {
    Seen {
        range: range.parse().unwrap(),
        slots: [Ok(slot(range, bound)), Ok(slot(range, bound))],
        identity: Identity::default(),
        changed: None,
    }
}

fn view(overlapping: &[(&str, u64)]) -> View {
    let overlapping = overlapping
        .iter()
        .map(|(range, bound)| seen(range, *bound))
        .collect();
    View {
        overlapping,
        ..View::default()
    }
}

/// What the rules say of a shard whose only mark has this bound.
fn of_bound(bound: u64, now: &Now) -> Verdict {
    decide(&view(&[("1", bound)]), &policy("1"), now, None)
}

fn of_no_mark(now: &Now) -> Verdict {
    decide(&View::default(), &policy("1"), now, None)
}

fn accepted(wall: WallTime) -> Now {
    Now {
        accept_until: Some(wall),
        ..now(wall)
    }
}

/// The wall clock at the beginning of a tick.
fn wall(tick: u64) -> WallTime {
    WallTime::ZERO + Duration::from_millis(Layout::SONYFLAKE.unix_ms(tick))
}

/// R26.
#[test]
fn what_may_be_made_up_is_started_with_and_one_tick_more_is_waited_for() {
    let present = tick(NOW);
    let first = present + M;
    assert_eq!(of_bound(first - 1, &now(NOW)), Verdict::Open { first });
    let behind = |clock: &str, bound: &str, behind, left| {
        Verdict::Wait(Wait::Behind {
            clock: clock.to_owned(),
            bound: bound.to_owned(),
            behind: Duration::from_millis(behind),
            limit: Duration::from_secs(5),
            left: Duration::from_millis(left),
        })
    };
    let clock = "2067-01-15T08:00:00.000Z";
    assert_eq!(
        of_bound(first, &now(NOW)),
        behind(clock, "2067-01-15T08:00:05.000Z", 5010, 10)
    );
    assert_eq!(
        of_bound(present + 60_000, &now(NOW)),
        behind(clock, "2067-01-15T08:10:00.000Z", 600_010, 595_010)
    );
}

#[test]
fn the_clock_is_not_blamed_for_a_mark_that_it_has_just_written() {
    let bound = tick(NOW) + Q;
    let mut view = view(&[("1", bound)]);
    let after = |view: &View, ms: i64| {
        let now = now(NOW + ms * SECOND / 1000);
        decide(view, &policy("1"), &now, None)
    };
    let young = |left| {
        let left = Duration::from_millis(left);
        Verdict::Wait(Wait::Young { left })
    };
    let written = |view: &mut View, wall: WallTime| {
        for slot in view.overlapping[0].slots.iter_mut().flatten() {
            slot.written.wall = wall;
        }
    };
    written(&mut view, NOW);
    assert_eq!(after(&view, 0), young(1260));
    assert_eq!(after(&view, 1250), young(10));
    let first = bound + 1;
    assert_eq!(after(&view, 1260), Verdict::Open { first });
    // It was set back since, or before: the mark is further ahead than one is written.
    let is_behind = |verdict| matches!(verdict, Verdict::Wait(Wait::Behind { .. }));
    assert!(is_behind(after(&view, -1)));
    written(&mut view, NOW - 2 * SECOND);
    assert!(is_behind(after(&view, 0)));
}

/// R16.
#[test]
fn a_new_mark_is_waited_for_until_the_clock_is_past_it() {
    let bound = tick(NOW) + Q;
    let view = view(&[("1", bound)]);
    let after = |ticks: i64, fresh| {
        let now = now(NOW + ticks * SECOND / 100);
        decide(&view, &policy("1"), &now, fresh)
    };
    let fresh = |left| {
        Verdict::Wait(Wait::Fresh {
            left: Duration::from_millis(left),
            command: "shardflake state init".into(),
        })
    };
    assert_eq!(after(0, Some(bound)), fresh(6260));
    assert_eq!(after(625, Some(bound)), fresh(10));
    let first = bound + 1;
    assert_eq!(after(626, Some(bound)), Verdict::Open { first });
    // A mark that was there before, or that is not the one that was made.
    for other in [None, Some(bound - 1)] {
        assert_eq!(after(400, other), Verdict::Open { first });
    }
}

/// R22.
#[test]
fn a_mark_of_more_than_a_year_ago_is_doubted() {
    let year = 365 * 86_400 * 100;
    let first = tick(NOW) - year + 1;
    assert_eq!(of_bound(first - 1, &now(NOW)), Verdict::Open { first });
    assert_eq!(
        of_bound(first - 2, &now(NOW)),
        Verdict::Wait(Wait::TooLate {
            clock: "2067-01-15T08:00:00.000Z".into(),
            limit: "365 days",
            what: "the mark (2066-01-15T07:59:59.990Z)".into(),
        })
    );
}

/// R22.
#[test]
fn without_a_mark_the_clock_is_doubted_before_the_build_and_twenty_years_after() {
    for wall in [BUILT, BUILT + OUTDATED] {
        let verdict = of_no_mark(&now(wall));
        assert!(matches!(verdict, Verdict::Settle(_)), "{verdict:?}");
    }
    assert_eq!(
        of_no_mark(&now(BUILT - NANO)),
        Verdict::Wait(Wait::BeforeBuild {
            clock: "2066-09-21T14:13:19.999Z".into(),
            built: "2066-09-21T14:13:20.000Z".into(),
        })
    );
    assert_eq!(
        of_no_mark(&now(BUILT + OUTDATED + NANO)),
        Verdict::Wait(Wait::TooLate {
            clock: "2086-09-21T14:13:20.000Z".into(),
            limit: "20 years",
            what: "when this program was built (2066-09-21T14:13:20.000Z)".into(),
        })
    );
}

#[test]
fn an_operators_word_holds_up_to_its_moment() {
    let until = |accept_until| Now {
        accept_until: Some(accept_until),
        ..now(BUILT - 10 * NANO)
    };
    let verdict = of_no_mark(&until(BUILT - 10 * NANO));
    assert!(matches!(verdict, Verdict::Settle(_)), "{verdict:?}");
    let verdict = of_no_mark(&until(BUILT - 11 * NANO));
    assert!(
        matches!(verdict, Verdict::Wait(Wait::BeforeBuild { .. })),
        "{verdict:?}"
    );
}

/// R21.
#[test]
fn the_epoch_is_the_first_tick() {
    let epoch = wall(0);
    let verdict = of_no_mark(&accepted(epoch));
    assert!(matches!(verdict, Verdict::Settle(_)), "{verdict:?}");
    assert_eq!(
        of_no_mark(&accepted(epoch - NANO)),
        Verdict::Wait(Wait::BeforeEpoch {
            clock: "2014-08-31T23:59:59.999Z".into(),
            epoch: "2014-09-01T00:00:00.000Z".into(),
        })
    );
}

/// R21.
#[test]
fn the_last_tick_is_issued_and_none_after_it() {
    let last = Layout::SONYFLAKE.max_tick();
    let at_last = accepted(wall(last));
    let over = Verdict::Wait(Wait::TimeFieldOver {
        end: "2188-11-16T03:28:58.880Z".into(),
    });
    assert_eq!(of_bound(last - 1, &at_last), Verdict::Open { first: last });
    assert_eq!(of_bound(last, &at_last), over);
    assert_eq!(of_no_mark(&accepted(wall(last + 1))), over);
    // A new mark's bound stays within the field.
    let verdict = of_no_mark(&at_last);
    assert!(
        matches!(&verdict, Verdict::Settle(made) if made.own_bound == last && made.fresh),
        "{verdict:?}"
    );
}

#[test]
fn a_doubted_or_unsynchronised_clock_is_told_as_it_is() {
    let (step, left) = (Duration::from_secs(3600), Duration::from_secs(36));
    let stepped = |left| Now {
        doubted: Some((step, left)),
        ..now(NOW)
    };
    let bound = tick(NOW);
    assert_eq!(
        of_no_mark(&stepped(Some(left))),
        Verdict::Wait(Wait::Stepped { step, left })
    );
    assert_eq!(
        of_no_mark(&stepped(None)),
        Verdict::Wait(Wait::SteppedFar { step })
    );
    let strict = Policy {
        require_sync: true,
        ..policy("1")
    };
    for (synchronised, seen) in [
        (Some(true), None),
        (Some(false), Some("the kernel says so")),
        (None, Some("the kernel may not be asked here")),
    ] {
        let now = Now {
            synchronised,
            ..now(NOW)
        };
        let verdict = decide(&view(&[("1", bound)]), &strict, &now, None);
        let expected = seen.map_or(Verdict::Open { first: bound + 1 }, |seen| {
            Verdict::Wait(Wait::Unsynchronised { seen })
        });
        assert_eq!(verdict, expected);
    }
}

#[test]
fn only_waits_that_time_ends_tell_how_long() {
    let left = Duration::from_secs(7);
    let command = String::new();
    assert_eq!(Wait::Fresh { left, command }.left(), Some(left));
    assert_eq!(Wait::Stepped { step: left, left }.left(), Some(left));
    assert_eq!(Wait::SteppedFar { step: left }.left(), None);
}

/// What is settled for `range`, two seconds of lead being told to go on.
fn settled(range: &str, overlapping: &[(&str, u64)]) -> Settlement {
    match decide(&view(overlapping), &policy(range), &now(NOW), None) {
        Verdict::Settle(settlement) => settlement,
        other => panic!("{other:?}"),
    }
}

fn ranges(ranges: &[&str]) -> Vec<crate::id::range::MachineRange> {
    ranges.iter().map(|range| range.parse().unwrap()).collect()
}

#[test]
fn a_part_of_a_mark_takes_its_bound_and_leaves_marks_for_the_rest() {
    let bound = tick(NOW) + 77;
    assert_eq!(
        settled("20-23", &[("16-31", bound)]),
        Settlement {
            own_bound: bound,
            fresh: false,
            left_over: ranges(&["16-19", "24-31"]),
            left_over_bound: bound,
            obsolete: ranges(&["16-31"]),
        }
    );
}

#[test]
fn what_an_interrupted_settlement_wrote_already_is_kept() {
    let bound = tick(NOW) + 77;
    let interrupted = [("16-31", bound), ("16-19", bound), ("20-23", bound - 7)];
    assert_eq!(
        settled("20-23", &interrupted),
        Settlement {
            own_bound: bound,
            fresh: false,
            left_over: ranges(&["16-19", "24-31"]),
            left_over_bound: bound,
            obsolete: ranges(&["16-31"]),
        }
    );
    // And another start may want another part by now.
    assert_eq!(
        settled("17", &interrupted[..2]),
        Settlement {
            own_bound: bound,
            fresh: false,
            left_over: ranges(&["16", "18-31"]),
            left_over_bound: bound,
            obsolete: ranges(&["16-31", "16-19"]),
        }
    );
}

#[test]
fn a_machine_id_without_a_mark_is_taken_for_a_lost_one() {
    let known = tick(NOW) + 77;
    let made = settled("1-2", &[("1", known)]);
    assert_eq!((made.own_bound, made.fresh), (tick(NOW) + Q, true));
    assert_eq!(made.left_over_bound, known);
    // A bound further ahead than any lost one may have been holds as well.
    let far = tick(NOW) + 100_000;
    let told = Policy {
        continue_ahead: Some(far),
        ..policy("1-2")
    };
    let verdict = decide(&view(&[("1", far)]), &told, &now(NOW), None);
    // Nothing has to pass it then, as an operator lets the shard go on above it.
    assert!(
        matches!(&verdict, Verdict::Settle(made) if made.own_bound == far && !made.fresh),
        "{verdict:?}"
    );
    for (known, fresh) in [(tick(NOW) + Q - 1, true), (tick(NOW) + Q, false)] {
        let verdict = decide(&view(&[("1", known)]), &told, &now(NOW), None);
        assert!(
            matches!(&verdict, Verdict::Settle(made) if made.fresh == fresh),
            "{verdict:?}"
        );
    }
}

#[test]
fn the_larger_bound_of_the_readable_slots_holds() {
    let mut seen = seen("1", 5);
    seen.slots[1] = Ok(slot("1", 9));
    assert_eq!(seen.bound(), Some(9));
    seen.slots[1] = Err(SlotError::Checksum);
    assert_eq!(seen.bound(), Some(5));
    seen.slots[0] = Err(SlotError::Checksum);
    assert_eq!(seen.bound(), None);
}

#[test]
fn an_adopted_bound_is_above_all_that_is_known_and_all_that_is_not() {
    let present = tick(NOW);
    let adopted = |bound, wall| adopted_bound(&view(&[("1", bound)]), &policy("1"), &now(wall));
    assert_eq!(adopted(present, NOW), Ok(present + Q));
    assert_eq!(adopted(present + 10_000, NOW), Ok(present + 10_000));
    assert!(adopted(present, BUILT - NANO).is_err());
}

#[test]
fn what_an_operator_said_of_the_clock_does_not_cover_one_that_lags() {
    let step = Duration::from_secs(3600);
    for left in [None, Some(Duration::from_secs(36))] {
        let word = |wall| Now {
            doubted: Some((step, left)),
            accept_until: Some(wall + 10 * SECOND),
            ..now(wall)
        };
        let expected = match left {
            Some(left) => Wait::Stepped { step, left },
            None => Wait::SteppedFar { step },
        };
        assert_eq!(of_no_mark(&word(NOW)), Verdict::Wait(expected));
        let late = of_bound(tick(NOW), &word(NOW + 366 * DAY));
        assert!(
            matches!(late, Verdict::Wait(Wait::TooLate { .. })),
            "{late:?}"
        );
    }
}

#[test]
fn a_clock_that_lags_is_enough_where_nothing_was_touched_since() {
    let (step, left) = (Duration::from_secs(3600), Duration::from_secs(36));
    let bound = tick(NOW);
    // No whole second: such stamps are taken for the end of theirs.
    let wall = NOW + 5 * NANO;
    for touched in [wall - NANO, wall, wall + NANO, wall + 3599 * SECOND] {
        let mut view = view(&[("1", bound)]);
        // Written an hour ago, and changed by somebody since.
        let seen = &mut view.overlapping[0];
        seen.changed = Some(touched);
        for slot in seen.slots.iter_mut().flatten() {
            slot.clock = NOW - 3600 * SECOND;
        }
        let doubted = Now {
            doubted: Some((step, Some(left))),
            ..now(wall)
        };
        let verdict = decide(&view, &policy("1"), &doubted, None);
        let waits = verdict == Verdict::Wait(Wait::Stepped { step, left });
        assert_eq!(waits, touched > wall, "{touched}: {verdict:?}");
    }
}

/// R8, R9, R10, R11 and R12, of which adoption overrules the last two.
#[test]
fn adoption_overrules_copies_and_damage_and_nothing_beside_them() {
    let copied = Seen {
        identity: Identity {
            inode: 1,
            ..Identity::default()
        },
        ..seen("1", 7)
    };
    let damaged = Seen {
        slots: [Err(SlotError::Magic), Err(SlotError::Checksum)],
        ..seen("2", 7)
    };
    let misnamed = Seen {
        range: "1-3".parse().unwrap(),
        ..seen("1-4", 7)
    };
    let newer = Seen {
        slots: [Err(SlotError::Version(3)), Ok(slot("1-3", 7))],
        ..seen("1-3", 7)
    };
    // The copy's first slot is sound; its second bounds other IDs.
    let mut other = copied.clone();
    other.slots[1] = Ok(Slot {
        layout: Layout::SNOWFLAKE,
        ..slot("1", 7)
    });
    let adopted = |overlapping: &[&Seen]| {
        let view = View {
            overlapping: overlapping.iter().map(|seen| (*seen).clone()).collect(),
            ..View::default()
        };
        adoptable(&view, &policy("1-2"), None)
    };
    assert_eq!(adopted(&[&copied, &damaged]), Ok(()));
    let refused = adopted(&[&copied, &damaged, &misnamed]);
    assert!(matches!(refused, Err(Refused::Misnamed { .. })));
    let refused = adopted(&[&damaged, &newer]);
    assert!(matches!(refused, Err(Refused::Newer { .. })));
    let refused = adopted(&[&other]);
    assert!(matches!(refused, Err(Refused::Layout { .. })));
}

#[test]
fn a_birth_time_that_becomes_known_makes_no_copy() {
    let identity = |inode, born| Identity {
        inode,
        born: WallTime::from_nanos(born),
        ..Identity::default()
    };
    let of = |written, found| {
        let mut view = view(&[("1", tick(NOW))]);
        let seen = &mut view.overlapping[0];
        for slot in &mut seen.slots {
            slot.as_mut().unwrap().identity = written;
        }
        seen.identity = found;
        decide(&view, &policy("1"), &now(NOW), None)
    };
    for (written, found) in [(0, 0), (0, 5), (5, 0), (5, 5)] {
        let verdict = of(identity(7, written), identity(7, found));
        assert!(matches!(verdict, Verdict::Open { .. }), "{verdict:?}");
    }
    for (written, found) in [((7, 5), (7, 6)), ((7, 0), (8, 6)), ((7, 0), (8, 0))] {
        let verdict = of(identity(written.0, written.1), identity(found.0, found.1));
        let copied = matches!(verdict, Verdict::Refuse(Refused::Copied { .. }));
        assert!(copied, "{verdict:?}");
    }
}
