//! A server that is asked for IDs without a pause while its clock is stepped, and what it replies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shardflake::clock::{Clock, SystemClock};
use shardflake::id::layout::Layout;
use shardflake::time::WallTime;

use crate::Fallible;
use crate::checker::{Checker, tick};
use crate::guest::Reply;
use crate::machine::{Lab, Machine};
use crate::random::Random;

pub(super) const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
// Classes of steps.
pub(super) const WITHIN: &str = "within 3 s";
pub(super) const BACK: &str = "back up to 5 s ahead";
pub(super) const BACK_FURTHER: &str = "back further";
pub(super) const WAY_BACK: &str = "the way back";
pub(super) const WAY_BACK_FROM_FURTHER: &str = "the way back from further";
pub(super) const WAY_BACK_AT_START: &str = "the way back after a start";
pub(super) const STROBING: &str = "strobing";
pub(super) const WHILE_DOWN: &str = "while it is down";
pub(super) const LEAP: &str = "leap second";
pub(super) const FORWARD: &str = "forward up to a day";
pub(super) const FORWARD_FURTHER: &str = "forward further";
pub(super) const TO_STAY: &str = "forward, to stay";

/// M: how far ahead of the clock IDs may be.
const MAX_AHEAD: Duration = Duration::from_secs(5);
/// How long a step forward has to stand at least.
const SETTLING: i64 = 30 * SECOND;
/// A longer window and deadline than by default: an emulated processor is slow, and it is the clock
/// that is to be seen here.
const SETTINGS: &str = "SHARDFLAKE_STATE__WINDOW=2500ms SHARDFLAKE_HTTP__DEADLINE=1s";
/// Requests under way at a time. So many replies may have been on their way when the clock was set.
const DEPTH: usize = 4;
/// What may be between the beginning of an ID's tick and its arrival.
const LATENCY: i64 = SECOND / 20;
/// So many IDs later a step that is followed at once has been.
const SOON: usize = 50;
/// So many replies later a step has long been noticed.
const ENOUGH: usize = 20_000;

/// Steps of one class, and the replies until the next step.
#[derive(Default)]
struct Class {
    steps: u64,
    served: u64,
    refused: BTreeMap<String, u64>,
    /// Of these, replies to what was asked for after the guest had answered that the clock is set.
    asked_after: u64,
    refused_after: u64,
}

impl Class {
    /// What is wrong with the replies of the class that is called `name`: most steps are not to be
    /// noticed by anybody who asks for IDs, and the way back from others is believed at once.
    fn unmet((name, class): (&&'static str, &Self)) -> Option<String> {
        let noticed = [BACK_FURTHER, STROBING, WHILE_DOWN, WAY_BACK_AT_START];
        if noticed.contains(name) {
            return None;
        }
        // Requests that were under way may still be told of the step before.
        if *name == WAY_BACK_FROM_FURTHER {
            let refused = class.refused_after;
            let text = format!("{name}: {refused} refusals of what was asked for after it");
            return (refused > 0).then_some(text);
        }
        let code = class.refused.keys().next()?;
        Some(format!("{name}: there were refusals with {code}"))
    }
}

/// What came out of a course.
#[derive(Default)]
pub(super) struct Report {
    classes: BTreeMap<&'static str, Class>,
    checkers: Vec<Checker>,
    violations: Vec<String>,
    /// How many IDs it took at the most to follow the clock.
    slowest: usize,
}

/// A running server, and where its clock is.
pub(super) struct Course {
    machine: Machine,
    checker: Checker,
    report: Report,
    class: &'static str,
    start: String,
    /// The guest's clocks at the last step: boot time before it, wall clock after it.
    stepped: (i64, i64),
    /// Replies since the guest answered that the clock is set; none while it is being set.
    since: Option<usize>,
    /// How long it took from switching the machine on to a server that has nothing to wait for.
    pub(super) began_in: Duration,
}

impl Course {
    /// Starts a server on a state directory of its own, with a clock that is the host's plus `skew`.
    pub(super) fn begin(lab: &Lab, name: &str, skew: i64, random: &mut Random) -> Fallible<Self> {
        let begun = Instant::now();
        let mut machine = lab.power_on(random, skew)?;
        machine.guest.shell("mount -t ext4 /dev/vda /data")?;
        let mut course = Self {
            machine,
            checker: Checker::default(),
            report: Report::default(),
            class: "undisturbed",
            start: format!("start SHARD_ID=1 {SETTINGS} --state-dir /data/{name}"),
            stepped: (0, 0),
            since: None,
            began_in: Duration::ZERO,
        };
        // Spares the start most of the wait for a new mark.
        let init = format!("/shardflake state init --shard-id 1 --state-dir /data/{name}");
        course.machine.guest.shell(&init)?;
        course.start()?;
        course.machine.guest.tell(&format!("flow {DEPTH}"))?;
        while course.reply()?.outcome.is_err() {}
        // It begins as far ahead as may be.
        course.calm()?;
        // What was refused until then is not the clock's doing.
        course.report = Report::default();
        course.began_in = begun.elapsed();
        Ok(course)
    }

    /// A course that begins so long before midnight that the day ends while it runs.
    pub(super) fn begin_before_midnight(
        lab: &Lab,
        name: &str,
        before: i64,
        random: &mut Random,
    ) -> Fallible<Self> {
        let now = SystemClock.realtime().as_nanos();
        let midnight = (now / DAY + 1) * DAY;
        Self::begin(lab, name, midnight - before - now, random)
    }

    pub(super) fn start(&mut self) -> Fallible<()> {
        let start = self.start.clone();
        self.machine.guest.tell(&start)?;
        Ok(())
    }

    /// Kills the server.
    pub(super) fn kill(&mut self) -> Fallible<()> {
        self.machine.guest.tell("stop SIGKILL")?;
        Ok(())
    }

    /// Cuts the power; returns what came out.
    pub(super) fn end(self) -> Fallible<Report> {
        let mut report = self.report;
        let mut checker = self.checker;
        for reply in self.machine.cut()?.replies() {
            checker.take(&reply);
        }
        report.checkers.push(checker);
        Ok(report)
    }

    /// Steps the clock by `delta`; replies from then on are of `class`.
    pub(super) fn step(&mut self, class: &'static str, delta: i64) -> Fallible<()> {
        self.since = None;
        let answer = self.machine.guest.tell(&format!("step {delta}"))?;
        self.set(class, 1, &answer)
    }

    /// Steps the clock `steps` times by `delta` to and fro, with pauses of so many nanoseconds.
    pub(super) fn strobe(&mut self, steps: u64, delta: i64, pause: i64) -> Fallible<()> {
        let command = format!("strobe {steps} {delta} {pause}");
        // What is received meanwhile is part of it.
        self.class = STROBING;
        self.since = None;
        let answer = self.machine.guest.tell(&command)?;
        self.set(STROBING, steps, &answer)
    }

    fn set(&mut self, class: &'static str, steps: u64, answer: &str) -> Fallible<()> {
        // What had been received before the clock was set.
        let before: Vec<Reply> = self.machine.guest.replies().collect();
        for reply in &before {
            self.count(reply);
        }
        let (boot, wall) = answer.split_once(' ').ok_or("no clocks in the answer")?;
        self.stepped = (boot.parse()?, wall.parse()?);
        self.class = class;
        self.since = Some(0);
        self.report.classes.entry(class).or_default().steps += steps;
        Ok(())
    }

    fn reply(&mut self) -> Fallible<Reply> {
        let reply = self.machine.guest.reply()?;
        self.count(&reply);
        Ok(reply)
    }

    fn count(&mut self, reply: &Reply) {
        self.checker.take(reply);
        if let Some(since) = &mut self.since {
            *since += 1;
        }
        let asked_after = self.was_asked_after();
        let class = self.report.classes.entry(self.class).or_default();
        match &reply.outcome {
            Ok(_) => class.served += 1,
            Err(code) => *class.refused.entry(code.clone()).or_default() += 1,
        }
        if !asked_after {
            return;
        }
        class.asked_after += 1;
        class.refused_after += u64::from(reply.outcome.is_err());
        if let Ok(id) = reply.outcome
            && tick(id) > furthest(reply)
        {
            self.blame(
                "an ID that was asked for after the step is more than 5 s ahead of the clock",
            );
        }
    }

    /// Whether the last reply is to what was asked for after the clock was set: others were under way.
    fn was_asked_after(&self) -> bool {
        self.since.is_some_and(|since| since > DEPTH)
    }

    fn blame(&mut self, text: &str) {
        let text = format!("{}: {text}", self.class);
        self.report.violations.push(text);
    }

    /// The next ID; nothing may refuse it.
    fn id(&mut self) -> Fallible<(u64, Reply)> {
        loop {
            let reply = self.reply()?;
            match &reply.outcome {
                Ok(id) => return Ok((*id, reply)),
                Err(code) => self.blame(&format!("refused with {code}, should be served")),
            }
        }
    }

    /// Takes `count` IDs, all of which have to be served.
    pub(super) fn serve(&mut self, count: usize) -> Fallible<()> {
        for _ in 0..count + DEPTH {
            self.id()?;
        }
        Ok(())
    }

    /// Takes IDs until they are as late as the clock, but for the time that a reply takes.
    pub(super) fn follow(&mut self) -> Fallible<()> {
        for count in 0..SOON {
            let (id, reply) = self.id()?;
            if tick(id) >= tick_at(reply.wall - LATENCY) {
                self.report.slowest = self.report.slowest.max(count);
                return self.serve(0);
            }
        }
        self.blame("the clock was not followed");
        Ok(())
    }

    /// Takes `count` IDs, which have to be at least `behind` nanoseconds behind the clock.
    pub(super) fn lag(&mut self, count: usize, behind: i64) -> Fallible<()> {
        // What was read before the clock was set is told of with the clock as it was.
        self.serve(0)?;
        for _ in 0..count {
            let (id, reply) = self.id()?;
            if tick(id) > tick_at(reply.wall - behind) + 1 {
                self.blame("a step that is in doubt was followed");
            }
        }
        Ok(())
    }

    /// Waits until the clock has caught up with the IDs.
    pub(super) fn calm(&mut self) -> Fallible<()> {
        loop {
            let (id, reply) = self.id()?;
            if tick(id) <= tick_at(reply.wall) {
                return Ok(());
            }
        }
    }

    /// Waits until requests are refused with `code`, and takes `count` replies, all of which have to be
    /// refused so.
    pub(super) fn refuse(&mut self, count: usize, code: &str) -> Fallible<()> {
        let wanted = |reply: &Reply| reply.outcome.as_ref().err().is_some_and(|err| err == code);
        let mut others = 0;
        loop {
            let reply = self.reply()?;
            if wanted(&reply) {
                break;
            }
            if reply.outcome.is_ok() && self.was_asked_after() {
                self.blame(&format!("an ID, should be refused with {code}"));
            }
            others += 1;
            if others == ENOUGH {
                self.blame(&format!("was not refused with {code}"));
                return Ok(());
            }
        }
        for _ in 0..count {
            let reply = self.reply()?;
            if !wanted(&reply) {
                self.blame(&format!(
                    "{:?}, should be refused with {code}",
                    reply.outcome
                ));
            }
        }
        Ok(())
    }

    /// Waits for the next ID, which must not be too far ahead of the clock.
    pub(super) fn recover(&mut self) -> Fallible<()> {
        for _ in 0..ENOUGH {
            let reply = self.reply()?;
            if let Ok(id) = reply.outcome {
                if tick(id) > furthest(&reply) {
                    self.blame("an ID is more than 5 s ahead of the clock");
                }
                return Ok(());
            }
        }
        Err(format!("{}: requests are refused and refused", self.class).into())
    }

    /// Steps forward by `size`, and stays there until that is followed.
    pub(super) fn stand(&mut self, size: i64) -> Fallible<()> {
        self.step(TO_STAY, size)?;
        let (boot, _) = self.stepped;
        self.serve(0)?;
        loop {
            let (id, reply) = self.id()?;
            if tick(id) >= tick_at(reply.wall - size / 2) {
                if reply.boot - boot < SETTLING.max(size / 100) {
                    self.blame("a step forward was followed too early");
                }
                return self.serve(20);
            }
        }
    }

    /// Has the kernel step the clock by `leap` at the end of the day.
    pub(super) fn leap(&mut self, status: u32, leap: i64) -> Fallible<()> {
        self.machine
            .guest
            .shell(&format!("/sbin/adjtimex --status {status}"))?;
        let (_, before) = self.id()?;
        if DAY - before.wall % DAY > HOUR {
            return Err("midnight was over before the first ID: this host is too slow".into());
        }
        loop {
            let (_, reply) = self.id()?;
            let stepped = (reply.wall - reply.boot) - (before.wall - before.boot);
            // Half of it: the two clocks are not read at one moment.
            if stepped / (leap / 2) >= 1 {
                break;
            }
            if reply.wall / DAY > before.wall / DAY && reply.wall % DAY > 3 * SECOND {
                return Err("the day ended without a leap second".into());
            }
        }
        self.set(LEAP, 1, &format!("0 {}", before.wall))?;
        self.serve(100)
    }

    /// How often the clock was stepped by more than 3 s, and stayed there for a while.
    pub(super) fn large_steps(&self) -> u64 {
        self.report.large_steps()
    }
}

impl Report {
    /// Adds what came out of another course.
    pub(super) fn join(&mut self, other: Self) {
        for (name, class) in other.classes {
            let known = self.classes.entry(name).or_default();
            known.steps += class.steps;
            known.served += class.served;
            known.asked_after += class.asked_after;
            known.refused_after += class.refused_after;
            for (code, count) in class.refused {
                *known.refused.entry(code).or_default() += count;
            }
        }
        self.slowest = self.slowest.max(other.slowest);
        self.checkers.extend(other.checkers);
        self.violations.extend(other.violations);
    }

    fn large_steps(&self) -> u64 {
        let all: u64 = self.classes.values().map(|class| class.steps).sum();
        all - self.steps(WITHIN) - self.steps(LEAP) - self.steps(STROBING)
    }

    fn steps(&self, name: &str) -> u64 {
        self.classes.get(name).map_or(0, |class| class.steps)
    }

    /// Prints the counts.
    ///
    /// # Errors
    /// If a step was not met as designed, or an ID was not as it has to be.
    pub(super) fn finish(self, small: u64, large: u64) -> Fallible<()> {
        for (name, class) in &self.classes {
            let (steps, served, refused) = (class.steps, class.served, &class.refused);
            let (after, away) = (class.asked_after, class.refused_after);
            let percent = 100 * away / after.max(1);
            println!(
                "{steps:4} steps {name}: {served} IDs, refusals {refused:?}; of {after} asked for after the step {away} refused ({percent} %)"
            );
        }
        let mut violations = self.violations.clone();
        violations.extend(self.classes.iter().filter_map(Class::unmet));
        println!(
            "{} IDs at the most until a step that is followed at once was",
            self.slowest
        );
        println!(
            "{} steps within 3 s, {} larger ones, {} of a strobing clock, {} leap seconds; {} not met as designed",
            self.steps(WITHIN),
            self.large_steps(),
            self.steps(STROBING),
            self.steps(LEAP),
            violations.len()
        );
        for violation in violations.iter().take(10) {
            println!("violation: {violation}");
        }
        if self.steps(WITHIN) < small || self.large_steps() < large {
            return Err("there were fewer steps than asked for".into());
        }
        for checker in self.checkers {
            checker.finish()?;
        }
        if violations.is_empty() {
            return Ok(());
        }
        Err("the clock was not met as designed".into())
    }
}

/// The furthest tick that an ID may have that was received when the clock read so.
fn furthest(reply: &Reply) -> u64 {
    tick_at(reply.wall) + Layout::SONYFLAKE.ticks(MAX_AHEAD)
}

/// The tick of a wall clock that reads `wall` nanoseconds.
fn tick_at(wall: i64) -> u64 {
    let wall = WallTime::from_nanos(wall);
    Layout::SONYFLAKE.tick_at(wall).unwrap_or(0)
}
