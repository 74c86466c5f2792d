//! From a configuration to the opening of its shard, in the terms of the core, which knows of no
//! configuration.

use std::time::Duration;

use crate::config::State;
use shardflake::clock::SystemClock;
use shardflake::issuer::Settings;
use shardflake::mark::rules::{Invocation, Policy};
use shardflake::mark::{Directory, Witness};
use shardflake::shard::Opening;
use shardflake::time::WallTime;

/// Seconds since 1970, from the build script.
const BUILD_DATE: &str = env!("BUILD_DATE");

/// The policy for a start with these settings. `invocation` is how its messages tell an operator to call
/// the program.
#[must_use]
pub fn policy(settings: &Settings, state: &State, invocation: Invocation) -> Policy {
    Policy {
        invocation,
        create: state.create,
        require_sync: state.require_sync,
        build_date: WallTime::ZERO + Duration::from_secs(BUILD_DATE.parse().unwrap_or(0)),
        ..settings.policy(state.dir.display().to_string())
    }
}

/// The opening of a shard over the prepared state directory, with [`policy`], and with a witness where there is
/// room for one.
#[must_use]
pub fn opening(
    settings: Settings,
    state: &State,
    directory: Directory,
    invocation: Invocation,
) -> Opening<Directory, SystemClock> {
    let policy = policy(&settings, state, invocation);
    let name = policy.directory.clone();
    Opening {
        policy,
        witness: Witness::find(&state.runtime, true, &state.dir),
        ..Opening::here(settings, directory, name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::config::{Config, Environment, Flags};
    use shardflake::id::layout::Layout;
    use shardflake::id::range::MachineRange;

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

    fn config(continue_ahead: Option<SystemTime>) -> Config {
        let flags = Flags {
            continue_ahead,
            ..Flags::default()
        };
        Config::load(&flags, &Environment::new(VARIABLES)).unwrap()
    }

    fn machines() -> MachineRange {
        "4-7".parse().unwrap()
    }

    /// A field that is added does not compile until it is told of here; so below.
    #[test]
    fn an_issuer_keeps_to_what_is_configured() {
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let Settings {
            layout,
            machines: owned,
            max_ahead,
            window,
            deadline,
            continue_ahead,
        } = config(Some(until)).shard;
        assert_eq!(layout, Layout::SNOWFLAKE);
        assert_eq!(owned, machines());
        assert_eq!(max_ahead, Duration::from_secs(7));
        assert_eq!(window, Duration::from_secs(3));
        assert_eq!(deadline, Duration::from_secs(1));
        let tick = layout.tick_at(WallTime::ZERO + Duration::from_secs(1_800_000_000));
        assert!(tick.is_some() && continue_ahead == tick);
        assert_eq!(config(None).shard.continue_ahead, None);
    }

    #[test]
    fn a_start_follows_what_is_configured() {
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let Config {
            shard: settings,
            state,
            ..
        } = config(Some(until));
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
        } = policy(&settings, &state, called.clone());
        assert_eq!(directory, "/somewhere/else");
        assert_eq!(invocation, called);
        assert_eq!(layout, Layout::SNOWFLAKE);
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
        let other = State {
            create: true,
            require_sync: false,
            ..state
        };
        let other = policy(&settings, &other, called);
        assert!(other.create && !other.require_sync);
    }
}
