//! The models. Each is one run of a few threads over production code, with assertions that hold
//! in every order in which the threads may take their steps.
//!
//! A model's own atomics are relaxed unless said otherwise: they must not order what the production
//! code has to order by itself.
#![expect(
    clippy::missing_panics_doc,
    reason = "a model panics when a promise is broken"
)]

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::atomic::{AtomicU64, Ordering};
use crate::checker::thread::{self, JoinHandle};
use crate::clock::Pace;
use crate::id::generator::{Blocked, Generator, Reservation};
use crate::id::layout::{Bits, Layout, Order};
use crate::id::range::MachineRange;
use crate::published::Published;
use crate::source::Source;
use crate::time::{BootTime, EpochTime, Offset};
use crate::timeline::Timeline;

/// How much happens in one run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Threads that ask for IDs.
    pub requesters: u64,
    /// How often each of them asks.
    pub requests: u64,
    /// How many IDs each asks for at a time; 0 is one, by the shorter way if that leads to one.
    pub wanted: u32,
    /// How often the keeper raises the bound.
    pub rises: u64,
}

/// The first tick of a run; the bound that it read is the tick before.
const FIRST: u64 = 8;
/// IDs of a tick: one bit of sequence, one machine ID.
const CAPACITY: u64 = 2;
/// Nanoseconds.
const TICK: i64 = 1_000_000;

/// What the threads of a model share.
struct Shard {
    generator: Generator,
    published: Published,
    timeline: Timeline,
    /// What is on the disk.
    durable: AtomicU64,
}

impl Shard {
    /// A shard that has read a mark and opened nothing yet.
    fn closed() -> Arc<Self> {
        let bits = Bits {
            order: Order::MachineSequence,
            time: 48,
            sequence: 1,
            machine: 14,
            datacenter: 0,
        };
        let layout = Layout::new(bits, 1, 0).expect("the bits add up to 63");
        let machine = MachineRange::new(1, 1).expect("a range of one");
        Arc::new(Self {
            generator: Generator::new(layout, machine),
            published: Published::nothing(),
            timeline: Timeline::new(&layout),
            durable: AtomicU64::new(FIRST - 1),
        })
    }

    /// A shard that may issue up to `bound`.
    fn open(bound: u64) -> Arc<Self> {
        let shard = Self::closed();
        shard.raise(bound);
        assert!(shard.generator.open(FIRST));
        shard
    }

    /// As the keeper does: the disk first, then everybody else.
    fn raise(&self, bound: u64) {
        self.durable.store(bound, Ordering::Relaxed);
        self.published.raise(bound);
    }

    /// The path of a request.
    fn source(&self) -> Source<'_> {
        Source {
            generator: &self.generator,
            bound: &self.published,
            timeline: &self.timeline,
        }
    }

    /// Takes IDs, of ticks to come too.
    fn reserve(&self, now: u64, wanted: u32) -> Result<Reservation, Blocked> {
        let wanted = NonZeroU32::new(wanted).expect("a request is for something");
        let (reserved, bound) = self.source().reserve(now, wanted, u64::MAX);
        let reservation = reserved?;
        assert!(reservation.last_tick() <= bound, "beyond the bound");
        Ok(reservation)
    }

    /// One request when the wall clock is at tick `now`.
    fn ask(&self, now: u64, wanted: u32) -> Option<Got> {
        if wanted == 0
            && let Some(got) = self.take(now)
        {
            return Some(got);
        }
        let reservation = self.reserve(now, wanted.max(1)).ok()?;
        Some(Got {
            ids: ids(&reservation),
            first_tick: reservation.first_tick(),
            last_tick: reservation.last_tick(),
        })
    }

    fn take(&self, now: u64) -> Option<Got> {
        let (id, left) = self.source().take(boot(now))?;
        let tick = self.generator.issued(id).tick;
        assert!(tick <= now, "{id} before its tick");
        assert!(now + left <= self.published.get(), "{left} are not left");
        Some(Got {
            ids: vec![id],
            first_tick: tick,
            last_tick: tick,
        })
    }
}

/// The boot time at which tick `now` begins, unless the clock has been set.
fn boot(now: u64) -> BootTime {
    BootTime::from_nanos(i64::try_from(now).expect("a handful") * TICK)
}

/// What a request got.
struct Got {
    ids: Vec<u64>,
    first_tick: u64,
    last_tick: u64,
}

fn ids(reservation: &Reservation) -> Vec<u64> {
    let runs = reservation.runs();
    runs.flat_map(|run| run.ids().collect::<Vec<_>>()).collect()
}

fn joined<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    let outcome = |thread: JoinHandle<T>| thread.join().expect("the model's thread has ended");
    threads.into_iter().map(outcome).collect()
}

/// Requests race a closing: no ID comes twice, each thread's IDs rise, all reserved ticks are
/// covered by the tick that closing returned, and nothing is reserved afterwards.
pub fn close(size: Size) {
    let shard = Shard::open(FIRST + 3);
    let requesters = (0..size.requesters)
        .map(|number| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || {
                let mut got = Vec::new();
                let mut last_tick = 0;
                for request in 0..size.requests {
                    // Time moves for some of them.
                    let now = FIRST + (number & request & 1);
                    if let Some(more) = shard.ask(now, size.wanted) {
                        got.extend(more.ids);
                        last_tick = more.last_tick;
                    }
                }
                assert!(got.is_sorted_by(|a, b| a < b), "out of order: {got:?}");
                (got, last_tick)
            })
        })
        .collect();
    let closed = shard.generator.close().expect("it was open");
    assert_eq!(shard.reserve(FIRST, 1).err(), Some(Blocked::Closed));
    assert!(shard.take(FIRST).is_none());
    assert!(!shard.generator.open(FIRST + 9));
    let mut all = Vec::new();
    for (got, last_tick) in joined(requesters) {
        assert!(
            last_tick <= closed,
            "closed at {closed}, issued in {last_tick}"
        );
        all.extend(got);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "an ID came twice");
}

/// An ID that is asked for after another was returned is larger, whoever got that one.
pub fn order(size: Size) {
    let shard = Shard::open(FIRST + 3);
    let returned = Arc::new(AtomicU64::new(0));
    let requesters = (0..size.requesters)
        .map(|_| {
            let (shard, returned) = (Arc::clone(&shard), Arc::clone(&returned));
            thread::spawn(move || {
                for _ in 0..size.requests {
                    // One requester tells the other, so this is what orders them.
                    let before = returned.load(Ordering::Acquire);
                    if let Some(got) = shard.ask(FIRST, size.wanted) {
                        assert!(got.ids[0] > before, "not after {before}");
                        let last = got.ids[got.ids.len() - 1];
                        returned.fetch_max(last, Ordering::AcqRel);
                    }
                }
            })
        })
        .collect();
    joined(requesters);
}

/// Requests race a keeper: whatever tick one gets, the disk holds a bound that covers it.
pub fn raise(size: Size) {
    let shard = Shard::open(FIRST);
    let keeper = {
        let shard = Arc::clone(&shard);
        thread::spawn(move || {
            for rise in 1..=size.rises {
                shard.raise(FIRST + rise);
            }
        })
    };
    let mut threads = vec![keeper];
    for _ in 0..size.requesters {
        let shard = Arc::clone(&shard);
        threads.push(thread::spawn(move || {
            for request in 0..size.requests {
                // Single IDs are of a tick that has begun, so time moves for them.
                let now = if size.wanted == 0 { FIRST + request } else { 0 };
                if let Some(got) = shard.ask(now, size.wanted) {
                    let durable = shard.durable.load(Ordering::Relaxed);
                    let tick = got.last_tick;
                    assert!(tick <= durable, "{tick} is issued, {durable} is durable");
                }
            }
        }));
    }
    joined(threads);
    assert_eq!(shard.published.get(), FIRST + size.rises);
}

/// Two keepers, such as an opening one and an extending one, race: the bound never falls.
pub fn publish(size: Size) {
    let shard = Shard::closed();
    let keepers = (0..size.requesters)
        .map(|number| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || {
                for rise in 0..size.rises {
                    let bound = FIRST + number + rise;
                    shard.published.raise(bound);
                    assert!(shard.published.get() >= bound, "the bound fell");
                }
            })
        })
        .collect();
    joined(keepers);
    let highest = FIRST + (size.requesters - 1) + (size.rises - 1);
    assert_eq!(shard.published.get(), highest);
}

/// Requests race the opening and an early stop: none gets an ID before the bound of this run is
/// durable, none one of a tick that an earlier run may have issued, and an opening after the stop
/// opens nothing.
pub fn open(size: Size) {
    let shard = Shard::closed();
    let opening = {
        let shard = Arc::clone(&shard);
        thread::spawn(move || {
            shard.raise(FIRST + 1);
            shard.generator.open(FIRST)
        })
    };
    let requesters = (0..size.requesters)
        .map(|_| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || {
                let mut last_tick = None;
                for request in 0..size.requests {
                    let Some(got) = shard.ask(FIRST - 1 + request, size.wanted) else {
                        continue;
                    };
                    let first = got.first_tick;
                    assert!(first >= FIRST, "{first} may have been issued before");
                    let durable = shard.durable.load(Ordering::Relaxed);
                    let last = got.last_tick;
                    assert!(last <= durable, "{last} is issued, {durable} is durable");
                    last_tick = Some(last);
                }
                last_tick
            })
        })
        .collect();
    let closed = shard.generator.close();
    let opens = opening.join().expect("the opening has ended");
    assert_eq!(opens, closed.is_some(), "opened after the stop");
    let last_tick = joined(requesters).into_iter().max().flatten();
    assert!(last_tick <= closed, "{closed:?} misses {last_tick:?}");
}

/// Ticks run out under several requesters: what they got together is the first IDs of the order
/// without a gap, and what did not fit below the ceiling was refused.
pub fn rollover(size: Size) {
    let last = FIRST + 1;
    let shard = Shard::open(last);
    let requesters = (0..size.requesters)
        .map(|_| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || {
                let mut got = Vec::new();
                for _ in 0..size.requests {
                    match shard.reserve(FIRST, size.wanted) {
                        Ok(reservation) => got.extend(ids(&reservation)),
                        Err(blocked) => assert_eq!(blocked, Blocked::Above(last + 1)),
                    }
                }
                got
            })
        })
        .collect();
    let mut all: Vec<u64> = joined(requesters).into_iter().flatten().collect();
    all.sort_unstable();
    let asked = size.requesters * size.requests * u64::from(size.wanted);
    let there = (last - FIRST + 1) * CAPACITY;
    let expected: Vec<u64> = (FIRST..=last)
        .flat_map(|tick| (0..CAPACITY).map(move |sequence| tick << 15 | 1 << 1 | sequence))
        .take(usize::try_from(asked.min(there)).expect("a handful"))
        .collect();
    assert_eq!(all, expected);
}

/// The wall clock is set forward, and back, under requests that wait for nothing: no ID comes twice,
/// each thread's rise, and none is of a tick that no clock has shown.
pub fn clock(size: Size) {
    let shard = Shard::open(FIRST + 3);
    let setting = {
        let shard = Arc::clone(&shard);
        thread::spawn(move || {
            shard.timeline.follow(Offset::from_nanos(TICK));
            shard.timeline.follow(Offset::default());
            Vec::new()
        })
    };
    let mut threads = vec![setting];
    for _ in 0..size.requesters {
        let shard = Arc::clone(&shard);
        threads.push(thread::spawn(move || {
            let mut got = Vec::new();
            for _ in 0..size.requests {
                if let Some((id, _)) = shard.source().take(boot(FIRST)) {
                    let tick = shard.generator.issued(id).tick;
                    assert!((FIRST..=FIRST + 1).contains(&tick), "{tick} has not begun");
                    got.push(id);
                }
            }
            assert!(got.is_sorted_by(|a, b| a < b), "out of order: {got:?}");
            got
        }));
    }
    let mut all: Vec<u64> = joined(threads).into_iter().flatten().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "an ID came twice");
}

/// The line of the pace, at one moment.
struct Line(Pace);

impl Line {
    const BOOT: BootTime = BootTime::from_nanos(1000);

    fn raise(&self, nanos: i64) {
        self.0.raise(Self::BOOT, EpochTime::from_nanos(nanos));
    }

    fn cap(&self, nanos: i64) {
        self.0.cap(Self::BOOT, EpochTime::from_nanos(nanos));
    }

    fn at(&self) -> i64 {
        self.0.at(Self::BOOT).as_nanos()
    }
}

/// The line of the pace is raised by several at once, then capped by several at once: it is
/// never above the highest that somebody raised it to, it covers what one has raised until
/// somebody caps it, and it stays below what one has capped.
pub fn pace(size: Size) {
    let line = Arc::new(Line(Pace::idle()));
    let number = |number: u64| i64::try_from(number).expect("a handful");
    let highest = number(size.requesters) * 10;
    let each = |step: fn(&Line, i64, i64)| {
        let threads = (1..=size.requesters)
            .map(|one| {
                let line = Arc::clone(&line);
                thread::spawn(move || {
                    step(&line, number(one) * 10, highest);
                })
            })
            .collect();
        joined(threads);
    };
    each(|line, logical, highest| {
        line.raise(logical);
        let at = line.at();
        assert!(
            (logical..=highest).contains(&at),
            "raised to {logical}: {at}"
        );
    });
    assert_eq!(line.at(), highest);
    each(|line, logical, _| {
        line.cap(logical);
        let at = line.at();
        assert!((10..=logical).contains(&at), "capped at {logical}: {at}");
    });
    assert_eq!(line.at(), 10);
}

/// One raises the line of the pace, because the clock was set back, while others cap it: it is
/// never above the higher of where it stood and what it was raised to, and a cap alone is kept.
pub fn pace_set_back(size: Size) {
    const STOOD: i64 = 50;
    const RAISED: i64 = 40;
    const CAPPED: i64 = 30;
    let line = Arc::new(Line(Pace::idle()));
    line.raise(STOOD);
    let raising = {
        let line = Arc::clone(&line);
        thread::spawn(move || line.raise(RAISED))
    };
    let mut threads = vec![raising];
    for _ in 0..size.requesters {
        let line = Arc::clone(&line);
        threads.push(thread::spawn(move || {
            for _ in 0..size.requests {
                line.cap(CAPPED);
                let at = line.at();
                assert!(at == CAPPED || at == RAISED, "capped, it is at {at}");
            }
        }));
    }
    joined(threads);
    let at = line.at();
    assert!(at == CAPPED || at == RAISED, "in the end it is at {at}");
}
