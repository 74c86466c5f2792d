//! The environment: bare variables, fallbacks, and names that nothing reads.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::{HOME, environment, load, load_with, problem, shard};
use crate::config::{Config, Environment, Flags, value};

#[test]
fn two_numbers_for_one_shard_are_refused() {
    let both = |a, b| [("SHARD_ID", a), ("SHARDFLAKE_SHARD__ID", b)];
    problem(
        &both("1", "2"),
        &[
            "SHARD_ID is \"1\"",
            "SHARDFLAKE_SHARD__ID is \"2\"",
            "unset one",
        ],
    );
    assert_eq!(load(&both("3", "3")).unwrap().shard.machines, shard("3"));
}

#[test]
fn a_bare_port_listens_on_all_addresses_unless_addresses_are_named() {
    let listen = |variables: &[(&str, &str)], flags: &Flags| {
        let file = "[shard]\nid = 1\n[http]\nlisten = [\"127.0.0.1:9\"]";
        let config = load_with(file, variables, flags).unwrap();
        (
            value::show_list(&config.http.listen),
            config.warnings.join("; "),
        )
    };
    let port = ("SERVICE_PORT", "7002");
    let none = Flags::default();
    assert_eq!(
        listen(&[port], &none),
        ("[\"*:7002\"]".into(), String::new())
    );
    let (value, warning) = listen(&[port, ("SHARDFLAKE_HTTP__LISTEN", "[::1]:1")], &none);
    assert_eq!(value, "[\"[::1]:1\"]");
    assert!(
        warning.contains("SERVICE_PORT is not used, because SHARDFLAKE_HTTP__LISTEN"),
        "{warning}"
    );
    let flags = Flags {
        listen: vec!["/s".into()],
        port: Some("80".into()),
        ..Flags::default()
    };
    let (value, warning) = listen(&[port], &flags);
    assert_eq!(value, "[\"unix:/s\", \"*:80\"]");
    assert!(warning.contains("because --listen"), "{warning}");
    let same = Flags {
        port: Some("7002".into()),
        ..Flags::default()
    };
    assert_eq!(listen(&[port], &same).1, "");
}

#[test]
fn a_number_of_too_many_digits_is_told_the_limit_of_its_profile() {
    let huge = "99999999999";
    for (profile, variables, limit) in [
        ("sonyflake", &[("SHARD_ID", huge)][..], "use 0 to 65535"),
        ("snowflake", &[("WORKER_ID", huge)], "use 0 to 1023"),
        ("snowflake-node", &[("MACHINE_ID", huge)], "use 0 to 1023"),
        (
            "snowflake-dc",
            &[("DATACENTER_ID", "1"), ("MACHINE_ID", huge)],
            "use 0 to 31",
        ),
        (
            "snowflake-dc",
            &[("DATACENTER_ID", huge), ("MACHINE_ID", "1")],
            "0 to 31",
        ),
    ] {
        let mut variables = variables.to_vec();
        variables.push(("SHARDFLAKE_PROFILE", profile));
        problem(&variables, &[limit]);
    }
}

#[test]
fn addresses_without_a_port_get_the_bare_one_or_the_profiles() {
    let listen = |listen: &str, variables: &[(&str, &str)], profile: &str| {
        let file = format!("[shard]\nid = 1\n[http]\nlisten = {listen}");
        let flags = Flags {
            profile: Some(profile.into()),
            ..Flags::default()
        };
        let config = load_with(&file, variables, &flags).unwrap();
        assert_eq!(config.warnings, [""; 0], "{listen}");
        value::show_list(&config.http.listen)
    };
    let all = "[\"0.0.0.0\"]";
    assert_eq!(listen(all, &[], "sonyflake"), "[\"0.0.0.0:7001\"]");
    for profile in ["snowflake", "snowflake-node", "snowflake-dc"] {
        assert_eq!(listen(all, &[], profile), "[\"0.0.0.0:8080\"]");
    }
    let port = ("PORT", "9000");
    assert_eq!(listen(all, &[port], "snowflake-dc"), "[\"*:9000\"]");
    let named = ("SHARDFLAKE_HTTP__LISTEN", "127.0.0.1, [::1]:80");
    assert_eq!(
        listen(all, &[port, named], "snowflake-dc"),
        "[\"127.0.0.1:9000\", \"[::1]:80\"]"
    );
}

#[test]
fn servers_of_one_configuration_get_ports_by_their_numbers() {
    let listen = "127.0.0.1:7000+N,/run/shardflake/N.sock";
    let of = |id| [("SHARDFLAKE_HTTP__LISTEN", listen), ("SHARD_ID", id)];
    for (id, port) in [("0", 7000), ("3", 7003), ("16-31", 7016), ("58535", 65535)] {
        assert_eq!(
            value::show_list(&load(&of(id)).unwrap().http.listen),
            format!("[\"127.0.0.1:{port}\", \"unix:/run/shardflake/N.sock\"]")
        );
    }
    problem(
        &of("58536"),
        &[
            "http.listen",
            "\"127.0.0.1:7000+N\" with N = 58536",
            "65535",
        ],
    );
}

#[test]
fn the_state_directory_falls_back_in_order() {
    let all = [
        ("SHARD_ID", "1"),
        ("XDG_STATE_HOME", "/x/"),
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        ("SHARDFLAKE_STATE__DIR", "/env"),
    ];
    let dir = |count: usize| {
        let config = load(&all[..count]).unwrap();
        let settings = &config.sources.settings;
        let origin = settings
            .iter()
            .find(|setting| setting.key == "state.dir")
            .unwrap();
        (
            config.state.dir.display().to_string(),
            origin.origin.clone(),
        )
    };
    let pair = |dir: &str, origin: &str| (dir.to_owned(), origin.to_owned());
    assert_eq!(dir(1), pair("/home/u/.local/state/shardflake", "HOME"));
    assert_eq!(dir(2), pair("/x/shardflake", "XDG_STATE_HOME"));
    assert_eq!(dir(3), pair("/var/lib/a", "STATE_DIRECTORY"));
    assert_eq!(dir(4), pair("/env", "SHARDFLAKE_STATE__DIR"));

    let flags = Flags {
        state_dir: Some("here".into()),
        ..Flags::default()
    };
    let there = environment(&all).with_current_dir("/cwd".into());
    assert_eq!(
        Config::load(&flags, &there).unwrap().state.dir,
        Path::new("/cwd/here")
    );
    let empty = Flags {
        state_dir: Some(String::new()),
        ..Flags::default()
    };
    assert!(Config::load(&empty, &there).is_err());

    let relative = ("STATE_DIRECTORY", "shardflake");
    problem(
        &[("SHARD_ID", "1"), relative],
        &["state.dir (from STATE_DIRECTORY)", "\"shardflake\""],
    );
    let bare = Environment::new([("SHARD_ID", "1"), ("HOME", "u"), ("XDG_STATE_HOME", "")]);
    let error = Config::load(&Flags::default(), &bare)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no state directory") && error.contains("--state-dir"),
        "{error}"
    );
}

#[test]
fn variables_of_ours_that_nothing_reads_are_warnings() {
    let warnings =
        |name: &str, value: &str| load(&[("SHARD_ID", "1"), (name, value)]).unwrap().warnings;
    let typo = warnings("SHARDFLAKE_HTTP_LISTEN", "x");
    assert!(
        typo.len() == 1 && typo[0].contains("SHARDFLAKE_HTTP__LISTEN"),
        "{typo:?}"
    );
    let port = warnings("SHARDFLAKE_PORT", "7001");
    assert!(
        port.len() == 1 && port[0].contains("SHARDFLAKE_HTTP__LISTEN"),
        "{port:?}"
    );
    let file = warnings("SHARDFLAKE_CONFIG", "/f.toml");
    assert!(
        file.len() == 1 && file[0].contains("name the file with --config"),
        "{file:?}"
    );
    assert_eq!(warnings("SHARDFLAKE_Http__Listen", "x").len(), 1);
    for (name, value) in [
        ("SHARDFLAKE_PORT", "tcp://10.0.0.1:7001"),
        ("SHARDFLAKE_SERVICE_HOST", "10.0.0.1"),
        ("SHARDFLAKE_SERVICE_PORT", "7001"),
        ("SHARDFLAKE_SERVICE_PORT_HTTP", "7001"),
        ("SHARDFLAKE_PORT_7001_TCP", "tcp://10.0.0.1:7001"),
        ("SHARDFLAKE_PORT_7001_TCP_ADDR", "10.0.0.1"),
        ("SHARDFLAKE_HEADLESS_SERVICE_HOST", "None"),
        ("SHARDFLAKERY", "x"),
    ] {
        assert_eq!(warnings(name, value), [""; 0], "{name}");
    }
    let foreign = warnings("WORKERS", "4");
    assert!(
        foreign[0].contains("WORKERS=4 is set, but the profile sonyflake reads"),
        "{foreign:?}"
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_where_it_is_read() {
    let load = |name: &str| {
        let odd = OsString::from_vec(b"1\xff".to_vec());
        let rest = [("SHARD_ID", "1"), HOME].map(|(name, value)| (name.into(), value.into()));
        let variables = [(name.into(), odd)].into_iter().chain(rest);
        Config::load(
            &Flags::default(),
            &Environment::new::<OsString, _>(variables),
        )
    };
    for ours in [
        "SHARD_ID",
        "SERVICE_PORT",
        "SHARDFLAKE_HTTP__DRAIN",
        "STATE_DIRECTORY",
    ] {
        let error = load(ours).unwrap_err().to_string();
        assert!(
            error.contains(ours) && error.contains("not UTF-8"),
            "{error}"
        );
    }
    assert_eq!(load("LS_COLORS").unwrap().warnings, [""; 0]);
}
