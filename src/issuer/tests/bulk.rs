//! Many IDs for one request.

use super::*;
use crate::id::generator::Run;

fn bulk(count: u32) -> Bulk {
    Bulk::new(NonZeroU32::new(count).unwrap())
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

#[tokio::test(start_paused = true)]
async fn all_come_in_order_and_none_before_its_tick() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.issuer.stats().ids_issued.total();
    let (begin, mut bulk) = (Instant::now(), bulk(2561));
    let mut all = Vec::new();
    while let Some(run) = shard.next(&mut bulk).await.unwrap() {
        assert!(run.tick() <= shard.wall_tick(), "before its tick");
        assert!(!bulk.is_over() || all.len() + run.count() as usize == 2561);
        all.extend(run.ids());
    }
    assert!(bulk.is_over());
    assert_eq!(all.len(), 2561);
    assert!(all.is_sorted_by(|a, b| a < b));
    // Eleven ticks, the first of which has begun.
    let took = begin.elapsed();
    assert!((90..=110).contains(&took.as_millis()), "{took:?}");
    assert_eq!(shard.issuer.stats().ids_issued.total() - before, 2561);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_than_a_tick_or_four_milliseconds_ahead() {
    for (layout, ahead) in [(Layout::SONYFLAKE, 1), (Layout::SNOWFLAKE, 4)] {
        let state = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOW);
        let settings = Settings {
            layout,
            ..settings()
        };
        let mut shard = shard_with(state.path(), &clock, settings);
        shard.pass(Duration::from_secs(7)).await;
        let mut bulk = bulk(1_000_000);
        let run = bulk.next(&shard.issuer).await.unwrap().unwrap();
        let now = shard.wall_tick();
        assert_eq!((run.tick(), run.count()), (now, layout.sequences()));
        assert_eq!(shard.issuer.generator.tick(), Some(now + ahead + 1));
        // A timer that wakes so late costs nothing.
        advance(layout.tick() * u32::try_from(ahead).unwrap()).await;
        for count in 1..=ahead {
            let run = bulk.next(&shard.issuer).await.unwrap().unwrap();
            assert_eq!((run.tick(), run.count()), (now + count, layout.sequences()));
            assert_eq!(shard.wall_tick(), now + ahead, "it waited");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_mark_and_goes_on() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.bound.get();
    // Three windows and more.
    let mut bulk = bulk(100_000);
    let mut last = 0;
    while let Some(run) = shard.next(&mut bulk).await.unwrap() {
        assert!(run.tick() <= shard.issuer.bound.get());
        last = run.tick();
    }
    assert!(last > bound, "the bound was never in the way");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_does_not_rise_ends_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.bound.get();
    let mut bulk = bulk(1_000_000);
    let refusal = loop {
        match bulk.next(&shard.issuer).await {
            Ok(run) => assert!(run.unwrap().tick() <= bound),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code(), "window_used_up");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_far_back_ends_it() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut bulk = bulk(1_000_000);
    assert!(bulk.next(&shard.issuer).await.unwrap().is_some());
    shard.clock.step(-6 * SECOND);
    shard.issuer.observe_clock();
    // What it had reserved is of ticks that may not be issued any more.
    assert_eq!(
        bulk.next(&shard.issuer).await.unwrap_err().code(),
        "clock_ahead"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_shard_ends_it() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let mut bulk = bulk(1_000_000);
    assert!(bulk.next(&shard.issuer).await.unwrap().is_some());
    let issuer = Arc::clone(&shard.issuer);
    issuer.drain();
    issuer.stop();
    shard.settle().unwrap().unwrap();
    // What was reserved before the end is covered by the mark.
    let reserved = bulk.next(&issuer).await.unwrap().unwrap();
    assert!(reserved.tick() <= bounds(state.path())[0]);
    assert_eq!(bulk.next(&issuer).await.unwrap_err(), Refusal::Draining);
}
