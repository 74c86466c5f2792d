//! The documents that the profiles stand in for: their variables, ports, requests and replies.

use std::process::{Command, Stdio};

use shardflake::id::Layout;

use crate::server::{BINARY, Home, Server, now_ms, undisturbed};

/// A documented server: what it is started with, and what it answers.
struct Document {
    profile: &'static str,
    layout: Layout,
    /// The machine ID that the variables make.
    machine: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// Requests, and their replies with `N` for an ID and `T` for a time.
    replies: &'static [(&'static str, u16, &'static str)],
}

const DOCUMENTS: [Document; 4] = [
    Document {
        profile: "snowflake-dc",
        layout: Layout::SNOWFLAKE_DC,
        machine: "33",
        variables: &[("DATACENTER_ID", "1"), ("MACHINE_ID", "1")],
        replies: &[
            ("/generate", 200, r#"{"id":N}"#),
            ("/id", 200, r#"{"id":N}"#),
        ],
    },
    Document {
        profile: "snowflake",
        layout: Layout::SNOWFLAKE,
        machine: "1",
        variables: &[("WORKER_ID", "1"), ("WORKERS", "2")],
        replies: &[
            ("/id", 200, r#"{"id":"N"}"#),
            ("/ids/2", 200, r#"{"ids":["N","N"]}"#),
            ("/health", 200, r#"{"status":"healthy","worker_id":1}"#),
            (
                "/ids/0",
                400,
                r#"{"error":"\"0\" is no number of IDs; ask for 1 to 4096000, in decimal digits"}"#,
            ),
        ],
    },
    Document {
        profile: "snowflake-node",
        layout: Layout::SNOWFLAKE_NODE,
        machine: "1",
        variables: &[("MACHINE_ID", "1")],
        replies: &[
            ("/health", 200, "ok"),
            ("/id", 200, r#"{"id":N,"machine_id":1}"#),
        ],
    },
    Document {
        profile: "sonyflake",
        layout: Layout::SONYFLAKE,
        machine: "1",
        variables: &[("SHARD_ID", "1")],
        replies: &[
            ("/generate", 200, r#"{"id":N,"id_str":"N","timestamp":T}"#),
            ("/health", 200, "OK"),
        ],
    },
];

impl Document {
    fn port_variable(&self) -> Option<&'static str> {
        match self.profile {
            "sonyflake" => Some("SERVICE_PORT"),
            "snowflake" => None,
            _ => Some("PORT"),
        }
    }

    fn start(&self, home: &Home) -> Server {
        let mut command = Command::new(BINARY);
        undisturbed(&mut command)
            .arg("serve")
            .env("SHARDFLAKE_PROFILE", self.profile)
            .env("STATE_DIRECTORY", home.state())
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match self.port_variable() {
            Some(name) => command.env(name, home.address().port().to_string()),
            None => command.env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string()),
        };
        Server::start(command, home.address())
    }
}

/// The reply with `N` for every ID and `T` for every time.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut digits = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        match digits.len() {
            15.. => shape.push('N'),
            10 => shape.push('T'),
            _ => shape += &digits,
        }
        digits.clear();
        shape.push(character);
    }
    shape.trim_end().to_owned()
}

#[test]
fn every_documented_request_has_its_documented_reply() {
    for document in DOCUMENTS {
        let home = Home::empty();
        home.make_mark_of(document.layout, document.machine);
        let mut server = document.start(&home);
        server.await_serving();
        for (target, status, documented) in document.replies {
            let reply = server.get(target);
            let seen = (reply.status, shape(&reply.body));
            assert_eq!(
                seen,
                (*status, (*documented).to_owned()),
                "{}",
                document.profile
            );
        }
        assert_eq!(server.stop(), 0);
    }
}

#[test]
fn ids_have_the_documented_bits() {
    for document in DOCUMENTS {
        let home = Home::empty();
        home.make_mark_of(document.layout, document.machine);
        let mut server = document.start(&home);
        server.await_serving();
        let id: u64 = server
            .get("/generate?format=text")
            .body
            .trim()
            .parse()
            .unwrap();
        // As the documents take an ID apart, and not by the code under test.
        let (unix_ms, machine) = match document.profile {
            "snowflake-dc" => ((id >> 22) + 1_288_834_974_657, id >> 12 & 1023),
            "snowflake" => ((id >> 22) + 1_705_065_354_064, id >> 12 & 1023),
            "snowflake-node" => ((id >> 22) + 1_704_067_200_000, id >> 12 & 1023),
            _ => ((id >> 24) * 10 + 1_409_529_600_000, id & 65535),
        };
        assert_eq!(machine.to_string(), document.machine);
        assert!(now_ms().abs_diff(unix_ms) < 60_000, "{unix_ms}");
    }
}
