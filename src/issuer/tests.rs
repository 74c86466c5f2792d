//! The issuer and its keeper on real files, with a clock that the test sets.
//!
//! Time is tokio's paused clock: it moves on when every task waits, so a test takes no real time.
#![expect(clippy::similar_names, reason = "an issuer issues what is issued")]

mod opening;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::advance;

use super::*;
use crate::mark::rules::Policy;
use crate::mark::slot::{Holder, Moment, SLOT_LEN, Slot};
use crate::mark::{Author, Directory, MarkError};

const SECOND: i64 = crate::clock::SECOND;
const NOW: i64 = 1_800_000_000 * SECOND;
const BOOT: i64 = 5_000 * SECOND;
const BOOT_ID: ([u8; 16], u64) = ([3; 16], 7);
const RATE: usize = 25_600;

/// Runs with tokio's time; steps are set by the test.
#[derive(Clone)]
struct TestClock {
    start: Instant,
    offset: Arc<AtomicI64>,
}

impl TestClock {
    fn at(wall: i64) -> Self {
        Self {
            start: Instant::now(),
            offset: Arc::new(AtomicI64::new(wall - BOOT)),
        }
    }

    fn step(&self, nanos: i64) {
        self.offset.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn boottime(&self) -> i64 {
        BOOT + nanos(self.start.elapsed())
    }

    fn realtime(&self) -> i64 {
        self.boottime() + self.offset.load(Ordering::SeqCst)
    }

    fn synchronised(&self) -> Option<bool> {
        Some(true)
    }
}

struct Shard {
    issuer: Arc<Issuer<TestClock>>,
    keeper: Keeper<Directory, TestClock>,
    clock: TestClock,
    events: Arc<Mutex<Vec<Event>>>,
}

fn settings() -> Settings {
    Settings {
        layout: Layout::SONYFLAKE,
        machines: "1".parse().unwrap(),
        max_ahead: Settings::MAX_AHEAD,
        window: Settings::WINDOW,
        deadline: Settings::DEADLINE,
        continue_ahead: None,
    }
}

fn shard_with(state: &Path, clock: &TestClock, settings: Settings) -> Shard {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = move |event: &Event| seen.lock().unwrap().push(event.clone());
    let issuer = Arc::new(Issuer::new(settings, clock.clone(), observer));
    let policy = Policy {
        directory: state.display().to_string(),
        layout: settings.layout,
        range: settings.machines,
        max_ahead: settings.layout.ticks(settings.max_ahead),
        furthest: settings.furthest(),
        create: true,
        require_sync: false,
        build_date: NOW - 1000 * SECOND,
        continue_ahead: settings.continue_ahead,
    };
    let author = Author {
        layout: settings.layout,
        holder: Holder {
            host: "test".into(),
            ..Holder::default()
        },
        moment: Moment::default(),
    };
    let storage = Directory::new(state);
    Shard {
        keeper: Keeper::new(Arc::clone(&issuer), storage, policy, author, BOOT_ID),
        issuer,
        clock: clock.clone(),
        events,
    }
}

fn shard(state: &Path, clock: &TestClock) -> Shard {
    shard_with(state, clock, settings())
}

impl Shard {
    /// Steps the keeper until it has nothing to do at once; the result of its end, if it ended.
    fn settle(&mut self) -> Option<Result<(), MarkError>> {
        loop {
            match self.keeper.step() {
                Next::Park(Duration::ZERO) => {}
                Next::Park(_) => return None,
                Next::End(result) => return Some(result),
            }
        }
    }

    /// Lets `duration` pass, stepping the keeper as a thread would.
    async fn pass(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.settle();
            advance(Duration::from_millis(5)).await;
        }
        self.settle();
    }

    /// A shard that serves; the wait for a new mark is over.
    async fn serving(state: &Path) -> Self {
        let clock = TestClock::at(NOW);
        let mut shard = shard(state, &clock);
        shard.pass(Duration::from_secs(7)).await;
        assert_eq!(shard.issuer.health().state, "serving");
        shard
    }

    fn stop(mut self) -> Result<(), MarkError> {
        self.issuer.stop();
        self.settle().expect("a stopped keeper ends")
    }

    /// Asks as fast as answers come, for `duration`; the IDs, and the last refusal.
    async fn saturate(&mut self, duration: Duration) -> (Vec<Issued>, Option<Refusal>) {
        let mut tasks = JoinSet::new();
        let end = Instant::now() + duration;
        for _ in 0..600 {
            let issuer = Arc::clone(&self.issuer);
            tasks.spawn(async move {
                let (mut issued, mut refused) = (Vec::new(), None);
                while Instant::now() < end {
                    match issuer.now_or_later().await {
                        Ok(id) => issued.push(id),
                        Err(refusal) => {
                            refused = Some(refusal);
                            sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
                (issued, refused)
            });
        }
        while Instant::now() < end {
            self.settle();
            sleep(Duration::from_millis(1)).await;
        }
        let (mut all, mut refused) = (Vec::new(), None);
        while let Some(result) = tasks.join_next().await {
            let (issued, refusal) = result.unwrap();
            all.extend(issued);
            refused = refusal.or(refused);
        }
        all.sort_by_key(|issued| issued.id);
        assert!(
            all.windows(2).all(|pair| pair[0].id < pair[1].id),
            "a duplicate"
        );
        (all, refused)
    }

    /// One request, while the keeper goes round.
    async fn ask(&mut self) -> Result<Issued, Refusal> {
        let issuer = Arc::clone(&self.issuer);
        let request = tokio::spawn(async move { issuer.now_or_later().await });
        while !request.is_finished() {
            self.pass(Duration::from_millis(1)).await;
        }
        request.await.unwrap()
    }

    fn told(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn wall_tick(&self) -> u64 {
        self.issuer.layout().tick_at(self.clock.realtime()).unwrap()
    }
}

impl Issuer<TestClock> {
    async fn now_or_later(&self) -> Result<Issued, Refusal> {
        match self.try_issue() {
            Some(issued) => Ok(issued),
            None => self.issue().await,
        }
    }
}

fn bounds(state: &Path) -> [u64; 2] {
    let bytes = fs::read(state.join("1.mark")).unwrap();
    [0, SLOT_LEN].map(|at| Slot::decode(&bytes[at..]).unwrap().bound)
}

#[tokio::test(start_paused = true)]
async fn a_new_shard_waits_for_its_mark_and_says_so() {
    let state = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOW);
    let mut shard = shard(state.path(), &clock);
    assert_eq!(shard.issuer.issue().await, Err(Refusal::Starting));
    assert_eq!(shard.issuer.health().state, "starting");
    assert!(shard.settle().is_none());
    let refusal = shard.issuer.now_or_later().await.unwrap_err();
    assert_eq!(refusal.code(), "fresh_mark");
    assert!(refusal.retry_after() > Duration::from_secs(6));
    assert_eq!(shard.issuer.health().state, "waiting");
    shard.pass(Duration::from_millis(6300)).await;
    let issued = shard.issuer.now_or_later().await.unwrap();
    assert_eq!(issued.machine, 1);
    assert!(issued.tick <= shard.wall_tick());
    let told = shard.told();
    assert!(
        matches!(
            told[..],
            [Event::MarkCreated(_), Event::Waiting(_), Event::Opened(_)]
        ),
        "{told:?}"
    );
}

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
    let (issued, _) = shard.saturate(Duration::from_millis(100)).await;
    assert!(issued.len() < RATE / 10 + 3 * 256, "{}", issued.len());
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
    shard.clock.step(3600 * SECOND);
    shard.pass(Duration::from_secs(35)).await;
    let lagging = shard.ask().await.unwrap();
    assert!(
        lagging.tick + 350_000 < shard.wall_tick(),
        "followed too early"
    );
    assert!(shard.issuer.health().warning.is_some());
    shard.pass(Duration::from_secs(2)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
    assert!(shard.issuer.health().warning.is_none());
    assert_eq!(shard.issuer.stats().steps_forward.total(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_step_of_days_is_followed_when_an_operator_accepts_it() {
    let state = tempfile::tempdir().unwrap();
    let mut shard = Shard::serving(state.path()).await;
    shard.clock.step(3 * 86_400 * SECOND);
    shard.pass(Duration::from_secs(60)).await;
    let lagging = shard.ask().await.unwrap();
    assert!(lagging.tick + 25_000_000 < shard.wall_tick());
    let until = crate::timestamp::rfc3339_nanos(shard.clock.realtime() + 60 * SECOND);
    fs::write(state.path().join(ACCEPT_CLOCK), until).unwrap();
    shard.pass(Duration::from_secs(1)).await;
    assert_eq!(shard.ask().await.unwrap().tick, shard.wall_tick());
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_forward_while_down_is_doubted_in_the_same_boot() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let clock = shard.clock.clone();
    shard.stop().unwrap();
    clock.step(3600 * SECOND);
    let mut next = self::shard(state.path(), &clock);
    next.settle();
    let refusal = next.ask().await.unwrap_err();
    assert_eq!(refusal.code(), "clock_stepped_forward");
    next.pass(Duration::from_secs(37)).await;
    next.ask().await.unwrap();
}

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

#[tokio::test(start_paused = true)]
async fn the_end_of_the_time_field_is_an_error_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let layout = Layout::SONYFLAKE;
    let end = i64::try_from(layout.unix_ms(layout.max_tick() + 1)).unwrap() * 1_000_000;
    // The real end is implausible for a shard that was just built, so an operator accepts it.
    fs::write(state.path().join(ACCEPT_CLOCK), "9000-01-01T00:00:00Z").unwrap();
    let clock = TestClock::at(end - 10 * SECOND);
    let mut shard = shard(state.path(), &clock);
    shard.pass(Duration::from_secs(7)).await;
    let told = shard.told();
    assert!(
        matches!(told.last(), Some(Event::TimeFieldEnding(_))),
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

#[tokio::test(start_paused = true)]
async fn a_keeper_that_does_not_come_round_is_not_alive() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    advance(Duration::from_secs(29)).await;
    assert!(shard.issuer.alive());
    advance(Duration::from_secs(2)).await;
    assert!(!shard.issuer.alive());
}

#[test]
fn every_refusal_has_a_listed_code_and_a_remedy() {
    let second = Duration::from_secs(1);
    let all = [
        Refusal::Starting,
        Refusal::LockHeld {
            holder: "x: stop it".into(),
        },
        Refusal::Waiting(Wait::Fresh { left: second }),
        Refusal::Waiting(Wait::Stepped {
            step: second,
            left: second,
        }),
        Refusal::Waiting(Wait::SteppedFar { step: second }),
        Refusal::Waiting(Wait::Unsynchronised { seen: "so" }),
        Refusal::Unwritable {
            error: "x: y".into(),
        },
        Refusal::ClockAhead {
            ahead: second,
            limit: second,
            left: second,
        },
        Refusal::WindowUsedUp {
            reason: "x: y".into(),
        },
        Refusal::Saturated {
            deadline: second,
            left: second,
        },
        Refusal::TimeFieldOver { end: String::new() },
        Refusal::Draining,
    ];
    for refusal in all {
        assert!(Refusal::CODES.contains(&refusal.code()), "{refusal:?}");
        assert!(refusal.retry_after() > Duration::ZERO);
        assert!(refusal.to_string().contains([':', ';', '(']), "{refusal}");
    }
}
