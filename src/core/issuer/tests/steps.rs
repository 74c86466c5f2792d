//! A wall clock that steps while the shard serves, and the end of time.

use super::*;

#[tokio::test(start_paused = true)]
async fn after_a_small_step_back_ids_go_on_at_nine_tenths_until_the_clock_is_there() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let (before, _) = shard.saturate(Duration::from_secs(1)).await;
    shard.clock.step(-3 * SECOND);
    shard.settle();
    assert!(
        shard
            .told()
            .contains(&Event::Clock(Step::Back(Duration::from_secs(3))))
    );
    let (during, refused) = shard.saturate(Duration::from_secs(10)).await;
    assert!(refused.is_none_or(|refusal| refusal.code() == "saturated"));
    assert!(during[0].id > before[before.len() - 1].id);
    let tenths = during.len() * 10 / (10 * RATE);
    assert!((8..=9).contains(&tenths), "{} IDs", during.len());
    // The lead has decayed by a tenth of the time.
    let ahead = shard.issuer.health().clock_ahead;
    let expected = Duration::from_secs(2)..Duration::from_millis(2400);
    assert!(expected.contains(&ahead), "{ahead:?}");
    shard.pass(Duration::from_secs(3)).await;
    assert_eq!(shard.issuer.health().clock_ahead, Duration::ZERO);
    assert_eq!(shard.issuer.stats().steps_back.total(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_used_while_ahead_is_not_made_up_for() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(-4 * SECOND);
    shard.settle();
    let mut last = shard.issuer.now_or_later().await.unwrap();
    for _ in 0..30 {
        shard.pass(Duration::from_millis(100)).await;
        let next = shard.issuer.now_or_later().await.unwrap();
        assert!(
            next.tick <= last.tick + 1,
            "the tick stands while it has IDs"
        );
        last = next;
    }
    // The tick that stood is over, so the next one has begun; the one after has not.
    let (stood, began) = (last.tick, Instant::now());
    for (wait, ticks) in [(ms(0), 1), (ms(12), 2)] {
        while last.tick < stood + ticks {
            last = shard.issuer.now_or_later().await.unwrap();
        }
        assert_eq!(began.elapsed(), wait, "{ticks}");
    }
    let (issued, _) = shard.saturate(Duration::from_millis(100)).await;
    assert!(issued.len() < RATE / 10 + 3 * 256, "{}", issued.len());
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_was_over_when_the_clock_was_set_back_is_followed_by_the_next_at_once() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    // Far from the beginning of the run, from which logical time rises more slowly.
    shard.pass(Duration::from_secs(30)).await;
    let last = shard.ask().await.unwrap();
    shard.pass(Duration::from_secs(1)).await;
    shard.clock.step(-3 * SECOND);
    shard.settle();
    let began = Instant::now();
    let mut next = last;
    while next.tick == last.tick {
        next = shard.issuer.now_or_later().await.unwrap();
    }
    assert_eq!((next.tick, began.elapsed()), (last.tick + 1, ms(0)));
}

#[tokio::test(start_paused = true)]
async fn a_large_step_back_is_refused_until_the_lead_is_allowed() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.issuer.now_or_later().await.unwrap();
    shard.clock.step(-8 * SECOND);
    shard.settle();
    let refusal = shard.issuer.now_or_later().await.unwrap_err();
    assert_eq!(refusal.code(), "clock_ahead");
    let left = refusal.retry_after();
    assert!((2900..=3000).contains(&left.as_millis()), "{left:?}");
    let health = shard.issuer.health();
    assert_eq!((health.state, health.refusal.is_some()), ("refusing", true));
    assert!(shard.issuer.alive());
    shard.pass(Duration::from_millis(3020)).await;
    let after = shard.issuer.now_or_later().await.unwrap();
    assert!(after.id > before.id);
}

#[tokio::test(start_paused = true)]
async fn sleepers_are_refused_when_the_clock_is_set_back_far() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let issuer = Arc::clone(&shard.issuer);
        tasks.spawn(async move { issuer.issue().await });
    }
    tokio::task::yield_now().await;
    shard.clock.step(-60 * SECOND);
    shard.issuer.observe_clock();
    let results = tasks.join_all().await;
    let refused = |code| {
        let matching = results.iter().filter_map(|result| result.as_ref().err());
        matching.filter(|refusal| refusal.code() == code).count()
    };
    assert!(refused("clock_ahead") >= 700, "{results:?}");
    assert_eq!(refused("saturated"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_step_forward_is_followed_at_once_or_after_it_stood() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(SECOND / 2);
    shard.pass(Duration::from_millis(300)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
    let counted = |shard: &Shard| shard.issuer.stats().steps_forward.total();
    assert_eq!(counted(&shard), 1);
    shard.clock.step(3600 * SECOND);
    shard.pass(Duration::from_secs(35)).await;
    assert_eq!(counted(&shard), 2);
    let lagging = shard.ask().await.unwrap();
    assert!(
        lagging.tick + 350_000 < shard.wall_tick(),
        "followed too early"
    );
    assert!(shard.issuer.health().warning.is_some());
    shard.pass(Duration::from_secs(2)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
    assert!(shard.issuer.health().warning.is_none());
    // The one that was doubted is not counted again.
    assert_eq!(counted(&shard), 2);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_days_is_followed_when_an_operator_accepts_it() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(3 * 86_400 * SECOND);
    shard.pass(Duration::from_secs(60)).await;
    let lagging = shard.ask().await.unwrap();
    assert!(lagging.tick + 25_000_000 < shard.wall_tick());
    let until = (shard.clock.realtime() + 60 * SECOND).to_string();
    fs::write(state.path().join(ACCEPT_CLOCK), until).unwrap();
    shard.pass(Duration::from_secs(1)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_mended_late_finds_a_shard_that_serves() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let before = shard.ask().await.unwrap();
    shard.clock.step(-3 * 86_400 * SECOND);
    shard.pass(Duration::from_secs(40)).await;
    assert_eq!(shard.ask().await.unwrap_err().code(), "clock_ahead");
    shard.clock.step(3 * 86_400 * SECOND);
    shard.pass(Duration::from_secs(1)).await;
    let after = shard.ask().await.unwrap();
    assert!(after.id > before.id);
    // What lies beyond the IDs that were issued is doubted as ever, and lags.
    assert!(after.tick + 3_500 < shard.wall_tick(), "followed too early");
    let doubted = |event: &Event| matches!(event, Event::Clock(Step::Doubted(_)));
    assert_eq!(shard.told().into_iter().filter(doubted).count(), 1);
    shard.pass(Duration::from_secs(31)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_not_followed_does_not_run_away_with_the_ids_of_ticks_to_come() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(3 * 86_400 * SECOND);
    shard.settle();
    shard.saturate(Duration::from_secs(3)).await;
    let lag = shard.wall_tick() - shard.ask().await.unwrap().tick;
    assert!(lag > 3 * 8_640_000 - 100, "{lag}");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_said_of_the_clock_does_not_outlive_its_file() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join(ACCEPT_CLOCK);
    let until = (NOW + 86_400 * SECOND).to_string();
    fs::write(&file, &until).unwrap();
    let mut shard = Shard::serving(state.path()).await;
    fs::remove_file(&file).unwrap();
    shard.clock.step(3600 * SECOND);
    shard.settle();
    let hour = Duration::from_secs(3600);
    assert_eq!(
        shard.told().last(),
        Some(&Event::Clock(Step::Doubted(hour)))
    );
    // As soon as it is said anew.
    fs::write(&file, &until).unwrap();
    shard.settle();
    assert_eq!(
        shard.told().last(),
        Some(&Event::Clock(Step::Forward(hour)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_word_of_an_operator_that_cannot_be_read_is_told_once_for_each_that_it_is() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    // In doubt it looks again and again.
    shard.clock.step(3600 * SECOND);
    let file = state.path().join(ACCEPT_CLOCK);
    for (word, told) in [
        ("tomorrow", 1),
        ("tomorrow", 1),
        ("soon", 2),
        ("2020-01-01T00:00:00Z", 2),
        ("soon", 3),
    ] {
        fs::write(&file, word).unwrap();
        shard.pass(ms(2500)).await;
        let unread = |event: &Event| matches!(event, Event::AcceptUnread(_));
        let count = shard.told().into_iter().filter(unread).count();
        assert_eq!(count, told, "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_time_field_is_an_error_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let layout = Layout::SONYFLAKE;
    let end = WallTime::ZERO + Duration::from_millis(layout.unix_ms(layout.max_tick() + 1));
    // The real end is implausible for a shard that was just built, so an operator accepts it.
    fs::write(state.path().join(ACCEPT_CLOCK), "9000-01-01T00:00:00Z").unwrap();
    let clock = TestClock::at(end - 10 * SECOND);
    let mut shard = shard(state.path(), &clock);
    shard.pass(Duration::from_secs(7)).await;
    let told = shard.told();
    assert!(
        matches!(told.last(), Some(Event::TimeFieldEnding { .. })),
        "{told:?}"
    );
    let mut last = shard.issuer.now_or_later().await.unwrap();
    let refusal = loop {
        match shard.issuer.now_or_later().await {
            Ok(issued) => {
                assert!(issued.id > last.id);
                last = issued;
            }
            Err(refusal) => break refusal,
        }
        shard.pass(Duration::from_millis(9)).await;
    };
    assert_eq!(refusal.code(), "time_field_over");
    assert_eq!(last.tick, layout.max_tick());
    assert_eq!(shard.issuer.health().refusal, Some(refusal));
    shard.stop().unwrap();
    assert_eq!(bounds(state.path())[0], layout.max_tick());
}

/// What is asked for in a tenth of a second is of ticks that have come, and no more than they hold;
/// 600 ask to the end, and are answered a little later.
async fn nothing_is_early(shard: &mut Shard) {
    let (issued, _) = shard.saturate(Duration::from_millis(100)).await;
    assert!(issued.len() <= 14 * 256, "{}", issued.len());
    let (last, now) = (issued[issued.len() - 1].tick, shard.wall_tick());
    assert!(last <= now, "{last} is after {now}");
}

#[tokio::test(start_paused = true)]
async fn a_step_back_over_time_without_ids_gives_none_ahead_of_the_clock() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.pass(Duration::from_secs(10)).await;
    shard.clock.step(-3 * SECOND);
    shard.settle();
    nothing_is_early(&mut shard).await;
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_was_not_used_is_over_when_the_clock_is_there() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.saturate(Duration::from_secs(1)).await;
    shard.clock.step(-3 * SECOND);
    shard.pass(Duration::from_secs(4)).await;
    nothing_is_early(&mut shard).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_read_the_clock_before_it_was_set_back_holds_up_others_for_a_deadline() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.pass(Duration::from_secs(10)).await;
    let before = shard.wall_tick();
    shard.clock.step(-4 * SECOND);
    shard.settle();
    let late = shard.issuer.generator.take(before, before).unwrap();
    let refusal = shard.ask().await.unwrap_err();
    assert_eq!(refusal.code(), "saturated");
    let left = refusal.retry_after();
    let longest = Settings::DEADLINE * 10 / 9 + TIMER_SLACK;
    assert!(left <= longest, "{left:?}");
    shard.pass(left).await;
    assert!(shard.ask().await.unwrap().id > late);
}
