//! Runs histories on all cores: `scripts/sim --seeds N [--from S]`, or one: `--seed S`.

mod checker;
mod clock;
mod disk;
mod fault;
mod plan;
mod shard;
mod shrink;
mod trust;
mod volume;
mod world;

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fault::Fault;
use plan::Plan;
use world::Outcome;

/// What histories came to.
struct Total {
    histories: u64,
    incarnations: u64,
    between: u64,
    issued: u64,
    faults: [u64; Fault::ALL.len()],
    violations: u64,
}

/// What all histories came to.
#[derive(Default)]
struct Sum {
    inside: Total,
    /// Those in which a flush lied.
    outside: Total,
    /// The fewest incarnations, and the fewest kinds of fault, that a history had.
    fewest: Option<(u64, usize)>,
    failed: Option<u64>,
}

impl Default for Total {
    fn default() -> Self {
        Self {
            histories: 0,
            incarnations: 0,
            between: 0,
            issued: 0,
            faults: [0; Fault::ALL.len()],
            violations: 0,
        }
    }
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.incarnations += outcome.incarnations;
        self.between += outcome.between;
        self.issued += outcome.issued;
        for (sum, count) in self.faults.iter_mut().zip(outcome.faults) {
            *sum += count;
        }
        self.violations += u64::from(outcome.violation.is_some());
    }
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        let (incarnations, kinds) = self.fewest.unwrap_or((u64::MAX, usize::MAX));
        self.fewest = Some((
            incarnations.min(outcome.incarnations),
            kinds.min(outcome.kinds()),
        ));
        if outcome.fails() {
            self.failed = Some(self.failed.map_or(seed, |failed| failed.min(seed)));
        }
        let total = if outcome.outside {
            &mut self.outside
        } else {
            &mut self.inside
        };
        total.add(outcome);
    }

    fn histories(&self) -> u64 {
        self.inside.histories + self.outside.histories
    }

    /// A kind of fault that came about in fewer than one history in a hundred.
    fn scarce(&self) -> Option<Fault> {
        let times =
            |fault: &Fault| self.inside.faults[fault.index()] + self.outside.faults[fault.index()];
        let least = self.histories() / 100;
        Fault::ALL.into_iter().find(|fault| times(fault) < least)
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: scripts/sim --seeds N [--from S] | --seed S");
    ExitCode::from(64)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut from, mut seeds) = (0, None);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--seeds", Some(value)) => seeds = Some(value),
            ("--from", Some(value)) => from = value,
            ("--seed", Some(value)) => return one(value),
            _ => return usage(),
        }
    }
    let Some(seeds) = seeds else { return usage() };
    campaign(from, seeds)
}

/// Runs one history, and cuts it down if it fails.
fn one(seed: u64) -> ExitCode {
    let plan = Plan::of(seed);
    let outcome = world::run(&plan);
    println!("{outcome:#?}");
    if !outcome.fails() {
        return ExitCode::SUCCESS;
    }
    println!("{}", shrink::report(&plan));
    ExitCode::FAILURE
}

fn campaign(from: u64, seeds: u64) -> ExitCode {
    let begin = Instant::now();
    let sum = Mutex::new(Sum::default());
    let next = AtomicU64::new(from);
    let (end, stop) = (from + seeds, AtomicBool::new(false));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| work(&next, end, &stop, &sum)))
            .collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            progress(&sum.lock().unwrap(), seeds, begin);
            thread::park_timeout(Duration::from_millis(500));
        }
    });
    let sum = sum.into_inner().unwrap();
    progress(&sum, seeds, begin);
    report(&sum, begin)
}

fn work(next: &AtomicU64, end: u64, stop: &AtomicBool, sum: &Mutex<Sum>) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let outcome = world::run(&Plan::of(seed));
        let mut sum = sum.lock().unwrap();
        sum.add(seed, &outcome);
        stop.fetch_or(sum.failed.is_some(), Ordering::Relaxed);
    }
}

fn progress(sum: &Sum, seeds: u64, begin: Instant) {
    const WIDTH: u64 = 40;
    if !stderr().is_terminal() {
        return;
    }
    let done = usize::try_from(sum.histories() * WIDTH / seeds.max(1)).unwrap_or(0);
    let bar = "#".repeat(done);
    let _ = write!(
        stderr(),
        "\r[{bar:<40}] {} of {seeds}, {} IDs, {} s ",
        sum.histories(),
        sum.inside.issued,
        begin.elapsed().as_secs()
    );
}

fn report(sum: &Sum, begin: Instant) -> ExitCode {
    let millis = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    let rate = sum.histories() * 1000 / millis.max(1);
    eprintln!();
    let Sum {
        inside, outside, ..
    } = sum;
    let counted = Fault::ALL
        .iter()
        .filter(|fault| **fault != Fault::LyingFlush);
    for fault in counted {
        let what = if fault.is_operation() {
            ", by an operator"
        } else {
            ""
        };
        println!("{:>12} {fault:?}{what}", inside.faults[fault.index()]);
    }
    println!(
        "{} histories outside the promise ({} flushes lied), {} of them with a violation, none counted here",
        outside.histories,
        outside.faults[Fault::LyingFlush.index()],
        outside.violations
    );
    println!(
        "{} steps of a process in the middle of another one's",
        inside.between
    );
    if let Some((incarnations, kinds)) = sum.fewest {
        println!("each history: {incarnations} incarnations and {kinds} kinds of fault at least");
    }
    if let Some(seed) = sum.failed {
        println!("{}", shrink::report(&Plan::of(seed)));
    }
    println!(
        "{} histories, {} incarnations, {} IDs, {rate} seeds per second, {} violations",
        inside.histories, inside.incarnations, inside.issued, inside.violations
    );
    let scarce = sum.scarce();
    if let Some(fault) = scarce {
        println!("{fault:?} hardly happened: this proves nothing of it");
    }
    let is_small = sum
        .fewest
        .is_some_and(|(incarnations, kinds)| incarnations < 3 || kinds < 2);
    if sum.failed.is_some() || scarce.is_some() || is_small {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
