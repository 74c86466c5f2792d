//! The files that are shipped, held against the table of keys.

use std::path::Path;

use super::{Flags, keys, load, load_with};
use crate::config::Listen;

const INSTALLED: &str = include_str!("../../../../packaging/etc/shardflake.toml");
const IN_IMAGES: &str = include_str!("../../../../packaging/docker/shardflake.toml");
const EXAMPLE: &str = include_str!("../../../../packaging/etc/shardflake.example.toml");
const MANUAL: &str = include_str!("../../../../packaging/man/shardflake.toml.5");

/// The example with every setting in effect.
fn uncommented() -> String {
    EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn every_key_is_in_the_installed_file_the_example_and_the_manual() {
    let words = |text: &str| -> Vec<String> {
        let part = |c: char| !(c.is_alphanumeric() || c == '_');
        text.split(part).map(str::to_owned).collect()
    };
    let installed = words(INSTALLED);
    for key in keys::KEYS {
        let leaf = key.name.rsplit('.').next().unwrap();
        assert!(
            installed.iter().any(|word| word == leaf),
            "{} is not installed",
            key.name
        );
        let shown = format!("#{leaf} = {}\n", key.example);
        assert!(EXAMPLE.contains(&shown), "the example lacks {shown}");
        let entry = MANUAL.split(&format!(".B {}\n", key.name)).nth(1);
        let entry = entry.unwrap_or_else(|| panic!("the manual lacks {}", key.name));
        let entry = entry.split(".TP").next().unwrap().replace('\\', "");
        let default = key.default.map(|default| format!("Default: {default}\n"));
        assert!(
            default.is_none_or(|default| entry.contains(&default)),
            "{entry}"
        );
    }
    assert!(INSTALLED.lines().count() <= 20);
}

#[test]
fn the_shipped_files_load() {
    let shard = [("SHARD_ID", "1")];
    let defaults = load(&shard).unwrap();
    let config = load_with(INSTALLED, &shard, &Flags::default()).unwrap();
    assert_eq!(config.state.dir, Path::new("/var/lib/shardflake"));
    assert_eq!(config.http, defaults.http);
    assert!(load_with(EXAMPLE, &shard, &Flags::default()).is_ok());
}

const NUMBERS: [(&str, [&str; 2], u16); 4] = [
    ("sonyflake", ["SHARD_ID", "SHARD_ID"], 7001),
    ("snowflake", ["WORKER_ID", "WORKER_ID"], 8080),
    ("snowflake-node", ["MACHINE_ID", "MACHINE_ID"], 8080),
    ("snowflake-dc", ["DATACENTER_ID", "MACHINE_ID"], 8080),
];

/// Each profile's port and addresses, by a file that says where to listen and not which port.
fn listens(file: &str, address: impl Fn(u16) -> Listen) {
    for (profile, [first, second], port) in NUMBERS {
        let variables = [("SHARDFLAKE_PROFILE", profile), (first, "1"), (second, "1")];
        let config = load_with(file, &variables, &Flags::default()).unwrap();
        assert_eq!(config.state.dir, Path::new("/var/lib/shardflake"));
        assert_eq!(config.http.listen, [address(port)]);
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn the_installed_file_listens_on_loopback() {
    listens(INSTALLED, |port| {
        format!("127.0.0.1:{port}").parse().unwrap()
    });
}

#[test]
fn the_file_in_images_listens_on_all_addresses() {
    listens(IN_IMAGES, Listen::All);
}

#[test]
fn the_example_shows_the_defaults() {
    let example = load_with(&uncommented(), &[], &Flags::default()).unwrap();
    let defaults = load(&[
        ("SHARD_ID", "1"),
        ("SHARDFLAKE_STATE__DIR", "/var/lib/shardflake"),
        ("SHARDFLAKE_HTTP__WORKERS", "2"),
    ])
    .unwrap();
    for (shown, default) in example
        .sources
        .settings
        .iter()
        .zip(&defaults.sources.settings)
    {
        assert_eq!((shown.key, &shown.value), (default.key, &default.value));
        assert!(shown.origin.ends_with("shardflake.toml"), "{shown}");
    }
}
