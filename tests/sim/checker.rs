//! What must hold of every history, checked as it goes on.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::Issued;
use shardflake::time::WallTime;
use shardflake::wide::Stamp;

use crate::volume::MACHINES;

/// Logs IDs as requests are answered with them.
#[derive(Clone)]
pub(crate) struct Checker {
    layout: Layout,
    issued: HashSet<u64>,
    stamped: HashSet<Stamp>,
    /// The largest stamp of a UUID or a ULID that any shard with this machine ID has returned.
    stamps: [Option<Stamp>; MACHINES as usize],
    /// The largest ID that any shard with this machine ID has returned.
    returned: [u64; MACHINES as usize],
    /// A flush has lied: what is wrong from now on is outside the promise.
    lied: bool,
    /// The first thing that was wrong.
    pub(crate) violation: Option<String>,
    /// Whether that was before any flush had lied.
    pub(crate) inside: bool,
    /// Differs if anything was issued differently.
    pub(crate) digest: u64,
}

/// What is known of the shard that issues.
pub(crate) struct Limits {
    pub(crate) range: MachineRange,
    /// No tick above it may leave: the bound that every crash would leave.
    pub(crate) durable: Option<u64>,
    /// No tick above it may leave: the wall clock that is followed, and M.
    pub(crate) furthest: u64,
    /// Whether a flush of the volume has lied.
    pub(crate) lied: bool,
}

impl Checker {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            issued: HashSet::new(),
            stamped: HashSet::new(),
            stamps: [None; MACHINES as usize],
            returned: [0; MACHINES as usize],
            lied: false,
            violation: None,
            inside: false,
            digest: 0,
        }
    }

    /// The largest ID returned so far that a new request of `range` must exceed.
    pub(crate) fn floor(&self, range: MachineRange) -> u64 {
        let floors = machines(range).map(|machine| self.returned[machine]);
        floors.max().unwrap_or(0)
    }

    /// An ID was issued to a request that was made when the floor was `floor`.
    pub(crate) fn issue(&mut self, issued: Issued, floor: u64, limits: &Limits) {
        let Issued { id, tick, machine } = issued;
        self.see(id, limits);
        if !self.issued.insert(id) {
            self.fail(format!("{id} was issued twice"));
        }
        if id <= floor {
            self.fail(format!(
                "{id} is not above {floor}, which was returned before it was asked for"
            ));
        }
        self.check_tick(tick, limits);
        let fields = self
            .layout
            .decompose(id)
            .map(|fields| (fields.time, fields.machine_id));
        if fields != Ok((tick, u64::from(machine)))
            || !(limits.range.first()..=limits.range.last()).contains(&machine)
        {
            self.fail(format!(
                "{id} is not of tick {tick} and machine ID {machine}"
            ));
        }
        for machine in machines(limits.range) {
            self.returned[machine] = self.returned[machine].max(id);
        }
    }

    /// The largest stamp returned so far that a new request of `range` must exceed.
    pub(crate) fn stamp_floor(&self, range: MachineRange) -> Option<Stamp> {
        let floors = machines(range).map(|machine| self.stamps[machine]);
        floors.max().flatten()
    }

    /// A stamp was issued to a request that was made when the floor was `floor`.
    pub(crate) fn stamp(&mut self, stamp: Stamp, floor: Option<Stamp>, limits: &Limits) {
        self.see(stamp.unix_ms << 20 | u64::from(stamp.counter), limits);
        // Without the machine ID: each range has its own, and a smaller one below it.
        let place = |stamp: Stamp| (stamp.unix_ms, stamp.counter);
        if !self.stamped.insert(stamp) {
            self.fail(format!("{stamp:?} was issued twice"));
        }
        if floor.is_some_and(|floor| place(stamp) <= place(floor)) {
            self.fail(format!(
                "{stamp:?} is not above {floor:?}, which was returned before it was asked for"
            ));
        }
        let time = WallTime::ZERO + Duration::from_millis(stamp.unix_ms);
        match self.layout.tick_at(time) {
            Some(tick) => self.check_tick(tick, limits),
            None => self.fail(format!("{stamp:?} is of no tick")),
        }
        if stamp.machine != limits.range.first() {
            self.fail(format!("{stamp:?} is of another machine ID"));
        }
        for machine in machines(limits.range) {
            let known = self.stamps[machine].filter(|known| place(*known) > place(stamp));
            self.stamps[machine] = Some(known.unwrap_or(stamp));
        }
    }

    /// Notes that `number` was issued.
    fn see(&mut self, number: u64, limits: &Limits) {
        self.lied |= limits.lied;
        self.digest = self.digest.rotate_left(5) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn check_tick(&mut self, tick: u64, limits: &Limits) {
        if limits.durable.is_none_or(|durable| tick > durable) {
            self.fail(format!(
                "tick {tick} is above the durable bound {:?}",
                limits.durable
            ));
        }
        if tick > limits.furthest {
            self.fail(format!(
                "tick {tick} is further ahead of the clock than {}",
                limits.furthest
            ));
        }
    }

    pub(crate) fn fail(&mut self, what: String) {
        if self.violation.is_none() {
            self.violation = Some(what);
            self.inside = !self.lied;
        }
    }

    /// A flush has lied.
    pub(crate) const fn lied(&mut self) {
        self.lied = true;
    }

    pub(crate) fn issued(&self) -> u64 {
        (self.issued.len() + self.stamped.len()) as u64
    }
}

impl Hash for Checker {
    /// Over what later checks depend on.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.returned.hash(hasher);
        self.stamps.hash(hasher);
    }
}

fn machines(range: MachineRange) -> impl Iterator<Item = usize> {
    (range.first()..=range.last()).map(|machine| machine as usize)
}
