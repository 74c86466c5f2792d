//! Requests at the exact limits: of the window, the bound, the deadline and the lead.

use super::*;

impl Shard {
    /// Lets time pass, without the keeper, until `left` ticks lie between the clock and the bound.
    async fn approach_bound(&self, left: u64) {
        let ticks = self.issuer.window.bound() - left - self.wall_tick();
        advance(self.issuer.span(ticks)).await;
        assert_eq!(self.issuer.window.bound() - self.wall_tick(), left);
    }

    /// Whether more of the window was asked for since the last call.
    fn wanted(&self) -> bool {
        self.issuer.window.take_demand()
    }

    /// Takes an ID as a request does that does not wait.
    fn reserve(&self) -> Result<Reservation, Delay> {
        self.issuer
            .reserve(self.clock.boottime(), Duration::ZERO, ONE)
    }

    /// Uses up every ID up to the end of `tick`.
    fn use_up(&self, tick: u64) {
        let all = NonZeroU32::MAX;
        let used = self.issuer.generator.reserve(0, all, tick).unwrap();
        assert_eq!(used.last_tick(), tick);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_is_asked_for_when_less_than_half_is_left() {
    for at_once in [true, false] {
        let state = tempfile::tempdir().unwrap();
        let shard = Shard::serving(state.path()).await;
        for (left, wanted) in [(60, false), (51, false), (50, false), (49, true)] {
            shard.approach_bound(left).await;
            if at_once {
                assert!(shard.issuer.try_issue().is_some());
            } else {
                assert!(shard.reserve().is_ok());
            }
            assert_eq!(shard.wanted(), wanted, "{left} ticks left");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_first_wakes_the_keeper() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let far = Duration::from_secs(60);
    let keeper = std::thread::spawn(move || {
        let begin = std::time::Instant::now();
        std::thread::park_timeout(far);
        begin.elapsed() < far
    });
    shard.issuer.pulse.set_thread(keeper.thread().clone());
    assert!(!shard.wanted());
    shard.issuer.want_window();
    assert!(keeper.join().unwrap(), "nobody woke it");
    assert!(shard.wanted());
}

#[tokio::test(start_paused = true)]
async fn a_tick_at_the_bound_is_only_late_and_one_above_waits_for_the_disk() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let bound = shard.issuer.window.bound();
    shard
        .issuer
        .generator
        .reserve(shard.wall_tick(), ONE, bound)
        .unwrap();
    shard.use_up(bound - 1);
    let late = shard.reserve();
    assert!(
        matches!(late, Err(Delay::Later(_))),
        "the tick at the bound has not begun"
    );
    shard.use_up(bound);
    assert!(matches!(shard.reserve(), Err(Delay::Bound(known)) if known == bound));
    let waits = |bound| shard.issuer.wait(Wait::Bound(bound, Duration::ZERO));
    assert_eq!(waits(bound).await.unwrap_err().code(), "window_used_up");
    assert_eq!(waits(bound - 1).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_in_time_up_to_the_deadline() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let (issuer, begin) = (&shard.issuer, shard.clock.boottime());
    let asked = |boot| Request::new(issuer, begin).turn(issuer, boot);
    let until = begin + settings().deadline;
    assert!(matches!(asked(until), Ok(Turn::Over(_))));
    let late = asked(until + TimeDelta::from_nanos(1)).unwrap_err();
    assert_eq!(late.code(), "saturated");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_held_up_lets_nobody_go_before_the_tick() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let held_up = shard.clock.boottime();
    advance(Duration::from_millis(100)).await;
    let now = shard.wall_tick();
    let issuer = &shard.issuer;
    issuer.generator.reserve(now, ONE, now).unwrap();
    shard.use_up(now + 24);
    let _ = issuer.reserve(held_up, Settings::DEADLINE, ONE);
    assert_eq!(issuer.timeline.begun(shard.clock.boottime()), now);
}

#[tokio::test(start_paused = true)]
async fn the_lead_may_be_all_that_is_allowed_and_no_tick_more() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let now = shard.wall_tick();
    assert!(!shard.issuer.too_far_ahead(now + 500, now));
    assert!(shard.issuer.too_far_ahead(now + 501, now));
    assert_eq!(
        shard.issuer.clock_ahead(now + 620, now),
        Refusal::ClockAhead {
            ahead: Duration::from_millis(6200),
            limit: Duration::from_secs(5),
            left: Duration::from_millis(1200),
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_returns_to_a_used_tick_gives_the_rest_of_it() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.ask().await.unwrap();
    let used = shard.issuer.generator.tick().unwrap();
    shard.pass(Duration::from_secs(4)).await;
    let back = shard.issuer.span(shard.wall_tick() - used);
    shard.clock.step(-TimeDelta::from(back));
    shard.settle();
    assert_eq!(shard.wall_tick(), used);
    let at_once = (0..10_000).take_while(|_| shard.reserve().is_ok()).count();
    assert_eq!(at_once, 255);
}

#[tokio::test(start_paused = true)]
async fn a_tick_counts_as_used_up_when_an_id_of_a_coming_one_is_taken() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    let exhausted = |shard: &Shard| shard.issuer.stats().sequence_exhausted.total();
    let patience = Duration::from_millis(20);
    // The present tick, from its first ID on, then the first of the next, then another of it.
    for (ids, count) in [(256, 0), (1, 1), (1, 1)] {
        for _ in 0..ids {
            let reserved = shard.issuer.reserve(clock.boottime(), patience, ONE);
            assert!(reserved.is_ok());
        }
        assert_eq!(exhausted(&shard), count);
    }
    shard.pass(Duration::from_secs(1)).await;
    drop(shard);
    // A run that begins ahead of the clock has not used up anything yet.
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    let first = next.issuer.now_or_later().await.unwrap();
    assert!(first.tick > next.wall_tick());
    assert_eq!(exhausted(&next), 0);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_is_overdue_after_thirty_seconds() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    advance(Duration::from_millis(29_999)).await;
    assert!(shard.issuer.alive());
    advance(Duration::from_millis(1)).await;
    assert!(!shard.issuer.alive());
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_cannot_be_written_is_healthy_up_to_its_bound() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let error = "cannot write it".to_owned();
    assert!(shard.issuer.status.failed(&error));
    for left in [10, 0] {
        shard.approach_bound(left).await;
        let health = shard.issuer.health();
        assert_eq!((health.state, health.refusal), ("serving", None));
        assert_eq!(health.warning, Some(error.clone()));
        assert_eq!(health.window_remaining, shard.issuer.span(left));
    }
    advance(Duration::from_millis(10)).await;
    let health = shard.issuer.health();
    let refusal = Refusal::WindowUsedUp { reason: error };
    assert_eq!((health.state, health.refusal), ("refusing", Some(refusal)));
}

impl Shard {
    /// A shard in the last tick of its time field.
    async fn at_the_end(state: &Path) -> Self {
        let shard = Self::serving(state).await;
        let last = Layout::SONYFLAKE.max_tick();
        let wall = WallTime::ZERO + Duration::from_millis(Layout::SONYFLAKE.unix_ms(last));
        // As after years of service: the clock is there, and an operator has not had to accept it.
        let (boot, offset) = (shard.clock.boottime(), wall - shard.clock.boottime());
        shard
            .issuer
            .following
            .restart(|_| Some(Follower::new(boot, offset)));
        shard
            .clock
            .offset
            .store(offset.as_nanos(), Ordering::SeqCst);
        shard.issuer.observe_clock();
        assert_eq!(shard.wall_tick(), last);
        shard
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_tick_of_the_field_is_healthy() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::at_the_end(state.path()).await;
    assert_eq!(shard.issuer.health().state, "serving");
    assert_eq!(shard.issuer.health().time_field_remaining, Duration::ZERO);
    shard.pass(Duration::from_millis(10)).await;
    assert_eq!(
        shard.issuer.health().refusal,
        Some(Refusal::TimeFieldOver {
            end: "2188-11-16T03:28:58.880Z".into()
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_field_is_over_once_its_last_tick_is_used_up() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::at_the_end(state.path()).await;
    shard.settle();
    assert!(shard.issuer.try_issue().is_some());
    assert_ne!(shard.issuer.busy().code, "time_field_over");
    while shard.issuer.try_issue().is_some() {}
    assert_eq!(shard.issuer.busy().code, "time_field_over");
    // Nor are there stamps, whose milliseconds no bound covers then.
    assert!(shard.issuer.try_stamp().is_some());
    advance(ms(10)).await;
    assert_eq!(shard.issuer.try_stamp(), None);
    assert_eq!(shard.issuer.busy_stamps().code, "time_field_over");
}

#[test]
fn an_operator_may_let_ids_run_ahead_up_to_a_moment() {
    let until = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let tick = Layout::SONYFLAKE.tick_at(until.into());
    let lets = |until| settings().continuing_until(until).continue_ahead;
    assert!(tick.is_some());
    assert_eq!((lets(Some(until)), lets(None)), (tick, None));
}
