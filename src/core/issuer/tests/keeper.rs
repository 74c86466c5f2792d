//! The keeper, step by step: when it writes, what it writes, and when it is to be stepped again.

use super::*;
use crate::mark::storage::File;

impl Shard {
    /// Lets time pass, without the keeper, until `left` ticks lie between the clock and the bound.
    pub(super) async fn leave_window(&self, left: u64) {
        let ticks = self.issuer.window.bound() - left - self.wall_tick();
        advance(self.issuer.span(ticks)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_is_raised_when_less_than_half_a_window_is_left() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    advance(ms(700)).await;
    shard.parked();
    let bound = shard.issuer.window.bound();
    assert_eq!(bound, shard.wall_tick() + 100);
    // Parked until less than half is left, and not longer than a round.
    for (left, park) in [(90, 250), (60, 110), (51, 20), (50, 10)] {
        shard.leave_window(left).await;
        assert_eq!(shard.parked(), ms(park), "{left} ticks left");
        assert_eq!(shard.issuer.window.bound(), bound);
    }
    advance(ms(10)).await;
    shard.parked();
    assert_eq!(shard.issuer.window.bound(), shard.wall_tick() + 100);
    assert_eq!(bounds(state.path()), [shard.wall_tick() + 100; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_small_window_does_not_run_out_between_rounds() {
    let state = tempfile::tempdir().unwrap();
    let small = Settings {
        window: ms(200),
        ..settings()
    };
    let mut shard = shard_with(state.path(), &TestClock::at(NOW), small);
    shard.pass(ms(7000)).await;
    shard.leave_window(9).await;
    assert_eq!(shard.parked(), ms(110));
    assert_eq!(shard.issuer.window.bound(), shard.wall_tick() + 20);
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_idle_a_minute_after_its_last_id() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.issuer.try_issue().unwrap();
    shard.parked();
    // It is kept up for a minute, and left alone after that.
    shard.pass(ms(59_000)).await;
    advance(ms(1000)).await;
    shard.parked();
    let bound = shard.issuer.window.bound();
    assert_eq!(bound, shard.wall_tick() + 100);
    advance(ms(900)).await;
    assert_eq!(shard.parked(), ms(1000));
    assert_eq!(shard.issuer.window.bound(), bound);
    shard.issuer.want_window();
    shard.parked();
    assert_eq!(shard.issuer.window.bound(), shard.wall_tick() + 100);
}

#[tokio::test(start_paused = true)]
async fn a_mark_tells_the_moment_of_its_writing() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(SECOND / 2);
    advance(ms(700)).await;
    shard.parked();
    written_now(state.path(), &shard.clock);
}

#[tokio::test(start_paused = true)]
async fn a_new_mark_tells_the_moment_of_its_writing() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    shard.settle();
    assert!(matches!(shard.told()[0], Event::MarkCreated(_)));
    written_now(state.path(), &shard.clock);
}

fn written_now(state: &Path, clock: &TestClock) {
    let bytes = fs::read(state.join("1.mark")).unwrap();
    for at in [0, SLOT_LEN] {
        let written = Slot::decode(&bytes[at..]).unwrap().written;
        assert_eq!(written.boot, clock.boottime());
        assert_eq!(written.wall, clock.realtime());
        assert_eq!(written.boot_id, BOOT_ID);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_given_up_after_ten_seconds() {
    let state = tempfile::tempdir().unwrap();
    let _first = Shard::serving(state.path()).await;
    let mut second = shard(state.path(), &TestClock::at(NOW));
    assert_eq!(second.parked(), ms(100));
    advance(ms(9999)).await;
    assert_eq!(second.parked(), ms(100));
    advance(ms(1)).await;
    assert!(matches!(second.settle(), Some(Err(MarkError::Held { .. }))));
    let told = second.told();
    assert!(matches!(told[..], [Event::LockHeld(_)]), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_turn_tries_again_after_other_times() {
    let state = tempfile::tempdir().unwrap();
    // Another start: it holds the byte of the directory, behind those of all machine IDs.
    let other = Directory::new(state.path()).open_or_create("lock").unwrap();
    assert!(File::lock_bytes(&other, 1 << 32, 1).unwrap());
    let mut shard = shard(state.path(), &TestClock::at(NOW));
    let waits: Vec<_> = (0..8).map(|_| shard.parked()).collect();
    assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    drop(other);
    assert!(shard.settle().is_none());
    assert!(state.path().join("1.mark").exists());
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_not_there_ends_the_keeper() {
    let nowhere = Path::new("/nowhere/at/all");
    let shard = shard(nowhere, &TestClock::at(NOW));
    assert!(matches!(shard.keeper.run(), Err(MarkError::Io { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_another_mark_is_settled_and_opened_at_once() {
    let state = tempfile::tempdir().unwrap();
    let wide = Settings {
        machines: "0-3".parse().unwrap(),
        ..settings()
    };
    let clock = TestClock::at(NOW);
    let mut before = shard_with(state.path(), &clock, wide);
    before.pass(ms(7000)).await;
    before.stop().unwrap();
    let mut shard = shard(state.path(), &clock);
    assert!(shard.settle().is_none());
    let told = shard.told();
    assert!(
        matches!(told[..], [Event::MarksSettled, Event::Opened(_)]),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_starts_that_need_parts_of_one_mark_wait_for_each_other() {
    let state = tempfile::tempdir().unwrap();
    let wide = Settings {
        machines: "0-3".parse().unwrap(),
        ..settings()
    };
    let clock = TestClock::at(NOW);
    let mut before = shard_with(state.path(), &clock, wide);
    before.pass(ms(7000)).await;
    before.stop().unwrap();
    let other = Claim::take(
        Directory::new(state.path()),
        "/state".into(),
        "3".parse().unwrap(),
    );
    let mut shard = shard(state.path(), &clock);
    assert_eq!(shard.parked(), ms(0));
    assert_eq!(shard.parked(), ms(100));
    assert!(matches!(shard.told()[..], [Event::LockHeld(_)]));
    drop(other.unwrap());
    assert!(shard.settle().is_none());
    assert_eq!(shard.issuer.health().state, "serving");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_time_field_is_told_of_a_year_before_and_once() {
    let state = tempfile::tempdir().unwrap();
    let year = 365 * 86_400 * 100;
    let last = Layout::SONYFLAKE.max_tick();
    let wall = WallTime::ZERO + Duration::from_millis(Layout::SONYFLAKE.unix_ms(last - year));
    fs::write(state.path().join(ACCEPT_CLOCK), "9000-01-01T00:00:00Z").unwrap();
    let mut shard = shard(state.path(), &TestClock::at(wall - 10 * SECOND));
    shard.pass(ms(10_000)).await;
    assert_eq!(shard.wall_tick(), last - year);
    let told = |shard: &Shard| {
        let ending = |event: &Event| match event {
            Event::TimeFieldEnding { left, .. } => Some(*left),
            _ => None,
        };
        shard.told().iter().filter_map(ending).collect::<Vec<_>>()
    };
    assert_eq!(told(&shard), []);
    for _ in 0..3 {
        advance(ms(10)).await;
        shard.settle();
        assert_eq!(told(&shard), [ms(365 * 86_400_000 - 10)]);
    }
}
