//! Which steps of the wall clock to believe. Pure: readings come in, a verdict goes out.
//!
//! IDs follow the boot clock plus an offset, which only steps of the wall clock change. A step back is
//! followed at once: the generator never goes back, so that the shard can at worst have to wait. A step
//! forward uses up all ticks that it skips: were it wrong, a shard that followed it would issue nothing,
//! once the clock is right again, until time has caught up, be that after years. So a step of more than a
//! second is followed only once it has stood for a hundredth of its length, 30 s to 864 s; one of more than
//! a day, only if the kernel calls the clock synchronised all the while. An operator's word makes it
//! followed at once. Until then IDs lag behind the wall clock, which costs nothing but wrong times in them.

use std::time::Duration;

use crate::time::{BootTime, Offset, SECOND, TimeDelta, WallTime};

/// Differences below this are the noise of reading two clocks one after the other.
const NOISE: TimeDelta = TimeDelta::from_nanos(1_000_000);
/// A step forward up to this is believed at once.
const SMALL: TimeDelta = SECOND;
/// A step forward up to this is believed once it has stood for a while; a larger one has to be
/// vouched for, by the kernel or by an operator.
const LARGE: TimeDelta = TimeDelta::from_secs(24 * 3600);
/// How long an offset must stand at least before it is trusted.
const SETTLING: Duration = Duration::from_secs(30);

/// Follows the offset of the wall clock to the boot clock.
///
/// A step forward is measured from the last offset that was in use for `SETTLING`. Many small steps in a
/// row therefore count as the large one that they add up to, and a clock that was set back by mistake is
/// believed at once if it returns within that time. If it returns later, it is believed at once as far as
/// IDs were issued already: see [`Follower::catch_up`].
#[derive(Debug, Clone)]
pub struct Follower {
    /// The offset in use.
    accepted: Offset,
    /// Since when it is in use.
    since: BootTime,
    /// The last offset that was in use for [`SETTLING`], from which steps forward are measured.
    settled: Offset,
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    offset: Offset,
    since: BootTime,
}

/// A change of the offset that an observation brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The wall clock was set back by this much, and is followed.
    Back(Duration),
    /// The wall clock was set forward by this much, and is followed.
    Forward(Duration),
    /// The wall clock was set forward by this much, and is not followed yet.
    Doubted(Duration),
}

/// How the offset stands after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The wall clock is followed.
    Followed,
    /// It was set forward by `step`, and will be followed after `left` if it stays.
    Pending {
        /// How far it is ahead of the offset in use.
        step: Duration,
        /// How long it still has to stand.
        left: Duration,
    },
    /// It was set forward by more than a day, and nobody vouches for it.
    Alarm {
        /// How far it is ahead of the offset in use.
        step: Duration,
    },
}

/// The reasons to believe the wall clock as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assurance {
    /// An operator's word that it is right up to then.
    pub accept_until: Option<WallTime>,
    /// Whether the kernel says that it is synchronised. Setting the clock by hand ends that, and
    /// time synchronisation restores it.
    pub synchronised: bool,
}

impl Follower {
    /// Follows the clock from `offset`, trusted, at `boot`.
    #[must_use]
    pub const fn new(boot: BootTime, offset: Offset) -> Self {
        Self::since(boot, offset, offset)
    }

    /// Follows the clock from `offset` at `boot`; steps forward are measured from `settled`.
    #[must_use]
    pub const fn since(boot: BootTime, offset: Offset, settled: Offset) -> Self {
        Self {
            accepted: offset,
            since: boot,
            settled,
            pending: None,
        }
    }

    /// The offset in use.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.accepted
    }

    /// Judges a reading: at `boot` the wall clock stood at `boot + observed`, and `assurance` speaks for it.
    pub fn observe(
        &mut self,
        boot: BootTime,
        observed: Offset,
        assurance: Assurance,
    ) -> (Verdict, Option<Step>) {
        if boot.since(self.since) >= SETTLING {
            self.settled = self.accepted;
        }
        let step = observed - self.accepted;
        if step.abs() < NOISE {
            self.pending = None;
            return (Verdict::Followed, None);
        }
        if step.is_negative() {
            self.follow(boot, observed);
            return (Verdict::Followed, Some(Step::Back(step.length())));
        }
        let told = assurance
            .accept_until
            .is_some_and(|until| boot + observed <= until);
        if told || observed - self.settled <= SMALL {
            self.follow(boot, observed);
            return (Verdict::Followed, Some(Step::Forward(step.length())));
        }
        self.doubt(boot, observed, step, assurance.synchronised)
    }

    /// Follows a wall clock that stands at `boot + observed` at once, though no further than to `used`: all
    /// ticks before that are used up already, so that following costs none. To be called before [`Follower::observe`], which judges the rest at the next look;
    /// `None` if there is nothing to catch up with, or if the whole step is believed anyway.
    pub fn catch_up(&mut self, boot: BootTime, observed: Offset, used: WallTime) -> Option<Step> {
        let reached = observed.min(used - boot);
        let step = reached - self.accepted;
        if step < NOISE || observed - self.settled <= SMALL {
            return None;
        }
        self.follow(boot, reached);
        Some(Step::Forward(step.length()))
    }

    fn doubt(
        &mut self,
        boot: BootTime,
        observed: Offset,
        step: TimeDelta,
        synchronised: bool,
    ) -> (Verdict, Option<Step>) {
        let known = self
            .pending
            .filter(|pending| (observed - pending.offset).abs() < SMALL);
        // What nobody vouches for does not begin to stand.
        let stands = step <= LARGE || synchronised;
        let since = known
            .filter(|_| stands)
            .map_or(boot, |pending| pending.since);
        self.pending = Some(Pending {
            offset: known.map_or(observed, |pending| pending.offset),
            since,
        });
        let news = known.is_none().then(|| Step::Doubted(step.length()));
        if !stands {
            let step = step.length();
            return (Verdict::Alarm { step }, news);
        }
        let until = since + SETTLING.max(step.min(LARGE).forward() / 100);
        if boot >= until {
            self.follow(boot, observed);
            return (Verdict::Followed, Some(Step::Forward(step.length())));
        }
        let verdict = Verdict::Pending {
            step: step.length(),
            left: until.since(boot),
        };
        (verdict, news)
    }

    fn follow(&mut self, boot: BootTime, observed: Offset) {
        self.accepted = observed;
        self.since = boot;
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: TimeDelta = TimeDelta::ZERO;
    const NANO: TimeDelta = TimeDelta::from_nanos(1);
    const DAY: TimeDelta = TimeDelta::from_secs(24 * 3600);
    const NOTHING: Assurance = Assurance {
        accept_until: None,
        synchronised: false,
    };
    const SYNCHRONISED: Assurance = Assurance {
        accept_until: None,
        synchronised: true,
    };

    fn at_zero() -> Follower {
        Follower::new(BootTime::ZERO, Offset::default())
    }

    impl Follower {
        /// Observes the wall clock at `offset` when the machine has been up for `up`.
        fn sees(
            &mut self,
            up: TimeDelta,
            offset: TimeDelta,
            assurance: Assurance,
        ) -> (Verdict, Option<Step>) {
            let observed = Offset::default() + offset;
            self.observe(BootTime::ZERO + up, observed, assurance)
        }

        fn catches_up(
            &mut self,
            up: TimeDelta,
            offset: TimeDelta,
            used: TimeDelta,
        ) -> Option<Step> {
            let observed = Offset::default() + offset;
            self.catch_up(BootTime::ZERO + up, observed, WallTime::ZERO + used)
        }

        fn follows(&self) -> TimeDelta {
            self.offset() - Offset::default()
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn noise_is_not_a_step() {
        let mut follower = at_zero();
        assert_eq!(
            follower.sees(SECOND, NOISE - NANO, NOTHING),
            (Verdict::Followed, None)
        );
        assert_eq!(follower.follows(), ZERO);
        assert_eq!(
            follower.sees(SECOND, NOISE, NOTHING).1,
            Some(Step::Forward(Duration::from_millis(1)))
        );
    }

    #[test]
    fn back_is_followed_at_once() {
        let mut follower = at_zero();
        let (verdict, step) = follower.sees(SECOND, -3 * DAY, NOTHING);
        assert_eq!(
            (verdict, step),
            (Verdict::Followed, Some(Step::Back(secs(3 * 86_400))))
        );
        assert_eq!(follower.follows(), -3 * DAY);
    }

    #[test]
    fn a_second_forward_is_followed_at_once_and_more_is_not() {
        let mut follower = at_zero();
        let (_, step) = follower.sees(SECOND, SECOND, NOTHING);
        assert_eq!(step, Some(Step::Forward(secs(1))));
        assert_eq!(follower.follows(), SECOND);

        let mut follower = at_zero();
        let (verdict, step) = follower.sees(SECOND, SECOND + NANO, NOTHING);
        assert!(matches!(verdict, Verdict::Pending { .. }));
        assert!(matches!(step, Some(Step::Doubted(_))));
        assert_eq!(follower.follows(), ZERO);
    }

    #[test]
    fn small_steps_add_up_to_a_large_one() {
        let mut follower = at_zero();
        let mut boot = ZERO;
        for k in 1..20 {
            boot += SECOND;
            follower.sees(boot, k * 9 * SECOND / 10, NOTHING);
        }
        assert!(follower.follows() <= SECOND, "{follower:?}");
    }

    #[test]
    fn an_hour_is_followed_after_it_has_stood() {
        let mut follower = at_zero();
        let hour = 3600 * SECOND;
        assert_eq!(
            follower.sees(ZERO, hour, NOTHING).0,
            Verdict::Pending {
                step: secs(3600),
                left: secs(36)
            }
        );
        // Told once, not at every look.
        assert_eq!(follower.sees(35 * SECOND, hour, NOTHING).1, None);
        assert_eq!(follower.follows(), ZERO);
        let (verdict, step) = follower.sees(36 * SECOND, hour, NOTHING);
        assert_eq!(
            (verdict, step),
            (Verdict::Followed, Some(Step::Forward(secs(3600))))
        );
    }

    #[test]
    fn a_step_that_does_not_stand_starts_over() {
        let mut follower = at_zero();
        follower.sees(ZERO, 600 * SECOND, NOTHING);
        follower.sees(20 * SECOND, ZERO, NOTHING);
        follower.sees(21 * SECOND, 600 * SECOND, NOTHING);
        let (verdict, _) = follower.sees(45 * SECOND, 600 * SECOND, NOTHING);
        assert!(matches!(verdict, Verdict::Pending { .. }));
        follower.sees(46 * SECOND, 700 * SECOND, NOTHING);
        let (verdict, _) = follower.sees(60 * SECOND, 700 * SECOND, NOTHING);
        assert!(matches!(verdict, Verdict::Pending { .. }));
        assert_eq!(follower.follows(), ZERO);
    }

    #[test]
    fn a_step_that_moves_by_a_second_is_another_one() {
        for (moved, left) in [
            (SECOND - NANO, 10),
            (SECOND, 30),
            (NANO - SECOND, 10),
            (-SECOND, 30),
        ] {
            let mut follower = at_zero();
            follower.sees(ZERO, 600 * SECOND, NOTHING);
            let (verdict, news) = follower.sees(20 * SECOND, 600 * SECOND + moved, NOTHING);
            assert!(
                matches!(verdict, Verdict::Pending { left: found, .. } if found == secs(left)),
                "{moved:?}: {verdict:?}"
            );
            assert_eq!(news.is_some(), left == 30, "{moved:?}");
        }
    }

    #[test]
    fn a_clock_that_creeps_forward_does_not_stand() {
        let mut follower = at_zero();
        for second in 0..100 {
            let observed = 600 * SECOND + second * (SECOND * 9 / 10);
            follower.sees(second * SECOND, observed, NOTHING);
        }
        assert_eq!(follower.follows(), ZERO);
    }

    #[test]
    fn a_day_is_the_most_that_time_alone_makes_believed() {
        let (verdict, _) = at_zero().sees(ZERO, DAY, NOTHING);
        assert_eq!(
            verdict,
            Verdict::Pending {
                step: secs(86_400),
                left: secs(864)
            }
        );
        let (verdict, _) = at_zero().sees(ZERO, DAY + NANO, NOTHING);
        assert!(matches!(verdict, Verdict::Alarm { .. }), "{verdict:?}");
    }

    #[test]
    fn more_than_a_day_that_nobody_vouches_for_waits_for_an_operator() {
        let mut follower = at_zero();
        let step = DAY + SECOND;
        for boot in [ZERO, 1000 * SECOND, 100 * DAY] {
            let (verdict, _) = follower.sees(boot, step, NOTHING);
            assert_eq!(verdict, Verdict::Alarm { step: secs(86_401) });
        }
        let boot = 100 * DAY;
        let accepted = |until| Assurance {
            accept_until: Some(WallTime::ZERO + until),
            ..NOTHING
        };
        let (verdict, _) = follower.sees(boot, step, accepted(boot + step - NANO));
        assert!(matches!(verdict, Verdict::Alarm { .. }));
        let (verdict, _) = follower.sees(boot, step, accepted(boot + step));
        assert_eq!(verdict, Verdict::Followed);
        assert_eq!(follower.follows(), step);
    }

    #[test]
    fn more_than_a_day_is_followed_once_it_has_stood_synchronised() {
        // However far, it stands for as long as a day has to.
        for step in [DAY + SECOND, 14 * DAY, 1000 * DAY] {
            let mut follower = at_zero();
            for boot in [ZERO, 5000 * SECOND] {
                let (verdict, _) = follower.sees(boot, step, NOTHING);
                assert!(matches!(verdict, Verdict::Alarm { .. }));
            }
            // The kernel says so from some time after the last look at which it did not.
            let begin = 5000 * SECOND;
            let (verdict, news) = follower.sees(begin + SECOND, step, SYNCHRONISED);
            let (left, told) = (secs(863), step.length());
            let pending = |left| Verdict::Pending { step: told, left };
            assert_eq!((verdict, news), (pending(left), None));
            // It was synchronised by mistake, and begins anew.
            follower.sees(begin + 2 * SECOND, step, NOTHING);
            let begin = begin + 2 * SECOND;
            let (verdict, _) = follower.sees(begin + 863 * SECOND, step, SYNCHRONISED);
            assert_eq!(verdict, pending(secs(1)));
            assert_eq!(follower.follows(), ZERO);
            let (verdict, news) = follower.sees(begin + 864 * SECOND, step, SYNCHRONISED);
            let forward = Some(Step::Forward(told));
            assert_eq!((verdict, news), (Verdict::Followed, forward));
            assert_eq!(follower.follows(), step);
        }
    }

    #[test]
    fn up_to_a_day_stands_whether_it_is_synchronised_or_not() {
        let mut follower = at_zero();
        for (second, assurance) in [(0, SYNCHRONISED), (10, NOTHING), (20, SYNCHRONISED)] {
            let (verdict, _) = follower.sees(second * SECOND, 600 * SECOND, assurance);
            assert!(matches!(verdict, Verdict::Pending { .. }));
        }
        let (verdict, _) = follower.sees(30 * SECOND, 600 * SECOND, NOTHING);
        assert_eq!(verdict, Verdict::Followed);
    }

    #[test]
    fn a_clock_that_returns_from_a_step_back_is_believed_at_once() {
        let mut follower = at_zero();
        follower.sees(60 * SECOND, -500 * SECOND, NOTHING);
        let (verdict, step) = follower.sees(70 * SECOND, ZERO, NOTHING);
        assert_eq!(
            (verdict, step),
            (Verdict::Followed, Some(Step::Forward(secs(500))))
        );
        // But not once the earlier time has become the trusted one.
        follower.sees(80 * SECOND, -500 * SECOND, NOTHING);
        follower.sees(110 * SECOND, -500 * SECOND, NOTHING);
        let (verdict, _) = follower.sees(111 * SECOND, ZERO, NOTHING);
        assert!(matches!(verdict, Verdict::Pending { .. }));
    }

    #[test]
    fn a_clock_that_returns_late_is_followed_to_where_numbers_are_gone_and_judged_from_there() {
        let mut follower = at_zero();
        follower.sees(60 * SECOND, -3 * DAY, NOTHING);
        follower.sees(100 * SECOND, -3 * DAY, NOTHING);
        // It was 60 s past the epoch when it was set back, and the generator stands there.
        let (boot, used) = (100 * SECOND, 60 * SECOND);
        let caught = follower.catches_up(boot, ZERO, used);
        assert_eq!(caught, Some(Step::Forward(secs(3 * 86_400 - 40))));
        assert_eq!(follower.follows(), used - boot);
        // No further, however often it is asked.
        assert_eq!(follower.catches_up(boot, ZERO, used), None);
        let (verdict, step) = follower.sees(boot, ZERO, NOTHING);
        let (rest, left) = (secs(40), secs(30));
        assert_eq!(verdict, Verdict::Pending { step: rest, left });
        assert_eq!(step, Some(Step::Doubted(rest)));
        let (verdict, _) = follower.sees(boot + 30 * SECOND, ZERO, NOTHING);
        assert_eq!((verdict, follower.follows()), (Verdict::Followed, ZERO));
    }

    #[test]
    fn a_clock_before_the_numbers_that_are_gone_is_followed_as_it_is() {
        let mut follower = at_zero();
        let caught = follower.catches_up(SECOND, 2 * DAY, 3 * DAY);
        assert_eq!(caught, Some(Step::Forward(secs(2 * 86_400))));
        assert_eq!(follower.follows(), 2 * DAY);
        // Back, or noise, or what is believed anyhow: as without it.
        for observed in [DAY, 2 * DAY + NOISE - NANO] {
            assert_eq!(follower.catches_up(SECOND, observed, 3 * DAY), None);
        }
        assert_eq!(at_zero().catches_up(ZERO, SECOND, DAY), None);
        let caught = follower.catches_up(SECOND, 2 * DAY + NOISE, 3 * DAY);
        assert_eq!(caught, Some(Step::Forward(NOISE.length())));
    }
}
