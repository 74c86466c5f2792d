//! Many IDs for one request: none early, few ahead, each once.

use super::*;
use crate::id::generator::Run;

/// So many IDs of a tick has one machine.
const TICK: u32 = 256;

fn of(count: u32) -> Bulk {
    Bulk::new(count.try_into().unwrap())
}

/// The next run, which has to be there.
async fn run(bulk: &mut Bulk, shard: &Shard) -> Run {
    bulk.next(&shard.issuer).await.unwrap().unwrap()
}

impl Shard {
    /// The next IDs of a request, while the keeper goes round.
    async fn next(&mut self, bulk: &mut Bulk) -> Result<Option<Run>, Refusal> {
        let issuer = Arc::clone(&self.issuer);
        let mut next = std::pin::pin!(bulk.next(&issuer));
        loop {
            self.settle();
            tokio::select! {
                biased;
                next = &mut next => return next,
                () = sleep(Duration::from_millis(1)) => {}
            }
        }
    }
}

/// Waits for the present tick to end, so that the next is there from its begin on.
async fn fresh_tick(shard: &Shard) {
    let now = shard.wall_tick();
    while shard.wall_tick() == now {
        advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_id_comes_in_its_tick_and_the_next_one_is_left_until_half_of_it_is_over() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    fresh_tick(&shard).await;
    let first = shard.wall_tick();
    let mut bulk = of(10 * TICK + 1);
    for tick in first..first + 10 {
        let run = run(&mut bulk, &shard).await;
        assert_eq!((run.tick(), run.count()), (tick, TICK));
        // Neither before its tick nor after it: whoever waits for that gets all that there is.
        assert_eq!(shard.wall_tick(), tick);
        assert_eq!(shard.issuer.generator.tick(), Some(tick + 1));
    }
    let last = run(&mut bulk, &shard).await;
    assert_eq!((last.tick(), last.count()), (first + 10, 1));
    assert!(bulk.next(&shard.issuer).await.unwrap().is_none());
    assert!(bulk.next(&shard.issuer).await.unwrap().is_none());
    let stats = shard.issuer.stats();
    assert_eq!(stats.ids_issued.total(), u64::from(10 * TICK + 1));
    // Ten were used up, and the eleventh was not.
    assert_eq!(stats.sequence_exhausted.total(), 10);
}

#[tokio::test(start_paused = true)]
async fn ticks_of_a_millisecond_are_taken_four_ahead() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    let settings = Settings {
        layout: Layout::SNOWFLAKE,
        ..settings()
    };
    let mut shard = shard_with(state.path(), &clock, settings);
    shard.pass(Duration::from_secs(7)).await;
    let mut bulk = of(20 * 4096);
    let mut reserved = 0;
    for _ in 0..20 {
        // Also while all is taken, and some of it has yet to be handed out.
        assert!(!bulk.is_over());
        let run = run(&mut bulk, &shard).await;
        assert_eq!(run.tick(), shard.wall_tick());
        let next = shard.issuer.generator.tick().unwrap();
        assert!(next <= run.tick() + 5, "{} ahead", next - run.tick());
        reserved = reserved.max(next - run.tick());
    }
    assert!(bulk.is_over());
    assert_eq!(reserved, 5, "the first tick that is free yet");
}

#[tokio::test(start_paused = true)]
async fn a_single_request_beside_it_waits_for_a_tick_and_a_half_at_most() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut bulk = of(100 * TICK);
    let (mut last, mut moment) = (0, Duration::ZERO);
    for _ in 0..20 {
        run(&mut bulk, &shard).await;
        // At any moment of the tick, also when the next one has been taken.
        let _ = timeout_at(Instant::now() + moment, bulk.next(&shard.issuer)).await;
        moment += Duration::from_micros(500);
        let asked = Instant::now();
        let single = shard.issuer.now_or_later().await.unwrap();
        // A timer of tokio's counts whole milliseconds.
        assert!(asked.elapsed() <= Duration::from_millis(16));
        assert!(last < single.id);
        last = single.id;
    }
}

#[tokio::test(start_paused = true)]
async fn ids_come_once_whoever_asks_beside_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let (mut one, mut other) = (of(6 * TICK), of(6 * TICK));
    let mut all = Vec::new();
    loop {
        let (a, b) = tokio::join!(one.next(&shard.issuer), other.next(&shard.issuer));
        let runs: Vec<Run> = [a, b].into_iter().filter_map(Result::unwrap).collect();
        if runs.is_empty() {
            break;
        }
        all.extend(runs.iter().flat_map(Run::ids));
        all.push(shard.issuer.now_or_later().await.unwrap().id);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    let issued = shard.issuer.stats().ids_issued.total();
    assert_eq!(u64::try_from(count).unwrap(), issued);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_and_not_sent_is_burnt() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut bulk = of(4 * TICK);
    run(&mut bulk, &shard).await;
    let taken = shard.issuer.generator.tick().unwrap();
    let issued = shard.issuer.stats().ids_issued.total();
    drop(bulk);
    let next = shard.issuer.now_or_later().await.unwrap();
    assert!(next.tick >= taken);
    assert_eq!(shard.issuer.stats().ids_issued.total(), issued + 1);
}

#[tokio::test(start_paused = true)]
async fn it_waits_longer_than_a_single_request_would() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    // Ahead of the clock by more than the deadline, and less than what is refused.
    let used = shard.issuer.now_or_later().await.unwrap();
    shard.clock.step(-SECOND);
    shard.settle();
    let mut bulk = of(2 * TICK);
    let mut runs = Vec::new();
    while let Some(run) = bulk.next(&shard.issuer).await.unwrap() {
        runs.push(run);
    }
    assert!(runs.iter().all(|run| run.tick() >= used.tick));
    assert_eq!(runs.iter().map(Run::count).sum::<u32>(), 2 * TICK);
}

#[tokio::test(start_paused = true)]
async fn a_large_step_back_on_the_way_ends_it_with_what_it_has_burnt() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let mut bulk = of(20 * TICK);
    let before = run(&mut bulk, &shard).await;
    shard.clock.step(-10 * SECOND);
    shard.settle();
    let refusal = bulk.next(&shard.issuer).await.unwrap_err();
    assert_eq!(refusal.code(), "clock_ahead");
    shard.pass(Duration::from_secs(10)).await;
    let after = shard.ask().await.unwrap();
    assert!(before.ids().all(|id| id < after.id));
}

#[tokio::test(start_paused = true)]
async fn a_stop_on_the_way_ends_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let issuer = Arc::clone(&shard.issuer);
    let mut bulk = of(20 * TICK);
    let mut last = run(&mut bulk, &shard).await;
    shard.stop().unwrap();
    let refusal = loop {
        match bulk.next(&issuer).await {
            Ok(run) => last = run.unwrap(),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, Refusal::Draining);
    // What it had taken before was still sent, and lies under the exact mark.
    let [bound, _] = bounds(state.path());
    assert!(last.tick() <= bound);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_mark_and_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.window.bound();
    // Three windows and more.
    let mut bulk = of(100_000);
    let mut last = 0;
    while let Some(run) = shard.next(&mut bulk).await.unwrap() {
        assert!(run.tick() <= shard.issuer.window.bound());
        last = run.tick();
    }
    assert!(last > bound, "the bound was never in the way");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_does_not_rise_ends_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.window.bound();
    let mut bulk = of(1_000_000);
    let refusal = loop {
        match bulk.next(&shard.issuer).await {
            Ok(run) => assert!(run.unwrap().tick() <= bound),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code(), "window_used_up");
}
