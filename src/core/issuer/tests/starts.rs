//! Starts that cannot serve at once: a clock that is wrong, a lock that is held.

use std::os::unix::fs::FileExt;

use super::*;

/// R20.
#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_while_down_is_doubted_as_by_a_shard_that_runs() {
    // Up to a day it has to stand; more needs somebody's word.
    for (step, stands) in [(5, Some(31)), (3600, Some(37)), (14 * 86_400, None)] {
        let state = tempfile::tempdir().unwrap();
        let shard = Shard::serving(state.path()).await;
        let mut clock = shard.clock.clone();
        clock.synchronised = false;
        shard.stop().unwrap();
        clock.step(step * SECOND);
        let mut last = 0;
        for _ in 0..3 {
            let mut next = self::shard(state.path(), &clock);
            next.settle();
            let lag = next.wall_tick() - next.ask().await.unwrap().tick;
            assert!(lag + 10 > step.unsigned_abs() * 100, "{step:?}: {lag}");
            let health = next.issuer.health();
            assert_eq!(health.refusal, None);
            assert_eq!(health.clock_doubted.as_secs(), step.unsigned_abs());
            assert!(
                health
                    .warning
                    .unwrap()
                    .contains("the clock was set forward")
            );
            next.pass(Duration::from_secs(20)).await;
            let issued = next.ask().await.unwrap();
            assert!(issued.id > last);
            last = issued.id;
            next.stop().unwrap();
        }
        let mut next = self::shard(state.path(), &clock);
        next.pass(Duration::from_secs(stands.unwrap_or(4000))).await;
        let lag = next.wall_tick() - next.ask().await.unwrap().tick;
        assert_eq!(lag == 0, stands.is_some(), "{step:?}: {lag}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_lost_while_the_clock_is_doubted_is_made_when_it_is_not() {
    let state = tempfile::tempdir().unwrap();
    let clock = {
        let shard = Shard::serving(state.path()).await;
        let clock = shard.clock.clone();
        shard.stop().unwrap();
        clock
    };
    clock.step(3600 * SECOND);
    let both = Settings {
        machines: "1-2".parse().unwrap(),
        ..settings()
    };
    let storage = Directory::new(state.path());
    let mut next = shard_in(BOOT_ID, storage, state.path(), &clock, both);
    next.settle();
    assert_eq!(
        next.ask().await.unwrap_err().code(),
        "clock_stepped_forward"
    );
    next.pass(Duration::from_secs(37 + 7)).await;
    assert_eq!(next.ask().await.unwrap().tick, next.wall_tick());
}

/// R19.
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
async fn a_clock_that_is_mended_after_a_stop_is_believed_up_to_the_bound() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    clock.step(-3 * 86_400 * SECOND);
    shard.pass(Duration::from_secs(40)).await;
    // The mark tells the clock that was wrong.
    shard.stop().unwrap();
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    assert!(next.ask().await.is_err());
    clock.step(3 * 86_400 * SECOND);
    next.pass(Duration::from_secs(1)).await;
    let lag = next.wall_tick() - next.ask().await.unwrap().tick;
    assert!((3900..=4100).contains(&lag), "{lag}");
    assert_eq!(next.issuer.health().clock_doubted.as_secs(), 40);
    next.pass(Duration::from_secs(31)).await;
    assert_eq!(next.ask().await.unwrap().tick, next.wall_tick());
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

/// R2.
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

/// A shard on a mark that says `bound`, written when the clock stood as it stands now, at the
/// beginning of a tick: in the boot `boot_id`, `later` than now.
async fn shard_of_mark(
    state: &Path,
    bound: impl Fn(u64) -> u64,
    boot_id: BootId,
    later: TimeDelta,
) -> Shard {
    let before = Shard::serving(state).await;
    let clock = before.clock.clone();
    let tick = 10_000_000;
    let left = tick - clock.realtime().as_nanos() % tick;
    advance(Duration::from_nanos(left.unsigned_abs())).await;
    let wall_tick = before.wall_tick();
    before.stop().unwrap();
    let written = Moment {
        wall: clock.realtime() + later,
        boot: clock.boottime() + later,
        boot_id,
    };
    let next = shard(state, &clock);
    let storage = Directory::new(state);
    let claim = Claim::take(storage, "/state".into(), "1".parse().unwrap()).unwrap();
    let record = claim
        .into_record(author(Layout::SONYFLAKE, Moment::default().boot_id))
        .unwrap();
    record.finish(bound(wall_tick), written).unwrap();
    next
}

#[tokio::test(start_paused = true)]
async fn a_second_forward_while_down_is_followed_at_once_and_more_is_not() {
    for (step, followed) in [(SECOND, true), (SECOND + TimeDelta::from_nanos(1), false)] {
        let state = tempfile::tempdir().unwrap();
        let mut shard = shard_of_mark(state.path(), |now| now, BOOT_ID, TimeDelta::ZERO).await;
        shard.clock.step(step);
        shard.settle();
        let lag = shard.wall_tick() - shard.ask().await.unwrap().tick;
        assert_eq!(lag == 0, followed, "{step:?}: {lag}");
        // What is followed at a start is where the shard begins, not a step of its clock.
        let counted = shard.issuer.stats().steps_forward.total();
        assert_eq!(counted, u64::from(!followed), "{step:?}");
    }
}

/// As for the mark's own moment, a second's difference is no step.
#[tokio::test(start_paused = true)]
async fn the_end_of_the_bound_is_measured_from_when_it_is_more_than_a_second_on() {
    for (ticks, followed) in [(99, false), (100, true)] {
        let state = tempfile::tempdir().unwrap();
        let mut shard =
            shard_of_mark(state.path(), |now| now + ticks, BOOT_ID, TimeDelta::ZERO).await;
        shard.clock.step(2 * SECOND);
        shard.settle();
        let doubted = shard.issuer.health().clock_doubted;
        assert_eq!(doubted.is_zero(), followed, "{ticks}: {doubted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_while_down_is_taken_as_it_is_where_the_mark_tells_nothing_of_it() {
    // Another boot; another time namespace of this one; this one, but in time to come.
    for (boot_id, later) in [
        (([4; 16], 7), TimeDelta::ZERO),
        ((BOOT_ID.0, 8), TimeDelta::ZERO),
        (BOOT_ID, 20 * SECOND),
    ] {
        let state = tempfile::tempdir().unwrap();
        let mut shard = shard_of_mark(state.path(), |now| now, boot_id, later).await;
        shard.clock.step(3600 * SECOND);
        shard.settle();
        let lag = shard.wall_tick() - shard.ask().await.unwrap().tick;
        assert_eq!(lag, 0, "{boot_id:?} {later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_newer_slot_tells_the_clock_to_measure_from() {
    for older in 0..2 {
        let state = tempfile::tempdir().unwrap();
        let mut shard =
            shard_of_mark(state.path(), |now| now - 400_000, BOOT_ID, TimeDelta::ZERO).await;
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(state.path().join("1.mark"))
            .unwrap();
        let mut bytes = vec![0; SLOT_LEN];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let mut slot = Slot::decode(&bytes).unwrap();
        // Since when the clock was set forward by an hour, and followed.
        slot.written.boot = slot.written.boot - SECOND;
        slot.written.wall = slot.written.wall - 3601 * SECOND;
        let at = (older * SLOT_LEN) as u64;
        file.write_all_at(&slot.encode()[..], at).unwrap();
        shard.settle();
        let lag = shard.wall_tick() - shard.ask().await.unwrap().tick;
        assert_eq!(lag, 0, "slot {older} is the older one");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_doubted_while_a_start_waits_is_measured_from_the_last_trusted_offset() {
    let state = tempfile::tempdir().unwrap();
    let mut clock = shard_of_mark(state.path(), |now| now, BOOT_ID, TimeDelta::ZERO)
        .await
        .clock;
    // What makes the start wait, whatever the time.
    clock.synchronised = false;
    let policy = Policy {
        require_sync: true,
        ..policy(state.path(), &settings())
    };
    let storage = Directory::new(state.path());
    let mut shard = shard_under(policy, BOOT_ID, storage, &clock, settings());
    // The mark's offset, and then the one that has stood.
    for _ in 0..2 {
        shard.clock.step(SECOND);
        shard.pass(Duration::from_secs(1)).await;
        shard.clock.step(3 * SECOND / 2);
        shard.pass(Duration::from_secs(1)).await;
        let doubted = shard.issuer.health().clock_doubted;
        assert_eq!(doubted, Duration::from_millis(2500));
        shard.pass(Duration::from_secs(31)).await;
        assert!(shard.issuer.health().clock_doubted.is_zero());
    }
}

#[tokio::test(start_paused = true)]
async fn small_steps_around_a_start_are_measured_together() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard_of_mark(state.path(), |now| now, BOOT_ID, TimeDelta::ZERO).await;
    let small = 9 * SECOND / 10;
    shard.clock.step(small);
    shard.settle();
    assert!(shard.ask().await.is_ok());
    shard.clock.step(small);
    shard.settle();
    let told = shard.told();
    let doubted = Event::Clock(Step::Doubted(Duration::from_millis(900)));
    assert!(told.contains(&doubted), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_boot_without_a_name_tells_nothing_of_the_clock() {
    const NO_NAME: BootId = ([0; 16], 7);
    let state = tempfile::tempdir().unwrap();
    let named = shard_of_mark(state.path(), |now| now, NO_NAME, TimeDelta::ZERO).await;
    let storage = Directory::new(state.path());
    let mut shard = shard_in(NO_NAME, storage, state.path(), &named.clock, settings());
    shard.clock.step(3600 * SECOND);
    shard.settle();
    let lag = shard.wall_tick() - shard.ask().await.unwrap().tick;
    assert_eq!(lag, 0);
}
