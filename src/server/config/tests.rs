//! Whole configurations: layers, conflicts, and what a report says.

use std::fs;
use std::path::Path;

use super::*;
use shardflake::id::MachineRange;
use shardflake::id::layout::{Bits, Order};
use shardflake::id::range::RangeError;

mod profiles;
mod shipped;
mod upkeep;
mod variables;

const HOME: (&str, &str) = ("HOME", "/home/u");

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().copied().chain([HOME]))
}

/// Loads with these variables, and with `file` for the file in /etc.
fn load_with(
    file: &str,
    variables: &[(&str, &str)],
    flags: &Flags,
) -> Result<Config, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shardflake.toml");
    fs::write(&path, file).unwrap();
    Config::load(flags, &environment(variables).with_default_file(path))
}

fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::load(&Flags::default(), &environment(variables))
}

/// The one problem of these variables, which has to hold all of `parts`.
fn problem(variables: &[(&str, &str)], parts: &[&str]) {
    let errors = load(variables).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    let text = errors.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

fn shard(text: &str) -> MachineRange {
    text.parse().unwrap()
}

#[test]
fn a_shard_number_is_enough() {
    let config = load(&[("SHARD_ID", "7")]).unwrap();
    assert_eq!(config.shard.machines, shard("7"));
    assert_eq!(config.shard.layout, Layout::SONYFLAKE);
    assert_eq!(config.http.listen, ["127.0.0.1:7001".parse().unwrap()]);
    assert_eq!(config.shard.deadline, Duration::from_millis(250));
    assert_eq!(config.http.header_bytes, 8192);
    assert!((1..=1024).contains(&config.http.workers));
    assert_eq!(
        config.state.dir,
        Path::new("/home/u/.local/state/shardflake")
    );
    assert!(config.state.create && !config.state.allow_network_fs);
    assert_eq!(config.shard.max_ahead, Duration::from_secs(5));
    assert_eq!(config.log_level, LevelFilter::Info);
    assert_eq!(config.warnings, [""; 0]);
    let keys: Vec<&str> = config
        .sources
        .settings
        .iter()
        .map(|setting| setting.key)
        .collect();
    assert_eq!(keys, keys::KEYS.map(|key| key.name));
}

#[test]
fn each_layer_stands_above_the_one_before() {
    let file = "[shard]\nid = 1\n[http]\ndrain = \"1s\"";
    let id = |variables: &[(&str, &str)], flag: Option<&str>| {
        let flags = Flags {
            shard_id: flag.map(str::to_owned),
            ..Flags::default()
        };
        let config = load_with(file, variables, &flags).unwrap();
        assert_eq!(config.http.drain, Duration::from_secs(1));
        let setting = config
            .sources
            .settings
            .iter()
            .find(|setting| setting.key == "shard.id");
        (
            config.shard.machines.to_string(),
            setting.unwrap().origin.clone(),
        )
    };
    let pair = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    let (value, origin) = id(&[], None);
    assert!(
        value == "1" && origin.ends_with("/shardflake.toml"),
        "{origin}"
    );
    assert_eq!(id(&[("SHARD_ID", "2")], None), pair("2", "SHARD_ID"));
    assert_eq!(
        id(&[("SHARDFLAKE_SHARD__ID", "3")], None),
        pair("3", "SHARDFLAKE_SHARD__ID")
    );
    assert_eq!(
        id(&[("SHARD_ID", "2")], Some("4-5")),
        pair("4-5", "--shard-id")
    );
}

#[test]
fn every_variable_reaches_its_key() {
    let values = [
        ("profile", "sonyflake"),
        ("epoch", "2020-01-01T00:00:00Z"),
        ("layout.time_bits", "40"),
        ("layout.sequence_bits", "9"),
        ("layout.machine_bits", "14"),
        ("layout.tick", "5ms"),
        ("shard.id", "16-31"),
        ("shard.source", "static"),
        ("http.listen", "unix:/run/s.sock"),
        ("http.socket_mode", "0600"),
        ("http.socket_group", "ids"),
        ("http.workers", "3"),
        ("http.deadline", "20ms"),
        ("http.idle_timeout", "40s"),
        ("http.head_timeout", "20s"),
        ("http.connection_age", "1h"),
        ("http.header_bytes", "9000"),
        ("http.body_bytes", "0"),
        ("http.connections", "10"),
        ("http.bulk_replies", "7"),
        ("http.cors", "https://example.org"),
        ("http.lame_duck", "7s"),
        ("http.drain", "0s"),
        ("state.dir", "/s"),
        ("state.window", "2s"),
        ("state.create", "false"),
        ("state.allow_network_fs", "true"),
        ("clock.max_ahead", "6s"),
        ("clock.require_sync", "true"),
        ("log.level", "trace"),
    ];
    let variables = values.map(|(key, value)| (keys::named(key).unwrap().variable(), value));
    let config = Config::load(&Flags::default(), &Environment::new(variables)).unwrap();
    for ((key, value), setting) in values.iter().zip(&config.sources.settings) {
        let listed = format!("[\"{value}\"]");
        assert_eq!(setting.key, *key);
        assert!(
            setting.value == *value || setting.value == listed,
            "{setting}"
        );
        assert_eq!(setting.origin, keys::named(key).unwrap().variable());
    }
    assert_eq!(config.state.dir, Path::new("/s"));
    let bits = Bits {
        order: Order::SequenceMachine,
        time: 40,
        sequence: 9,
        machine: 14,
        datacenter: 0,
    };
    assert_eq!(
        config.shard.layout,
        Layout::new(bits, 5, 1_577_836_800_000).unwrap()
    );
    assert!(config.state.require_sync && config.state.allow_network_fs && !config.state.create);
    assert_eq!(
        (config.http.header_bytes, config.http.body_bytes),
        (9000, 0)
    );
    assert_eq!((config.http.connections, config.http.workers), (10, 3));
    assert_eq!(config.log_level, LevelFilter::Trace);
}

#[test]
fn no_shard_number_says_what_to_set() {
    problem(
        &[],
        &[
            "SHARD_ID=1",
            "--shard-id 1",
            "id = 1 under [shard]",
            "shardflake.toml",
        ],
    );
    problem(
        &[("WORKER_ID", "3")],
        &["WORKER_ID=3 is set, but the profile sonyflake reads SHARD_ID"],
    );
    for misspelt in ["SHARDFLAKE_SHARD_ID", "SHARDFLAKE_MACHINE_ID"] {
        let hint = format!("{misspelt} is set, but is not read: rename it SHARDFLAKE_SHARD__ID");
        problem(&[(misspelt, "3")], &[&hint]);
    }
    let unrelated = load(&[("SHARDFLAKE_HTTP_LISTEN", "/s")]).unwrap_err();
    assert!(!unrelated.to_string().contains("HTTP"), "{unrelated}");
    problem(
        &[("SHARD_ID", "")],
        &["shard.id (from SHARD_ID)", "empty", "such as 1"],
    );
}

#[test]
fn refusals_name_key_value_origin_and_remedy() {
    let with_shard =
        |name, value, parts: &[&str]| problem(&[("SHARD_ID", "1"), (name, value)], parts);
    with_shard(
        "SHARDFLAKE_HTTP__DEADLINE",
        "250",
        &[
            "http.deadline",
            "\"250\"",
            "SHARDFLAKE_HTTP__DEADLINE",
            "\"250ms\"",
        ],
    );
    with_shard(
        "SHARDFLAKE_HTTP__WORKERS",
        "1.9",
        &["http.workers", "\"1.9\"", "whole number"],
    );
    with_shard(
        "SHARDFLAKE_HTTP__HEADER_BYTES",
        "100",
        &["http.header_bytes", "100", "8192 to 1048576"],
    );
    with_shard(
        "SHARDFLAKE_STATE__CREATE",
        "yes",
        &["state.create", "\"yes\"", "true nor false"],
    );
    with_shard(
        "SHARDFLAKE_STATE__DIR",
        "var",
        &["state.dir", "\"var\"", "begins with a slash"],
    );
    with_shard(
        "SHARDFLAKE_EPOCH",
        "2014",
        &["epoch", "\"2014\"", "RFC 3339"],
    );
    with_shard(
        "SHARDFLAKE_PROFILE",
        "twitter",
        &[
            "profile",
            "SHARDFLAKE_PROFILE",
            "\"twitter\"",
            "\"snowflake-dc\"",
        ],
    );
    with_shard(
        "SERVICE_PORT",
        "tcp://1",
        &["http.listen", "SERVICE_PORT", "1 to 65535"],
    );
    problem(
        &[("SHARD_ID", "65536")],
        &["65536", "0 to 65535", "SHARD_ID"],
    );
}

#[test]
fn all_problems_come_in_one_report() {
    let flags = Flags {
        port: Some("x".into()),
        ..Flags::default()
    };
    let file = "nothing = 1\n[http]\ndrain = 5\n";
    let errors = load_with(file, &[("SHARDFLAKE_LOG__LEVEL", "loud")], &flags).unwrap_err();
    let text = errors.to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    for part in [
        "nothing",
        "--port",
        "no shard number",
        "http.drain",
        "log.level",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn times_that_bound_each_other() {
    problem(
        &[("SHARD_ID", "1"), ("SHARDFLAKE_CLOCK__MAX_AHEAD", "1500ms")],
        &[
            "clock.max_ahead is 1s 500ms (from SHARDFLAKE_CLOCK__MAX_AHEAD)",
            "state.window is 1s (from default)",
            "set clock.max_ahead to at least 2s, or state.window to at most 750ms",
        ],
    );
    problem(
        &[("SHARD_ID", "1"), ("SHARDFLAKE_HTTP__DEADLINE", "501ms")],
        &[
            "state.window has to be at least twice http.deadline",
            "at least 1s 2ms",
        ],
    );
    let exact = [
        ("SHARD_ID", "1"),
        ("SHARDFLAKE_HTTP__DEADLINE", "500ms"),
        ("SHARDFLAKE_CLOCK__MAX_AHEAD", "2s"),
    ];
    assert!(load(&exact).is_ok());
}

#[test]
fn ticks_that_are_too_long_for_the_times() {
    let with = |tick, more: &[(&'static str, &'static str)]| {
        let own = [("SHARD_ID", "1"), ("SHARDFLAKE_LAYOUT__TICK", tick)];
        [&own, more].concat()
    };
    // With the defaults, of which the window is two ticks.
    for tick in ["1s", "2499ms"] {
        assert!(load(&with(tick, &[])).is_ok(), "{tick}");
    }
    problem(
        &with("2500ms", &[]),
        &[
            "layout.tick is 2s 500ms (from SHARDFLAKE_LAYOUT__TICK)",
            "clock.max_ahead is 5s (from default)",
            "state.window is 1s (from default) are 2 ticks both",
            "set clock.max_ahead to at least 7s 500ms",
        ],
    );
    let enough = [("SHARDFLAKE_CLOCK__MAX_AHEAD", "7500ms")];
    assert!(load(&with("2500ms", &enough)).is_ok());
    // What is not twice as long is told of once.
    let short = [("SHARDFLAKE_CLOCK__MAX_AHEAD", "1500ms")];
    problem(&with("2500ms", &short), &["at least twice state.window"]);
}

#[test]
fn calculations_need_no_shard_and_no_file() {
    let none = Environment::new([("", ""); 0]);
    let plain = Calculation::load(&Flags::default(), &none).unwrap();
    assert_eq!(plain.layout, Layout::SONYFLAKE);
    let flags = Flags {
        epoch: Some("2025-01-01T00:00:00Z".into()),
        ..Flags::default()
    };
    let layout = Calculation::load(&flags, &none).unwrap().layout;
    assert_eq!(layout.epoch_ms(), 1_735_689_600_000);
    let wrong = Flags {
        profile: Some("x".into()),
        ..Flags::default()
    };
    let error = Calculation::load(&wrong, &none).unwrap_err().to_string();
    assert!(error.contains("profile (from --profile)"), "{error}");
    let missing = Flags {
        config: Some("/nonexistent".into()),
        ..Flags::default()
    };
    assert!(Calculation::load(&missing, &none).is_err());
    // A wrong shard number is no reason not to decode.
    assert!(Calculation::load(&Flags::default(), &environment(&[("SHARD_ID", "x")])).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_problem() {
    let errors = load_with("[http", &[], &Flags::default()).unwrap_err();
    assert!(
        matches!(errors.0[..], [ConfigError::Syntax { .. }]),
        "{errors}"
    );
}

#[test]
fn upkeep_works_without_a_shard_number() {
    let upkeep = |variables| Upkeep::load(&Flags::default(), &environment(variables));
    let without = upkeep(&[]).unwrap();
    let unset = without.shard.unwrap_err();
    assert!(matches!(*unset, ConfigError::NoShard { .. }), "{unset}");
    let with = upkeep(&[("SHARD_ID", "4")]).unwrap().shard.unwrap();
    assert_eq!(with.machines, shard("4"));
    assert_eq!(with.deadline, Duration::from_millis(250));
    assert!(upkeep(&[("SHARD_ID", "")]).is_err());
}

#[test]
fn a_reload_tells_what_it_can_apply() {
    let old = load(&[("SHARD_ID", "1")]).unwrap();
    let new = load(&[
        ("SHARD_ID", "1"),
        ("SHARDFLAKE_LOG__LEVEL", "debug"),
        ("SHARDFLAKE_HTTP__BODY_BYTES", "1"),
        ("SERVICE_PORT", "80"),
    ])
    .unwrap();
    let difference = reload_difference(&old, &new);
    let names = |changes: &[Change]| changes.iter().map(|change| change.key).collect::<Vec<_>>();
    assert_eq!(
        names(&difference.applicable),
        ["http.body_bytes", "log.level"]
    );
    assert_eq!(names(&difference.needs_restart), ["http.listen"]);
    assert_eq!(
        difference.needs_restart[0].to_string(),
        "http.listen: [\"127.0.0.1:7001\"] → [\"*:80\"]"
    );
    assert_eq!(reload_difference(&old, &old), Difference::default());
    let reloading = keys::KEYS
        .iter()
        .filter(|key| key.reloads)
        .map(|key| key.name);
    let expected = [
        "http.idle_timeout",
        "http.head_timeout",
        "http.connection_age",
        "http.header_bytes",
        "http.body_bytes",
        "http.connections",
        "log.level",
    ];
    assert!(reloading.eq(expected));
}

proptest::proptest! {
    #[test]
    fn a_shard_number_reads_the_same_from_every_layer(text in "[-0-9a-z+. ]{0,8}") {
        let expected = text
            .parse::<MachineRange>()
            .and_then(|range| range.fit(&Layout::SONYFLAKE));
        let file = load_with(&format!("[shard]\nid = \"{text}\""), &[], &Flags::default());
        let bare = load(&[("SHARD_ID", &text)]);
        let full = load(&[("SHARDFLAKE_SHARD__ID", &text)]);
        let flags = Flags { shard_id: Some(text.clone()), ..Flags::default() };
        let flag = Config::load(&flags, &environment(&[]));
        for loaded in [file, bare, full, flag] {
            let found: Result<MachineRange, RangeError> = loaded
                .map(|config| config.shard.machines)
                .map_err(|errors| match errors.0.as_slice() {
                    [ConfigError::Value { problem: ValueError::Shard(error), .. }] => error.clone(),
                    other => panic!("{other:?}"),
                });
            proptest::prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn an_integer_in_the_file_is_that_number_or_refused(number in -10i64..70_000) {
        let loaded = load_with(&format!("[shard]\nid = {number}"), &[], &Flags::default());
        let fits = u32::try_from(number).ok().filter(|number| *number <= 65_535);
        proptest::prop_assert_eq!(loaded.ok().map(|config| config.shard.machines), fits.and_then(|n| MachineRange::new(n, n)));
    }

    #[test]
    fn a_float_in_the_file_is_never_a_shard_number(number in -10.0f64..70_000.0) {
        let loaded = load_with(&format!("[shard]\nid = {number:?}"), &[], &Flags::default());
        proptest::prop_assert!(loaded.is_err());
    }
}
