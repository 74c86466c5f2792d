//! The durable bound: never passed, kept ahead of use, exact at the end.

use super::*;

#[tokio::test(start_paused = true)]
async fn no_id_is_above_the_durable_bound() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.settle();
    let [durable, mirrored] = bounds(state.path());
    assert_eq!(durable, mirrored);
    let mut last = 0;
    // The keeper does not come round.
    let refusal = loop {
        match shard.issuer.now_or_later().await {
            Ok(issued) => last = issued.tick,
            Err(refusal) => break refusal,
        }
        advance(Duration::from_millis(7)).await;
    };
    assert_eq!(refusal.code(), "window_used_up");
    assert!(
        (durable - 2..=durable).contains(&last),
        "{last} of {durable}"
    );
    shard.settle();
    assert!(shard.issuer.now_or_later().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_bound_is_written_twice_a_second_in_use_and_not_when_idle() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let writes = |shard: &Shard| shard.issuer.stats().mark_fsync.counts().sum::<u64>();
    let before = writes(&shard);
    let (_, refused) = shard.saturate(Duration::from_secs(5)).await;
    let count = writes(&shard) - before;
    assert!((9..=10).contains(&count), "{count} in five seconds");
    assert!(refused.is_none_or(|refusal| refusal.code() == "saturated"));
    // Kept up for a minute, so that a request then pays nothing.
    shard.pass(Duration::from_secs(59)).await;
    assert!(shard.issuer.try_issue().is_some());
    shard.pass(Duration::from_secs(62)).await;
    let idle = writes(&shard);
    shard.pass(Duration::from_secs(60)).await;
    assert_eq!(writes(&shard), idle);
    assert!(shard.issuer.health().refusal.is_none(), "idle is healthy");
    // The first request then waits for one flush pair.
    assert!(shard.issuer.try_issue().is_none());
    let issuer = Arc::clone(&shard.issuer);
    let request = tokio::spawn(async move { issuer.issue().await });
    shard.pass(Duration::from_millis(5)).await;
    assert!(request.await.unwrap().is_ok());
    assert_eq!(writes(&shard), idle + 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_writes_the_exact_mark_and_the_next_run_begins_above_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    let last = shard.issuer.now_or_later().await.unwrap();
    let issuer = Arc::clone(&shard.issuer);
    issuer.drain();
    assert_eq!(issuer.health().state, "draining");
    shard.stop().unwrap();
    assert_eq!(bounds(state.path()), [last.tick, last.tick]);
    assert_eq!(issuer.now_or_later().await, Err(Refusal::Draining));

    let mut next = self::shard(state.path(), &clock);
    next.settle();
    let first = next.issuer.now_or_later().await.unwrap();
    assert!(first.tick > last.tick && first.id > last.id);
    // A run that issued nothing leaves the bound that it read.
    next.stop().unwrap();
    let mut unused = self::shard(state.path(), &clock);
    unused.settle();
    unused.stop().unwrap();
    assert_eq!(bounds(state.path()), [first.tick, first.tick]);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_ids_go_on_above_the_durable_bound_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    let (issued, _) = shard.saturate(Duration::from_millis(300)).await;
    drop(shard);
    let [bound, _] = bounds(state.path());
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    let first = next.issuer.now_or_later().await.unwrap();
    assert_eq!(first.tick, bound + 1);
    assert!(issued.iter().all(|before| before.id < first.id));
    assert!(next.issuer.health().clock_ahead > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_replaced_ends_the_window_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let (mark, copy) = (state.path().join("1.mark"), state.path().join("copy"));
    fs::copy(&mark, &copy).unwrap();
    fs::rename(&copy, &mark).unwrap();
    let [bound, _] = bounds(state.path());
    let (issued, refused) = shard.saturate(Duration::from_secs(3)).await;
    assert!(issued.last().unwrap().tick <= bound);
    let refused = refused.unwrap();
    assert_eq!(refused.code(), "window_used_up");
    assert!(
        refused.to_string().contains("deleted or replaced"),
        "{refused}"
    );
    let health = shard.issuer.health();
    assert_eq!((health.state, health.warning.is_some()), ("refusing", true));
    assert!(shard.issuer.alive());
    // Tried four times a second, however many requests ask for it.
    let tried = shard.issuer.stats().mark_failures.total();
    assert!((8..=12).contains(&tried), "{tried} tries in three seconds");
    let failures = shard
        .told()
        .iter()
        .filter(|event| matches!(event, Event::MarkFailed(_)))
        .count();
    assert_eq!(failures, 1, "told once");
    assert!(matches!(shard.stop(), Err(MarkError::Replaced { .. })));
}
