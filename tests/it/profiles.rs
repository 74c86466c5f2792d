//! The documents that the profiles stand in for: their variables, ports, requests and replies.

mod counting;
mod documents;
mod pattern;
mod variables;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use shardflake::id::Layout;
use shardflake::id::layout::{Bits, Order};

use crate::client::Client;
use crate::server::{BINARY, Home, Server, now_ms, undisturbed};
use documents::{DOCUMENTS, Document, Row, WAITING};
use pattern::{Found, read};

/// How far the clocks of a test and of a server may be apart, in milliseconds.
const TOLERANCE_MS: u64 = 1000;

/// What curl sends unless it is told otherwise, and what a bare client does.
const CLIENTS: [&str; 2] = ["user-agent: curl/8.5.0\r\naccept: */*\r\n", ""];

impl Document {
    fn command(&self, home: &Home) -> Command {
        let mut command = Command::new(BINARY);
        undisturbed(&mut command)
            .env("SHARDFLAKE_PROFILE", self.profile)
            .env("STATE_DIRECTORY", home.state())
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// A server on the port that the document's own variable names, where it has one.
    fn start(&self, home: &Home) -> Server {
        let mut command = self.command(home);
        match self.port_variable {
            Some(name) => command.env(name, home.port.to_string()),
            None => command.env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string()),
        };
        command.arg("serve");
        Server::start(command, home.address())
    }

    /// One that issues.
    fn serve(&self, home: &Home) -> Server {
        home.make_mark_of(self.layout, self.shard);
        let mut server = self.start(home);
        server.await_serving();
        server
    }
}

/// What one client has seen of one server.
struct Witness<'a> {
    document: &'a Document,
    last: u64,
    issued: u64,
}

impl<'a> Witness<'a> {
    const fn new(document: &'a Document) -> Self {
        Self {
            document,
            last: 0,
            issued: 0,
        }
    }

    /// Asks what the row does, and holds the reply against it.
    fn ask(&mut self, server: &Server, row: &Row, headers: &str) {
        let (method, target) = row.request.split_once(' ').unwrap();
        let asked = now_ms();
        let mut client = Client::new(server.address).unwrap();
        let reply = client.ask(method, target, headers).unwrap();
        let answered = now_ms();
        let what = format!("{} {}", self.document.profile, row.request);
        let seen = (reply.status, reply.header("content-type"));
        assert_eq!(seen, (row.status, Some(row.content)), "{what}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
        let retries = reply.header("retry-after").is_some();
        assert_eq!(retries, row.status == 503, "{what}");
        let documented = row.reply.replace("<issued>", &self.issued.to_string());
        let found = read(&documented, &reply.body)
            .unwrap_or_else(|at| panic!("{what}: not {documented:?} at {at:?}"));
        for found in found {
            self.check(&found, asked, answered, &what);
        }
    }

    fn check(&mut self, found: &Found, asked: u64, answered: u64, what: &str) {
        match *found {
            Found::Id(id) => {
                assert!(self.last < id, "{what}: {id} after {}", self.last);
                let (unix_ms, machine) = (self.document.fields)(id);
                assert_eq!(machine, self.document.machine, "{what}");
                let time = asked - TOLERANCE_MS..=answered + TOLERANCE_MS;
                assert!(time.contains(&unix_ms), "{what}: {unix_ms} in {time:?}");
                self.last = id;
                self.issued += 1;
            }
            Found::Same(id) => assert_eq!(id, self.last, "{what}"),
            Found::Seconds(seconds) => {
                let (unix_ms, _) = (self.document.fields)(self.last);
                assert_eq!(seconds, unix_ms / 1000, "{what}");
            }
        }
    }
}

#[test]
fn every_documented_request_has_its_documented_reply() {
    for document in &DOCUMENTS {
        let home = Home::empty();
        let server = document.serve(&home);
        let mut witness = Witness::new(document);
        for row in document.rows {
            for headers in CLIENTS {
                witness.ask(&server, row, headers);
            }
        }
        assert!(witness.issued > 0);
        assert_eq!(server.stop(), 0);
    }
}

#[test]
fn a_server_that_may_not_issue_yet_says_so_in_the_documented_form() {
    for document in &DOCUMENTS {
        let home = Home::empty();
        // Without a mark it waits for some seconds, once it has the locks.
        let mut server = document.start(&home);
        server.await_line("the mark is new");
        let mut witness = Witness::new(document);
        for (profile, row) in &WAITING {
            if *profile == document.profile {
                witness.ask(&server, row, CLIENTS[0]);
            }
        }
    }
}

#[test]
fn every_difference_has_a_reason_in_the_guide() {
    let guide = include_str!("../../packaging/doc/migration.md");
    let reasons: BTreeSet<&str> = DOCUMENTS
        .iter()
        .flat_map(|document| document.rows)
        .chain(WAITING.iter().map(|(_, row)| row))
        .filter_map(|row| row.differs)
        .chain(variables::DIFFERENCES.map(|(.., reason)| reason))
        .collect();
    assert!(reasons.len() > 3);
    for reason in reasons {
        assert!(guide.contains(reason), "{reason}");
    }
}

#[test]
fn every_route_is_there_in_every_profile() {
    for document in &DOCUMENTS {
        let home = Home::empty();
        let server = document.serve(&home);
        for target in [
            "/generate",
            "/id",
            "/ids/3",
            "/ranges/3",
            "/decode/1",
            "/bounds?from=2025-01-01T00:00:00Z&to=2025-01-02T00:00:00Z",
            "/health",
            "/livez",
            "/readyz",
            "/metrics",
        ] {
            let status = server.get(target).status;
            assert_eq!(status, 200, "{} {target}", document.profile);
        }
    }
}

#[test]
fn the_threads_are_as_many_as_were_asked_for() {
    let workers = Document::of("snowflake");
    let home = Home::empty();
    let mut server = workers.serve(&home);
    // A thread bears the process's name until it runs.
    server.until("all threads running", |server| {
        threads(server, "shardflake") == 1
    });
    assert!(workers.variables.contains(&("WORKERS", "3")));
    assert_eq!(threads(&server, "http"), 3);
}

fn threads(server: &Server, name: &str) -> usize {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")))
        .filter(|found| found.as_ref().is_ok_and(|found| found.trim_end() == name))
        .count()
}

/// A server of `profile` that owns the numbers 7 to 9.
fn of_range(profile: &str, home: &Home) -> Server {
    let document = Document::of(profile);
    home.make_mark_of(document.layout, "7-9");
    let mut command = document.command(home);
    command
        .env(document.variables[0].0, "7-9")
        .env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string())
        .arg("serve");
    let mut server = Server::start(command, home.address());
    server.await_serving();
    server
}

#[test]
fn a_range_is_told_by_its_first_number_and_an_id_by_its_own() {
    let home = Home::empty();
    let server = of_range("snowflake", &home);
    let health = r#"{"status":"healthy","worker_id":7}"#;
    assert_eq!(server.get("/health").body, health);
    let metrics = server.get("/metrics").body;
    assert!(metrics.contains("\nid_generator_worker_id 7\n"));
    let home = Home::empty();
    let server = of_range("sonyflake", &home);
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let reply = server.get("/id").json();
        let id: u64 = reply["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(reply["machine_id"], id & 65535);
        seen.insert(id & 65535);
    }
    assert!(seen.iter().eq(&[7, 8, 9]), "{seen:?}");
}

#[test]
fn the_bits_of_others_are_served_and_read() {
    // time, sequence, machine ID, tick, epoch: all but ten bits for a time of milliseconds, and one of
    // seconds.
    for (time, sequence, machine, tick_ms, epoch) in [
        (53, 5, 5, 1, "2020-02-20T02:20:02.020Z"),
        (28, 13, 22, 1000, "2026-01-01T00:00:00Z"),
    ] {
        let home = Home::empty();
        let document = Document::of("snowflake");
        let bits = Bits {
            order: Order::MachineSequence,
            time,
            sequence,
            machine,
            datacenter: 0,
        };
        let began = humantime::parse_rfc3339(epoch).unwrap();
        let began = began.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let began = u64::try_from(began).unwrap();
        home.make_mark_of(Layout::new(bits, tick_ms, began).unwrap(), "1");
        let variables = [
            ("SHARDFLAKE_LAYOUT__TIME_BITS", time.to_string()),
            ("SHARDFLAKE_LAYOUT__SEQUENCE_BITS", sequence.to_string()),
            ("SHARDFLAKE_LAYOUT__MACHINE_BITS", machine.to_string()),
            ("SHARDFLAKE_LAYOUT__TICK", format!("{tick_ms}ms")),
            ("SHARDFLAKE_EPOCH", epoch.to_owned()),
        ];
        let with_bits = |mut command: Command| {
            command.envs(variables.iter().map(|(name, value)| (name, value)));
            command.env("WORKER_ID", "1");
            command
        };
        let mut command = with_bits(document.command(&home));
        command.env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string());
        command.arg("serve");
        let mut server = Server::start(command, home.address());
        server.await_serving();
        let before = now_ms() - tick_ms - TOLERANCE_MS;
        // A tick of a second may be longer in coming than a request waits.
        let mut id = 0;
        server.until("issuing", |server| {
            let reply = server.get("/id");
            if reply.status == 200 {
                id = reply.json()["id"].as_str().unwrap().parse().unwrap();
            }
            reply.status == 200
        });
        let spanned = before..=now_ms() + TOLERANCE_MS;

        let decoded = server.get(&format!("/decode/{id}")).json();
        let at = began + decoded["time"].as_u64().unwrap() * tick_ms;
        assert!(spanned.contains(&at), "{decoded}");
        assert_eq!(decoded["machine_id"], 1, "{decoded}");

        let told = |arguments: &[&str]| {
            let output = with_bits(document.command(&home))
                .args(arguments)
                .stdout(Stdio::piped())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
        };
        let again = told(&["decode", "--json", &id.to_string()]);
        assert_eq!(again[0], decoded);
        let moment = |ms| humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms));
        let (from, to) = (moment(at).to_string(), moment(at + tick_ms).to_string());
        let span = told(&["bounds", "--json", "--from", &from, "--to", &to]);
        let bound = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(
            (bound("smallest")..=bound("largest")).contains(&id),
            "{span}"
        );
        assert_eq!(
            bound("largest") - bound("smallest") + 1,
            1 << (sequence + machine)
        );
    }
}
