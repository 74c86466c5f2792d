//! How late a wall clock a shard may follow, by the rules and apart from the code that keeps them.
//!
//! It errs on the late side where the rules leave a choice, as in where a step is measured from.

use shardflake::clock::SECOND;

/// A step forward up to this is believed at once.
const SMALL: i64 = SECOND;
/// No larger one is believed without an operator.
const LARGE: i64 = 24 * 3600 * SECOND;
/// How long a step forward must stand at least, and how long an offset is in use before it is
/// where steps are measured from.
const SETTLING: i64 = 30 * SECOND;

/// What a process may believe of the wall clock; all offsets are to the boot clock.
pub(crate) struct Trust {
    /// What the wall clock has been, and from when on.
    seen: Vec<(i64, i64)>,
    /// What was believed, and from when on, not long ago.
    believed: Vec<(i64, i64)>,
    /// The latest that steps forward may be measured from.
    settled: i64,
    offset: i64,
    /// The latest wall clock that an operator has accepted.
    accepted: i64,
    /// The wall time up to which numbers may be gone: where the highest bound ends.
    gone: i64,
}

/// What may be believed beside what the clock itself shows.
pub(crate) struct Known {
    /// The wall clock that an operator accepts.
    pub(crate) accepted: Option<i64>,
    /// Where the durable bound ends, in wall time.
    pub(crate) gone: Option<i64>,
    /// M: IDs further ahead of the clock than this are not issued.
    pub(crate) max_ahead: i64,
}

impl Trust {
    pub(crate) const fn new(offset: i64) -> Self {
        Self {
            seen: Vec::new(),
            believed: Vec::new(),
            settled: offset,
            offset,
            accepted: 0,
            gone: 0,
        }
    }

    /// The furthest offset that may be followed.
    pub(crate) const fn offset(&self) -> i64 {
        self.offset
    }

    /// A start that has issued nothing may take the clock as it is, and measure steps from what the
    /// marks tell of this boot.
    pub(crate) fn start(&mut self, offset: i64, marked: Option<i64>) {
        self.settled = self.settled.max(offset).max(marked.unwrap_or(offset));
        self.offset = offset;
    }

    /// At boot time `boot` the wall clock is seen at `offset` to it.
    pub(crate) fn see(&mut self, boot: i64, offset: i64, known: &Known) {
        self.accepted = self.accepted.max(known.accepted.unwrap_or(0));
        self.gone = self.gone.max(known.gone.unwrap_or(0));
        let settled = self
            .believed
            .extract_if(.., |(since, _)| boot - *since >= SETTLING);
        self.settled = settled
            .map(|(_, offset)| offset)
            .fold(self.settled, i64::max);
        if self.seen.last().is_none_or(|(_, last)| *last != offset) {
            self.seen.push((boot, offset));
        }
        let step = offset - self.offset;
        let stood = step <= LARGE && boot - self.stands_since(offset) >= SETTLING.max(step / 100);
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
    fn stands_since(&self, offset: i64) -> i64 {
        let near = self
            .seen
            .iter()
            .rev()
            .take_while(|(_, seen)| (offset - seen).abs() < 2 * SECOND);
        near.last().map_or(i64::MAX, |(since, _)| *since)
    }
}
