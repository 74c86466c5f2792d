//! Several servers, and threads that take IDs while these are killed.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shardflake_client::{Builder, Client};

use crate::server::{Home, PATIENCE, Server, fields};
use crate::until;

/// 30 % of what one Sonyflake machine ID issues.
const IDS_A_SECOND: u64 = 25_600 * 3 / 10;
/// IDs that have to come between two kills.
const BETWEEN: u64 = 300;

/// Servers of the machine IDs from 1 on.
pub(crate) struct Fleet {
    homes: Vec<Home>,
    servers: Vec<Option<Server>>,
    change: fn(&mut Command),
}

/// What came of a run.
pub(crate) struct Told {
    threads: u64,
    took: Duration,
    pub(crate) kills: usize,
    ids: usize,
    pub(crate) machines: usize,
    longest: Duration,
}

/// What a thread got.
#[derive(Default)]
struct Got {
    ids: Vec<u64>,
    longest: Duration,
}

impl Fleet {
    /// `count` servers, whose command lines `change` adds to.
    pub(crate) fn new(count: usize, change: fn(&mut Command)) -> Self {
        let shards = (1..=count).map(|shard| shard.to_string());
        let mut fleet = Self {
            homes: shards.map(|shard| Home::with_mark(&shard)).collect(),
            servers: (0..count).map(|_| None).collect(),
            change,
        };
        for place in 0..count {
            fleet.start(place);
        }
        fleet
    }

    fn start(&mut self, place: usize) {
        let home = &self.homes[place];
        let mut command = home.command(&(place + 1).to_string());
        (self.change)(&mut command);
        let mut server = Server::start(command, home.address());
        server.await_serving();
        self.servers[place] = Some(server);
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = String> {
        self.homes.iter().map(|home| home.address().to_string())
    }

    pub(crate) fn client(&self) -> Builder {
        Client::builder(self.addresses()).deadline(PATIENCE)
    }

    /// The server of that machine ID.
    pub(crate) fn server(&self, machine: u64) -> &Server {
        let place = usize::try_from(machine - 1).unwrap();
        self.servers[place].as_ref().unwrap()
    }
}

/// Kills three servers in turn and starts them again, for at least so long and three times each, while
/// `threads` share a buffer of 100 at 30 % of a machine ID's rate. Every call has to get an ID.
pub(crate) fn killed_in_turn(threads: u64, lasting: Duration) -> Told {
    let mut fleet = Fleet::new(3, |_| {});
    let client = fleet.client().buffer(100).build().unwrap();
    let (over, taken) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let mut kills = 0;
    let got: Vec<Got> = thread::scope(|scope| {
        let takers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| take(&client, threads, &over, &taken)))
            .collect();
        let flows = |more: u64| {
            let before = taken.load(Ordering::Relaxed);
            until("flowing", || taken.load(Ordering::Relaxed) > before + more);
        };
        while kills < 9 || begun.elapsed() < lasting {
            flows(BETWEEN);
            let place = kills % 3;
            fleet.servers[place].take().unwrap().kill();
            kills += 1;
            // Without that server, too.
            flows(BETWEEN);
            fleet.start(place);
        }
        over.store(true, Ordering::Relaxed);
        takers
            .into_iter()
            .map(|taker| taker.join().unwrap())
            .collect()
    });
    let told = Told {
        threads,
        took: begun.elapsed(),
        kills,
        ids: got.iter().map(|got| got.ids.len()).sum(),
        machines: check(&got),
        longest: got.iter().map(|got| got.longest).max().unwrap(),
    };
    assert!(told.ids > kills * 2, "{told}");
    told
}

/// Takes IDs at an even rate, of which all threads together have [`IDS_A_SECOND`].
fn take(client: &Client, threads: u64, over: &AtomicBool, taken: &AtomicU64) -> Got {
    let every = Duration::from_nanos(1_000_000_000 * threads / IDS_A_SECOND);
    let mut got = Got::default();
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        got.ids.push(client.id().unwrap());
        taken.fetch_add(1, Ordering::Relaxed);
        got.longest = got.longest.max(begun.elapsed());
        // What was missed is not made up for, which would be a higher rate.
        due = (due + every).max(begun);
        while let Some(left) = due.checked_duration_since(Instant::now())
            && !left.is_zero()
        {
            thread::park_timeout(left);
        }
    }
    got
}

/// No ID came twice, and each thread got those of each machine ID in order. How many machine IDs there are.
fn check(got: &[Got]) -> usize {
    let mut all: Vec<u64> = Vec::new();
    for one in got {
        let mut last = [0; 4];
        for id in &one.ids {
            let last = &mut last[usize::try_from(fields(*id).1).unwrap()];
            assert!(id > last, "{id} after {last}");
            *last = *id;
        }
        all.extend(&one.ids);
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "an ID came twice");
    let machines: BTreeSet<u64> = all.iter().map(|id| fields(*id).1).collect();
    machines.len()
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} threads, {} s, {} kills of 3 servers: {} IDs of {} machine IDs, 0 errors, 0 twice, 0 out of order; longest call {} ms",
            self.threads,
            self.took.as_secs(),
            self.kills,
            self.ids,
            self.machines,
            self.longest.as_millis()
        )
    }
}
