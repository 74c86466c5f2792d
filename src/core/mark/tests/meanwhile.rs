//! What others do while a start or a running shard is at work.

use std::sync::{Arc, Mutex};

use super::claims::replace_by_copy;
use super::failing::{Faulty, Meanwhile, record, running};
use super::*;
use crate::mark::storage::{File, Storage};

/// The byte that a start holds while it is at work: behind every machine ID.
const DIRECTORY_BYTE: u64 = 1 << 32;

fn assert_busy<T>(result: Result<T, MarkError>) {
    let result = result.map(drop);
    assert!(matches!(result, Err(MarkError::Busy { .. })), "{result:?}");
}

fn lock_file(state: &Path) -> fs::File {
    Directory::new(state).open("lock").unwrap().unwrap()
}

/// R3.
#[test]
fn nothing_is_done_while_another_start_is_at_work() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let mut first = claim(state.path(), "1").unwrap();
    let other = lock_file(state.path());
    assert!(other.lock_bytes(DIRECTORY_BYTE, 1).unwrap());
    assert_busy(claim(state.path(), "2"));
    assert_busy(first.look());
    assert_busy(first.settle(&author(), |_| panic!("decided beside another start")));
    assert_busy(first.adopt(&author(), None, |_| panic!("adopted beside another start")));
    other.unlock_bytes(DIRECTORY_BYTE, 1).unwrap();
    first.look().unwrap();
    assert!(claim(state.path(), "2").is_ok());
}

#[test]
fn no_other_start_comes_in_while_one_is_at_work() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let mut first = claim(state.path(), "1").unwrap();
    let settled = first.settle(&author(), |_| {
        assert_busy(claim(state.path(), "2"));
        None
    });
    assert_eq!(settled.unwrap(), None);
    let adopted = first.adopt(&author(), None, |_| {
        assert_busy(claim(state.path(), "2"));
        Ok(tick(NOW) + 9)
    });
    assert_eq!(adopted.unwrap(), tick(NOW) + 9);
    assert!(claim(state.path(), "2").is_ok());
}

/// At each write, tries to lock a machine ID; what came of it is kept in the second value.
fn locking_at_each_write(state: &Path, machine: u64) -> (Meanwhile, Arc<Mutex<Vec<bool>>>) {
    let had: Arc<Mutex<Vec<bool>>> = Arc::default();
    let (lock, kept) = (lock_file(state), Arc::clone(&had));
    let meanwhile = move |call: &str| {
        if call.starts_with('w') {
            kept.lock().unwrap().push(lock.lock_bytes(machine, 1)?);
        }
        Ok(())
    };
    (Box::new(meanwhile), had)
}

#[test]
fn what_is_left_over_is_locked_while_it_is_settled() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "16-31", tick(NOW));
    let (meanwhile, had) = locking_at_each_write(state.path(), 31);
    let mut claim = Faulty::new(state.path())
        .take("16-19", Some(meanwhile))
        .unwrap();
    let policy = policy("16-19");
    claim
        .settle(&author(), |view| settlement(view, &policy, &now(NOW)))
        .unwrap();
    assert_eq!(*had.lock().unwrap(), [false; 4]);
    // And no longer.
    assert!(lock_file(state.path()).lock_bytes(31, 1).unwrap());
}

#[test]
fn an_owner_is_seen_by_its_mark_when_the_lock_file_is_gone() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "16-31", tick(NOW));
    let owner = claim(state.path(), "24-31").unwrap();
    fs::remove_file(state.path().join("lock")).unwrap();
    for range in ["16-31", "24", "31-40"] {
        let held = claim(state.path(), range).map(drop).unwrap_err();
        assert!(matches!(held, MarkError::Held { .. }), "{range}: {held}");
    }
    let mut other = claim(state.path(), "16-19").unwrap();
    let policy = policy("16-19");
    let settle =
        |other: &mut Claim<_>| other.settle(&author(), |view| settlement(view, &policy, &now(NOW)));
    let held = settle(&mut other).unwrap_err().to_string();
    assert!(held.starts_with("machine ID 20-31 is in use"), "{held}");
    let held = other
        .adopt(&author(), None, |_| Ok(tick(NOW) + 9))
        .unwrap_err();
    assert!(matches!(held, MarkError::Held { .. }), "{held}");
    assert_eq!(read(state.path(), "16-31.mark")[0].bound, tick(NOW));
    drop(owner);
    assert!(settle(&mut other).unwrap().is_some());
}

#[test]
fn the_other_machine_ids_of_a_mark_are_locked_while_it_is_adopted() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "16-31", tick(NOW));
    let (meanwhile, had) = locking_at_each_write(state.path(), 31);
    let mut claim = Faulty::new(state.path())
        .take("16", Some(meanwhile))
        .unwrap();
    claim.adopt(&author(), None, |_| Ok(tick(NOW) + 9)).unwrap();
    assert_eq!(*had.lock().unwrap(), [false; 4]);
    assert!(lock_file(state.path()).lock_bytes(31, 1).unwrap());
}

#[test]
fn a_lock_file_that_was_deleted_as_it_was_opened_is_not_relied_on() {
    let state = tempfile::tempdir().unwrap();
    let storage = Faulty::new(state.path());
    let path = state.path().join("lock");
    let meanwhile: Meanwhile = Box::new(move |call| match call {
        "o" => fs::remove_file(&path),
        _ => Ok(()),
    });
    assert_busy(storage.take("1", Some(meanwhile)));
    assert!(storage.take("1", None).is_ok());
}

#[test]
fn names_whose_flush_failed_are_flushed_again_before_a_bound_counts() {
    let state = tempfile::tempdir().unwrap();
    let (mut record, disk) = record(state.path(), &[]);
    let mut failures = 1;
    disk.lock().unwrap().meanwhile = Some(Box::new(move |call| {
        if call == "n" && failures > 0 {
            failures -= 1;
            return Err(io::Error::other("injected"));
        }
        Ok(())
    }));
    let old = record.bound();
    assert!(record.raise(old + 100, Moment::default()).is_err());
    assert_eq!(record.bound(), old);
    record.raise(old + 100, Moment::default()).unwrap();
    let flushed = disk.lock().unwrap().names_flushed;
    assert_eq!(flushed, 2);
}

#[test]
fn a_mark_that_is_replaced_at_the_last_flush_is_not_published() {
    let state = tempfile::tempdir().unwrap();
    let (mut record, disk) = running(state.path(), &[]);
    let path = state.path().to_owned();
    let mut flushes = 0;
    disk.lock().unwrap().meanwhile = Some(Box::new(move |call| {
        flushes += usize::from(call == "f");
        if call == "f" && flushes == 2 {
            replace_by_copy(&path, "1.mark");
        }
        Ok(())
    }));
    let old = record.bound();
    let error = record.raise(old + 100, Moment::default()).unwrap_err();
    assert!(matches!(error, MarkError::Replaced { .. }), "{error}");
    assert_eq!(record.bound(), old);
}
