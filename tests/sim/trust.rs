//! How late a wall clock a shard may follow, by the rules and apart from the code that keeps them.
//!
//! It errs on the late side where the rules leave a choice, as in where a step is measured from.

use std::time::Duration;

use shardflake::time::{BootTime, Offset, SECOND, TimeDelta, WallTime};

/// A step forward up to this is believed at once.
const SMALL: TimeDelta = SECOND;
/// A larger one is believed if the kernel says meanwhile that the clock is synchronised, or an operator
/// says so.
const LARGE: TimeDelta = TimeDelta::from_secs(24 * 3600);
/// How long a step forward must stand at least, and how long an offset is in use before it is
/// where steps are measured from.
const SETTLING: TimeDelta = TimeDelta::from_secs(30);
/// Before every offset.
const NONE: Offset = Offset::from_nanos(i64::MIN);

/// What a process may believe of the wall clock; all offsets are to the boot clock.
pub(crate) struct Trust {
    /// What the wall clock has been.
    seen: Vec<Seen>,
    /// What was believed, and from when on, not long ago.
    believed: Vec<(BootTime, Offset)>,
    /// The latest that steps forward may be measured from.
    settled: Offset,
    offset: Offset,
    /// The latest wall clock that an operator has accepted.
    accepted: WallTime,
    /// The wall time up to which numbers may be gone: where the highest bound ends.
    gone: WallTime,
    /// Whether a start goes by what the marks tell, as the clock is further on.
    lags: bool,
}

/// The wall clock from some boot time on.
struct Seen {
    since: BootTime,
    offset: Offset,
    synchronised: bool,
}

/// What may be believed beside what the clock itself shows.
pub(crate) struct Known {
    /// The wall clock that an operator accepts.
    pub(crate) accepted: Option<WallTime>,
    /// What the kernel says.
    pub(crate) synchronised: bool,
    /// Where the durable bound ends, in wall time.
    pub(crate) gone: Option<WallTime>,
    /// M: IDs further ahead of the clock than this are not issued.
    pub(crate) max_ahead: Duration,
}

impl Trust {
    /// Nothing, before the first look of a start.
    pub(crate) const fn new() -> Self {
        Self {
            seen: Vec::new(),
            believed: Vec::new(),
            settled: NONE,
            offset: NONE,
            accepted: WallTime::ZERO,
            gone: WallTime::ZERO,
            lags: false,
        }
    }

    /// The furthest offset that may be followed.
    pub(crate) const fn offset(&self) -> Offset {
        self.offset
    }

    /// A start that has issued nothing measures steps from what the marks tell of this boot, or from
    /// where the highest bound ends if that is later. If they tell nothing it may take the clock as it is.
    pub(crate) fn start(
        &mut self,
        boot: BootTime,
        offset: Offset,
        marked: Option<Offset>,
        known: &Known,
    ) {
        let used = known.gone.map_or(NONE, |gone| offset.min(gone - boot));
        match marked.map(|marked| marked.max(used)) {
            Some(marked) if offset - marked > SMALL => {
                self.settled = self.settled.max(marked);
                // What has stood meanwhile stays believed.
                self.offset = if self.lags {
                    self.offset.max(marked)
                } else {
                    marked
                };
                self.lags = true;
            }
            marked => {
                self.settled = self.settled.max(offset).max(marked.unwrap_or(offset));
                self.offset = offset;
                self.lags = false;
            }
        }
    }

    /// At boot time `boot` the wall clock is seen at `offset` to it.
    pub(crate) fn see(&mut self, boot: BootTime, offset: Offset, known: &Known) {
        self.accepted = self.accepted.max(known.accepted.unwrap_or_default());
        self.gone = self.gone.max(known.gone.unwrap_or_default());
        let settled = self
            .believed
            .extract_if(.., |(since, _)| boot - *since >= SETTLING);
        self.settled = settled
            .map(|(_, offset)| offset)
            .fold(self.settled, Offset::max);
        let synchronised = known.synchronised;
        let is_known = |last: &Seen| (last.offset, last.synchronised) == (offset, synchronised);
        if !self.seen.last().is_some_and(is_known) {
            self.seen.push(Seen {
                since: boot,
                offset,
                synchronised,
            });
        }
        let step = offset - self.offset;
        let since = self.stands_since(offset, step > LARGE);
        let stood = boot - since >= SETTLING.max(step.min(LARGE) / 100);
        let told = boot + offset <= self.accepted;
        if stood || told || offset <= self.settled + SMALL {
            if self.offset != offset {
                self.believed.push((boot, offset));
            }
            self.offset = offset;
            return;
        }
        // A shard that may not issue for its lead loses nothing by following up to where it stands.
        let reached = offset.min(self.gone - boot);
        if self.gone > boot + self.offset + known.max_ahead && reached > self.offset {
            self.believed.push((boot, reached));
            self.offset = reached;
        }
    }

    /// Since when the wall clock has been near `offset`. One that moves by a second has not stood;
    /// two that have each moved by less may be nearly two apart.
    fn stands_since(&self, offset: Offset, synchronised: bool) -> BootTime {
        let stands = |seen: &&Seen| {
            (offset - seen.offset).abs() < 2 * SECOND && (seen.synchronised || !synchronised)
        };
        let near = self.seen.iter().rev().take_while(stands);
        near.last().map_or(BootTime::MAX, |seen| seen.since)
    }
}
