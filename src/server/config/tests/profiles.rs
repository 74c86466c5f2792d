//! The profiles: their layouts, ports and bare variables.

use super::{load, problem, shard};
use crate::config::{Profile, value};
use shardflake::id::Layout;
use shardflake::id::layout::LayoutError;

fn config(profile: &str, variables: &[(&str, &str)]) -> crate::config::Config {
    load(&with(profile, variables)).unwrap()
}

fn with<'a>(profile: &'a str, variables: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = variables.to_vec();
    all.push(("SHARDFLAKE_PROFILE", profile));
    all
}

#[test]
fn each_has_its_layout_its_number_and_its_port() {
    for (profile, layout, port, variables, machine) in [
        (
            Profile::Sonyflake,
            Layout::SONYFLAKE,
            7001,
            &[("SHARD_ID", "65535")][..],
            "65535",
        ),
        (
            Profile::Snowflake,
            Layout::SNOWFLAKE,
            8080,
            &[("WORKER_ID", "1023")],
            "1023",
        ),
        (
            Profile::SnowflakeNode,
            Layout::SNOWFLAKE_NODE,
            8080,
            &[("MACHINE_ID", "16-31")],
            "16-31",
        ),
        (
            Profile::SnowflakeDc,
            Layout::SNOWFLAKE_DC,
            8080,
            &[("DATACENTER_ID", "3"), ("MACHINE_ID", "9")],
            "105",
        ),
    ] {
        let config = config(profile.name(), variables);
        assert_eq!((config.profile, config.shard.layout), (profile, layout));
        assert_eq!(config.shard.machines, shard(machine), "{profile}");
        let listen = value::show_list(&config.http.listen);
        assert_eq!(listen, format!("[\"127.0.0.1:{port}\"]"));
        assert_eq!(config.warnings, [""; 0]);
    }
}

#[test]
fn a_datacenter_takes_the_upper_bits_also_of_a_range_and_of_other_bits() {
    let dc = |variables: &[_]| config("snowflake-dc", variables).shard.machines;
    let pair = |datacenter, machine| [("DATACENTER_ID", datacenter), ("MACHINE_ID", machine)];
    assert_eq!(dc(&pair("31", "31")), shard("1023"));
    assert_eq!(dc(&pair("1", "0-3")), shard("32-35"));
    let [datacenter, machine] = pair("1", "2");
    let wide = [
        ("SHARDFLAKE_LAYOUT__MACHINE_BITS", "12"),
        ("SHARDFLAKE_LAYOUT__SEQUENCE_BITS", "10"),
    ];
    assert_eq!(dc(&[datacenter, machine, wide[0], wide[1]]), shard("130"));
}

#[test]
fn a_datacenter_and_a_machine_belong_together() {
    let dc = |variables: &[(&str, &str)], parts: &[&str]| {
        problem(&with("snowflake-dc", variables), parts);
    };
    dc(&[], &["DATACENTER_ID=0 and MACHINE_ID=1", "--shard-id 1"]);
    dc(
        &[("MACHINE_ID", "1")],
        &["MACHINE_ID is set and DATACENTER_ID is not"],
    );
    dc(
        &[("DATACENTER_ID", "1")],
        &["DATACENTER_ID is set and MACHINE_ID is not"],
    );
    let both = |datacenter, machine, parts: &[&str]| {
        dc(
            &[("DATACENTER_ID", datacenter), ("MACHINE_ID", machine)],
            parts,
        );
    };
    both("32", "1", &["from DATACENTER_ID", "32", "0 to 31"]);
    both("1", "32", &["from MACHINE_ID", "32", "0 to 31"]);
    both("1", "", &["from MACHINE_ID", "empty"]);
    both("1.9", "1", &["from DATACENTER_ID", "1.9", "whole number"]);
    both("0-1", "1", &["from DATACENTER_ID", "0-1"]);
    let full = ("SHARDFLAKE_SHARD__ID", "34");
    let pair = [("DATACENTER_ID", "1"), ("MACHINE_ID", "1"), full];
    dc(&pair, &["is \"33\"", "SHARDFLAKE_SHARD__ID is \"34\""]);
}

#[test]
fn a_stateful_pod_has_its_ordinal_for_a_number() {
    let worker = |variables: &[_]| config("snowflake", variables).shard.machines;
    assert_eq!(worker(&[("POD_NAME", "ids-0")]), shard("0"));
    assert_eq!(worker(&[("POD_NAME", "id-generator-17")]), shard("17"));
    let both = [("POD_NAME", "ids-3"), ("WORKER_ID", "5")];
    assert_eq!(worker(&both), shard("5"));
    for pod in ["ids", "ids-", "ids-7d9f6c-x2x4z", "ids-01", "7"] {
        let hint = format!("POD_NAME={pod} does not end in an ordinal");
        problem(
            &with("snowflake", &[("POD_NAME", pod)]),
            &["WORKER_ID=1", &hint],
        );
    }
    problem(
        &with("snowflake", &[("POD_NAME", "ids-1024")]),
        &["from POD_NAME", "1024", "0 to 1023"],
    );
}

#[test]
fn ports_and_threads_come_from_the_profiles_own_variables() {
    let node = config("snowflake-node", &[("MACHINE_ID", "1"), ("PORT", "9000")]);
    let listen = value::show_list(&node.http.listen);
    assert_eq!(listen, "[\"*:9000\"]");
    let worker = config("snowflake", &[("WORKER_ID", "1"), ("WORKERS", "3")]);
    assert_eq!(worker.http.workers, 3);
    problem(
        &with("snowflake", &[("WORKER_ID", "1"), ("WORKERS", "0")]),
        &["http.workers (from WORKERS)", "1 to 1024"],
    );
    let above = [
        ("WORKER_ID", "1"),
        ("WORKERS", "3"),
        ("SHARDFLAKE_HTTP__WORKERS", "4"),
    ];
    assert_eq!(config("snowflake", &above).http.workers, 4);
}

#[test]
fn variables_of_another_profile_are_hints() {
    let hints = |profile, number, name, value| {
        let warnings = config(profile, &[number, (name, value)]).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        warnings[0].clone()
    };
    let worker = ("WORKER_ID", "1");
    assert_eq!(
        hints("snowflake", worker, "PORT", "9000"),
        "PORT=9000 is set, but the profile snowflake reads SHARDFLAKE_HTTP__LISTEN"
    );
    assert_eq!(
        hints("snowflake", worker, "SHARD_ID", "2"),
        "SHARD_ID=2 is set, but the profile snowflake reads WORKER_ID"
    );
    let node = ("MACHINE_ID", "1");
    assert_eq!(
        hints("snowflake-node", node, "DATACENTER_ID", "2"),
        "DATACENTER_ID=2 is set, but the profile snowflake-node reads MACHINE_ID"
    );
    problem(
        &with("snowflake-dc", &[("WORKER_ID", "2")]),
        &["WORKER_ID=2 is set, but the profile snowflake-dc reads DATACENTER_ID and MACHINE_ID"],
    );
}

#[test]
fn bits_that_make_no_layout_are_refused() {
    let sum = LayoutError::Sum(64).to_string();
    problem(
        &[("SHARD_ID", "1"), ("SHARDFLAKE_LAYOUT__TIME_BITS", "40")],
        &["layout.time_bits", &sum],
    );
    for (name, value, parts) in [
        ("SHARDFLAKE_LAYOUT__TICK", "1500us", &["whole milliseconds"]),
        ("SHARDFLAKE_LAYOUT__TICK", "2m", &["1ms to 1m"]),
        ("SHARDFLAKE_LAYOUT__TIME_BITS", "64", &["0 to 63"]),
        ("SHARDFLAKE_LAYOUT__TIME_BITS", "39.0", &["whole number"]),
    ] {
        problem(&[("SHARD_ID", "1"), (name, value)], parts);
    }
}
