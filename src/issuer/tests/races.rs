//! Others at work in the state directory, and requests that come at an awkward moment.

use std::io;

use nix::libc::{EIO, EMFILE};

use super::hooked::{Call, Hooked};
use super::*;
use crate::mark::storage::File;

/// The byte that a start locks while it is at work in the directory.
const DIRECTORY_BYTE: u64 = 1 << 32;

/// What happens once, at the next call of a kind.
type Incident = Arc<Mutex<Option<(Call, Box<dyn FnOnce() + Send>)>>>;

/// A shard, and what is to happen at the next call of a kind.
fn shard_with_incident(
    state: &Path,
    clock: &TestClock,
    settings: Settings,
) -> (Shard<Hooked>, Incident) {
    let incident = Incident::default();
    let next = Arc::clone(&incident);
    let storage = Hooked::new(state, move |call| {
        let mut next = next.lock().unwrap();
        if next.as_ref().is_some_and(|(at, _)| *at == call) {
            let (_, happen) = next.take().unwrap();
            // It may come by here itself.
            drop(next);
            happen();
        }
        Ok(())
    });
    (shard_over(storage, state, clock, settings), incident)
}

/// Another start that is at work in the directory until this is dropped.
fn another_start(state: &Path) -> fs::File {
    let lock = Directory::new(state).open_or_create("lock").unwrap();
    assert!(lock.lock_bytes(DIRECTORY_BYTE, 1).unwrap());
    lock
}

#[tokio::test(start_paused = true)]
async fn a_look_waits_for_another_start_to_be_done() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    assert!(matches!(shard.keeper.step(), Next::Park(Duration::ZERO)));
    let other = another_start(state.path());
    for _ in 0..2 {
        let next = shard.keeper.step();
        assert!(
            matches!(next, Next::Park(rest) if rest == ms(100)),
            "{next:?}"
        );
    }
    drop(other);
    shard.pass(ms(7000)).await;
    assert_eq!(shard.issuer.health().state, "serving");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_waits_for_another_start_to_be_done_and_that_is_no_failure() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    let (mut shard, incident) = shard_with_incident(state.path(), &clock, settings());
    assert_eq!(shard.parked(), ms(0));
    let other = Arc::new(Mutex::new(None));
    let (path, held) = (state.path().to_owned(), Arc::clone(&other));
    let happen = move || *held.lock().unwrap() = Some(another_start(&path));
    *incident.lock().unwrap() = Some((Call::Unlocked, Box::new(happen)));
    for _ in 0..2 {
        assert_eq!(shard.parked(), ms(100));
        assert_eq!(shard.issuer.health().state, "starting");
    }
    assert_eq!(shard.told(), []);
    *other.lock().unwrap() = None;
    shard.pass(ms(7000)).await;
    assert_eq!(shard.issuer.health().state, "serving");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_looked_at_for_a_while_is_waited_for() {
    for number in [EIO, EMFILE] {
        let state = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOW);
        let failing = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&failing);
        let storage = Hooked::new(state.path(), move |call| {
            if call == Call::Names && fails.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(number));
            }
            Ok(())
        });
        let mut shard = shard_over(storage, state.path(), &clock, settings());
        shard.pass(ms(1000)).await;
        failing.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            assert_eq!(shard.parked(), ms(1000));
        }
        let refusal = shard.ask().await.unwrap_err();
        assert_eq!(refusal.code(), "mark_unwritable");
        let told = shard.told();
        assert!(
            matches!(
                told[..],
                [
                    Event::MarkCreated(_),
                    Event::Waiting(_),
                    Event::MarkFailed(_)
                ]
            ),
            "{told:?}"
        );
        failing.store(false, Ordering::SeqCst);
        shard.pass(ms(6000)).await;
        assert_eq!(shard.issuer.health().state, "serving");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_an_operator_took_away_ends_the_start() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    shard.pass(ms(1000)).await;
    fs::remove_dir_all(state.path()).unwrap();
    assert!(matches!(shard.settle(), Some(Err(MarkError::Io { .. }))));
}
