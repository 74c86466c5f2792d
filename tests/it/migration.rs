//! `packaging/doc/migration.md`, step by step: from servers that behave as their documents say.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::server::{BINARY, Client, Home, Server, now_ms, undisturbed};

const GUIDE: &str = include_str!("../../packaging/doc/migration.md");
const IDS: usize = 2000;

/// A server that remembers nothing, with the bits of its document.
#[derive(Clone, Copy)]
struct Old {
    profile: &'static str,
    variables: &'static [(&'static str, &'static str)],
    path: &'static str,
    epoch_ms: u64,
    tick_ms: u64,
    /// Where the tick begins in an ID, and the sequence, and the machine ID in its place.
    tick_shift: u32,
    sequence_shift: u32,
    sequences: u64,
    machine: u64,
    reply: fn(u64) -> String,
}

const OLD: [Old; 4] = [
    Old {
        profile: "snowflake-dc",
        variables: &[("DATACENTER_ID", "1"), ("MACHINE_ID", "1")],
        path: "/generate",
        epoch_ms: 1_288_834_974_657,
        tick_ms: 1,
        tick_shift: 22,
        sequence_shift: 0,
        sequences: 4096,
        machine: 1 << 17 | 1 << 12,
        reply: |id| format!(r#"{{"id":{id}}}"#),
    },
    Old {
        profile: "snowflake",
        variables: &[("WORKER_ID", "1")],
        path: "/id",
        epoch_ms: 1_705_065_354_064,
        tick_ms: 1,
        tick_shift: 22,
        sequence_shift: 0,
        sequences: 4096,
        machine: 1 << 12,
        reply: |id| format!(r#"{{"id":"{id}"}}"#),
    },
    Old {
        profile: "snowflake-node",
        variables: &[("MACHINE_ID", "1")],
        path: "/id",
        epoch_ms: 1_704_067_200_000,
        tick_ms: 1,
        tick_shift: 22,
        sequence_shift: 0,
        sequences: 4096,
        machine: 1 << 12,
        reply: |id| format!(r#"{{"id":{id},"machine_id":1}}"#),
    },
    Old {
        profile: "sonyflake",
        variables: &[("SHARD_ID", "1")],
        path: "/generate",
        epoch_ms: 1_409_529_600_000,
        tick_ms: 10,
        tick_shift: 24,
        sequence_shift: 16,
        sequences: 256,
        machine: 1,
        reply: |id| format!(r#"{{"id":{id},"timestamp":1795241876}}"#),
    },
];

impl Old {
    /// Serves one connection at a time, until the listener is gone.
    fn serve(self, listener: &TcpListener) {
        let mut last = (0, 0);
        for stream in listener.incoming().map_while(Result::ok) {
            self.answer(stream, &mut last);
        }
    }

    fn answer(self, stream: TcpStream, last: &mut (u64, u64)) {
        let mut requests = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut stream = stream;
        while let Some(Ok(line)) = requests.next() {
            if !line.is_empty() {
                continue;
            }
            let body = (self.reply)(self.issue(last));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            if stream
                .write_all(format!("{head}{body}").as_bytes())
                .is_err()
            {
                return;
            }
        }
    }

    /// The next ID, on a clock that is a second ahead.
    fn issue(self, (tick, sequence): &mut (u64, u64)) -> u64 {
        let ms = now_ms() + 1000;
        let now = (ms - self.epoch_ms) / self.tick_ms;
        (*tick, *sequence) = match (*tick).max(now) {
            later if later > *tick => (later, 0),
            same if *sequence + 1 < self.sequences => (same, *sequence + 1),
            full => (full + 1, 0),
        };
        *tick << self.tick_shift | *sequence << self.sequence_shift | self.machine
    }

    fn command(self, home: &Home) -> Command {
        let mut command = Command::new(BINARY);
        undisturbed(&mut command)
            .env("SHARDFLAKE_PROFILE", self.profile)
            .env("STATE_DIRECTORY", home.state())
            .env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string())
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// So many IDs of a server, and its last reply.
fn ask(address: SocketAddr, path: &str) -> (BTreeSet<u64>, Value) {
    let mut client = Client::new(address).unwrap();
    let mut ids = BTreeSet::new();
    let mut last = Value::Null;
    while ids.len() < IDS {
        let reply = client.get(path).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        last = reply.json();
        let id = &last["id"];
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok()).unwrap();
        assert!(ids.insert(id), "{id} came twice");
    }
    (ids, last)
}

fn keys(reply: &Value) -> Vec<&String> {
    reply.as_object().unwrap().keys().collect()
}

fn migrate(old: Old) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || old.serve(&listener));
    let (before, documented) = ask(address, old.path);
    let largest = before.last().unwrap().to_string();

    let home = Home::empty();
    let decoded = old
        .command(&home)
        .args(["decode", "--json", &largest])
        .output();
    let decoded: Value = serde_json::from_slice(&decoded.unwrap().stdout).unwrap();
    let decoded = decoded.get(0).unwrap_or(&decoded);
    assert_eq!(decoded["id"], largest.as_str(), "{decoded}");

    let init = ["state", "init", "--above", &largest];
    let made = old.command(&home).args(init).output().unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(said.starts_with("created "), "{said}");

    let mut command = old.command(&home);
    command.arg("serve").stdout(Stdio::null());
    let mut new = Server::start(command, home.address());
    new.await_serving();
    let (after, replied) = ask(home.address(), old.path);
    assert!(
        before.last() < after.first(),
        "{} repeats or goes back",
        old.profile
    );
    for key in keys(&documented) {
        assert!(keys(&replied).contains(&key), "{replied} lacks {key}");
    }
    let health = old.command(&home).arg("health").output().unwrap();
    assert_eq!(health.status.code(), Some(0));
    assert_eq!(new.stop(), 0);
    let health = old.command(&home).arg("health").output().unwrap();
    assert_eq!(health.status.code(), Some(69));
}

#[test]
fn no_id_of_an_old_server_comes_again() {
    // Each waits a few seconds for its new mark.
    let migrations = OLD.map(|old| thread::spawn(move || migrate(old)));
    for migration in migrations {
        migration.join().unwrap();
    }
}

#[test]
fn the_guide_tells_what_was_tried() {
    for old in OLD {
        assert!(GUIDE.contains(&format!("`{}`", old.profile)));
        for (name, _) in old.variables {
            assert!(GUIDE.contains(&format!("`{name}`")), "{name}");
        }
    }
    for command in [
        "shardflake decode --profile",
        "shardflake state init --above",
        "shardflake health",
    ] {
        assert!(GUIDE.contains(command), "{command}");
    }
}

#[test]
fn an_id_of_the_future_is_not_begun_above() {
    let home = Home::empty();
    let [_, snowflake, ..] = OLD;
    // An ID of Twitter's epoch read with another one.
    let foreign = (1_795_241_876_000u64 - 1_288_834_974_657) << 22;
    let init = ["state", "init", "--above", &foreign.to_string()];
    let refused = snowflake.command(&home).args(init).output().unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("check that profile, epoch and layout"),
        "{told}"
    );
    assert!(!home.state().join("1.mark").exists());
}

#[test]
fn a_mark_is_raised_and_never_lowered() {
    let home = Home::empty();
    let [_, snowflake, ..] = OLD;
    let above = |id: u64| {
        let init = ["state", "init", "--json", "--above", &id.to_string()];
        let done = snowflake.command(&home).args(init).output().unwrap();
        let reply: Value = serde_json::from_slice(&done.stdout).unwrap();
        reply["bound"].as_u64().unwrap()
    };
    let mut last = (0, 0);
    let first = above(snowflake.issue(&mut last));
    let hour = 3_600_000;
    let raised = above((first + hour) << 22);
    assert_eq!(raised, first + hour);
    assert_eq!(above(1 << 22), raised);
}
