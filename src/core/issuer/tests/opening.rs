//! Requests that come before the generator is open.

use super::*;

/// A request that has begun, and waits or not.
async fn begun(
    issuer: &Arc<Issuer<TestClock>>,
) -> tokio::task::JoinHandle<Result<Issued, Refusal>> {
    let issuer = Arc::clone(issuer);
    let request = tokio::spawn(async move { issuer.now_or_later().await });
    tokio::task::yield_now().await;
    request
}

#[tokio::test(start_paused = true)]
async fn who_comes_during_a_restart_is_served() {
    let state = tempfile::tempdir().unwrap();
    let mut before = Shard::serving(state.path()).await;
    let last = before.ask().await.unwrap();
    let clock = before.clock.clone();
    before.stop().unwrap();
    let mut after = shard(state.path(), &clock);
    let early = begun(&after.issuer).await;
    assert!(!early.is_finished() && !after.issuer.has_opened());
    assert!(after.settle().is_none());
    assert!(after.issuer.has_opened());
    let issued = early.await.unwrap().unwrap();
    assert!(issued.id > last.id);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_does_not_end_is_waited_for_up_to_the_deadline() {
    let state = tempfile::tempdir().unwrap();
    let shard = shard(state.path(), &TestClock::at(NOW));
    let begin = Instant::now();
    assert_eq!(shard.issuer.issue().await, Err(Refusal::Starting));
    assert_eq!(begin.elapsed(), Settings::DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_must_wait_refuses_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    let early = begun(&shard.issuer).await;
    let begin = Instant::now();
    assert!(shard.settle().is_none());
    assert_eq!(early.await.unwrap().unwrap_err().code(), "fresh_mark");
    let late = shard.issuer.issue().await.unwrap_err();
    assert_eq!(late.code(), "fresh_mark");
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_end_refuses_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let issuer = Arc::clone(&shard.issuer);
    // Closed, and the phase still says that it serves.
    issuer.generator.close();
    let between = begun(&issuer).await;
    assert!(!between.is_finished());
    let begin = Instant::now();
    shard.issuer.stop();
    shard.settle().unwrap().unwrap();
    assert_eq!(between.await.unwrap(), Err(Refusal::Draining));
    assert_eq!(issuer.issue().await, Err(Refusal::Draining));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
