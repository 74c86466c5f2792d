//! The end of a history: all faults end, and what it came to.

use shardflake::clock::Clock;
use shardflake::time::SECOND;

use shardflake::mark::MarkError;
use shardflake::mark::rules::Refused;

use super::{CLONE, Outcome, World};
use crate::fault::Fault;
use crate::plan::Launch;
use crate::volume::{Effects, Trouble};

impl World {
    /// All faults end. A shard must serve then, once an operator has adopted what wants it.
    pub(super) async fn end(mut self) -> Outcome {
        // What was taken for durable and was not is outside the promise.
        if !self.lied() {
            self.recover().await;
        }
        let lied = self.lied();
        self.processes.clear();
        self.count_trouble();
        let checker = self.checker.lock().unwrap();
        Outcome {
            issued: checker.issued(),
            incarnations: self.incarnations,
            between: self.processes.between(),
            faults: self.faults,
            violation: checker.violation.clone(),
            outside: lied && !checker.inside,
            digest: checker.digest,
        }
    }

    /// Counts what was wrong with the volume and came about.
    fn count_trouble(&mut self) {
        let Effects {
            looks,
            reads,
            writes,
            flushes,
            full,
            lies,
        } = self.volume.volume().effects;
        for (fault, count) in [
            (Fault::LookFails, looks),
            (Fault::ReadFails, reads),
            (Fault::WriteFails, writes),
            (Fault::FlushFails, flushes),
            (Fault::DiskFull, full),
            (Fault::LyingFlush, lies),
        ] {
            self.faults[fault.index()] += count;
        }
    }

    /// Whether a flush has lied.
    fn lied(&self) -> bool {
        self.volume.volume().effects.lies > 0
    }

    /// Something is wrong that no ID tells.
    pub(super) fn fail(&self, what: String) {
        let mut checker = self.checker.lock().unwrap();
        if self.lied() {
            checker.lied();
        }
        checker.fail(what);
    }

    /// Judges processes that ended by themselves: what was never wrong is not to be refused.
    pub(super) fn judge_ends(&mut self) {
        for (slot, error) in self.processes.ended() {
            if !self.explains(slot, &error) {
                self.fail(format!("ended without a reason: {error}"));
            }
        }
    }

    /// Whether anything that has happened is a reason to end with that error.
    fn explains(&self, slot: usize, error: &MarkError) -> bool {
        let happened = |fault: Fault| self.faults[fault.index()] > 0;
        match error {
            MarkError::Refused(Refused::Copied { .. }) => {
                slot == CLONE
                    || happened(Fault::Restored)
                    || happened(Fault::ReplacedMark)
                    || happened(Fault::Recreated)
                    || happened(Fault::Overwritten)
            }
            // Two starts that each hold another lock file may give one name to what the other is about to
            // write; if that fails, there is no slot to read.
            MarkError::Refused(Refused::Damaged { .. }) => {
                let both_make_it = happened(Fault::DeletedLock) && happened(Fault::SecondOwner);
                happened(Fault::BitRot) || both_make_it
            }
            MarkError::Held { .. } => happened(Fault::SecondOwner),
            // Its patience may have passed while the machine slept.
            MarkError::Busy { .. } => self.processes.between() > 0,
            MarkError::Replaced { .. } => [
                Fault::DeletedLock,
                Fault::ReplacedMark,
                Fault::Restored,
                Fault::LostMark,
                Fault::Recreated,
                Fault::MovedBack,
                Fault::NotMounted,
            ]
            .into_iter()
            .any(happened),
            // The exact mark was not written.
            MarkError::Io { .. } => self.volume.volume().effects.failures() > 0,
            _ => false,
        }
    }

    async fn recover(&mut self) {
        self.processes.clear();
        self.mount();
        self.volume.volume().trouble = Trouble::default();
        self.ppm = 0;
        self.boot();
        // The latest time that was, or was let be.
        let back = self.latest + 30 * SECOND - self.clock.realtime();
        self.clock.step(back, true);
        self.noted();
        self.floor_lost = false;
        let range = self.last_range;
        self.adopt(range, None);
        self.start(Launch::plain(0, range));
        // The longest that a start may take: behind an adopted bound, then for a new mark.
        self.pass(30 * SECOND).await;
        let before = self.issued();
        self.issue(0, 1).await;
        if self.issued() == before {
            let place = self.processes.at(0);
            let health = place.as_ref().map(|shard| shard.common.issuer.health());
            drop(place);
            self.fail(format!(
                "does not serve when all faults have ended: {health:?}"
            ));
        }
    }

    fn issued(&self) -> u64 {
        self.checker.lock().unwrap().issued()
    }
}
