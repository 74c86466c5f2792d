//! Others at work in the state directory, and requests that come at an awkward moment.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

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

/// It tries again soon, and not in step with others.
fn assert_waits_its_turn<S: Storage + Clone>(shard: &mut Shard<S>) {
    let rest = shard.parked();
    assert!(rest >= ms(5) && rest < ms(37), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn locks_wait_for_other_starts_as_long_as_these_take() {
    let state = tempfile::tempdir().unwrap();
    let other = another_start(state.path());
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    for _ in 0..1000 {
        assert_waits_its_turn(&mut shard);
        advance(ms(100)).await;
    }
    let told = shard.told();
    assert!(matches!(told[..], [Event::LockHeld(_)]), "{told:?}");
    assert_eq!(shard.ask().await.unwrap_err().code(), "lock_held");
    drop(other);
    assert!(shard.settle().is_none());
    assert!(matches!(shard.told()[1], Event::MarkCreated(_)));
}

#[tokio::test(start_paused = true)]
async fn a_look_waits_for_another_start_to_be_done() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    assert!(matches!(shard.keeper.step(), Next::Park(Duration::ZERO)));
    let other = another_start(state.path());
    for _ in 0..2 {
        assert_waits_its_turn(&mut shard);
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
        assert_waits_its_turn(&mut shard);
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
async fn a_new_mark_is_waited_for_also_if_something_failed_behind_it() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    // The first look after the mark is written fails.
    let due = AtomicBool::new(true);
    let written = AtomicBool::new(false);
    let storage = Hooked::new(state.path(), move |call| {
        written.fetch_or(call == Call::Write, Ordering::SeqCst);
        if call == Call::Names
            && written.load(Ordering::SeqCst)
            && due.swap(false, Ordering::SeqCst)
        {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    });
    let mut shard = shard_over(storage, state.path(), &clock, settings());
    shard.pass(ms(5000)).await;
    assert_eq!(shard.ask().await.unwrap_err().code(), "fresh_mark");
    let told = shard.told();
    assert!(
        told.iter()
            .any(|event| matches!(event, Event::MarkFailed(_)))
    );
    shard.pass(ms(1500)).await;
    assert_eq!(shard.issuer.health().state, "serving");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_an_operator_took_away_ends_the_start() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    shard.pass(ms(1000)).await;
    fs::remove_dir_all(state.path()).unwrap();
    assert!(matches!(shard.settle(), Some(Err(MarkError::Io { .. }))));
}

/// R29.
#[tokio::test(start_paused = true)]
async fn a_settlement_is_decided_on_what_lies_there_then() {
    let state = tempfile::tempdir().unwrap();
    let before = Shard::serving(state.path()).await;
    let clock = before.clock.clone();
    before.stop().unwrap();
    let (mark, aside) = (state.path().join("1.mark"), state.path().join("aside"));
    fs::rename(&mark, &aside).unwrap();
    let (mut shard, incident) = shard_with_incident(state.path(), &clock, settings());
    assert_eq!(shard.parked(), ms(0));
    // Somebody puts it back after the look that did not find it.
    let happen = move || fs::rename(aside, mark).unwrap();
    *incident.lock().unwrap() = Some((Call::Unlocked, Box::new(happen)));
    assert!(shard.settle().is_none());
    let told = shard.told();
    assert!(matches!(told[..], [Event::Opened(_)]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_asked_for_during_a_flush_is_not_forgotten() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    let (mut shard, incident) = shard_with_incident(state.path(), &clock, settings());
    shard.pass(ms(7000)).await;
    // Nobody uses it, so that it writes only if it is asked to.
    shard.pass(ms(62_000)).await;
    let issuer = Arc::clone(&shard.issuer);
    let happen = move || issuer.want_window();
    *incident.lock().unwrap() = Some((Call::Flush, Box::new(happen)));
    shard.issuer.want_window();
    shard.parked();
    assert!(incident.lock().unwrap().is_none(), "it was not flushed");
    advance(ms(700)).await;
    shard.parked();
    assert_eq!(shard.issuer.window.bound(), shard.wall_tick() + 100);
}

/// Notes the bound that is published when somebody is woken.
struct BoundWhenWoken {
    issuer: Arc<Issuer<TestClock>>,
    bound: AtomicU64,
}

impl Wake for BoundWhenWoken {
    fn wake(self: Arc<Self>) {
        self.bound
            .store(self.issuer.window.bound(), Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_bound_is_woken_when_it_has_risen() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let issuer = Arc::clone(&shard.issuer);
    let bound = issuer.window.bound();
    let woken = Arc::new(BoundWhenWoken {
        issuer: Arc::clone(&issuer),
        bound: AtomicU64::new(0),
    });
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut risen = pin!(
        issuer
            .window
            .raised()
            .wait_async(ms(60_000), || issuer.window.bound() > bound)
    );
    assert!(risen.as_mut().poll(&mut context).is_pending());
    advance(ms(700)).await;
    assert!(shard.settle().is_none());
    assert!(woken.bound.load(Ordering::SeqCst) > bound);
    assert!(risen.as_mut().poll(&mut context).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_rises_just_after_the_look_is_not_missed() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let issuer = &shard.issuer;
    let bound = issuer.window.bound();
    let look = || {
        let risen = issuer.window.bound() > bound;
        issuer.window.publish(bound + 1);
        risen
    };
    let risen = pin!(issuer.window.raised().wait_async(ms(60_000), look));
    let polled = risen.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(true));
}
