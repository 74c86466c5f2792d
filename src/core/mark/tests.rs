//! Rules, claims and records on real files, with real locks.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use super::rules::{Invocation, Now, Policy, Refused, Settlement, Verdict, View, Wait, decide};
use super::slot::{Holder, Moment, SLOT_LEN, Slot};
use super::*;
use crate::id::layout::Layout;
use crate::time::{BootTime, SECOND, TimeDelta, WallTime};

const NANO: TimeDelta = TimeDelta::from_nanos(1);
/// Later than the kernel's clock in any run of these tests: it stamps the files that they make.
const NOW: WallTime = WallTime::from_nanos(3_062_304_000_000_000_000);
const BUILT: WallTime = WallTime::from_nanos(3_052_304_000_000_000_000);
const M: u64 = 500;
const Q: u64 = 625;

fn tick(wall: WallTime) -> u64 {
    Layout::SONYFLAKE.tick_at(wall).unwrap()
}

fn policy(range: &str) -> Policy {
    Policy {
        directory: "/state".into(),
        invocation: Invocation::default(),
        layout: Layout::SONYFLAKE,
        range: range.parse().unwrap(),
        max_ahead: M,
        furthest: Q,
        usual: Q,
        create: true,
        require_sync: false,
        build_date: BUILT,
        continue_ahead: None,
    }
}

fn now(wall: WallTime) -> Now {
    Now {
        wall,
        doubted: None,
        synchronised: Some(true),
        accept_until: None,
    }
}

fn author() -> Author {
    Author {
        layout: Layout::SONYFLAKE,
        furthest: 0,
        holder: Holder {
            host: "here".into(),
            pid: 7,
            pid_namespace: 1,
            started: NOW,
        },
        moment: Moment::default(),
    }
}

fn claim(path: &Path, range: &str) -> Result<Claim<Directory>, MarkError> {
    Claim::take(
        Directory::new(path),
        path.display().to_string(),
        range.parse().unwrap(),
    )
}

/// Starts as the server does, up to the first tick; a new mark does not have to be waited for.
fn start(path: &Path, policy: &Policy, now: &Now) -> Result<(u64, Record<Directory>), MarkError> {
    let mut claim = claim(path, &policy.range.to_string())?;
    let mut fresh = None;
    for _ in 0..10 {
        let at = Now {
            wall: now.wall + fresh.map_or(TimeDelta::ZERO, |_| 10 * SECOND),
            ..*now
        };
        match decide(&claim.look()?, policy, &at, fresh) {
            Verdict::Refuse(refused) => return Err(refused.into()),
            Verdict::Wait(wait) => return Err(wait.into()),
            Verdict::Open { first } => return Ok((first, claim.into_record(author())?)),
            Verdict::Raise(floor) => claim.raise_floor(&author(), floor)?,
            Verdict::Settle(_) => {
                let done = claim.settle(&author(), |view| settlement(view, policy, now))?;
                fresh = done.filter(|done| done.fresh).map(|done| done.own_bound);
            }
        }
    }
    panic!("there is always something to settle");
}

fn settlement(view: &View, policy: &Policy, now: &Now) -> Option<Settlement> {
    match decide(view, policy, now, None) {
        Verdict::Settle(settlement) => Some(settlement),
        _ => None,
    }
}

fn marks(path: &Path) -> Vec<String> {
    let mut names = Directory::new(path).names_of_marks();
    names.sort();
    names
}

impl Directory {
    fn names_of_marks(&self) -> Vec<String> {
        let names = storage::Storage::names(self).unwrap();
        names.into_iter().filter(|name| name != "lock").collect()
    }
}

/// Leaves marks behind as shards would that stopped: range, bound.
fn leave(path: &Path, range: &str, bound: u64) {
    let (_, record) = start(path, &policy(range), &now(NOW)).unwrap();
    record.finish(bound, Moment::default()).unwrap();
}

fn read(path: &Path, name: &str) -> [Slot; 2] {
    let bytes = fs::read(path.join(name)).unwrap();
    [0, SLOT_LEN].map(|at| Slot::decode(&bytes[at..]).unwrap())
}

fn damage(path: &Path, name: &str, slot: u64) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(path.join(name))
        .unwrap();
    file.write_all_at(&[0xff; 16], slot * SLOT_LEN as u64)
        .unwrap();
}

fn refusal(path: &Path, policy: &Policy) -> Refused {
    match start(path, policy, &now(NOW)).map(drop) {
        Err(MarkError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

fn wait(path: &Path, policy: &Policy, now: &Now) -> Wait {
    match start(path, policy, now).map(drop) {
        Err(MarkError::Wait(wait)) => wait,
        other => panic!("{other:?}"),
    }
}

/// R16.
#[test]
fn a_new_mark_is_above_every_bound_that_may_have_been_lost() {
    let state = tempfile::tempdir().unwrap();
    let mut claim = claim(state.path(), "1").unwrap();
    let policy = policy("1");
    let done = claim
        .settle(&author(), |view| settlement(view, &policy, &now(NOW)))
        .unwrap()
        .unwrap();
    assert_eq!(done.own_bound, tick(NOW) + Q);
    for slot in read(state.path(), "1.mark") {
        assert_eq!(slot.bound, tick(NOW) + Q);
    }
    // All of the wait, not only down to what may be made up.
    let fresh = Some(done.own_bound);
    let at = |ms: i64| now(NOW + ms * SECOND / 1000);
    let view = claim.look().unwrap();
    for early in [0, 1300, 6250] {
        assert!(matches!(
            decide(&view, &policy, &at(early), fresh),
            Verdict::Wait(Wait::Fresh { .. })
        ));
    }
    let first = tick(NOW) + Q + 1;
    assert_eq!(
        decide(&view, &policy, &at(6260), fresh),
        Verdict::Open { first }
    );
}

/// R6.
#[test]
fn nothing_is_written_while_a_start_waits_or_refuses() {
    let state = tempfile::tempdir().unwrap();
    wait(state.path(), &policy("1"), &now(BUILT - NANO));
    assert_eq!(marks(state.path()), [""; 0]);
    leave(state.path(), "16-31", tick(NOW) + 10_000);
    let before = fs::read(state.path().join("16-31.mark")).unwrap();
    wait(state.path(), &policy("20"), &now(NOW));
    assert_eq!(marks(state.path()), ["16-31.mark"]);
    assert_eq!(fs::read(state.path().join("16-31.mark")).unwrap(), before);
}

/// R2.
#[test]
fn a_deleted_lock_file_does_not_make_two_owners() {
    let state = tempfile::tempdir().unwrap();
    let (_, mut first) = start(state.path(), &policy("1"), &now(NOW)).unwrap();
    fs::remove_file(state.path().join("lock")).unwrap();
    assert!(matches!(
        claim(state.path(), "1"),
        Err(MarkError::Held { .. })
    ));
    // And the first stops raising its bound.
    let bound = first.bound();
    let error = first.raise(bound + 100, Moment::default()).unwrap_err();
    assert!(matches!(error, MarkError::Replaced { .. }), "{error}");
    assert_eq!(first.bound(), bound);
}

#[test]
fn a_replaced_mark_is_not_published() {
    let state = tempfile::tempdir().unwrap();
    let (_, mut record) = start(state.path(), &policy("1"), &now(NOW)).unwrap();
    let (mark, copy) = (state.path().join("1.mark"), state.path().join("copy"));
    fs::copy(&mark, &copy).unwrap();
    fs::rename(&copy, &mark).unwrap();
    let bound = record.bound();
    assert!(matches!(
        record.raise(bound + 1, Moment::default()),
        Err(MarkError::Replaced { .. })
    ));
    assert_eq!(record.bound(), bound);
}

/// R11.
#[test]
fn one_bad_slot_is_repaired_and_two_are_refused() {
    for slot in [0usize, 1] {
        let state = tempfile::tempdir().unwrap();
        let bound = tick(NOW) + 3;
        leave(state.path(), "1", bound);
        damage(state.path(), "1.mark", slot as u64);
        let (first, mut record) = start(state.path(), &policy("1"), &now(NOW)).unwrap();
        assert_eq!(first, bound + 1);
        record.raise(bound + 100, Moment::default()).unwrap();
        assert_eq!(read(state.path(), "1.mark")[slot].bound, bound + 100);
        drop(record);
        damage(state.path(), "1.mark", 0);
        damage(state.path(), "1.mark", 1);
        let refused = refusal(state.path(), &policy("1"));
        assert!(matches!(refused, Refused::Damaged { .. }));
        assert!(
            refused.to_string().contains("shardflake state adopt"),
            "{refused}"
        );
    }
}

#[test]
fn an_empty_or_cut_mark_is_refused() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let file = fs::OpenOptions::new()
        .write(true)
        .open(state.path().join("1.mark"))
        .unwrap();
    file.set_len(SLOT_LEN as u64 - 1).unwrap();
    assert!(matches!(
        refusal(state.path(), &policy("1")),
        Refused::Damaged { .. }
    ));
    file.set_len(0).unwrap();
    assert!(matches!(
        refusal(state.path(), &policy("1")),
        Refused::Damaged { .. }
    ));
}

/// R8.
#[test]
fn another_layout_or_epoch_is_refused_in_the_whole_directory() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    for range in ["1", "2"] {
        let other = Policy {
            layout: Layout::SONYFLAKE.with_epoch_ms(1_735_689_600_000),
            ..policy(range)
        };
        let refused = refusal(state.path(), &other);
        assert!(
            refused.to_string().contains("Do not delete the mark"),
            "{refused}"
        );
        assert!(refused.to_string().contains("/1.mark "), "{refused}");
        assert_eq!(marks(state.path()), ["1.mark"], "made before it is refused");
    }
}

/// R7 and R9.
#[test]
fn a_mark_under_another_name_is_refused() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    fs::rename(state.path().join("1.mark"), state.path().join("2.mark")).unwrap();
    assert!(matches!(
        refusal(state.path(), &policy("2")),
        Refused::Misnamed { .. }
    ));
    fs::rename(state.path().join("2.mark"), state.path().join("02.mark")).unwrap();
    assert!(matches!(
        claim(state.path(), "2"),
        Err(MarkError::Name { .. })
    ));
}

/// R12.
#[test]
fn a_copy_is_refused_until_it_is_adopted() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW) - 1000);
    let (mark, copy) = (state.path().join("1.mark"), state.path().join("copy"));
    fs::copy(&mark, &copy).unwrap();
    fs::rename(&copy, &mark).unwrap();
    let refused = refusal(state.path(), &policy("1"));
    assert!(matches!(refused, Refused::Copied { .. }));
    assert!(
        refused.to_string().contains("shardflake state adopt"),
        "{refused}"
    );

    let policy = policy("1");
    let adopt = |wall| {
        claim(state.path(), "1")
            .unwrap()
            .adopt(&author(), None, |view| {
                rules::adoptable(view, &policy, None)?;
                Ok(rules::adopted_bound(view, &policy, &now(wall))?)
            })
    };
    assert!(matches!(adopt(BUILT - NANO), Err(MarkError::Wait(_))));
    assert_eq!(adopt(NOW).unwrap(), tick(NOW) + Q);
    let later = now(NOW + 10 * SECOND);
    let (first, _record) = start(state.path(), &policy, &later).unwrap();
    assert_eq!(first, tick(NOW) + Q + 1);
}

#[test]
fn adopting_mends_a_damaged_mark_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    damage(state.path(), "1.mark", 0);
    damage(state.path(), "1.mark", 1);
    let view = claim(state.path(), "1").unwrap().look().unwrap();
    assert_eq!(rules::adoptable(&view, &policy("1"), None), Ok(()));
    leave(state.path(), "2", tick(NOW));
    fs::rename(state.path().join("2.mark"), state.path().join("3.mark")).unwrap();
    let view = claim(state.path(), "3").unwrap().look().unwrap();
    assert!(rules::adoptable(&view, &policy("3"), None).is_err());
}

#[test]
fn a_bound_is_never_lowered_while_running_and_exact_at_the_end() {
    let state = tempfile::tempdir().unwrap();
    let bound = tick(NOW) + 3;
    leave(state.path(), "1", bound);
    let (_, mut record) = start(state.path(), &policy("1"), &now(NOW)).unwrap();
    record.raise(bound + 100, Moment::default()).unwrap();
    record.raise(bound + 50, Moment::default()).unwrap();
    assert_eq!(record.bound(), bound + 100);
    assert_eq!(read(state.path(), "1.mark")[0].bound, bound + 100);
    record.finish(bound + 7, Moment::default()).unwrap();
    for slot in read(state.path(), "1.mark") {
        assert_eq!(slot.bound, bound + 7);
    }
}

#[test]
fn a_directory_that_cannot_be_used_says_what_to_do() {
    let error = claim(Path::new("/nowhere/at/all"), "1")
        .map(drop)
        .unwrap_err();
    assert!(
        error.to_string().contains("create the directory"),
        "{error}"
    );
    for kind in [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::Other,
    ] {
        let error = MarkError::io("write", "/state", "1.mark", kind.into());
        assert!(
            error
                .to_string()
                .starts_with("cannot write /state/1.mark: ")
        );
        assert!(error.to_string().matches(": ").count() >= 2, "{error}");
    }
}

mod cited;
mod claims;
mod clocks;
mod failing;
mod limits;
mod meanwhile;
mod messages;
mod own;
mod ranges;
mod reading;
mod touched;
