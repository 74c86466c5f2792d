//! `packaging/doc/migration.md`, step by step: from servers that behave as their documents say.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::client::Client;
use crate::server::{BINARY, Home, Server, now_ms, undisturbed};

const GUIDE: &str = include_str!("../../packaging/doc/migration.md");
/// How many IDs a server is asked for. The old one issues so many in its last minute.
const IDS: u64 = 2000;
const MINUTE_MS: u64 = 60_000;
/// How far the old server's clock is ahead: beyond what a new mark leaves room for by itself, so
/// that the ID that the guide takes is what counts.
const AHEAD_MS: u64 = 8000;

/// A server that remembers nothing, with the bits of its document.
#[derive(Clone, Copy)]
struct Old {
    profile: &'static str,
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

/// What such a server keeps in memory.
#[derive(Default)]
struct Memory {
    tick: u64,
    sequence: u64,
    issued: u64,
}

const DATACENTERS: Old = Old {
    profile: "snowflake-dc",
    path: "/generate",
    epoch_ms: 1_288_834_974_657,
    tick_ms: 1,
    tick_shift: 22,
    sequence_shift: 0,
    sequences: 4096,
    machine: 1 << 17 | 1 << 12,
    reply: |id| format!(r#"{{"id":{id}}}"#),
};

const WORKERS: Old = Old {
    profile: "snowflake",
    path: "/id",
    epoch_ms: 1_705_065_354_064,
    machine: 1 << 12,
    reply: |id| format!(r#"{{"id":"{id}"}}"#),
    ..DATACENTERS
};

const NODES: Old = Old {
    profile: "snowflake-node",
    epoch_ms: 1_704_067_200_000,
    reply: |id| format!(r#"{{"id":{id},"machine_id":1}}"#),
    ..WORKERS
};

const SHARDS: Old = Old {
    profile: "sonyflake",
    path: "/generate",
    epoch_ms: 1_409_529_600_000,
    tick_ms: 10,
    tick_shift: 24,
    sequence_shift: 16,
    sequences: 256,
    machine: 1,
    reply: |id| {
        format!(
            r#"{{"id":{id},"timestamp":{}}}"#,
            (id >> 24) / 100 + 1_409_529_600
        )
    },
};

impl Old {
    fn start(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let mut memory = Memory::default();
            let streams = listener.incoming().map_while(Result::ok);
            // One connection at a time; one that says nothing ends it.
            for stream in streams.take_while(|stream| stream.peek(&mut [0]).unwrap() > 0) {
                self.answer(stream, &mut memory);
            }
        });
        Running { address, thread }
    }

    fn answer(self, mut stream: TcpStream, memory: &mut Memory) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(request)) = lines.next() {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            // The head's end.
            while lines.next().unwrap().unwrap() != "" {}
            let (status, body) = if path == self.path {
                ("200 OK", (self.reply)(self.issue(memory)))
            } else {
                ("404 Not Found", String::new())
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
            if stream.write_all((head + &body).as_bytes()).is_err() {
                return;
            }
        }
    }

    /// The next ID. By this clock [`IDS`] of them take a minute, and then it goes on as it was.
    fn issue(self, memory: &mut Memory) -> u64 {
        memory.issued += 1;
        let before = MINUTE_MS * IDS.saturating_sub(memory.issued) / IDS;
        let now = (now_ms() + AHEAD_MS - before - self.epoch_ms) / self.tick_ms;
        (memory.tick, memory.sequence) = match memory.tick.max(now) {
            later if later > memory.tick => (later, 0),
            same if memory.sequence + 1 < self.sequences => (same, memory.sequence + 1),
            full => (full + 1, 0),
        };
        memory.tick << self.tick_shift | memory.sequence << self.sequence_shift | self.machine
    }

    /// When an ID was issued, by the old server's clock.
    fn unix_ms(self, id: u64) -> u64 {
        (id >> self.tick_shift) * self.tick_ms + self.epoch_ms
    }

    /// The lines that the guide has people type.
    fn steps(self) -> Vec<&'static str> {
        let heading = format!(": `{}`\n", self.profile);
        let (_, section) = GUIDE.split_once(&heading).unwrap();
        let (_, block) = section.split_once("```console\n").unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let steps = block.lines().map(|line| line.strip_prefix("$ ").unwrap());
        steps.collect()
    }

    /// What a step has to tell.
    fn check(self, step: &str, told: &str) {
        if step.starts_with("shardflake decode") {
            let near = now_ms() + AHEAD_MS;
            let (tick, datetime) = decoded(told);
            let issued = tick * self.tick_ms + self.epoch_ms;
            assert!(issued.abs_diff(near) < AHEAD_MS, "{told}");
            assert!(
                datetime.starts_with("20") && datetime.ends_with('Z'),
                "{told}"
            );
        }
        if step.starts_with("shardflake state init") {
            assert!(told.starts_with("created "), "{told}");
        }
        // The last one: the first reply of the new server.
        if step.starts_with("curl") {
            let documented: Value = serde_json::from_str(&(self.reply)(0)).unwrap();
            let replied: Value = serde_json::from_str(told).unwrap();
            for key in documented.as_object().unwrap().keys() {
                assert!(!replied[key].is_null(), "{replied} lacks {key}");
            }
        }
    }

    /// A command in the environment that the guide sets.
    fn command(self, home: &Home, program: &str) -> Command {
        let mut command = Command::new(program);
        let exports = self.steps()[0].strip_prefix("export ").unwrap();
        let variables = exports.split(' ').map(|set| set.split_once('=').unwrap());
        undisturbed(&mut command)
            .envs(variables)
            .env("STATE_DIRECTORY", home.state())
            .env("SHARDFLAKE_HTTP__LISTEN", home.address().to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

/// An old server in a thread.
struct Running {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Running {
    fn stop(self) {
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.join().unwrap();
    }
}

/// A shell that the steps are typed into.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn new(old: Old, home: &Home) -> Self {
        let mut command = old.command(home, "bash");
        // What the guide exports comes from the line that does.
        for set in old.steps()[0].split(' ').skip(1) {
            command.env_remove(set.split_once('=').unwrap().0);
        }
        let folder = BINARY.strip_suffix("/shardflake").unwrap();
        let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
        let mut child = command
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What the line prints; it has to succeed.
    fn run(&mut self, line: &str) -> String {
        writeln!(
            self.input,
            "{{ {line}\n}} </dev/null; printf '\\n::%s\\n' $?"
        )
        .unwrap();
        let mut told = String::new();
        loop {
            let mut next = String::new();
            assert_ne!(
                self.output.read_line(&mut next).unwrap(),
                0,
                "{line}: {told}"
            );
            if let Some(code) = next.strip_prefix("::") {
                assert_eq!(code, "0\n", "{line}: {told}");
                return told;
            }
            told += &next;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// [`IDS`] IDs of a server.
fn ask(address: SocketAddr, path: &str) -> BTreeSet<u64> {
    let mut client = Client::new(address).unwrap();
    let mut ids = BTreeSet::new();
    for _ in 0..IDS {
        let reply = client.get(path).unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        let id = &reply.json()["id"];
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok()).unwrap();
        assert!(ids.insert(id), "{id} came twice");
    }
    ids
}

/// What `decode` tells of the only ID: its time field, and when it was issued.
fn decoded(table: &str) -> (u64, String) {
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    (row[1].parse().unwrap(), (*row.last().unwrap()).to_owned())
}

fn migrate(old: Old) {
    let home = Home::empty();
    let mut shell = Shell::new(old, &home);
    let mut running = Some(old.start());
    let mut host = running.as_ref().unwrap().address.to_string();
    let before = ask(running.as_ref().unwrap().address, old.path);
    let first = old.unix_ms(*before.first().unwrap());
    let minute = old.unix_ms(*before.last().unwrap()) - first;
    assert!(minute > MINUTE_MS * 9 / 10, "{minute} ms");
    let mut new = None;
    let mut told = String::new();
    for step in old.steps() {
        if step.contains(" stop ") {
            running.take().unwrap().stop();
            host = home.address().to_string();
        } else if step == "systemctl start shardflake" {
            assert!(running.is_none());
            let mut command = old.command(&home, BINARY);
            command.arg("serve").stdout(Stdio::null());
            new.insert(Server::start(command, home.address()))
                .await_serving();
        } else {
            let step = step.replace("localhost:8080", &host);
            told = shell.run(&step.replace("localhost:7001", &host));
            told.truncate(told.trim_end().len());
        }
        old.check(step, &told);
    }
    let last: u64 = shell.run("echo \"$last\"").trim().parse().unwrap();
    assert!(before.iter().all(|id| *id < last));
    let after = ask(home.address(), old.path);
    assert!(
        last < *after.first().unwrap(),
        "{} repeats or goes back",
        old.profile
    );
    assert!(before.is_disjoint(&after));
    assert_eq!(new.unwrap().stop(), 0);
    // The way back: by then a clock has passed all that was issued.
    let bound = home.mark()["bound"].as_u64().unwrap();
    assert!(after.last().unwrap() >> old.tick_shift <= bound);
}

#[test]
fn no_id_of_an_old_servers_last_minute_comes_again() {
    // Each waits a few seconds for its clock.
    let migrations =
        [DATACENTERS, WORKERS, NODES, SHARDS].map(|old| thread::spawn(move || migrate(old)));
    for migration in migrations {
        migration.join().unwrap();
    }
}

#[test]
fn another_epoch_is_found_as_the_guide_says() {
    let old = Old {
        // 2020-01-01T00:00:00Z, which the guide has for an example.
        epoch_ms: 1_577_836_800_000,
        ..NODES
    };
    let home = Home::empty();
    let mut shell = Shell::new(old, &home);
    shell.run(old.steps()[0]);
    let id = old.issue(&mut Memory {
        issued: IDS,
        ..Memory::default()
    });
    let (tick, datetime) = decoded(&shell.run(&format!("shardflake decode {id}")));
    let year = shell.run("date -u +%Y");
    assert_ne!(&datetime[..4], year.trim());
    let found = now_ms() - tick;
    assert!(found.abs_diff(old.epoch_ms) < AHEAD_MS + 1000, "{found}");
    let step = "export SHARDFLAKE_EPOCH=2020-01-01T00:00:00Z";
    assert!(GUIDE.contains(&format!("$ {step}\n")));
    shell.run(step);
    let (same, datetime) = decoded(&shell.run(&format!("shardflake decode {id}")));
    assert_eq!(same, tick);
    let now = shell.run("date -u +%Y-%m-%d");
    assert!(now.trim() <= &datetime[..10], "{datetime}");
}

#[test]
fn an_id_of_the_future_is_not_begun_above() {
    let home = Home::empty();
    // An ID of Twitter's epoch read with another one.
    let foreign = (1_795_241_876_000u64 - 1_288_834_974_657) << 22;
    let init = ["state", "init", "--above", &foreign.to_string()];
    let refused = WORKERS.command(&home, BINARY).args(init).output().unwrap();
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
    let above = |id: u64| {
        let init = ["state", "init", "--json", "--above", &id.to_string()];
        let done = WORKERS.command(&home, BINARY).args(init).output().unwrap();
        let reply: Value = serde_json::from_slice(&done.stdout).unwrap();
        reply["bound"].as_u64().unwrap()
    };
    let first = above(WORKERS.issue(&mut Memory::default()));
    let hour = 3_600_000;
    let raised = above((first + hour) << 22);
    assert_eq!(raised, first + hour);
    assert_eq!(above(1 << 22), raised);
    let lower = ["state", "init", "--above", &(1 << 22).to_string()];
    let said = WORKERS.command(&home, BINARY).args(lower).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.starts_with("unchanged "), "{said}");
}
