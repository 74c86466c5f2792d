//! Claims on a directory in which others are at work.

use super::*;

pub(super) fn replace_by_copy(path: &Path, name: &str) {
    fs::copy(path.join(name), path.join("copy")).unwrap();
    fs::rename(path.join("copy"), path.join(name)).unwrap();
}

#[test]
fn the_first_machine_id_has_a_byte_of_its_own() {
    let state = tempfile::tempdir().unwrap();
    let _held = claim(state.path(), "0").unwrap();
    assert!(claim(state.path(), "1").is_ok());
    let again = claim(state.path(), "0").map(drop).unwrap_err();
    assert!(matches!(again, MarkError::Held { .. }), "{again}");
    let text = again.to_string();
    assert!(text.contains("it has not written its mark yet"), "{text}");
}

#[test]
fn the_newest_of_the_marks_names_the_holder() {
    let state = tempfile::tempdir().unwrap();
    for (range, host, wall) in [("1", "old", 10), ("2", "new", 30), ("3", "older", 5)] {
        let author = Author {
            holder: Holder {
                host: host.into(),
                ..Holder::default()
            },
            ..author()
        };
        leave(state.path(), range, tick(NOW));
        let record = claim(state.path(), range).unwrap().into_record(author);
        let written = Moment {
            wall: WallTime::from_nanos(wall),
            ..Moment::default()
        };
        record.unwrap().finish(tick(NOW), written).unwrap();
    }
    let _held = claim(state.path(), "1-3").unwrap();
    let text = claim(state.path(), "1-3").map(drop).unwrap_err();
    assert!(text.to_string().contains("host new,"), "{text}");
}

#[test]
fn a_mark_that_was_replaced_since_is_looked_at_anew() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let mut claim = claim(state.path(), "1").unwrap();
    replace_by_copy(state.path(), "1.mark");
    let view = claim.look().unwrap();
    assert!(matches!(
        decide(&view, &policy("1"), &now(NOW), None),
        Verdict::Refuse(Refused::Copied { .. })
    ));
}

#[test]
fn nothing_is_settled_while_somebody_owns_what_is_left_over() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "16-31", tick(NOW));
    let mut first = claim(state.path(), "16-19").unwrap();
    let second = claim(state.path(), "24-31").unwrap();
    let policy = policy("16-19");
    let mut settle = || first.settle(&author(), |view| settlement(view, &policy, &now(NOW)));
    let held = settle().unwrap_err().to_string();
    assert!(held.starts_with("machine ID 20-31 is in use"), "{held}");
    assert_eq!(marks(state.path()), ["16-31.mark"]);
    drop(second);
    assert!(settle().unwrap().is_some());
    assert_eq!(marks(state.path()), ["16-19.mark", "20-31.mark"]);
    // And when nothing is left to settle, nothing is.
    assert_eq!(settle().unwrap(), None);
}

#[test]
fn nothing_is_adopted_while_somebody_owns_a_part() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "16-31", tick(NOW));
    let mut first = claim(state.path(), "16").unwrap();
    let second = claim(state.path(), "31").unwrap();
    let mut adopt = || first.adopt(&author(), None, |_| Ok(tick(NOW) + 9));
    let held = adopt().unwrap_err().to_string();
    assert!(held.starts_with("machine ID 17-31 is in use"), "{held}");
    assert_eq!(read(state.path(), "16-31.mark")[0].bound, tick(NOW));
    drop(second);
    assert_eq!(adopt().unwrap(), tick(NOW) + 9);
    for slot in read(state.path(), "16-31.mark") {
        assert_eq!(slot.bound, tick(NOW) + 9);
    }
}

#[test]
fn a_neighbours_damaged_mark_is_the_neighbours_trouble() {
    let state = tempfile::tempdir().unwrap();
    for range in ["1", "2"] {
        leave(state.path(), range, tick(NOW));
    }
    damage(state.path(), "2.mark", 0);
    damage(state.path(), "2.mark", 1);
    let view = claim(state.path(), "1").unwrap().look().unwrap();
    assert_eq!((view.overlapping.len(), view.others.len()), (1, 0));
    assert!(start(state.path(), &policy("1"), &now(NOW)).is_ok());
}

/// R9.
#[test]
fn a_mark_does_not_hide_behind_the_name_of_another() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW) + 100_000);
    let (mark, other) = (state.path().join("1.mark"), state.path().join("2.mark"));
    fs::rename(mark, other).unwrap();
    for range in ["1", "2", "0-1", "1-2"] {
        let refused = refusal(state.path(), &policy(range));
        assert!(matches!(refused, Refused::Misnamed { .. }), "{refused}");
        assert!(
            refused
                .to_string()
                .contains("/2.mark is the mark of machine ID 1 ")
        );
    }
    // To all others it says nothing.
    assert!(start(state.path(), &policy("3"), &now(NOW)).is_ok());
}

#[test]
fn a_survey_lists_all_marks_in_order_and_what_is_none() {
    let state = tempfile::tempdir().unwrap();
    for range in ["7", "16-31", "2"] {
        leave(state.path(), range, tick(NOW));
    }
    for name in ["07.mark", "other"] {
        fs::write(state.path().join(name), "").unwrap();
    }
    let storage = Directory::new(state.path());
    let (marks, strangers) = survey(&storage, "/state").unwrap();
    let ranges: Vec<_> = marks.iter().map(|seen| seen.range.to_string()).collect();
    assert_eq!(ranges, ["2", "7", "16-31"]);
    assert!(marks.iter().all(|seen| seen.bound() == Some(tick(NOW))));
    assert_eq!(strangers, ["07.mark"]);
}

#[test]
fn a_full_file_system_is_told_from_other_failures() {
    let full = |kind: io::ErrorKind| MarkError::io("write", "/state", "1.mark", kind.into());
    assert!(full(io::ErrorKind::StorageFull).is_full());
    assert!(full(io::ErrorKind::QuotaExceeded).is_full());
    assert!(!full(io::ErrorKind::ReadOnlyFilesystem).is_full());
    let busy = MarkError::Busy {
        directory: "/state".into(),
    };
    assert!(!busy.is_full() && !busy.is_short());
}

#[test]
fn what_the_system_is_short_of_is_told_from_other_failures() {
    use nix::libc::{EIO, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (number, short) in [
        (EMFILE, true),
        (ENFILE, true),
        (ENOMEM, true),
        (ENOBUFS, true),
        (EIO, false),
    ] {
        let source = io::Error::from_raw_os_error(number);
        let error = MarkError::io("open", "/state", "lock", source);
        assert_eq!(error.is_short(), short, "{error}");
        let files = number == EMFILE || number == ENFILE;
        assert_eq!(error.to_string().contains("LimitNOFILE="), files, "{error}");
    }
}

#[test]
fn a_link_or_a_directory_in_the_place_of_a_file_is_told_apart_from_a_broken_disk() {
    for name in ["lock", "1.mark"] {
        for (link, way_out) in [(true, "symbolic link"), (false, "move that directory away")] {
            let state = tempfile::tempdir().unwrap();
            let path = state.path().join(name);
            if link {
                std::os::unix::fs::symlink("elsewhere", &path).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
            }
            let error = claim(state.path(), "1").map(drop).unwrap_err().to_string();
            assert!(error.contains(way_out), "{error}");
            assert!(!error.contains("kernel log"), "{error}");
        }
    }
}

/// R5.
#[test]
fn what_may_pass_by_itself_is_told_from_what_is_for_an_operator() {
    use nix::libc::{EACCES, EIO, EISDIR, ELOOP, EMFILE, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS};
    for (number, passes) in [
        (EIO, true),
        (EMFILE, true),
        (ENOSPC, true),
        (EROFS, true),
        (EACCES, false),
        (EPERM, false),
        (ENOENT, false),
        (ENOTDIR, false),
        (EISDIR, false),
        (ELOOP, false),
    ] {
        let source = io::Error::from_raw_os_error(number);
        let error = MarkError::io("open", "/state", "lock", source);
        assert_eq!(error.may_pass(), passes, "{error}");
    }
    let path = "/state/lock".into();
    assert!(!MarkError::Replaced { path }.may_pass());
}
