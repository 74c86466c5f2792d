//! Many IDs for one request, taken as their ticks come.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use super::request::{Turn, Wait};
use super::reserve::Delay;
use super::{Issuer, Refusal};
use crate::clock::Clock;
use crate::id::generator::Run;
use crate::time::BootTime;

/// How far ahead ticks are taken, or half a tick if that is longer: enough to make up for a timer
/// that wakes late, and so little that a single request beside it waits for one tick and a half, or
/// for a few milliseconds.
const AHEAD: Duration = Duration::from_millis(4);

/// The rest of a request for many IDs.
#[derive(Debug)]
pub struct Bulk {
    /// IDs that have yet to be reserved.
    left: u32,
    /// Reserved IDs, some of ticks that have yet to begin. Those left here when the request ends are
    /// never issued.
    reserved: VecDeque<Run>,
}

impl Bulk {
    /// A request for `count` IDs.
    #[must_use]
    pub const fn new(count: NonZeroU32) -> Self {
        Self {
            left: count.get(),
            reserved: VecDeque::new(),
        }
    }

    /// Whether all IDs have been issued, so that there is no next one.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left == 0 && self.reserved.is_empty()
    }

    /// Looks whether the next IDs are there, all of one tick; there are none after the last.
    ///
    /// # Errors
    /// [`Refusal`] if the shard may issue no more for now, or for ever; being saturated is no reason.
    pub(super) fn turn<C: Clock>(
        &mut self,
        issuer: &Issuer<C>,
    ) -> Result<Turn<Option<Run>>, Refusal> {
        let boot = issuer.clock.boottime();
        let delay = self.reserve(issuer, boot);
        let Some(tick) = self.reserved.front().map(Run::tick) else {
            return match delay {
                None => Ok(Turn::Over(None)),
                Some(delay) => Ok(Turn::Wait(Self::wait(issuer, boot, delay)?)),
            };
        };
        if let Some(left) = issuer.until_leave(tick, boot)? {
            return Ok(Turn::Wait(Wait::Sleep(left)));
        }
        let run = self.reserved.pop_front();
        let count = run.as_ref().map_or(0, Run::count);
        issuer.stats.ids_issued.add(u64::from(count));
        Ok(Turn::Over(run))
    }

    /// Reserves as many of the IDs that are left as can be had now.
    fn reserve<C: Clock>(&mut self, issuer: &Issuer<C>, boot: BootTime) -> Option<Delay> {
        let wanted = NonZeroU32::new(self.left)?;
        match issuer.reserve(boot, issuer.bulk_ahead(), wanted) {
            Ok(reservation) => {
                self.left -= reservation.count();
                self.reserved.extend(reservation.runs());
                None
            }
            Err(delay) => Some(delay),
        }
    }

    fn wait<C: Clock>(issuer: &Issuer<C>, boot: BootTime, delay: Delay) -> Result<Wait, Refusal> {
        let patience = issuer.settings.deadline;
        match delay {
            Delay::Refused(refusal) => Err(refusal),
            Delay::NotOpen => Ok(Wait::Opening(patience)),
            Delay::Bound(bound) => Ok(Wait::Bound(bound, patience)),
            Delay::Later(tick) => {
                let begins = issuer.timeline.until_begun(boot, tick);
                Ok(Wait::Sleep(begins.saturating_sub(issuer.bulk_ahead())))
            }
        }
    }
}

impl<C: Clock> Issuer<C> {
    /// How far ahead a request for many takes its IDs.
    pub(super) fn bulk_ahead(&self) -> Duration {
        AHEAD.max(self.layout().tick() / 2)
    }
}
