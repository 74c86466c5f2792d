//! The issuer and its keeper on real files, with a clock that the test sets.
//!
//! Time is tokio's paused clock: it moves on when every task waits, so a test takes no real time.
#![expect(clippy::similar_names, reason = "an issuer issues what is issued")]

mod bound;
mod bulk;
mod busy;
mod disks;
mod hooked;
mod keeper;
mod limits;
mod messages;
mod opening;
mod races;
mod rate;
mod stamps;
mod starts;
mod steps;
mod threads;
mod touched;
mod wakes;

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout_at};

use super::request::{ONE, Request, TIMER_SLACK, Turn, Wait};
use super::reserve::Delay;
use super::*;
use crate::clock::{Follower, Step};
use crate::id::generator::Reservation;
use crate::mark::rules::Policy;
use crate::mark::slot::{BootId, Holder, Moment, SLOT_LEN, Slot};
use crate::mark::storage::Storage;
use crate::mark::{ACCEPT_CLOCK, Author, Claim, Directory, MarkError};
use crate::time::{Offset, SECOND, TimeDelta, WallTime};

/// Later than the kernel's clock in any run of these tests: it stamps the files that they make.
const NOW: WallTime = WallTime::from_nanos(3_062_304_000_000_000_000);
const BOOT: BootTime = BootTime::from_nanos(5_000_000_000_000);
const BOOT_ID: BootId = ([3; 16], 7);
const RATE: usize = 25_600;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs with tokio's time; steps are set by the test.
#[derive(Clone)]
struct TestClock {
    start: Instant,
    /// In nanoseconds.
    offset: Arc<AtomicI64>,
    synchronised: bool,
}

impl TestClock {
    fn at(wall: WallTime) -> Self {
        Self {
            start: Instant::now(),
            offset: Arc::new(AtomicI64::new((wall - BOOT).as_nanos())),
            synchronised: true,
        }
    }

    fn step(&self, step: TimeDelta) {
        self.offset.fetch_add(step.as_nanos(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn boottime(&self) -> BootTime {
        BOOT + self.start.elapsed()
    }

    fn realtime(&self) -> WallTime {
        self.boottime() + Offset::from_nanos(self.offset.load(Ordering::SeqCst))
    }

    fn synchronised(&self) -> Option<bool> {
        Some(self.synchronised)
    }
}

struct Shard<S: Storage = Directory> {
    issuer: Arc<Issuer<TestClock>>,
    keeper: Keeper<S, TestClock>,
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

fn author(layout: Layout, boot_id: BootId) -> Author {
    Author {
        layout,
        furthest: 0,
        holder: Holder {
            host: "test".into(),
            ..Holder::default()
        },
        moment: Moment {
            boot_id,
            ..Moment::default()
        },
    }
}

fn shard_over<S: Storage + Clone>(
    storage: S,
    state: &Path,
    clock: &TestClock,
    settings: Settings,
) -> Shard<S> {
    shard_in(BOOT_ID, storage, state, clock, settings)
}

fn shard_in<S: Storage + Clone>(
    boot_id: BootId,
    storage: S,
    state: &Path,
    clock: &TestClock,
    settings: Settings,
) -> Shard<S> {
    shard_under(policy(state, &settings), boot_id, storage, clock, settings)
}

fn policy(state: &Path, settings: &Settings) -> Policy {
    Policy {
        build_date: NOW - 1000 * SECOND,
        ..settings.policy(state.display().to_string())
    }
}

fn shard_under<S: Storage + Clone>(
    policy: Policy,
    boot_id: BootId,
    storage: S,
    clock: &TestClock,
    settings: Settings,
) -> Shard<S> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let observer = move |event: &Event| seen.lock().unwrap().push(event.clone());
    let issuer = Arc::new(Issuer::new(settings, clock.clone(), observer));
    let author = author(settings.layout, boot_id);
    Shard {
        keeper: Keeper::new(Arc::clone(&issuer), storage, policy, author),
        issuer,
        clock: clock.clone(),
        events,
    }
}

fn shard_with(state: &Path, clock: &TestClock, settings: Settings) -> Shard {
    shard_over(Directory::new(state), state, clock, settings)
}

fn shard(state: &Path, clock: &TestClock) -> Shard {
    shard_with(state, clock, settings())
}

impl<S: Storage + Clone> Shard<S> {
    /// One step; how long to park after it.
    fn parked(&mut self) -> Duration {
        match self.keeper.step() {
            Next::Park(duration) => duration,
            Next::End(result) => panic!("{result:?}"),
        }
    }

    /// Steps the keeper until it has nothing to do at once: how long it parks, or the result of its end.
    fn rest(&mut self) -> Result<Duration, Result<(), MarkError>> {
        for _ in 0..100 {
            match self.keeper.step() {
                Next::Park(Duration::ZERO) => {}
                Next::Park(duration) => return Ok(duration),
                Next::End(result) => return Err(result),
            }
        }
        panic!("the keeper does not come to rest");
    }

    /// Steps the keeper until it has nothing to do at once: the result of its end, if it ended.
    fn settle(&mut self) -> Option<Result<(), MarkError>> {
        self.rest().err()
    }

    /// Lets `duration` pass, stepping the keeper as a thread would.
    async fn pass(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        loop {
            let parked = self.rest().unwrap_or(duration);
            let left = end - Instant::now();
            if left.is_zero() {
                return;
            }
            advance(parked.min(left)).await;
        }
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

impl Shard {
    /// A shard that serves; the wait for a new mark is over.
    async fn serving(state: &Path) -> Self {
        let clock = TestClock::at(NOW);
        let mut shard = shard(state, &clock);
        shard.pass(Duration::from_secs(7)).await;
        assert_eq!(shard.issuer.health().state, "serving");
        shard
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
async fn a_shard_tells_its_settings() {
    let state = tempfile::tempdir().unwrap();
    let shard = shard(state.path(), &TestClock::at(NOW));
    assert_eq!(shard.issuer.deadline(), settings().deadline);
    assert_eq!(shard.issuer.machines(), settings().machines);
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
async fn a_keeper_that_does_not_come_round_is_not_alive() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    advance(Duration::from_secs(29)).await;
    assert!(shard.issuer.alive());
    advance(Duration::from_secs(2)).await;
    assert!(!shard.issuer.alive());
}
