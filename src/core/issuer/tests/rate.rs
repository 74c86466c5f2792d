//! As many IDs as the layout has, none of them early, none of them late.

use super::*;

#[tokio::test(start_paused = true)]
async fn issues_at_the_layouts_rate_and_never_before_the_tick() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.wall_tick();
    let (issued, _) = shard.saturate(Duration::from_secs(2)).await;
    assert!(issued.len() >= 2 * RATE * 99 / 100, "{}", issued.len());
    // All that came back in these two seconds had begun in them, but for what was unused before.
    let after = shard.wall_tick();
    assert!(issued.iter().all(|id| (before..=after).contains(&id.tick)));
    let exhausted = shard.issuer.stats().sequence_exhausted.total();
    assert!((198..=204).contains(&exhausted), "{exhausted}");
}

#[tokio::test(start_paused = true)]
async fn an_id_never_leaves_before_its_tick() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..2000 {
        let (issuer, clock) = (Arc::clone(&shard.issuer), shard.clock.clone());
        tasks.spawn(async move {
            let issued = issuer.issue().await.unwrap();
            assert!(issuer.layout().tick_at(clock.realtime()).unwrap() >= issued.tick);
        });
    }
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_deadline_a_request_fails_at_once() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..8000 {
        let issuer = Arc::clone(&shard.issuer);
        tasks.spawn(async move {
            match issuer.issue().await {
                Ok(_) => begin.elapsed() <= Settings::DEADLINE,
                Err(refusal) => {
                    assert_eq!(refusal.code(), "saturated");
                    assert!(
                        refusal.retry_after() <= Settings::DEADLINE + Duration::from_millis(20)
                    );
                    begin.elapsed() == Duration::ZERO
                }
            }
        });
    }
    let results = tasks.join_all().await;
    assert!(results.iter().all(|kept| *kept));
    assert!(
        shard.issuer.health().refusal.is_none(),
        "saturated is healthy"
    );
    // Unused, a tick is not exhausted.
    let counted = shard.issuer.stats().sequence_exhausted.total();
    assert!((24..=25).contains(&counted), "{counted}");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_comes_too_late_is_burnt() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..600 {
        let issuer = Arc::clone(&shard.issuer);
        tasks.spawn(async move { issuer.issue().await });
    }
    while shard.issuer.generator.tick() != Some(shard.wall_tick() + 2) {
        tokio::task::yield_now().await;
    }
    // A process that was stopped for longer than the deadline.
    advance(Settings::DEADLINE + Duration::from_millis(1)).await;
    let results = tasks.join_all().await;
    let late = results.iter().filter(|result| result.is_err()).count();
    assert!((256..=344).contains(&late), "{late} of those that slept");
}
