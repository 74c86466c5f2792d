//! What a configuration says to those who keep marks and issue by them.

use std::time::SystemTime;

use crate::clock::SECOND;
use crate::config::environment::DEFAULT_FILE;
use crate::config::{Config, Upkeep, keys};
use crate::id::range::MachineRange;
use crate::issuer::Settings;
use crate::mark::rules::{Invocation, Policy};

/// Seconds since 1970, from the build script.
const BUILD_DATE: &str = env!("BUILD_DATE");

/// What a server needs of its configuration to keep up its state.
#[must_use]
pub fn upkeep(config: &Config) -> Upkeep {
    Upkeep {
        layout: config.layout,
        shard: Ok(config.shard),
        state: config.state.clone(),
        clock: config.clock,
        deadline: config.http.deadline,
        warnings: Vec::new(),
        sources: config.sources.clone(),
    }
}

/// What the issuer of `shard` is to keep to; an operator may let it go on ahead of the clock
/// until `continue_ahead`.
#[must_use]
pub fn settings(
    upkeep: &Upkeep,
    shard: MachineRange,
    continue_ahead: Option<SystemTime>,
) -> Settings {
    Settings {
        layout: upkeep.layout,
        machines: shard,
        max_ahead: upkeep.clock.max_ahead,
        window: upkeep.state.window,
        deadline: upkeep.deadline,
        continue_ahead: None,
    }
    .continuing_until(continue_ahead)
}

/// What a start with these settings is to follow.
#[must_use]
pub fn policy(upkeep: &Upkeep, settings: &Settings) -> Policy {
    Policy {
        invocation: invocation(upkeep, settings.machines),
        create: upkeep.state.create,
        require_sync: upkeep.clock.require_sync,
        build_date: BUILD_DATE
            .parse::<i64>()
            .map_or(0, |seconds| seconds.saturating_mul(SECOND)),
        ..settings.policy(upkeep.state.dir.display().to_string())
    }
}

/// How a command is told of the state of `shard` and its layout, whatever the shell's variables are that
/// it is pasted into. What the configuration file says need not be told.
#[must_use]
pub fn invocation(upkeep: &Upkeep, shard: MachineRange) -> Invocation {
    let directory = upkeep.state.dir.display().to_string();
    let mut variables = Vec::new();
    let mut options = vec![
        format!("--state-dir {}", word(&directory)),
        format!("--shard-id {shard}"),
    ];
    let file = upkeep.sources.file.as_ref();
    let file = file.map(|file| file.display().to_string());
    for setting in &upkeep.sources.settings {
        let told = Some(&setting.origin) == file.as_ref();
        let Some(key) = keys::named(setting.key).filter(|_| !told && !setting.is_own()) else {
            continue;
        };
        let value = word(&setting.value);
        match key.name {
            "profile" => options.push(format!("--profile {value}")),
            "epoch" => variables.push(format!("{}={value}", key.variable())),
            // A new mark's bound is computed from these.
            "clock.max_ahead" | "state.window" | "http.deadline" => {
                variables.push(format!("{}={value}", key.variable()));
            }
            name if name.starts_with("layout.") => {
                variables.push(format!("{}={value}", key.variable()));
            }
            _ => {}
        }
    }
    if let Some(file) = file.filter(|file| file != DEFAULT_FILE) {
        options.push(format!("--config {}", word(&file)));
    }
    Invocation { variables, options }
}

/// `text` as one word of a shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::config::{Clock as ClockSection, Environment, Flags, Sources, State};
    use crate::id::layout::Layout;

    /// No value is a default.
    fn sample() -> Upkeep {
        Upkeep {
            layout: Layout::SNOWFLAKE,
            shard: Ok(MachineRange::new(9, 9).unwrap()),
            state: State {
                dir: "/somewhere/else".into(),
                window: Duration::from_secs(3),
                create: false,
                allow_network_fs: true,
                runtime: vec!["/run/elsewhere".into()],
            },
            clock: ClockSection {
                max_ahead: Duration::from_secs(7),
                require_sync: true,
            },
            deadline: Duration::from_secs(1),
            warnings: Vec::new(),
            sources: Sources::default(),
        }
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
        } = settings(&sample(), machines(), Some(until));
        assert_eq!(layout, Layout::SNOWFLAKE);
        assert_eq!(owned, machines());
        assert_eq!(max_ahead, Duration::from_secs(7));
        assert_eq!(window, Duration::from_secs(3));
        assert_eq!(deadline, Duration::from_secs(1));
        let tick = layout.tick_at(1_800_000_000 * SECOND);
        assert!(tick.is_some() && continue_ahead == tick);
        let untold = settings(&sample(), machines(), None);
        assert_eq!(untold.continue_ahead, None);
    }

    #[test]
    fn a_start_follows_what_is_configured() {
        let until = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let settings = settings(&sample(), machines(), Some(until));
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
        } = policy(&sample(), &settings);
        assert_eq!(directory, "/somewhere/else");
        assert_eq!(
            invocation.options,
            ["--state-dir /somewhere/else", "--shard-id 4-7"]
        );
        assert_eq!(layout, Layout::SNOWFLAKE);
        assert_eq!(range, machines());
        // Ticks of a millisecond.
        assert_eq!(max_ahead, 7_000);
        assert_eq!(furthest, 7_000 + 3_000 + 1_000);
        assert_eq!(usual, 5_000 + 1_000 + 250);
        assert!(!create && require_sync);
        assert!(build_date > 0 && build_date % SECOND == 0);
        assert_eq!(BUILD_DATE, (build_date / SECOND).to_string());
        assert_eq!(continue_ahead, settings.continue_ahead);
        let mut other = sample();
        other.state.create = true;
        other.clock.require_sync = false;
        let other = policy(&other, &settings);
        assert!(other.create && !other.require_sync);
    }

    #[test]
    fn what_a_server_keeps_up_is_what_its_configuration_says() {
        let variables = [
            ("SHARDFLAKE_SHARD__ID", "4-7"),
            ("SHARDFLAKE_PROFILE", "snowflake"),
            ("SHARDFLAKE_STATE__DIR", "/somewhere/else"),
            ("SHARDFLAKE_STATE__WINDOW", "3s"),
            ("SHARDFLAKE_STATE__CREATE", "false"),
            ("SHARDFLAKE_STATE__ALLOW_NETWORK_FS", "true"),
            ("RUNTIME_DIRECTORY", "/run/elsewhere"),
            ("SHARDFLAKE_CLOCK__MAX_AHEAD", "7s"),
            ("SHARDFLAKE_CLOCK__REQUIRE_SYNC", "true"),
            ("SHARDFLAKE_HTTP__DEADLINE", "1s"),
        ];
        let environment = Environment::new(variables);
        let config = Config::load(&Flags::default(), &environment).unwrap();
        let wanted = Upkeep {
            layout: config.layout,
            shard: Ok(machines()),
            sources: config.sources.clone(),
            ..sample()
        };
        assert_eq!(upkeep(&config), wanted);
        assert_ne!(config.layout, Layout::SONYFLAKE);
    }

    #[test]
    fn a_command_is_told_the_layout_that_it_would_not_find_by_itself() {
        let command = |flags: &Flags, variables: &[(&str, &str)]| {
            let environment = Environment::new(variables.iter().copied());
            let upkeep = Upkeep::load(flags, &environment).unwrap();
            invocation(&upkeep, machines()).of("state adopt")
        };
        let of = |variables: &[(&str, &str)]| {
            let flags = Flags {
                state_dir: Some("/var/lib/a b".to_owned()),
                ..Flags::default()
            };
            command(&flags, variables)
        };
        let plain = "shardflake state adopt --state-dir '/var/lib/a b' --shard-id 4-7";
        assert_eq!(of(&[]), plain);
        assert_eq!(
            of(&[
                ("SHARDFLAKE_PROFILE", "snowflake"),
                ("SHARDFLAKE_EPOCH", "2025-01-01T00:00:00.250Z"),
            ]),
            format!("SHARDFLAKE_EPOCH=2025-01-01T00:00:00.250Z {plain} --profile snowflake")
        );
        let bits = [
            ("TIME_BITS", "40"),
            ("SEQUENCE_BITS", "7"),
            ("TICK", "1s 5ms"),
        ];
        let bits = bits.map(|(key, value)| (format!("SHARDFLAKE_LAYOUT__{key}"), value));
        let variables: Vec<_> = bits
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        assert_eq!(
            of(&variables),
            format!(
                "SHARDFLAKE_LAYOUT__TIME_BITS=40 SHARDFLAKE_LAYOUT__SEQUENCE_BITS=7 SHARDFLAKE_LAYOUT__TICK='1s 5ms' {plain}"
            )
        );

        // What a file says it says to the command as well.
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("it's.toml");
        let text =
            "profile = \"snowflake\"\nepoch = \"2025-01-01T00:00:00Z\"\nstate.dir = \"/s\"\n";
        fs::write(&file, text).unwrap();
        let flags = Flags {
            config: Some(file.clone()),
            ..Flags::default()
        };
        let quoted = file.display().to_string().replace('\'', r"'\''");
        assert_eq!(
            command(&flags, &[]),
            format!("shardflake state adopt --state-dir /s --shard-id 4-7 --config '{quoted}'")
        );
    }
}
