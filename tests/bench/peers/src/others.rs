//! Generators of other packages.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;

use ferroid::generator::{AtomicSnowflakeGenerator, LockMonoUlidGenerator, Poll};
use ferroid::id::{SnowflakeTwitterId, ULID};
use ferroid::rand::ThreadRandom;
use ferroid::time::{MonotonicClock, TWITTER_EPOCH, TimeSource};
use snowflake::SnowflakeIdGenerator;
use snowflake_me::Snowflake;
use sonyflake::Sonyflake;

use crate::issuing::upper;
use crate::ours::TICK;

ferroid::define_snowflake_id!(
    /// The bits of [`crate::ours::wide`].
    WideId, u64,
    reserved: 1,
    timestamp: 41,
    machine_id: 1,
    sequence: 21
);

/// A clock that stands.
struct Standing(AtomicU64);

impl TimeSource<u64> for Standing {
    fn current_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn ferroid() -> impl Fn() -> u64 + Sync {
    let clock = Standing(AtomicU64::new(TICK));
    let generator = AtomicSnowflakeGenerator::<WideId, _>::new(1, clock);
    move || loop {
        if let Poll::Ready { id } = generator.poll_id() {
            return id.to_raw();
        }
    }
}

pub(crate) fn ferroid_waiting() -> impl Fn() -> u64 + Sync {
    let clock = MonotonicClock::<1>::with_epoch(TWITTER_EPOCH);
    let generator = AtomicSnowflakeGenerator::<SnowflakeTwitterId, _>::new(1, clock);
    move || generator.next_id(|_| thread::yield_now()).to_raw()
}

/// A UUID of version 7 by the crate `uuid`; its upper half.
pub(crate) fn uuid_now_v7() -> impl Fn() -> u64 + Sync {
    || upper(uuid::Uuid::now_v7().into_bytes())
}

/// A ULID of the generator for many threads; its upper half. It has a lock: the atomic one is not there on
/// x86-64 Linux (findings/atomic-ulid-by-target.sh).
pub(crate) fn ferroid_ulid() -> impl Fn() -> u64 + Sync {
    let clock = MonotonicClock::<1>::default();
    let generator = LockMonoUlidGenerator::<ULID, _, _>::new(clock, ThreadRandom);
    move || {
        let ulid = generator.try_next_id(|_| thread::yield_now());
        let ulid = ulid.expect("a lock that nobody panicked over");
        upper(ulid.to_raw().to_be_bytes())
    }
}

pub(crate) fn snowflake_me() -> impl Fn() -> u64 + Sync {
    let clock = AtomicI64::new(i64::try_from(TICK).expect("a tick of 41 bits"));
    let generator = Snowflake::builder()
        .start_time(0)
        .clock_source(move || clock.load(Ordering::Relaxed))
        .bit_len_time(41)
        .bit_len_data_center_id(0)
        .bit_len_machine_id(1)
        .bit_len_sequence(21)
        .machine_id(&|| Ok(1))
        .data_center_id(&|| Ok(0))
        .finalize()
        .expect("bits that add up to 63");
    move || generator.next_id().expect("a tick with room").into()
}

pub(crate) fn snowflake_me_waiting() -> impl Fn() -> u64 + Sync {
    let generator = Snowflake::builder()
        .machine_id(&|| Ok(1))
        .data_center_id(&|| Ok(0))
        .finalize()
        .expect("the default bits");
    move || generator.next_id().expect("a clock that moves on").into()
}

thread_local! {
    static LAZY: Cell<SnowflakeIdGenerator> = Cell::new(SnowflakeIdGenerator::new(1, 1));
}

/// Made for one thread: each has its own here, and takes the next millisecond when one is used up.
pub(crate) fn rs_snowflake() -> impl Fn() -> u64 + Sync {
    || {
        LAZY.with(|cell| {
            let mut generator = cell.get();
            let id = generator.lazy_generate();
            cell.set(generator);
            id.cast_unsigned()
        })
    }
}

/// Made for one thread: shared behind a lock.
pub(crate) fn rs_snowflake_waiting() -> impl Fn() -> u64 + Sync {
    let generator = Mutex::new(SnowflakeIdGenerator::new(1, 1));
    move || {
        let mut generator = generator.lock().expect("nobody panics over it");
        generator.real_time_generate().cast_unsigned()
    }
}

pub(crate) fn snowflaked_waiting() -> impl Fn() -> u64 + Sync {
    let generator = snowflaked::sync::Generator::new(1);
    move || generator.generate()
}

pub(crate) fn sonyflake_waiting() -> impl Fn() -> u64 + Sync {
    let generator = Sonyflake::builder()
        .machine_id(&|| Ok(1))
        .finalize()
        .expect("a machine ID");
    move || generator.next_id().expect("a clock that moves on").to_u64()
}
