//! Starts that cannot serve at once: a clock that is wrong, a lock that is held.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_while_down_is_doubted_in_the_same_boot() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    shard.stop().unwrap();
    clock.step(3600 * SECOND);
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    let refusal = next.ask().await.unwrap_err();
    assert_eq!(refusal.code(), "clock_stepped_forward");
    next.pass(Duration::from_secs(37)).await;
    next.ask().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_far_behind_the_mark_is_waited_for_and_mends() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    shard.stop().unwrap();
    clock.step(-600 * SECOND);
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    assert_eq!(next.ask().await.unwrap_err().code(), "clock_behind_mark");
    next.pass(Duration::from_secs(30)).await;
    assert_eq!(next.issuer.health().state, "waiting");
    clock.step(600 * SECOND);
    next.pass(Duration::from_secs(40)).await;
    next.ask().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_continue_ahead_of_the_clock() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    shard.stop().unwrap();
    let [bound, _] = bounds(state.path());
    clock.step(-600 * SECOND);
    let told = Settings {
        continue_ahead: Some(bound + 300),
        ..settings()
    };
    let mut next = shard_with(state.path(), &clock, told);
    next.settle();
    assert_eq!(next.issuer.now_or_later().await.unwrap().tick, bound + 1);
    // Up to that moment and no further.
    let (issued, refused) = next.saturate(Duration::from_secs(5)).await;
    assert_eq!(issued.last().unwrap().tick, bound + 300);
    assert_eq!(refused.unwrap().code(), "clock_ahead");
}

#[tokio::test(start_paused = true)]
async fn a_held_lock_is_waited_for_ten_seconds() {
    let state = tempfile::tempdir().unwrap();
    let first = Shard::serving(state.path()).await;
    let clock = first.clock.clone();
    let mut second = shard(state.path(), &clock);
    second.pass(Duration::from_secs(9)).await;
    let refusal = second.issuer.now_or_later().await.unwrap_err();
    assert_eq!(refusal.code(), "lock_held");
    assert!(refusal.to_string().contains("host test"), "{refusal}");
    // The holder ends in time: the second takes over.
    drop(first);
    second.settle();
    assert!(second.issuer.now_or_later().await.is_ok());

    let mut third = shard(state.path(), &clock);
    third.settle();
    advance(Duration::from_secs(11)).await;
    assert!(matches!(third.settle(), Some(Err(MarkError::Held { .. }))));
    third.issuer.stop();
}
