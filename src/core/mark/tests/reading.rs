//! Marks of which the device does not give everything back.

use nix::libc::{EBADMSG, EILSEQ, EIO, ENODATA, ENOMEM};

use super::failing::{Faulty, Meanwhile};
use super::*;

/// Reading these slots fails.
fn failing(slots: &'static [&'static str], number: i32) -> Meanwhile {
    Box::new(move |call| {
        if slots.contains(&call) {
            return Err(io::Error::from_raw_os_error(number));
        }
        Ok(())
    })
}

/// R11.
#[test]
fn a_slot_that_cannot_be_had_is_a_bad_one_and_is_written_first() {
    for number in [EIO, ENODATA, EILSEQ, EBADMSG] {
        for (slots, order) in [
            (&["r0"], ["w1", "f", "w0", "f", "w1", "f"]),
            (&["r1"], ["w0", "f", "w1", "f", "w0", "f"]),
        ] {
            let state = tempfile::tempdir().unwrap();
            leave(state.path(), "1", tick(NOW));
            let storage = Faulty::new(state.path());
            let mut claim = storage.take("1", Some(failing(slots, number))).unwrap();
            let verdict = decide(&claim.look().unwrap(), &policy("1"), &now(NOW), None);
            let first = tick(NOW) + 1;
            assert_eq!(verdict, Verdict::Open { first });
            let mut record = claim.into_record(author()).unwrap();
            record.raise(first + 99, Moment::default()).unwrap();
            assert_eq!(storage.disk().calls, order, "{slots:?}");
        }
    }
}

#[test]
fn an_adoption_writes_a_slot_that_cannot_be_had() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let storage = Faulty::new(state.path());
    let mut claim = storage.take("1", Some(failing(&["r1"], EIO))).unwrap();
    claim.adopt(&author(), None, |_| Ok(tick(NOW) + 9)).unwrap();
    let bounds = read(state.path(), "1.mark").map(|slot| slot.bound);
    assert_eq!(bounds, [tick(NOW) + 9; 2]);
}

/// It may have passed at the next look: that is waited for, and no mark is called damaged.
#[test]
fn a_mark_of_which_nothing_can_be_had_is_not_called_damaged() {
    for (slots, rotten, number) in [
        (&["r0", "r1"][..], None, EIO),
        (&["r0"], Some(1), EIO),
        (&["r1"], Some(0), EIO),
        // Not the device's trouble.
        (&["r0"], None, ENOMEM),
    ] {
        let state = tempfile::tempdir().unwrap();
        leave(state.path(), "1", tick(NOW));
        if let Some(slot) = rotten {
            damage(state.path(), "1.mark", slot);
        }
        let storage = Faulty::new(state.path());
        let mut claim = storage.take("1", Some(failing(slots, number))).unwrap();
        let error = claim.look().map(drop).unwrap_err();
        assert!(error.may_pass(), "{error}");
        assert!(error.to_string().contains("1.mark"), "{error}");
    }
}
