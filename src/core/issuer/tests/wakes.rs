//! What the keeper is woken for: it may have parked for long.

use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;

/// Far beyond what it takes to wake a thread.
const PATIENCE: Duration = Duration::from_secs(10);

/// Parks a thread, without end, in place of the keeper's; it is heard of when it has been woken.
fn parked_keeper(shard: &Shard) -> Receiver<()> {
    let (woken, wakes) = channel();
    let parked = thread::spawn(move || {
        thread::park();
        woken.send(()).unwrap();
    });
    shard.issuer.pulse.set_thread(parked.thread().clone());
    wakes
}

/// Fails unless `happen` wakes the keeper.
fn wakes(shard: &Shard, happen: impl FnOnce(&Issuer<TestClock>)) {
    let wakes = parked_keeper(shard);
    happen(&shard.issuer);
    wakes.recv_timeout(PATIENCE).expect("the keeper is woken");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_clock_wakes_the_keeper() {
    for step in [-3 * SECOND, SECOND / 2, 3600 * SECOND] {
        let state = tempfile::tempdir().unwrap();
        let shard = Shard::serving(state.path()).await;
        shard.clock.step(step);
        wakes(&shard, Issuer::observe_clock);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_wakes_the_keeper() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    wakes(&shard, Issuer::stop);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_leaves_less_than_half_a_window_wakes_the_keeper() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    shard.leave_window(49).await;
    wakes(&shard, |issuer| assert!(issuer.try_issue().is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_leaves_less_than_half_a_window_wakes_the_keeper() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    shard.leave_window(49).await;
    wakes(&shard, |issuer| {
        let boot = issuer.clock.boottime();
        assert!(issuer.reserve(boot, ms(0), ONE).is_ok());
    });
}

#[tokio::test(start_paused = true)]
async fn a_request_that_finds_the_window_used_up_wakes_the_keeper() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let wakes = parked_keeper(&shard);
    let bound = shard.issuer.window.bound();
    let refusal = shard
        .issuer
        .wait(Wait::Bound(bound, ms(1)))
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), "window_used_up");
    wakes.recv_timeout(PATIENCE).expect("the keeper is woken");
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_runs_is_the_one_that_is_woken() {
    let shard = shard(Path::new("/nowhere/at/all"), &TestClock::at(NOW));
    let issuer = Arc::clone(&shard.issuer);
    assert!(shard.keeper.run().is_err());
    issuer.pulse.wake();
    let begun = std::time::Instant::now();
    thread::park_timeout(PATIENCE);
    assert!(begun.elapsed() < PATIENCE, "another thread is woken");
}
