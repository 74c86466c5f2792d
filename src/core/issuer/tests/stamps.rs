//! Stamps of UUIDv7 and ULID: in order, under the mark's bound, never ahead of the time that has begun.

use super::*;
use crate::wide::Stamp;

impl<S: Storage + Clone> Shard<S> {
    /// One stamp, while the keeper goes round.
    async fn stamp(&mut self) -> Result<Stamp, Refusal> {
        let issuer = Arc::clone(&self.issuer);
        let request = tokio::spawn(async move { issuer.stamps(ONE).await });
        while !request.is_finished() {
            self.pass(Duration::from_micros(100)).await;
        }
        Ok(request.await.unwrap()?.next().unwrap())
    }

    fn wall_ms(&self) -> u64 {
        self.clock.realtime().as_millis()
    }

    /// Uses up the millisecond of the next stamp.
    fn use_up_the_millisecond(&self) -> StampRun {
        let all = NonZeroU32::new(1 << 20).unwrap();
        self.issuer.stamps_blocking(all).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stamp_has_the_millisecond_a_counter_and_the_machine_id() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let stamp = |counter| Stamp {
        unix_ms: shard.wall_ms(),
        counter,
        machine: 1,
    };
    let boot = shard.clock.boottime();
    assert_eq!(shard.issuer.try_stamp_at(boot), Some(stamp(0)));
    assert_eq!(shard.issuer.try_stamp_at(boot), Some(stamp(1)));
    let three = NonZeroU32::new(3).unwrap();
    let run = shard.issuer.stamps(three).await.unwrap();
    assert_eq!(run.size_hint(), (3, Some(3)));
    assert!(run.eq([2, 3, 4].map(stamp)));
    advance(ms(1)).await;
    assert_eq!(shard.issuer.try_stamp().map(|stamp| stamp.counter), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_millisecond_is_waited_for_and_not_run_ahead_of() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let now = shard.wall_ms();
    let run = shard.use_up_the_millisecond();
    assert_eq!(run.size_hint().0, 1 << 20);
    assert!(run.into_iter().all(|stamp| stamp.unix_ms == now));
    assert_eq!(shard.issuer.try_stamp(), None);
    let busy = shard.issuer.busy_stamps();
    assert_eq!(busy.code, "saturated");
    // The task sleeps, which lets the clock run on.
    let next = shard.issuer.stamps(ONE).await.unwrap().next().unwrap();
    assert!(next.unix_ms > now && next.unix_ms <= shard.wall_ms());
    assert_eq!(next.counter, 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_step_back_stamps_go_on_in_their_millisecond() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.issuer.try_stamp().unwrap();
    shard.clock.step(-SECOND);
    shard.settle();
    let mut last = before;
    while shard.wall_ms() < before.unix_ms {
        let next = shard.issuer.try_stamp().unwrap();
        assert!(next > last && next.unix_ms == before.unix_ms, "{next:?}");
        last = next;
        shard.pass(ms(10)).await;
    }
    shard.pass(ms(1)).await;
    let next = shard.issuer.try_stamp().unwrap();
    assert_eq!((next.unix_ms, next.counter), (shard.wall_ms(), 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_step_back_the_next_millisecond_begins_by_the_pace() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.issuer.try_stamp().unwrap();
    shard.clock.step(-3 * SECOND);
    shard.settle();
    let began = shard.clock.boottime();
    for _ in 0..30 {
        let run = shard.use_up_the_millisecond();
        assert!(run.size_hint().0 > 0);
        assert_eq!(shard.issuer.try_stamp(), None);
        assert_eq!(shard.issuer.busy_stamps().code, "saturated");
        shard.stamp().await.unwrap();
    }
    let last = shard.issuer.try_stamp().unwrap();
    assert_eq!(last.unix_ms, before.unix_ms + 30);
    // At nine tenths of real time.
    let took = shard.clock.boottime().since(began);
    assert!(took > ms(33) && took < ms(40), "{took:?}");
    // No ID holds the pace.
    assert!(shard.issuer.generator.last_tick() < shard.issuer.stamps.last_tick());
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_is_too_large_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.issuer.try_stamp().unwrap();
    shard.clock.step(-8 * SECOND);
    shard.settle();
    assert_eq!(shard.issuer.try_stamp(), None);
    assert_eq!(shard.issuer.busy_stamps().code, "clock_ahead");
    assert_eq!(shard.stamp().await.unwrap_err().code(), "clock_ahead");
    // IDs would have nothing against it: none was issued ahead.
    let health = shard.issuer.health();
    assert_eq!(
        health.refusal.map(|refusal| refusal.code()),
        Some("clock_ahead")
    );
}

#[tokio::test(start_paused = true)]
async fn the_exact_mark_covers_stamps_without_ids() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.pass(Duration::from_secs(5)).await;
    let last = shard.issuer.try_stamp().unwrap();
    let tick = shard.wall_tick();
    let clock = shard.clock.clone();
    shard.stop().unwrap();
    assert_eq!(bounds(state.path()).into_iter().max(), Some(tick));
    let mut next = super::shard(state.path(), &clock);
    next.settle();
    let first = next.stamp().await.unwrap();
    assert!(first > last, "{last:?} {first:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_stamps_begin_above_the_bound() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let last = shard.stamp().await.unwrap();
    let bound = bounds(state.path()).into_iter().max().unwrap();
    let clock = shard.clock.clone();
    drop(shard);
    let mut next = super::shard(state.path(), &clock);
    next.settle();
    let first = next.issuer.try_stamp().unwrap();
    assert!(first > last, "{last:?} {first:?}");
    let begins = Layout::SONYFLAKE.unix_ms(bound + 1);
    assert_eq!((first.unix_ms, first.counter), (begins, 0));
}

#[tokio::test(start_paused = true)]
async fn no_stamp_is_given_above_the_bound() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.window.bound();
    let end = Layout::SONYFLAKE.unix_ms(bound + 1);
    advance(Duration::from_millis(end - 1 - shard.wall_ms())).await;
    assert_eq!(
        shard.issuer.try_stamp().map(|stamp| stamp.unix_ms),
        Some(end - 1)
    );
    assert!(shard.issuer.window.take_demand(), "nobody asked for more");
    advance(ms(1)).await;
    assert_eq!(shard.issuer.try_stamp(), None);
    assert_eq!(shard.issuer.busy_stamps().code, "window_used_up");
    assert!(shard.issuer.window.take_demand(), "nobody asked for more");
    let refusal = shard.issuer.stamps(ONE).await.unwrap_err();
    assert_eq!(refusal.code(), "window_used_up");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_has_not_opened_gives_none() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    assert_eq!(shard.issuer.try_stamp(), None);
    assert_eq!(shard.issuer.busy_stamps().code, "starting");
    shard.settle();
    assert_eq!(shard.stamp().await.unwrap_err().code(), "fresh_mark");
    shard.issuer.stop();
    shard.settle();
    assert_eq!(shard.issuer.try_stamp(), None);
}

#[tokio::test(start_paused = true)]
async fn a_layout_of_long_ticks_bounds_milliseconds_too() {
    let state = tempfile::tempdir().unwrap();
    let bits = crate::id::layout::Bits {
        order: crate::id::layout::Order::SequenceMachine,
        time: 32,
        sequence: 20,
        machine: 11,
        datacenter: 0,
    };
    let settings = Settings {
        layout: Layout::new(bits, 1000, 1_400_000_000_123).unwrap(),
        ..settings()
    };
    let clock = TestClock::at(NOW);
    let mut last = None;
    for _ in 0..3 {
        let mut shard = shard_with(state.path(), &clock, settings);
        shard.pass(Duration::from_secs(15)).await;
        let first = Some(shard.stamp().await.unwrap());
        assert!(first > last, "{last:?} {first:?}");
        shard.pass(ms(1)).await;
        last = Some(shard.stamp().await.unwrap());
        assert!(last > first, "{first:?} {last:?}");
    }
}

/// The last millisecond of the bound is used up.
async fn at_the_bounds_end(state: &Path) -> Shard {
    let shard = Shard::serving(state).await;
    let bound = shard.issuer.window.bound();
    let end = Layout::SONYFLAKE.unix_ms(bound + 1);
    advance(Duration::from_millis(end - 1 - shard.wall_ms())).await;
    shard
}

#[tokio::test(start_paused = true)]
async fn a_millisecond_of_the_bounds_last_tick_is_waited_for_and_no_higher_bound() {
    let state = tempfile::tempdir().unwrap();
    let shard = at_the_bounds_end(state.path()).await;
    // Two more are within the bound.
    advance_back(&shard, 2);
    shard.use_up_the_millisecond();
    assert_eq!(shard.issuer.try_stamp(), None);
    assert_eq!(shard.issuer.busy_stamps().code, "saturated");
    let next = shard.issuer.stamps(ONE).await.unwrap().next();
    assert_eq!(next.map(|stamp| stamp.counter), Some(0));
}

/// Sets the clock back by so many milliseconds, unseen: nothing has been issued yet.
fn advance_back(shard: &Shard, millis: i64) {
    shard.clock.step(TimeDelta::from_nanos(-millis * 1_000_000));
    shard.issuer.observe_clock();
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_come_again_gets_a_stamp_then() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    shard.use_up_the_millisecond();
    let asked = std::time::Instant::now();
    let busy = shard.issuer.busy_stamps();
    assert_eq!(busy.code, "saturated");
    // The paused clock stands at the beginning of the millisecond.
    assert!(busy.retry_at >= asked + ms(1), "too early, and so in vain");
    advance(ms(1)).await;
    assert!(shard.issuer.try_stamp().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stamp_is_waited_for_up_to_the_deadline() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let boot = shard.clock.boottime();
    // So many milliseconds are used up; the next one begins after as many.
    let request = |deadline: u64| {
        let begin = boot - Settings::DEADLINE + ms(deadline);
        crate::issuer::stamps::StampRequest::new(&shard.issuer, begin, ONE)
    };
    shard.use_up_the_millisecond();
    let in_time = request(1).turn(&shard.issuer, boot).unwrap();
    assert!(
        matches!(in_time, Turn::Wait(Wait::Sleep(left)) if left == ms(1)),
        "{in_time:?}"
    );
    let late = request(0).turn(&shard.issuer, boot).unwrap_err();
    assert_eq!(late.code(), "saturated");
}
