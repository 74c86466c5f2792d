//! What must hold of every history, checked as it goes on.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use shardflake::id::{Layout, MachineRange};
use shardflake::issuer::Issued;

use crate::volume::MACHINES;

/// Logs IDs as requests are answered with them.
#[derive(Clone)]
pub(crate) struct Checker {
    layout: Layout,
    issued: HashSet<u64>,
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
        self.lied |= limits.lied;
        self.digest = self.digest.rotate_left(5) ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if !self.issued.insert(id) {
            self.fail(format!("{id} was issued twice"));
        }
        if id <= floor {
            self.fail(format!(
                "{id} is not above {floor}, which was returned before it was asked for"
            ));
        }
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
        self.issued.len() as u64
    }
}

impl Hash for Checker {
    /// Over what later checks depend on.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.returned.hash(hasher);
    }
}

fn machines(range: MachineRange) -> impl Iterator<Item = usize> {
    (range.first()..=range.last()).map(|machine| machine as usize)
}
