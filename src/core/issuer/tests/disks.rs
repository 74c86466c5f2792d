//! State directories that fail for a while.

use std::io;

use super::hooked::{Call, Hooked};
use super::*;

/// A shard whose disk is full while the flag says so.
fn shard_on(state: &Path, clock: &TestClock) -> (Shard<Hooked>, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(false));
    let is_full = Arc::clone(&full);
    let storage = Hooked::new(state, move |call| {
        if matches!(call, Call::Make | Call::Write) && is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    });
    (shard_over(storage, state, clock, settings()), full)
}

impl Shard<Hooked> {
    fn failures(&self) -> u64 {
        self.issuer.stats().mark_failures.total()
    }
}

/// R5.
#[tokio::test(start_paused = true)]
async fn a_disk_without_room_for_the_lock_file_may_get_some() {
    let state = tempfile::tempdir().unwrap();
    let (mut shard, full) = shard_on(state.path(), &TestClock::at(NOW));
    full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(shard.parked(), ms(1000));
    }
    let refusal = shard.issuer.now_or_later().await.unwrap_err();
    assert_eq!(refusal.code(), "mark_unwritable");
    assert!(matches!(shard.told()[..], [Event::MarkFailed(_)]));
    full.store(false, Ordering::SeqCst);
    shard.pass(Duration::from_secs(7)).await;
    assert_eq!(shard.issuer.health().state, "serving");
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_room_for_the_mark_may_get_some() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("lock"), "").unwrap();
    let (mut shard, full) = shard_on(state.path(), &TestClock::at(NOW));
    assert_eq!(shard.parked(), ms(0));
    full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(shard.parked(), ms(1000));
    }
    assert!(matches!(shard.told()[..], [Event::MarkFailed(_)]));
    full.store(false, Ordering::SeqCst);
    shard.pass(Duration::from_secs(7)).await;
    assert_eq!(shard.issuer.health().state, "serving");
}

/// A start whose read number `failing` fails, and the number of its reads so far.
fn with_failing_read(
    state: &Path,
    clock: &TestClock,
    failing: u64,
    kind: io::ErrorKind,
) -> (Shard<Hooked>, Arc<AtomicU64>) {
    let reads = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reads);
    let storage = Hooked::new(state, move |call| {
        let fails = call == Call::Read && count.fetch_add(1, Ordering::SeqCst) == failing;
        if fails { Err(kind.into()) } else { Ok(()) }
    });
    (shard_over(storage, state, clock, settings()), reads)
}

/// R5.
#[tokio::test(start_paused = true)]
async fn a_mark_that_may_not_be_read_ends_the_start() {
    let state = tempfile::tempdir().unwrap();
    let before = Shard::serving(state.path()).await;
    let clock = before.clock.clone();
    before.stop().unwrap();
    let mut ended = 0;
    for failing in 0.. {
        let denied = io::ErrorKind::PermissionDenied;
        let (mut shard, reads) = with_failing_read(state.path(), &clock, failing, denied);
        let end = shard.settle();
        if reads.load(Ordering::SeqCst) <= failing {
            // Both slots, when it looks, and when it opens the mark as its own.
            assert_eq!(ended, 4);
            return;
        }
        ended += u32::from(matches!(end, Some(Err(MarkError::Io { .. }))));
    }
}

/// R5.
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_once_is_waited_out_wherever_it_comes() {
    let state = tempfile::tempdir().unwrap();
    let before = Shard::serving(state.path()).await;
    let clock = before.clock.clone();
    before.stop().unwrap();
    for failing in 0.. {
        // As a file system behind a network may.
        let (mut shard, reads) =
            with_failing_read(state.path(), &clock, failing, io::ErrorKind::TimedOut);
        shard.pass(Duration::from_secs(3)).await;
        assert_eq!(shard.issuer.health().state, "serving", "read {failing}");
        if reads.load(Ordering::SeqCst) <= failing {
            assert!(failing > 6, "a start reads more than {failing} times");
            return;
        }
        advance(Duration::from_secs(10)).await;
    }
}

/// R31.
#[tokio::test(start_paused = true)]
async fn a_shard_opens_when_its_own_bound_is_durable() {
    let state = tempfile::tempdir().unwrap();
    let before = Shard::serving(state.path()).await;
    let clock = before.clock.clone();
    before.stop().unwrap();
    advance(Duration::from_secs(10)).await;
    let (mut shard, full) = shard_on(state.path(), &clock);
    assert_eq!((shard.parked(), shard.parked()), (ms(0), ms(0)));
    full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(shard.parked(), ms(250));
        assert!(shard.issuer.try_issue().is_none());
    }
    assert_eq!(shard.failures(), 2);
    full.store(false, Ordering::SeqCst);
    assert_eq!(shard.parked(), ms(0));
    assert!(shard.issuer.try_issue().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_tried_again_after_a_quarter_of_a_second() {
    let state = tempfile::tempdir().unwrap();
    let (mut shard, full) = shard_on(state.path(), &TestClock::at(NOW));
    shard.pass(Duration::from_secs(7)).await;
    full.store(true, Ordering::SeqCst);
    // Half of the window and more is used.
    advance(ms(700)).await;
    assert_eq!((shard.parked(), shard.failures()), (ms(250), 1));
    // Not sooner, whoever asks.
    for (wait, left) in [(100, 150), (149, 1)] {
        advance(ms(wait)).await;
        shard.issuer.want_window();
        assert_eq!((shard.parked(), shard.failures()), (ms(left), 1));
    }
    advance(ms(1)).await;
    assert_eq!((shard.parked(), shard.failures()), (ms(250), 2));
    full.store(false, Ordering::SeqCst);
    advance(ms(250)).await;
    shard.parked();
    assert_eq!(shard.failures(), 2);
    let told = shard.told();
    assert!(
        matches!(
            told[told.len() - 2..],
            [Event::MarkFailed(_), Event::MarkRecovered]
        ),
        "{told:?}"
    );
    assert_eq!(shard.issuer.health().warning, None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_well_again_is_found_though_nobody_asks() {
    let state = tempfile::tempdir().unwrap();
    let (mut shard, full) = shard_on(state.path(), &TestClock::at(NOW));
    shard.pass(Duration::from_secs(7)).await;
    full.store(true, Ordering::SeqCst);
    for _ in 0..300 {
        shard.settle();
        advance(ms(250)).await;
    }
    let refusal = shard.issuer.health().refusal.unwrap();
    assert_eq!(refusal.code(), "window_used_up");
    full.store(false, Ordering::SeqCst);
    shard.pass(ms(250)).await;
    assert_eq!(shard.issuer.health().state, "serving");
    assert_eq!(shard.issuer.health().warning, None);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_hangs_is_told_when_requests_fail_for_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let code = || {
        let refusal = shard.issuer.health().refusal;
        refusal.map(|refusal| refusal.code())
    };
    shard.keeper.seen(true);
    // There is something left of the window.
    advance(Settings::DEADLINE + ms(1)).await;
    assert_eq!(code(), None);
    advance(Duration::from_secs(600)).await;
    assert_eq!(code(), Some("window_used_up"));
    assert!(shard.issuer.alive());
    // Back, and off again: that may be quick.
    shard.keeper.seen(false);
    assert_eq!(code(), None);
    shard.keeper.seen(true);
    advance(Settings::DEADLINE).await;
    assert_eq!(code(), None);
    advance(ms(1)).await;
    assert_eq!(code(), Some("window_used_up"));
}
