//! The keeper's time: which clock a start believes, and up to when an operator takes it for right.

use std::time::Duration;

use super::{Event, Keeper};
use crate::clock::{Clock, Follower, Verdict};
use crate::mark::accepted_until;
use crate::mark::rules::{Now, Seen, View};
use crate::mark::slot::Moment;
use crate::mark::storage::Storage;
use crate::time::{BootTime, Offset, SECOND, WallTime};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl<S: Storage + Clone, C: Clock> Keeper<S, C> {
    /// R20: follows the clock while the start waits. In the boot that wrote the mark, a step forward is
    /// measured from the mark's offset, or from where the bound ends if that is later: up to there the
    /// start issues nothing anyway, so that following costs nothing. In any other boot the clock is taken
    /// as it reads, and the rules judge whether it is plausible.
    pub(super) fn follow_clock(&mut self, view: &View) {
        self.accept();
        let clock = &self.issuer.clock;
        let (boot, offset) = (clock.boottime(), clock.offset());
        let used = self.end_of_bound(view).map(|used| offset.min(used - boot));
        let marked = self.trusted.or_else(|| self.trusted_by_mark(view, boot));
        let mut kept = self.trusted;
        self.issuer.following.restart(|known| {
            let mut trusted = marked;
            // What is followed now has stood; and the bound does not move on with the clock.
            for later in [known, used].into_iter().flatten() {
                if trusted.is_some_and(|was| later - was > SECOND) {
                    trusted = Some(later);
                    kept = trusted;
                }
            }
            match trusted.filter(|trusted| offset - *trusted > SECOND) {
                Some(trusted) if known == Some(trusted) => None,
                Some(trusted) => Some(Follower::new(boot, trusted)),
                // Measured from the mark all the same, or small steps would add up.
                None => Some(Follower::since(boot, offset, trusted.unwrap_or(offset))),
            }
        });
        self.trusted = kept;
        self.issuer.observe_clock();
    }

    /// When the first tick above every bound begins.
    fn end_of_bound(&self, view: &View) -> Option<WallTime> {
        let bound = view.overlapping.iter().filter_map(Seen::bound).max()?;
        Some(self.issuer.timeline.moment_of(bound + 1))
    }

    /// Reads an operator's word on the clock, for the next look at the clock. An error is reported
    /// once, and counts as if nothing had been said.
    pub(super) fn accept(&mut self) {
        self.accepted = match accepted_until(&self.storage) {
            Ok(until) => {
                self.unread = None;
                until
            }
            Err(error) => {
                if self.unread.as_ref() != Some(&error) {
                    self.issuer.tell(&Event::AcceptUnread(error.clone()));
                    self.unread = Some(error);
                }
                None
            }
        };
        self.issuer.following.accept(self.accepted);
    }

    /// The clock's offset at the newest moment of this boot in the marks.
    fn trusted_by_mark(&self, view: &View, boot: BootTime) -> Option<Offset> {
        // Where the kernel does not name the boot, all boots look the same.
        let boot_id = self.author.moment.boot_id;
        if boot_id.0 == [0; 16] {
            return None;
        }
        view.overlapping
            .iter()
            .flat_map(Seen::valid)
            .map(|slot| slot.written)
            .filter(|written| written.boot_id == boot_id && written.boot <= boot)
            .max_by_key(|written| written.boot)
            .map(|written| written.wall - written.boot)
    }

    pub(super) fn now(&self) -> Now {
        let (offset, verdict) = self.issuer.following.state();
        let doubted = match verdict {
            Verdict::Followed => None,
            Verdict::Pending { step, left } => Some((step, Some(left))),
            Verdict::Alarm { step } => Some((step, None)),
        };
        let clock = &self.issuer.clock;
        Now {
            wall: clock.boottime() + offset,
            doubted,
            synchronised: clock.synchronised(),
            accept_until: self.accepted,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        let boot = self.issuer.clock.boottime();
        Moment {
            wall: boot + self.issuer.timeline.offset(),
            boot,
            boot_id: self.author.moment.boot_id,
        }
    }

    pub(super) fn warn_of_end(&mut self) {
        let issuer = &self.issuer;
        let now = issuer.timeline.wall_tick(issuer.clock.boottime());
        let left = issuer.span(issuer.layout().max_tick().saturating_sub(now));
        if left < YEAR && !self.warned_of_end {
            self.warned_of_end = true;
            let end = self.issuer.end_of_time_field();
            self.issuer.tell(&Event::TimeFieldEnding { left, end });
        }
    }
}
