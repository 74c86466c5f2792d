//! Draws histories.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use fastrand::Rng;
use shardflake::time::SECOND;

use super::{Launch, Op, Plan, SETTINGS, Step};
use crate::fault::Fault;

/// Machine IDs that shards run with.
const RANGES: [(u32, u32); 7] = [(1, 1), (0, 1), (1, 2), (2, 2), (0, 3), (2, 4), (4, 5)];

/// A history while it is written.
struct Author {
    rng: Rng,
    faults: Vec<Fault>,
    range: (u32, u32),
    steps: Vec<Step>,
}

impl Plan {
    /// The history of `seed`: at least three incarnations and two kinds of fault.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut faults = Fault::ALL.to_vec();
        rng.shuffle(&mut faults);
        faults.truncate(rng.usize(2..=11));
        // A lost mark tells only when IDs are ahead of the clock, as crashes leave them.
        if faults.contains(&Fault::LostMark) && !faults.contains(&Fault::Kill) {
            faults.push(Fault::Kill);
        }
        // What lies is outside the promise; few histories are enough of it.
        if rng.u8(..4) > 0 {
            faults.retain(|fault| *fault != Fault::LyingFlush);
        }
        let snowflake = rng.u8(..3) == 0;
        let mut author = Author {
            faults,
            range: RANGES[rng.usize(..RANGES.len())],
            rng,
            steps: Vec::new(),
        };
        let incarnations = author.rng.u32(3..=6);
        for number in 0..incarnations {
            author.start_and_use(number == 0);
            if number + 1 == incarnations {
                author.make_two_kinds_sure();
            }
            author.end();
        }
        Self {
            seed,
            snowflake,
            steps: author.steps,
        }
    }
}

impl Author {
    fn push(&mut self, op: Op) {
        let luck = self.rng.u64(..);
        self.steps.push(Step { op, luck });
    }

    fn knows(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// A start, and some use with faults.
    fn start_and_use(&mut self, first: bool) {
        self.before_start();
        self.start(0);
        if self.knows(Fault::SecondOwner) && self.rng.bool() {
            // At the same moment.
            self.start(1);
        }
        // A new mark has to be waited for.
        let wait = if first || self.one_in(4) { 6500 } else { 20 };
        self.push(Op::Pass { ms: wait });
        for _ in 0..self.rng.u32(2..7) {
            self.use_it();
            if self.rng.u8(..3) > 0 {
                self.fault();
            }
        }
    }

    /// Adds faults to a history in which chance has left fewer than two kinds that come about
    /// whatever else happens. These do as something runs.
    fn make_two_kinds_sure(&mut self) {
        let mut sure: BTreeSet<_> = self
            .steps
            .iter()
            .filter_map(|step| step.op.fault())
            .filter(|fault| fault.is_sure())
            .collect();
        for fault in [Fault::Suspend, Fault::SlowKeeper] {
            if sure.len() < 2 && sure.insert(fault) {
                self.push(Op::Start(Launch::plain(0, self.range)));
                self.fault_of(fault);
                self.use_it();
            }
        }
    }

    fn start(&mut self, slot: usize) {
        if self.knows(Fault::RangeChange) && self.rng.bool() {
            self.range = RANGES[self.rng.usize(..RANGES.len())];
        }
        let settings = if self.knows(Fault::Settings) {
            self.rng.u8(..SETTINGS)
        } else {
            0
        };
        let namespace = if self.knows(Fault::TimeNamespace) {
            self.rng.u8(..3)
        } else {
            0
        };
        let ahead = self.knows(Fault::ContinueAhead) && self.one_in(3);
        let mut range = self.range;
        if slot == 1 && self.rng.bool() {
            // Some of the machine IDs, perhaps.
            range = RANGES[self.rng.usize(..RANGES.len())];
        }
        self.push(Op::Start(Launch {
            slot,
            range,
            settings,
            namespace,
            ahead,
        }));
    }

    fn use_it(&mut self) {
        let slot = usize::from(self.one_in(4));
        for _ in 0..self.rng.u32(1..5) {
            let count = self.rng.u32(1..240);
            match self.rng.u8(..9) {
                0 => {
                    let count = self.rng.u32(1..40);
                    self.push(Op::Ask { slot, count });
                }
                1 => self.ask_many(slot),
                _ => self.push(Op::Issue { slot, count }),
            }
            let ms = match self.rng.u8(..12) {
                0 => self.rng.i64(1000..5000),
                1..4 => self.rng.i64(100..700),
                _ => self.rng.i64(1..40),
            };
            self.push(Op::Pass { ms });
        }
        if self.one_in(150) {
            self.push(Op::Pass { ms: 65_000 });
        }
    }

    fn ask_many(&mut self, slot: usize) {
        let count = NonZeroU32::new(self.rng.u32(1..4000)).expect("at least one");
        self.push(Op::AskMany { slot, count });
    }

    /// What can happen only while nobody runs.
    fn before_start(&mut self) {
        if self.knows(Fault::LostMark) && self.one_in(3) {
            if self.rng.bool() {
                self.crash_loop();
            }
            self.push(Op::LoseMark);
        }
        if self.knows(Fault::Restored) && self.one_in(3) {
            self.push(Op::Restore);
            self.push(Op::Start(Launch::plain(0, self.range)));
            self.push(Op::Pass { ms: 100 });
            self.push(Op::Issue { slot: 0, count: 5 });
        }
        self.put_back();
        if self.knows(Fault::Init) && self.one_in(3) {
            let above_ms = self.rng.bool().then(|| self.rng.i64(-60_000..20_000));
            let calls = self.dies();
            self.push(Op::Init {
                range: self.range,
                above_ms,
                calls,
            });
        }
        if self.rng.bool() {
            let calls = self.dies();
            self.push(Op::Adopt {
                range: self.range,
                calls,
            });
        }
    }

    /// Older marks come back in the ways that no identity tells. Such a one hides most if the one that
    /// lived since was far ahead of the clock, as crashes leave it.
    fn put_back(&mut self) {
        if self.knows(Fault::MovedBack) && self.one_in(3) {
            self.push(Op::MoveAway);
            self.start(0);
            let ms = if self.rng.bool() { 6600 } else { 100 };
            self.push(Op::Pass { ms });
            self.crash_loop();
            let exchange = self.rng.bool();
            self.push(Op::MoveBack { exchange });
        }
        if self.knows(Fault::NotMounted) && self.one_in(3) {
            self.push(Op::Unmount);
            self.start(0);
            self.push(Op::Pass { ms: 6600 });
            self.crash_loop();
            self.push(Op::Mount);
        }
        for (fault, op) in [
            (Fault::Overwritten, Op::Overwrite),
            (Fault::Recreated, Op::Recreate),
        ] {
            if self.knows(fault) && self.one_in(3) {
                if self.rng.bool() {
                    self.crash_loop();
                }
                self.push(op);
            }
        }
    }

    /// At which call an operator's command dies, if it does.
    fn dies(&mut self) -> Option<u32> {
        let dies = self.knows(Fault::DiesHalfWay) && self.rng.bool();
        dies.then(|| self.rng.u32(..16))
    }

    /// Starts that end soon, each above the bound of the one before.
    fn crash_loop(&mut self) {
        for _ in 0..self.rng.u32(2..5) {
            self.start(0);
            self.push(Op::Pass { ms: 20 });
            let count = self.rng.u32(1..40);
            self.push(Op::Issue { slot: 0, count });
            let slot = 0;
            self.push(Op::Kill { slot, calls: None });
        }
    }

    fn end(&mut self) {
        let calls = self.rng.bool().then(|| self.rng.u32(..12));
        let kill = self.knows(Fault::Kill);
        let cut = self.knows(Fault::PowerCut);
        let slot = usize::from(self.knows(Fault::SecondOwner) && self.one_in(3));
        match self.rng.u8(..3) {
            0 if cut => self.push(Op::PowerCut { slot, calls }),
            1 if kill => {
                self.push(Op::Kill { slot, calls });
                if slot > 0 {
                    self.push(Op::Kill { slot: 0, calls });
                }
            }
            _ if cut && self.rng.bool() => self.push(Op::PowerCut { slot, calls: None }),
            _ => self.push(Op::Stop { slot: 0 }),
        }
    }

    fn fault(&mut self) {
        let fault = self.faults[self.rng.usize(..self.faults.len())];
        self.fault_of(fault);
    }

    fn fault_of(&mut self, fault: Fault) {
        match fault {
            // These are part of starts and ends.
            Fault::Kill
            | Fault::PowerCut
            | Fault::RangeChange
            | Fault::Settings
            | Fault::TimeNamespace
            | Fault::ContinueAhead
            | Fault::Init
            | Fault::NotMounted
            | Fault::MovedBack
            | Fault::DiesHalfWay
            | Fault::LostMark => {}
            Fault::Overwritten | Fault::Recreated => self.push(Op::BackUp),
            Fault::Touched => self.push(Op::Touch),
            Fault::Reboot => {
                self.push(Op::Reboot);
                self.start(0);
                self.push(Op::Pass { ms: 50 });
            }
            Fault::SecondOwner => {
                self.start(1);
                self.push(Op::Pass { ms: 150 });
                for slot in [1, 0, 1, 0] {
                    self.push(Op::Issue { slot, count: 20 });
                    let ms = self.rng.i64(1..30);
                    self.push(Op::Pass { ms });
                }
            }
            Fault::LookFails
            | Fault::ReadFails
            | Fault::WriteFails
            | Fault::FlushFails
            | Fault::DiskFull
            | Fault::LyingFlush => self.disk_fault(fault),
            Fault::BitRot => self.push(Op::Rot),
            Fault::DeletedLock => self.push(Op::DeleteLock),
            Fault::ReplacedMark => self.push(Op::ReplaceMark),
            Fault::Restored => self.push(Op::Snapshot),
            Fault::Cloned => self.push(Op::StartClone { range: self.range }),
            Fault::Freeze => {
                let ms = self.rng.i64(10..4000);
                self.push(Op::Ask { slot: 0, count: 20 });
                self.ask_many(0);
                self.push(Op::Freeze { slot: 0, ms });
            }
            Fault::SlowKeeper => {
                let ms = self.rng.i64(100..4000);
                self.push(Op::SlowKeeper { ms });
            }
            _ => self.clock_fault(fault),
        }
    }

    fn disk_fault(&mut self, fault: Fault) {
        match fault {
            Fault::DiskFull => {
                let full = self.rng.u8(..3) > 0;
                self.push(Op::Full(full));
            }
            Fault::LyingFlush => self.push(Op::Lie(true)),
            _ => {
                let count = self.rng.u32(1..6);
                let of = |kind| if fault == kind { count } else { 0 };
                self.push(Op::Fail {
                    looks: of(Fault::LookFails),
                    reads: of(Fault::ReadFails),
                    writes: of(Fault::WriteFails),
                    flushes: of(Fault::FlushFails),
                });
                if matches!(fault, Fault::ReadFails | Fault::LookFails) {
                    // Marks are read at starts.
                    self.push(Op::Stop { slot: 0 });
                    self.start(0);
                }
                self.push(Op::Pass { ms: 700 });
            }
        }
    }

    fn clock_fault(&mut self, fault: Fault) {
        let seen = self.rng.u8(..4) > 0;
        let nanos = self.some_time();
        match fault {
            Fault::ClockBack => self.push(Op::Clock {
                nanos: -nanos,
                seen,
            }),
            Fault::ClockForward => self.push(Op::Clock { nanos, seen }),
            Fault::ClockFar => {
                let sign = if self.rng.bool() { 1 } else { -1 };
                let nanos = sign * (self.rng.i64(1..=40) * 24 * 3600 + 1) * SECOND.as_nanos();
                self.push(Op::Clock { nanos, seen });
                if self.rng.u8(..4) == 0 {
                    // As long as the largest step has to stand.
                    let ms = self.rng.i64(850_000..880_000);
                    self.push(Op::Pass { ms: 300 });
                    self.push(Op::Suspend { ms });
                }
                if self.rng.bool() {
                    self.push(Op::Pass { ms: 300 });
                    self.push(Op::Issue { slot: 0, count: 9 });
                    self.push(Op::Clock {
                        nanos: -nanos,
                        seen,
                    });
                }
            }
            Fault::Strobe => {
                let times = self.rng.u32(2..12);
                self.push(Op::Ask { slot: 0, count: 30 });
                self.ask_many(0);
                self.push(Op::Strobe {
                    nanos: nanos.min((3 * SECOND).as_nanos()),
                    times,
                });
            }
            Fault::ClockStops => {
                let ms = self.rng.i64(100..3000);
                self.push(Op::StopClock { ms });
            }
            Fault::Slew => {
                let sign = if self.rng.bool() { 1 } else { -1 };
                let ppm = sign * self.rng.i64(1..=500);
                self.push(Op::Slew { ppm });
            }
            Fault::Suspend => {
                let ms = self.rng.i64(100..100_000);
                self.push(Op::Suspend { ms });
            }
            _ => {
                let ahead_ms = self.rng.i64(0..100_000_000);
                self.push(Op::AcceptClock { ahead_ms });
            }
        }
    }

    /// A span from milliseconds to hours, as likely of any length.
    fn some_time(&mut self) -> i64 {
        let millis = match self.rng.u8(..4) {
            0 => self.rng.i64(1..900),
            1 => self.rng.i64(900..5000),
            2 => self.rng.i64(5000..60_000),
            _ => self.rng.i64(60_000..8_000_000),
        };
        millis * 1_000_000
    }
}
