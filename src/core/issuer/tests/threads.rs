//! Threads that wait. What they wait for is what tasks wait for, and tested with these.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_thread_waits_for_the_bound_to_rise_and_is_told_why_it_does_not() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.window.bound();
    let waits = |bound| shard.issuer.sleep(&Wait::Bound(bound, Duration::ZERO));
    assert_eq!(waits(bound - 1), Ok(()));
    assert_eq!(waits(bound).unwrap_err().code(), "window_used_up");
    assert!(shard.issuer.window.take_demand(), "nobody asked for more");
}

#[test]
fn a_thread_goes_on_when_the_bound_has_risen() {
    let issuer = Arc::new(Issuer::new(settings(), SystemClock, |_| {}));
    let waiting = Arc::clone(&issuer);
    // Far beyond what it takes.
    let patience = Duration::from_secs(60);
    let thread = std::thread::spawn(move || waiting.sleep(&Wait::Bound(7, patience)));
    issuer.window.publish(8);
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_thread_waits_for_the_generator_to_open_while_it_is_about_to() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    let waits = |shard: &Shard| shard.issuer.sleep(&Wait::Opening(Duration::ZERO));
    assert_eq!(waits(&shard), Err(Refusal::Starting));
    assert!(shard.settle().is_none());
    assert_eq!(waits(&shard).unwrap_err().code(), "fresh_mark");
    shard.pass(Duration::from_secs(7)).await;
    assert_eq!(waits(&shard), Ok(()));
    shard.issuer.stop();
    shard.settle();
    assert_eq!(waits(&shard), Err(Refusal::Draining));
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_waits_for_the_start_is_told_how_it_ended() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    let now = Duration::ZERO;
    assert_eq!(shard.issuer.await_ready(now), Err(Refusal::Starting));
    shard.pass(Duration::from_secs(7)).await;
    // Far beyond what it takes.
    let patience = Duration::from_secs(3600);
    assert_eq!(shard.issuer.await_ready(patience), Ok(()));
    shard.issuer.stop();
    shard.settle();
    assert_eq!(shard.issuer.await_ready(patience), Err(Refusal::Draining));
}

#[tokio::test(start_paused = true)]
async fn a_thread_gets_one_id_and_many() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let first = shard.issuer.issue_blocking().unwrap();
    let mut bulk = Bulk::new(NonZeroU32::new(3).unwrap());
    let run = bulk.next_blocking(&shard.issuer).unwrap().unwrap();
    assert_eq!(run.count(), 3);
    assert!(run.ids().all(|id| id > first.id));
    assert!(matches!(bulk.next_blocking(&shard.issuer), Ok(None)));
    assert_eq!(shard.issuer.stats().ids_issued.total(), 4);
}
