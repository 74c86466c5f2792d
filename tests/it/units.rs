//! The unit files, and what the journal knows of the records.

use std::fs;

use shardflake_server::logging::Kind;

use crate::top;

fn read(name: &str) -> String {
    fs::read_to_string(top().join("systemd").join(name)).unwrap()
}

/// The lines of a unit file that are settings, in their order.
fn settings(name: &str) -> Vec<String> {
    let text = read(name);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// What begins with none of `keys`.
fn without(settings: Vec<String>, keys: &[&str]) -> Vec<String> {
    let own = |line: &String| keys.iter().any(|key| line.starts_with(&format!("{key}=")));
    settings.into_iter().filter(|line| !own(line)).collect()
}

/// They are to differ in name, number and addresses alone: a protection that one lacks is missing.
#[test]
fn both_services_are_protected_alike() {
    let one = settings("shardflake.service");
    assert!(one.len() > 50 && one.contains(&"PrivateUsers=yes".to_owned()));
    let keys = [
        "Description",
        "PassEnvironment",
        "EnvironmentFile",
        "ExecStart",
    ];
    let one = without(one, &keys);
    let keys = [
        "Description",
        "Environment",
        "PassEnvironment",
        "EnvironmentFile",
        "ExecStart",
    ];
    let several = without(settings("shardflake@.service"), &keys);
    assert_eq!(one, several);
}

/// What installs the package is to know the number that the unit will be given.
#[test]
fn the_installation_asks_with_the_variables_that_the_unit_passes_on() {
    let script = include_str!("../../packaging/debian/postinst");
    let unit = settings("shardflake.service");
    let passed = unit
        .iter()
        .find_map(|line| line.strip_prefix("PassEnvironment="));
    let names: Vec<_> = passed.unwrap().split(' ').collect();
    for bare in [
        "SHARD_ID",
        "WORKER_ID",
        "POD_NAME",
        "MACHINE_ID",
        "DATACENTER_ID",
        "WORKERS",
    ] {
        assert!(names.contains(&bare), "{bare}");
    }
    let asked = format!("variables '{}'", names.join(r"\|"));
    assert!(script.contains(&asked), "{asked}");
}

#[test]
fn the_catalogue_explains_every_kind_of_record() {
    let text = read("shardflake.catalog");
    let mut explained: Vec<_> = text.split("\n-- ").skip(1).collect();
    assert_eq!(explained.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        let at = explained
            .iter()
            .position(|entry| entry.starts_with(kind.message_id()));
        let entry = explained.swap_remove(at.unwrap_or_else(|| panic!("{kind:?}")));
        let (head, body) = entry.split_once("\n\n").unwrap();
        assert!(head.contains("\nSubject: ") && head.contains("\nDefined-By: shardflake"));
        assert!(body.trim().len() > 20, "{kind:?}");
    }
}
