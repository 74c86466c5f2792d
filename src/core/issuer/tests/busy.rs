//! What is told where no ID is to be had at once.

use super::*;

impl Shard {
    /// The code, and how long until the next try.
    fn busy(&self) -> (&'static str, Duration) {
        let asked = std::time::Instant::now();
        let busy = self.issuer.busy();
        (busy.code, busy.retry_at - asked)
    }
}

fn assert_about(left: Duration, told: Duration) {
    assert!(
        told >= left && told < left + Duration::from_secs(1),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_serve_tells_its_phase() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    let mut first = shard(state.path(), &clock);
    assert_eq!(first.busy().0, "starting");
    first.settle();
    let (code, left) = first.busy();
    assert_eq!(code, "fresh_mark");
    assert_about(Duration::from_millis(6260), left);
    let mut second = shard(state.path(), &clock);
    second.parked();
    assert_eq!(second.busy().0, "lock_held");
    first.issuer.stop();
    first.settle();
    assert_eq!(first.busy().0, "draining");
}

#[tokio::test(start_paused = true)]
async fn a_used_up_tick_tells_when_the_next_begins() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    while shard.issuer.try_issue().is_some() {}
    let (code, left) = shard.busy();
    assert_eq!(code, "saturated");
    assert!(
        left <= Duration::from_millis(10) + Duration::from_secs(1),
        "{left:?}"
    );
    advance(ms(10)).await;
    assert!(shard.issuer.try_issue().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_used_up_window_is_asked_for() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    shard.issuer.window.take_demand();
    advance(Duration::from_secs(3)).await;
    assert!(shard.issuer.try_issue().is_none());
    assert_eq!(shard.busy().0, "window_used_up");
    assert!(shard.issuer.window.take_demand(), "nobody asked for more");
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_too_large_tells_how_long_it_lasts() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.ask().await.unwrap();
    shard.clock.step(-8 * SECOND);
    shard.settle();
    assert!(shard.issuer.try_issue().is_none());
    let (code, left) = shard.busy();
    assert_eq!(code, "clock_ahead");
    assert_about(Duration::from_millis(2990), left);
}

/// As after a kill: the bound that a start begins above is ahead of the clock.
#[tokio::test(start_paused = true)]
async fn ids_are_had_without_waiting_while_they_are_ahead_of_the_clock() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let used = shard.issuer.try_issue_ahead().unwrap();
    shard.clock.step(-3 * SECOND);
    shard.settle();
    assert!(shard.issuer.try_issue().is_none());
    let mut last = used;
    for _ in 0..20 {
        let (code, _) = loop {
            match shard.issuer.try_issue_ahead() {
                Some(issued) => {
                    assert!(issued.id > last.id);
                    last = issued;
                }
                None => break shard.busy(),
            }
        };
        assert_eq!(code, "saturated");
        // At nine tenths of real time.
        shard.pass(ms(12)).await;
    }
    assert!(last.tick >= used.tick + 19, "{last:?} after {used:?}");
}
