//! Marks that somebody had in hand, floors, and the witness.

use std::io::Write;

use super::failing::{Faulty, Stamps};
use super::*;
use crate::mark::rules::{Floor, Seen, adopted_bound, floor_name};
use crate::mark::storage::Storage;

/// No whole second: such stamps are of file systems that keep no finer ones.
const NOW: WallTime = WallTime::from_nanos(super::NOW.as_nanos() + 5_000_000);
/// What may lie between reading the clock and writing a slot by it.
const STALL: TimeDelta = TimeDelta::from_nanos(100_000_000);

fn slot(bound: u64) -> Slot {
    author().slot(
        "1".parse().unwrap(),
        bound,
        storage::Identity::default(),
        NOW,
    )
}

/// A mark with that bound, written at [`NOW`], and it or its directory changed at `changed`.
fn touched(bound: u64, changed: WallTime) -> View {
    let seen = Seen {
        range: "1".parse().unwrap(),
        slots: [Ok(slot(bound)), Ok(slot(bound))],
        identity: storage::Identity::default(),
        changed: Some(changed),
    };
    View {
        overlapping: vec![seen],
        ..View::default()
    }
}

fn decided(view: &View, wall: WallTime) -> Verdict {
    decide(view, &policy("1"), &now(wall), None)
}

/// The first tick above what a mark may hide that was changed at `moment`.
fn above(moment: WallTime) -> u64 {
    tick(moment + SECOND) + Q + 1
}

/// R17.
#[test]
fn a_mark_that_was_changed_after_it_was_written_is_raised_above_what_it_may_hide() {
    let first = tick(NOW) - 5;
    for (changed, raised) in [
        (NOW - 9 * SECOND, false),
        (NOW + STALL, false),
        (NOW + STALL + NANO, true),
        (NOW + 60 * SECOND, true),
    ] {
        let verdict = decided(&touched(first - 1, changed), NOW + 100 * SECOND);
        let first = if raised { above(changed) } else { first };
        assert_eq!(verdict, Verdict::Open { first }, "{:?}", changed - NOW);
    }
}

#[test]
fn a_mark_that_says_more_than_it_may_hide_keeps_its_bound() {
    let bound = above(NOW + SECOND) + 7;
    let verdict = decided(&touched(bound, NOW + SECOND), NOW + 100 * SECOND);
    assert_eq!(verdict, Verdict::Open { first: bound + 1 });
}

#[test]
fn what_a_touch_costs_is_over_some_seconds_after_it() {
    let view = touched(tick(NOW) - 5, NOW + SECOND);
    let at = |ms: i64| decided(&view, NOW + SECOND + ms * SECOND / 1000);
    // Q, and the second that a stamp may be short of, less what may be made up.
    let left = Duration::from_millis(10);
    assert_eq!(at(2250), Verdict::Wait(Wait::Young { left }));
    let first = above(NOW + SECOND);
    assert_eq!(at(2260), Verdict::Open { first });
}

#[test]
fn a_stamp_of_whole_seconds_is_taken_for_the_end_of_its_second() {
    let second = super::NOW + 7 * SECOND;
    let verdict = |written| {
        let mut view = touched(tick(NOW) - 5, second);
        for slot in &mut view.overlapping[0].slots {
            slot.as_mut().unwrap().clock = written;
        }
        decided(&view, NOW + 100 * SECOND)
    };
    // Written late in that second, it cannot be told from what was changed after it.
    let first = above(second + SECOND - NANO);
    assert_eq!(verdict(second + SECOND / 2), Verdict::Open { first });
    let first = tick(NOW) - 4;
    assert_eq!(verdict(second + SECOND - STALL), Verdict::Open { first });
}

/// R25.
#[test]
fn what_was_touched_ahead_of_the_clock_is_waited_for_and_nothing_is_written() {
    let view = touched(tick(NOW) - 5, NOW + 3600 * SECOND);
    let Verdict::Wait(wait) = decided(&view, NOW + 60 * SECOND) else {
        panic!("not waited for");
    };
    assert_eq!(wait.code(), "clock_behind_touch");
    assert_eq!(wait.left(), Some(Duration::from_secs(3540)));
    // The way out, for an operator whose clock was wrong then and is right now.
    let adopted = adopted_bound(&view, &policy("1"), &now(NOW + 60 * SECOND));
    assert_eq!(adopted, Ok(tick(NOW + 60 * SECOND) + Q));
}

/// Or the start that follows would wait for the clock to come there.
#[test]
fn adopting_stamps_a_directory_that_was_changed_ahead_of_the_clock() {
    for (changed, made) in [
        (NOW - NANO, 0),
        (NOW, 0),
        (NOW + NANO, 1),
        (NOW + 60 * SECOND, 1),
    ] {
        let state = tempfile::tempdir().unwrap();
        leave(state.path(), "1", tick(NOW));
        let storage = Faulty::new(state.path());
        storage.disk().stamps = Some(Stamps {
            now: NOW,
            changed,
            made: 0,
        });
        let mut claim = storage.take("1", None).unwrap();
        claim.adopt(&author(), None, |_| Ok(tick(NOW))).unwrap();
        let stamps = storage.disk().stamps.take().unwrap();
        assert_eq!(stamps.made, made, "{:?}", changed - NOW);
        assert_eq!(stamps.changed, changed.min(NOW));
    }
}

#[test]
fn the_slot_that_was_written_last_tells_when_that_was() {
    let at = |boot_id: u8, boot, clock| Slot {
        written: Moment {
            boot: BootTime::from_nanos(boot),
            boot_id: ([boot_id; 16], 0),
            ..Moment::default()
        },
        clock,
        ..slot(tick(NOW) - 5)
    };
    let is_touched = |one: &Slot, other: &Slot| {
        let mut view = touched(0, NOW + SECOND);
        view.overlapping[0].slots = [Ok(one.clone()), Ok(other.clone())];
        view.overlapping[0].touched().is_some()
    };
    let hour = 3600 * SECOND;
    // In one boot the boot clock tells, whichever way the kernel's clock was set.
    for (early, late, is) in [
        (at(1, 5, NOW - hour), at(1, 6, NOW + SECOND), false),
        (at(1, 5, NOW + SECOND), at(1, 6, NOW - hour), true),
        // The boot clocks of two boots, or of boots that have no name, cannot be compared.
        (at(1, 9, NOW - hour), at(2, 6, NOW + SECOND), false),
        (at(0, 9, NOW - hour), at(0, 6, NOW + SECOND), false),
    ] {
        assert_eq!(is_touched(&early, &late), is);
        assert_eq!(is_touched(&late, &early), is);
    }
}

#[test]
fn whatever_bounds_a_lost_mark_bounds_one_that_was_changed() {
    let floor = tick(NOW + 3600 * SECOND);
    let mut view = touched(tick(NOW) - 5, NOW + SECOND);
    view.floor = Floor {
        tick: 0,
        furthest: Q + 100,
    };
    let late = NOW + 100 * SECOND;
    let first = above(NOW + SECOND) + 100;
    assert_eq!(decided(&view, late), Verdict::Open { first });
    // Also a Q that the mark itself tells of.
    view.floor = Floor::default();
    view.overlapping[0].slots[1].as_mut().unwrap().furthest = Q + 100;
    assert_eq!(decided(&view, late), Verdict::Open { first });
    view.floor.tick = floor;
    assert!(matches!(
        decided(&view, late),
        Verdict::Wait(Wait::Behind { .. })
    ));
    let adopted = adopted_bound(&view, &policy("1"), &now(late));
    assert_eq!(adopted, Ok(floor));
    // A mark that nobody has touched goes on from its own bound.
    view.overlapping[0].changed = Some(NOW);
    let first = tick(NOW) - 4;
    assert_eq!(decided(&view, late), Verdict::Open { first });
}

/// R18.
#[test]
fn what_goes_beyond_the_usual_is_written_down_before_a_start_and_once() {
    let until = tick(NOW + 3600 * SECOND);
    let told = Policy {
        continue_ahead: Some(until),
        furthest: Q + 100,
        ..policy("1")
    };
    let floor = Floor {
        tick: until,
        furthest: Q + 100,
    };
    let mut view = touched(tick(NOW) - 5, NOW);
    assert_eq!(decide(&view, &told, &now(NOW), None), Verdict::Raise(floor));
    (view.floor, view.covering) = (floor, floor);
    let first = tick(NOW) - 4;
    let open = Verdict::Open { first };
    assert_eq!(decide(&view, &told, &now(NOW), None), open);
    // A moment that is past lets nothing be issued ahead.
    let past = Policy {
        continue_ahead: Some(tick(NOW)),
        ..policy("1")
    };
    (view.floor, view.covering) = (Floor::default(), Floor::default());
    assert_eq!(decide(&view, &past, &now(NOW), None), open);
    // The floor of this start must not be taken for what a touched mark may hide.
    let view = touched(tick(NOW) - 5, NOW + SECOND);
    let settled = decide(&view, &told, &now(NOW + SECOND), None);
    let Verdict::Settle(settlement) = settled else {
        panic!("{settled:?}");
    };
    assert_eq!(settlement.own_bound, above(NOW + SECOND) - 1 + 100);
}

#[test]
fn a_floor_outlives_its_mark() {
    let state = tempfile::tempdir().unwrap();
    let until = tick(NOW + 3600 * SECOND);
    let told = Policy {
        continue_ahead: Some(until),
        ..policy("1")
    };
    let (_, record) = start(state.path(), &told, &now(NOW)).unwrap();
    drop(record);
    assert_eq!(marks(state.path()), ["1.floor", "1.mark"]);
    damage(state.path(), "1.mark", 0);
    damage(state.path(), "1.mark", 1);
    let mut operator = operator(state.path(), "1");
    assert_eq!(operator.adopt(None).unwrap().0, until);
    drop(operator);
    fs::remove_file(state.path().join("1.mark")).unwrap();
    // Also for a shard of which it is a part.
    let mut claim = claim(state.path(), "0-3").unwrap();
    let made = claim.settle(&author(), |view| {
        settlement(view, &policy("0-3"), &now(NOW))
    });
    assert_eq!(made.unwrap().unwrap().own_bound, until);
}

#[test]
fn a_floor_of_a_part_does_not_stand_for_the_rest() {
    let state = tempfile::tempdir().unwrap();
    let above = tick(NOW) + 900;
    operator(state.path(), "1").raise_or_make(above);
    // Of the wider shard machine ID 2 has no floor yet.
    let mut wider = operator(state.path(), "0-3");
    wider.now = now(NOW + 5 * SECOND);
    wider.raise_or_make(above);
    fs::remove_file(state.path().join("0-3.mark")).unwrap();
    let mut claim = claim(state.path(), "2").unwrap();
    let made = claim.settle(&author(), |view| settlement(view, &policy("2"), &now(NOW)));
    assert_eq!(made.unwrap().unwrap().own_bound, above);
}

impl Operator<Directory> {
    fn raise_or_make(mut self, tick: u64) {
        self.init().unwrap();
        self.raise(tick).unwrap();
    }
}

fn operator(path: &Path, range: &str) -> Operator<Directory> {
    Operator {
        claim: claim(path, range).unwrap(),
        policy: policy(range),
        author: author(),
        now: now(NOW),
    }
}

#[test]
fn a_mark_is_not_made_by_a_clock_that_a_start_would_not_believe() {
    let state = tempfile::tempdir().unwrap();
    let mut early = operator(state.path(), "1");
    early.now = now(BUILT - SECOND);
    assert!(matches!(early.init(), Err(MarkError::Wait(_))));
    assert_eq!(marks(state.path()), Vec::<String>::new());
}

/// R13.
#[test]
fn a_floor_that_cannot_be_read_takes_an_operators_word() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    operator(state.path(), "1").raise(tick(NOW) + 900).unwrap();
    damage(state.path(), "1.floor", 0);
    assert_eq!(refused(state.path()), None);
    damage(state.path(), "1.floor", 1);
    let refusal = refused(state.path());
    assert!(matches!(refusal, Some(Refused::FloorDamaged { .. })));
    let told = operator(state.path(), "1").adopt(None).unwrap_err();
    assert!(matches!(
        told,
        MarkError::Refused(Refused::FloorDamaged { .. })
    ));
    let above = tick(NOW) + 5000;
    let (bound, names) = operator(state.path(), "1").adopt(Some(above)).unwrap();
    assert_eq!((bound, names), (above, vec!["1.mark".to_owned()]));
    assert_eq!(refused(state.path()), None);
    let floor = read(state.path(), &floor_name("1".parse().unwrap()));
    assert_eq!(floor.map(|slot| slot.bound), [above, above]);
}

/// R10: what a newer program allowed is not known, and not to be overwritten.
#[test]
fn a_floor_of_a_newer_format_takes_a_newer_program() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    operator(state.path(), "1").raise(tick(NOW) + 900).unwrap();
    let path = state.path().join("1.floor");
    let mut bytes = fs::read(&path).unwrap();
    let (body, checksum) = bytes[..SLOT_LEN].split_at_mut(SLOT_LEN - 4);
    body[8..12].copy_from_slice(&3_u32.to_le_bytes());
    checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let is_newer = |refused: &Refused| matches!(refused, Refused::Newer { file, version: 3, .. } if file == "1.floor");
    assert!(refused(state.path()).is_some_and(|refused| is_newer(&refused)));
    for above in [None, Some(tick(NOW) + 5000)] {
        let told = operator(state.path(), "1").adopt(above).unwrap_err();
        assert!(
            matches!(&told, MarkError::Refused(refused) if is_newer(refused)),
            "{told}"
        );
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// How a start of shard 1 is refused, if it is.
fn refused(path: &Path) -> Option<Refused> {
    match start(path, &policy("1"), &now(NOW)) {
        Err(MarkError::Refused(refused)) => Some(refused),
        _ => None,
    }
}

#[test]
fn a_floor_of_another_layout_is_refused() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    operator(state.path(), "1").raise(tick(NOW) + 900).unwrap();
    fs::remove_file(state.path().join("1.mark")).unwrap();
    let other = Policy {
        layout: Layout::SONYFLAKE.with_epoch_ms(1_735_689_600_000),
        ..policy("1")
    };
    let refused = refusal(state.path(), &other).to_string();
    assert!(refused.contains("/1.floor "), "{refused}");
}

#[test]
fn a_raised_mark_is_not_lowered_and_its_floor_comes_first() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let raised = |tick| operator(state.path(), "1").raise(tick).unwrap();
    let above = tick(NOW) + 900;
    assert_eq!(raised(above), (above, true));
    assert_eq!(raised(above - 1), (above, false));
    let files = [read(state.path(), "1.mark"), read(state.path(), "1.floor")];
    assert!(files.iter().flatten().all(|slot| slot.bound == above));
}

/// The kernel's clock: what stamps the files of these tests.
pub(super) fn real() -> WallTime {
    Directory::new("/").now()
}

/// The rules for shard 1 by that clock.
pub(super) fn built_lately() -> Policy {
    Policy {
        build_date: real() - 3600 * SECOND,
        ..policy("1")
    }
}

/// A mark of shard 1 with a bound a minute ago, by the kernel's clock.
pub(super) fn left_a_minute_ago(path: &Path) -> u64 {
    let bound = tick(real() - 60 * SECOND);
    let at = now(real() - 60 * SECOND);
    let (_, record) = start(path, &built_lately(), &at).unwrap();
    record.finish(bound, Moment::default()).unwrap();
    bound
}

/// The first tick of a start as late as costs it no wait.
fn first(path: &Path) -> u64 {
    let at = now(real() + 10 * SECOND);
    start(path, &built_lately(), &at).unwrap().0
}

#[test]
fn a_backup_that_is_put_over_a_mark_is_taken_for_old() {
    let state = tempfile::tempdir().unwrap();
    let bound = left_a_minute_ago(state.path());
    assert_eq!(first(state.path()), bound + 1);
    let path = state.path().join("1.mark");
    let backup = fs::read(&path).unwrap();
    let written = read(state.path(), "1.mark")[1].clock;
    wait_past(written);
    let before = real();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all(&backup).unwrap();
    // The stamp may be a tick of the kernel short of the clock.
    assert!(first(state.path()) >= above(before - SECOND / 10));
}

/// A change can be told from the writing of a mark once so much time has passed.
pub(super) fn wait_past(written: WallTime) {
    while real() <= written + 2 * STALL {
        std::thread::yield_now();
    }
}

#[test]
fn a_mark_that_is_moved_away_and_back_is_taken_for_old() {
    let state = tempfile::tempdir().unwrap();
    left_a_minute_ago(state.path());
    wait_past(read(state.path(), "1.mark")[1].clock);
    let before = real();
    let (path, away) = (state.path().join("1.mark"), state.path().join("away"));
    fs::rename(&path, &away).unwrap();
    fs::rename(&away, &path).unwrap();
    assert!(first(state.path()) >= above(before - SECOND / 10));
}

#[test]
fn writing_a_touched_mark_takes_what_it_may_hide_into_account() {
    let state = tempfile::tempdir().unwrap();
    let bound = left_a_minute_ago(state.path());
    wait_past(read(state.path(), "1.mark")[1].clock);
    let before = real();
    fs::write(state.path().join("something"), "").unwrap();
    let (raised, _) = operator(state.path(), "1").raise(bound + 1).unwrap();
    assert!(raised >= above(before - SECOND / 10) - 1);
    assert_eq!(first(state.path()), raised + 1);
}

#[test]
fn a_mark_that_is_raised_on_the_way_was_not_made() {
    let state = tempfile::tempdir().unwrap();
    left_a_minute_ago(state.path());
    wait_past(read(state.path(), "1.mark")[1].clock);
    fs::write(state.path().join("something"), "").unwrap();
    let mut operator = operator(state.path(), "1");
    operator.policy = Policy {
        furthest: Q + 100,
        ..built_lately()
    };
    operator.now = now(real() + 10 * SECOND);
    assert_eq!(operator.init().unwrap(), None);
    assert_eq!(marks(state.path()), ["1.floor", "1.mark", "something"]);
}

/// R4.
#[test]
fn a_witness_knows_of_what_was_issued_elsewhere_under_the_same_path() {
    let (run, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let witness = Witness::new(Directory::new(run.path()), state.path());
    let taken = |path: &Path, range: &str| {
        let claim = claim(path, range).unwrap();
        claim.witnessed(Some(&witness))
    };
    leave(state.path(), "1", tick(NOW));
    let mut record = taken(state.path(), "1")
        .and_then(|claim| claim.into_record(author()))
        .unwrap();
    record.raise(tick(NOW) + 300, Moment::default()).unwrap();
    // Whoever finds another directory there is kept out, and afterwards begins above.
    let elsewhere = tempfile::tempdir().unwrap();
    leave(elsewhere.path(), "0-1", tick(NOW));
    let held = taken(elsewhere.path(), "0-1").map(drop).unwrap_err();
    assert!(matches!(held, MarkError::Held { .. }), "{held}");
    assert!(taken(elsewhere.path(), "0-1").is_err());
    drop(record);
    let view = taken(elsewhere.path(), "0-1").unwrap().look().unwrap();
    let first = tick(NOW) + 301;
    let verdict = decide(&view, &policy("0-1"), &now(NOW), None);
    assert_eq!(verdict, Verdict::Open { first });
    // Of other machine IDs, of another layout and of another place it tells nothing.
    let other = Policy {
        layout: Layout::SNOWFLAKE,
        ..policy("0-1")
    };
    assert_eq!(view.bound(&other), Some(tick(NOW)));
    let stranger = tempfile::tempdir().unwrap();
    leave(stranger.path(), "2", tick(NOW));
    let view = taken(stranger.path(), "2").unwrap().look().unwrap();
    assert_eq!(view.bound(&policy("2")), Some(tick(NOW)));
    let other = Witness::new(Directory::new(run.path()), stranger.path());
    let claim = claim(elsewhere.path(), "0-1").unwrap();
    let view = claim.witnessed(Some(&other)).unwrap().look().unwrap();
    assert_eq!(view.bound(&policy("0-1")), Some(tick(NOW)));
}

/// R4.
#[test]
fn a_start_does_without_a_witness_that_cannot_be_had() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let witness = Witness::new(Directory::new("/nowhere/at/all"), state.path());
    let claim = claim(state.path(), "1").unwrap();
    let mut claim = claim.witnessed(Some(&witness)).unwrap();
    assert_eq!(claim.look().unwrap().bound(&policy("1")), Some(tick(NOW)));
    let mut record = claim.into_record(author()).unwrap();
    assert!(record.raise(tick(NOW) + 1, Moment::default()).is_ok());
}
