//! Generators of this product and of others behind one face, for the bench.

mod issuing;
mod others;
mod ours;

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Something that hands out IDs to any number of threads.
pub trait Peer: Sync {
    /// Hands out `count` IDs, one call each or in runs; returns the last of them.
    fn issue(&self, count: u64) -> u64;
}

/// The next ID is what the function returns.
struct Single<F>(F);

impl<F: Fn() -> u64 + Sync> Peer for Single<F> {
    fn issue(&self, count: u64) -> u64 {
        let mut last = 0;
        for _ in 0..count {
            last = black_box((self.0)());
        }
        last
    }
}

/// The peer of that name, or `None` if there is none. Those of the first list have a clock that
/// stands, in a tick that is never used up; those of the second the machine's clock, in ticks that hold more
/// than can be taken; those of the third the machine's clock too, and they wait when a tick is used up, each in its own way. Marks are kept in `state`.
#[must_use]
pub fn named(name: &str, state: &Path) -> Option<Box<dyn Peer>> {
    Some(match name {
        "generator" => Box::new(Single(ours::single())),
        "generator-general" => Box::new(Single(ours::general())),
        "generator-run" => Box::new(ours::Runs::new()),
        "issuer" => Box::new(Single(issuing::on_a_standing_clock(state))),
        "boot-clock" => Box::new(Single(issuing::boot_clock())),
        "shard" => Box::new(Single(issuing::ids(state))),
        "shard-uuid7" => Box::new(Single(issuing::uuids(state))),
        "shard-ulid" => Box::new(Single(issuing::ulids(state))),
        "uuid" => Box::new(Single(others::uuid_now_v7())),
        "ferroid-ulid" => Box::new(Single(others::ferroid_ulid())),
        "ferroid" => Box::new(Single(others::ferroid())),
        "snowflake_me" => Box::new(Single(others::snowflake_me())),
        "rs-snowflake" => Box::new(Single(others::rs_snowflake())),
        "shardflake-waiting" => Box::new(issuing::Waiting::new(state, false)),
        "shardflake-run-waiting" => Box::new(issuing::Waiting::new(state, true)),
        "ferroid-waiting" => Box::new(Single(others::ferroid_waiting())),
        "snowflake_me-waiting" => Box::new(Single(others::snowflake_me_waiting())),
        "rs-snowflake-waiting" => Box::new(Single(others::rs_snowflake_waiting())),
        "snowflaked-waiting" => Box::new(Single(others::snowflaked_waiting())),
        "sonyflake-waiting" => Box::new(Single(others::sonyflake_waiting())),
        _ => return None,
    })
}

/// How long `threads` threads take for `count` IDs each.
///
/// # Panics
/// If a thread does.
#[must_use]
pub fn timed(peer: &dyn Peer, threads: usize, count: u64) -> Duration {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let work = || {
            start.wait();
            let begun = Instant::now();
            black_box(peer.issue(count));
            (begun, Instant::now())
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        start.wait();
        let spans = workers
            .into_iter()
            .map(|worker| worker.join().expect("a peer that issues"));
        let (begun, ended): (Vec<_>, Vec<_>) = spans.unzip();
        let begun = begun.into_iter().min().expect("more than no threads");
        ended.into_iter().max().expect("more than no threads") - begun
    })
}
