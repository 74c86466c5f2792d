//! The settings of an issuer: its layout, its machine IDs, and how far ahead IDs and bound may be.

use std::time::{Duration, SystemTime};

use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::mark::rules::{Invocation, Policy};
use crate::time::WallTime;

/// When this version of the library was made, 2026-11-01: a clock that reads less is wrong, and so is one
/// that reads twenty years more.
const RELEASED: WallTime = WallTime::from_nanos(1_793_491_200_000_000_000);

/// The layout and machine IDs of a shard, and how far ahead of the wall clock and of use it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The layout of the IDs.
    pub layout: Layout,
    /// The machine IDs to own.
    pub machines: MachineRange,
    /// M: how far ahead of the wall clock IDs may be issued.
    pub max_ahead: Duration,
    /// W: how far ahead of use the bound is kept.
    pub window: Duration,
    /// H: the longest that a request waits for its tick.
    pub deadline: Duration,
    /// The last tick that an operator lets the shard issue ahead of the wall clock.
    pub continue_ahead: Option<u64>,
}

impl Settings {
    /// Default of [`Settings::max_ahead`].
    pub const MAX_AHEAD: Duration = Duration::from_secs(5);
    /// Default of [`Settings::window`].
    pub const WINDOW: Duration = Duration::from_secs(1);
    /// Default of [`Settings::deadline`].
    pub const DEADLINE: Duration = Duration::from_millis(250);

    /// These settings for a shard that an operator lets issue ahead of the wall clock, up to the moment
    /// `until`.
    #[must_use]
    pub fn continuing_until(self, until: Option<SystemTime>) -> Self {
        let tick = |until: SystemTime| self.layout.tick_at(until.into()).unwrap_or(0);
        Self {
            continue_ahead: until.map(tick),
            ..self
        }
    }

    /// The policy for a start with these settings in the state directory that messages call `directory`.
    /// The rest of it is as lenient as can be: a mark may be made, the clock may be unsynchronised, and the
    /// commands in messages have no options.
    #[must_use]
    pub fn policy(&self, directory: String) -> Policy {
        Policy {
            directory,
            invocation: Invocation::default(),
            layout: self.layout,
            range: self.machines,
            max_ahead: self.layout.ticks(self.max_ahead),
            furthest: self.furthest(),
            usual: Self::usual_furthest(&self.layout),
            create: true,
            require_sync: false,
            build_date: RELEASED,
            continue_ahead: self.continue_ahead,
        }
    }

    /// Q = M + W + H in ticks, each the larger of its configured and its default value: no bound of this
    /// shard is further ahead of the wall clock, nor was one under the default settings.
    #[must_use]
    pub fn furthest(&self) -> u64 {
        let ticks = |configured: Duration, default| self.layout.ticks(configured.max(default));
        ticks(self.max_ahead, Self::MAX_AHEAD)
            + ticks(self.window, Self::WINDOW)
            + ticks(self.deadline, Self::DEADLINE)
    }

    /// [`Settings::furthest`] by the defaults.
    #[must_use]
    pub fn usual_furthest(layout: &Layout) -> u64 {
        let defaults = [Self::MAX_AHEAD, Self::WINDOW, Self::DEADLINE];
        defaults.map(|span| layout.ticks(span)).iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_was_made_when_it_says() {
        assert_eq!(RELEASED.to_string(), "2026-11-01T00:00:00.000Z");
    }

    #[test]
    fn no_setting_below_its_default_brings_the_furthest_bound_nearer() {
        let settings = |seconds| Settings {
            layout: Layout::SONYFLAKE,
            machines: "1".parse().unwrap(),
            max_ahead: Duration::from_secs(seconds),
            window: Duration::from_secs(seconds),
            deadline: Duration::from_secs(seconds),
            continue_ahead: None,
        };
        assert_eq!(settings(0).furthest(), 500 + 100 + 25);
        assert_eq!(settings(7).furthest(), 3 * 700);
        assert_eq!(Settings::usual_furthest(&Layout::SONYFLAKE), 625);
    }
}
