//! Whatever ends a start or a state command says what was seen, what the limit is, and what to do;
//! `packaging/doc/operations.md` has a row for each end of a start, with its exit code.

use std::io;

use super::*;
use crate::cli::state::Error;
use crate::config::ConfigError;
use crate::daemon::ServerError;
use crate::http::{Address, BindError};
use crate::systemd::SocketError;
use shardflake::mark::rules::Wait;
use shardflake::mark::{AcceptError, DirectoryError, MarkError};

const OPERATIONS: &str = include_str!("../../../../packaging/doc/operations.md");

/// Asserts that `message` holds the parts of `words` between dots, one after the other.
fn check(message: &str, words: &str) {
    let mut rest = message;
    for part in words.split('…') {
        let (_, after) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("{part:?} is not in: {message}"));
        rest = after;
    }
}

/// The row of the document, without the exit code, and the way out. A new variant does not compile
/// until it is told of here.
fn said(error: &ServerError) -> (&'static str, &'static str) {
    match error {
        ServerError::Directory(error) => said_of_directory(error),
        ServerError::Start(_) => (
            "machine ID … is in use in …",
            "stop that process and those that it has forked, or choose another machine ID",
        ),
        ServerError::Finish(_) => ("", "free some space…no ID will repeat"),
        ServerError::Bind(error) => said_of_bind(error),
        ServerError::Socket(error) => said_of_socket(error),
        ServerError::System(_) => (
            "cannot start: …; look at the limits of the service",
            "processes, memory and open files, and at its filter of system calls",
        ),
        ServerError::Bug => ("", "please report it"),
    }
}

fn said_of_directory(error: &DirectoryError) -> (&'static str, &'static str) {
    match error {
        DirectoryError::Missing(_) => (
            "the state directory … does not exist, and state.create is false",
            "mount the volume that holds it, or create it",
        ),
        DirectoryError::Unusable { .. } => (
            "cannot use the state directory …",
            "create it, owned by the service's user…ReadWritePaths=…set state.dir",
        ),
        DirectoryError::Short { .. } => (
            "cannot look at the state directory …",
            "raise the limit on open files…or free memory",
        ),
        DirectoryError::Full { .. } => ("cannot make the state directory …", "free some space"),
        DirectoryError::Network { .. } => (
            "the state directory … is on …, whose locks may not hold on every host",
            "use a local file system, or set state.allow_network_fs",
        ),
    }
}

fn said_of_bind(error: &BindError) -> (&'static str, &'static str) {
    let way_out = "set `listen` to another";
    match error {
        BindError::InUse(_) => ("another process listens on …", way_out),
        BindError::Denied(_) => ("not allowed to listen on …", way_out),
        BindError::NoSuchAddress(_) => ("this machine has no address …", "set `listen` to one"),
        BindError::NotASocket(_) => ("… exists and is not a socket", way_out),
        BindError::NoSuchGroup(_) => ("there is no group …", "set `socket_group` to one"),
        BindError::GroupDenied { .. } => (
            "not allowed to give … to group …",
            "set `socket_group` to another",
        ),
        BindError::Failed { .. } => ("cannot listen on …", way_out),
    }
}

fn said_of_socket(error: &SocketError) -> (&'static str, &'static str) {
    match error {
        SocketError::Environment(_) => (
            "the service manager's LISTEN_FDS or LISTEN_PID cannot be read: …",
            "start the service through its unit",
        ),
        SocketError::Kind { .. } => (
            "passed socket … is not a listening TCP or Unix stream socket",
            "use ListenStream= with Accept=no",
        ),
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

fn held() -> MarkError {
    MarkError::Held {
        directory: "/state".into(),
        range: "1".parse().unwrap(),
        holder: "it has not written its mark yet".into(),
    }
}

fn no_room() -> MarkError {
    MarkError::Io {
        action: "write",
        path: "/state/1.mark".into(),
        source: full(),
    }
}

/// One of each, with its exit code.
fn errors() -> Vec<(ServerError, u8)> {
    let path = || "/state".to_owned();
    let tcp: std::net::SocketAddr = "192.0.2.1:7001".parse().unwrap();
    let address = || Address::Tcp(tcp);
    vec![
        (DirectoryError::Missing(path()).into(), 78),
        (
            DirectoryError::Unusable {
                path: path(),
                source: io::ErrorKind::PermissionDenied.into(),
            }
            .into(),
            78,
        ),
        (
            DirectoryError::Short {
                path: path(),
                source: io::Error::from_raw_os_error(24),
            }
            .into(),
            75,
        ),
        (
            DirectoryError::Full {
                path: path(),
                source: full(),
            }
            .into(),
            75,
        ),
        (
            DirectoryError::Network {
                path: path(),
                kind: "nfs",
            }
            .into(),
            78,
        ),
        (ServerError::Start(held()), 75),
        (ServerError::Finish(no_room()), 74),
        (BindError::InUse(address()).into(), 75),
        (BindError::Denied(address()).into(), 78),
        (BindError::NoSuchAddress(tcp).into(), 75),
        (BindError::NotASocket("/run/s.sock".into()).into(), 78),
        (BindError::NoSuchGroup("ids".into()).into(), 78),
        (
            BindError::GroupDenied {
                path: "/run/s.sock".into(),
                group: "ids".into(),
            }
            .into(),
            78,
        ),
        (
            BindError::Failed {
                address: address(),
                source: full(),
            }
            .into(),
            78,
        ),
        (SocketError::Environment(full()).into(), 78),
        (SocketError::Kind { index: 1 }.into(), 78),
        (ServerError::System(full()), 75),
        (ServerError::Bug, 70),
    ]
}

#[test]
fn every_end_of_a_server_says_why_and_has_a_row_in_the_document() {
    for (error, code) in errors() {
        let (row, way_out) = said(&error);
        let message = error.to_string();
        check(&message, row);
        check(&message, way_out);
        assert_eq!(Exit::from(&error).code(), code, "{message}");
        if !row.is_empty() {
            let row = format!("\n| `{row}` | {code} | ");
            assert_eq!(OPERATIONS.matches(&row).count(), 1, "{row}");
        }
    }
}

fn said_of_command(error: &Error) -> &'static str {
    match error {
        Error::Directory(_) => "/state…mount the volume",
        Error::Mark(_) => "machine ID 1…stop that process",
        Error::Clock(_) => "\"tomorrow\"…run `shardflake state accept-clock` again",
        Error::NoShard(_) => "no shard number is set…WORKER_ID=1…--shard-id 1…/etc/s.toml",
        Error::NothingToAdopt { .. } => "machine ID 1…/state…--state-dir…shardflake state init",
        Error::Ahead { .. } => "ID 7…2099…2026…check that profile, epoch and layout",
        Error::TooFar { .. } => "2150…10 years…2026…give a time",
        Error::Past { .. } => "2001…2026…give a time to come",
    }
}

#[test]
fn a_state_command_without_a_number_names_the_variables_of_the_profile() {
    for (profile, example) in [
        ("sonyflake", "set SHARD_ID=1 in the environment"),
        ("snowflake", "set WORKER_ID=1 in the environment"),
        ("snowflake-node", "set MACHINE_ID=1 in the environment"),
        ("snowflake-dc", "set DATACENTER_ID=0 and MACHINE_ID=1 in"),
    ] {
        for command in ["init", "adopt"] {
            let line = ["state", command, "--profile", profile, "--state-dir", "/s"];
            let answer = ask(&line);
            assert_eq!(answer.code, 78, "{}", answer.err);
            check(&answer.err, example);
        }
    }
}

#[test]
fn going_on_ahead_until_the_past_is_warned_of() {
    let after = std::time::Duration::from_secs;
    let told = |until: Option<u64>, now: u64| {
        let until = until.map(|until| std::time::UNIX_EPOCH + after(until));
        continues_in_vain(until, WallTime::ZERO + after(now))
    };
    assert_eq!(told(None, 1_800_000_000), None);
    assert_eq!(told(Some(1_800_000_001), 1_800_000_000), None);
    let warning = told(Some(1_700_000_000), 1_800_000_000).unwrap();
    check(&warning, "2023-11-14…is past…2027-01-15…leave it out");
}

#[test]
fn every_refusal_of_a_state_command_says_what_to_do() {
    let text = |text: &str| text.to_owned();
    for (error, code) in [
        (DirectoryError::Missing(text("/state")).into(), 78),
        (held().into(), 75),
        (AcceptError::Text(text("tomorrow")).into(), 78),
        (
            Error::NoShard(Box::new(ConfigError::NoShard {
                example: text("WORKER_ID=1"),
                file: "/etc/s.toml".into(),
                hint: String::new(),
            })),
            78,
        ),
        (
            Error::NothingToAdopt {
                directory: text("/state"),
                shard: "1".parse().unwrap(),
                command: text("shardflake state init --shard-id 1"),
            },
            78,
        ),
        (
            Error::Ahead {
                id: 7,
                time: text("2099"),
                clock: text("2026"),
            },
            64,
        ),
        (
            Error::TooFar {
                until: text("2150"),
                clock: text("2026"),
            },
            64,
        ),
        (
            Error::Past {
                until: text("2001"),
                clock: text("2026"),
            },
            64,
        ),
    ] {
        check(&error.to_string(), said_of_command(&error));
        assert_eq!(Exit::from(&error).code(), code, "{error}");
    }
    let waits = MarkError::from(Wait::SteppedFar {
        step: std::time::Duration::from_secs(90_000),
    });
    check(
        &waits.to_string(),
        "1day 1h…more than a day…state accept-clock",
    );
}
