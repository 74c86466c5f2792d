//! The whole path of a request to its ID: clock, bound, generator, counters.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Id;
use shardflake::id::layout::Layout;
use shardflake::issuer::{Next, Settings};
use shardflake::mark::Directory;
use shardflake::shard::{Opening, Shard};
use shardflake::time::{BootTime, Offset, SECOND, WallTime};

use crate::Peer;
use crate::ours::{TICK, wide};

/// A clock that is set once, and stands.
#[derive(Clone)]
struct Standing(Arc<AtomicI64>);

impl Clock for Standing {
    fn boottime(&self) -> BootTime {
        BootTime::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn realtime(&self) -> WallTime {
        self.boottime() + Offset::default()
    }

    fn synchronised(&self) -> Option<bool> {
        Some(true)
    }
}

fn settings(layout: Layout) -> Settings {
    Settings {
        layout,
        machines: "1".parse().expect("a machine ID"),
        max_ahead: Settings::MAX_AHEAD,
        window: Settings::WINDOW,
        deadline: Settings::DEADLINE,
        continue_ahead: None,
    }
}

/// One ID as a request takes it that has not to wait.
pub(crate) fn on_a_standing_clock(state: &Path) -> impl Fn() -> u64 + Sync + use<> {
    let wall = i64::try_from(TICK).expect("a tick of 41 bits") * 1_000_000;
    let clock = Standing(Arc::new(AtomicI64::new(wall)));
    let settings = settings(wide());
    let (storage, name) = (Directory::new(state), state.display().to_string());
    let mut opening = Opening::new(settings, storage, name, clock.clone(), ([0; 16], 0));
    // It reads a time long before the library was made.
    opening.policy.build_date = WallTime::ZERO;
    let (issuer, mut keeper) = opening.parts(|_| {});
    while issuer.try_issue().is_none() {
        if let Next::End(result) = keeper.step() {
            panic!("the shard cannot start: {result:?}");
        }
        clock
            .0
            .fetch_add((SECOND / 10).as_nanos(), Ordering::Relaxed);
    }
    // Once more, so that the bound is a window ahead.
    let Next::Park(_) = keeper.step() else {
        panic!("the keeper ended");
    };
    move || issuer.try_issue().expect("a tick with room").id
}

/// A shard on the machine's clock, of whose ticks none is ever used up.
fn shard(state: &Path) -> Shard {
    let (storage, name) = (Directory::new(state), state.display().to_string());
    let opening = Opening::here(settings(wide()), storage, name);
    let shard = Shard::open_with(opening, |_| {}).expect("a thread");
    shard.await_ready(Duration::from_mins(1)).expect("a mark");
    shard
}

/// What a busy shard is asked for until it has one, as on a machine that was held up.
fn insist<T, E>(ask: impl Fn() -> Result<T, E>) -> T {
    loop {
        if let Ok(one) = ask() {
            return one;
        }
    }
}

/// One ID, as a program takes it.
pub(crate) fn ids(state: &Path) -> impl Fn() -> u64 + Sync + use<> {
    let shard = shard(state);
    move || insist(|| shard.try_id()).as_u64()
}

/// One UUID of version 7; its upper half.
pub(crate) fn uuids(state: &Path) -> impl Fn() -> u64 + Sync + use<> {
    let shard = shard(state);
    move || upper(insist(|| shard.try_uuid7()).to_bytes())
}

/// One ULID; its upper half.
pub(crate) fn ulids(state: &Path) -> impl Fn() -> u64 + Sync + use<> {
    let shard = shard(state);
    move || upper(insist(|| shard.try_ulid()).to_bytes())
}

/// A reading of the clock that each of them takes.
pub(crate) fn boot_clock() -> impl Fn() -> u64 + Sync {
    || SystemClock.boottime().as_nanos().cast_unsigned()
}

/// The upper half of an identifier, all of which is used.
pub(crate) fn upper(bytes: [u8; 16]) -> u64 {
    let value = std::hint::black_box(u128::from_be_bytes(bytes));
    u64::try_from(value >> 64).expect("half of the bits")
}

/// A shard on the machine's clock, with a keeper on a thread of its own.
pub(crate) struct Waiting {
    shard: Shard,
    runs: bool,
}

impl Waiting {
    /// IDs one by one, or as runs.
    pub(crate) fn new(state: &Path, runs: bool) -> Self {
        let (storage, name) = (Directory::new(state), state.display().to_string());
        let opening = Opening::here(settings(Layout::SNOWFLAKE), storage, name);
        let shard = Shard::open_with(opening, |_| {}).expect("a thread");
        shard.await_ready(Duration::from_mins(1)).expect("a mark");
        Self { shard, runs }
    }

    fn singles(&self, count: u64) -> u64 {
        let mut last = 0;
        for _ in 0..count {
            last = self
                .shard
                .try_id()
                .map_or_else(|_| self.later(), Id::as_u64);
        }
        last
    }

    fn later(&self) -> u64 {
        loop {
            // Refused as long as more is asked for than the deadline allows to wait for.
            if let Ok(id) = self.shard.id() {
                return id.as_u64();
            }
        }
    }

    fn bulk(&self, count: u64) -> u64 {
        let count = u32::try_from(count)
            .ok()
            .and_then(|count| count.try_into().ok());
        let mut ids = vec![0; 4096];
        for run in self.shard.ids(count.expect("1 to 4 billion")) {
            let run = run.expect("a shard that issues");
            std::hint::black_box(run.write(&mut ids));
        }
        ids[0]
    }
}

impl Peer for Waiting {
    fn issue(&self, count: u64) -> u64 {
        if self.runs {
            self.bulk(count)
        } else {
            self.singles(count)
        }
    }
}
