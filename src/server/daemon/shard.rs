//! From a configuration to the settings of its shard, in the terms of the core, which knows of no
//! configuration.

use std::time::{Duration, SystemTime};

use crate::config::Upkeep;
use shardflake::clock::SystemClock;
use shardflake::id::range::MachineRange;
use shardflake::issuer::Settings;
use shardflake::mark::Directory;
use shardflake::mark::rules::{Invocation, Policy};
use shardflake::shard::Opening;
use shardflake::time::WallTime;

/// Seconds since 1970, from the build script.
const BUILD_DATE: &str = env!("BUILD_DATE");

/// The settings for the issuer of `machines`; an operator may let it go on ahead of the clock until
/// `continue_ahead`.
#[must_use]
pub fn settings(
    upkeep: &Upkeep,
    machines: MachineRange,
    continue_ahead: Option<SystemTime>,
) -> Settings {
    Settings {
        layout: upkeep.layout,
        machines,
        max_ahead: upkeep.clock.max_ahead,
        window: upkeep.state.window,
        deadline: upkeep.deadline,
        continue_ahead: None,
    }
    .continuing_until(continue_ahead)
}

/// The policy for a start with these settings. `invocation` is how its messages tell an operator to call
/// the program.
#[must_use]
pub fn policy(upkeep: &Upkeep, settings: &Settings, invocation: Invocation) -> Policy {
    Policy {
        invocation,
        create: upkeep.state.create,
        require_sync: upkeep.clock.require_sync,
        build_date: WallTime::ZERO + Duration::from_secs(BUILD_DATE.parse().unwrap_or(0)),
        ..settings.policy(upkeep.state.dir.display().to_string())
    }
}

/// The opening of a shard of `machines` over the prepared state directory, with [`settings`] and
/// [`policy`].
#[must_use]
pub fn opening(
    upkeep: &Upkeep,
    machines: MachineRange,
    continue_ahead: Option<SystemTime>,
    directory: Directory,
    invocation: Invocation,
) -> Opening<Directory, SystemClock> {
    let settings = settings(upkeep, machines, continue_ahead);
    let policy = policy(upkeep, &settings, invocation);
    let name = policy.directory.clone();
    Opening {
        policy,
        ..Opening::here(settings, directory, name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::config::{Config, Environment, Flags};
    use shardflake::id::layout::Layout;

    /// No value is a default.
    const VARIABLES: [(&str, &str); 8] = [
        ("SHARDFLAKE_SHARD__ID", "4-7"),
        ("SHARDFLAKE_PROFILE", "snowflake"),
        ("SHARDFLAKE_STATE__DIR", "/somewhere/else"),
        ("SHARDFLAKE_STATE__WINDOW", "3s"),
        ("SHARDFLAKE_STATE__CREATE", "false"),
        ("SHARDFLAKE_CLOCK__MAX_AHEAD", "7s"),
        ("SHARDFLAKE_CLOCK__REQUIRE_SYNC", "true"),
        ("SHARDFLAKE_HTTP__DEADLINE", "1s"),
    ];

    fn upkeep() -> Upkeep {
        let config = Config::load(&Flags::default(), &Environment::new(VARIABLES)).unwrap();
        assert_ne!(config.layout, Layout::SONYFLAKE);
        Upkeep::from(&config)
    }

    fn machines() -> MachineRange {
        "4-7".parse().unwrap()
    }

    /// A field that is added does not compile until it is told of here; so below.
    #[test]
    fn an_issuer_keeps_to_what_is_configured() {
        let upkeep = upkeep();
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let Settings {
            layout,
            machines: owned,
            max_ahead,
            window,
            deadline,
            continue_ahead,
        } = settings(&upkeep, machines(), Some(until));
        assert_eq!(layout, upkeep.layout);
        assert_eq!(owned, machines());
        assert_eq!(max_ahead, Duration::from_secs(7));
        assert_eq!(window, Duration::from_secs(3));
        assert_eq!(deadline, Duration::from_secs(1));
        let tick = layout.tick_at(WallTime::ZERO + Duration::from_secs(1_800_000_000));
        assert!(tick.is_some() && continue_ahead == tick);
        let untold = settings(&upkeep, machines(), None);
        assert_eq!(untold.continue_ahead, None);
    }

    #[test]
    fn a_start_follows_what_is_configured() {
        let upkeep = upkeep();
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let settings = settings(&upkeep, machines(), Some(until));
        let called = Invocation {
            variables: Vec::new(),
            options: vec!["--shard-id 4-7".to_owned()],
        };
        let Policy {
            directory,
            invocation,
            layout,
            range,
            max_ahead,
            furthest,
            usual,
            create,
            require_sync,
            build_date,
            continue_ahead,
        } = policy(&upkeep, &settings, called.clone());
        assert_eq!(directory, "/somewhere/else");
        assert_eq!(invocation, called);
        assert_eq!(layout, upkeep.layout);
        assert_eq!(range, machines());
        // Ticks of a millisecond.
        assert_eq!(max_ahead, 7_000);
        assert_eq!(furthest, 7_000 + 3_000 + 1_000);
        assert_eq!(usual, 5_000 + 1_000 + 250);
        assert!(!create && require_sync);
        assert!(build_date > WallTime::ZERO && build_date.is_whole_second());
        let seconds = build_date.since(WallTime::ZERO).as_secs();
        assert_eq!(BUILD_DATE, seconds.to_string());
        assert_eq!(continue_ahead, settings.continue_ahead);
        let mut other = upkeep;
        other.state.create = true;
        other.clock.require_sync = false;
        let other = policy(&other, &settings, called);
        assert!(other.create && !other.require_sync);
    }
}
