//! A shard that lives again and again on one file system, and everything that it gave.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::checker::Ledger;
use crate::client::Client;
use crate::places::{Place, Told};
use crate::server::{BINARY, Home, PATIENCE, code, fields, tick_now, undisturbed};

/// Lives in a row that make IDs run ahead of the clock: each begins a window above the one before.
const ROUNDS: usize = 4;
const MOST_ROUNDS: usize = 30;
/// How many ticks ahead of the clock they have to be then.
const LEAD: u64 = 200;

/// Shard 1, or the one that it is changed to, and its state directory.
pub(crate) struct Lives {
    pub(crate) home: Home,
    /// The state directory as servers are told of it.
    pub(crate) state: PathBuf,
    pub(crate) shard: &'static str,
    /// What is mounted in the home, to be unmounted with it.
    pub(crate) mounts: Vec<PathBuf>,
    pub(crate) top: PathBuf,
    ledger: Ledger,
    told: Told,
}

/// A server that issues, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: File,
}

/// A server that ended by itself, with its code and what it wrote.
pub(crate) struct Ended(i32, String);

impl Lives {
    /// A shard with a mark, before its first life.
    pub(crate) fn on(place: &Place) -> Self {
        let home = Home::under(&place.top);
        home.make_mark("1");
        Self {
            state: home.state(),
            home,
            shard: "1",
            mounts: Vec::new(),
            top: place.top.clone(),
            ledger: Ledger::default(),
            told: Told::default(),
        }
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.state.join("1.mark")
    }

    /// The folder that holds the state directory at first.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.state().parent().unwrap().to_owned()
    }

    /// Runs a shell script in that folder, for which `$TOP` is the top of the file system.
    pub(crate) fn shell(&self, script: &str) {
        let programs = Path::new(BINARY).parent().unwrap().display();
        let output = undisturbed(&mut Command::new("sh"))
            .args(["-euc", &format!("PATH={programs}:$PATH\n{script}")])
            .current_dir(self.folder())
            .env("TOP", &self.top)
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }

    /// The command line of a server, run by `wrapper` if that names a program.
    pub(crate) fn command(&self, wrapper: &[&str]) -> Command {
        let mut line = wrapper.iter().copied().chain([BINARY]);
        let mut command = Command::new(line.next().unwrap());
        undisturbed(&mut command)
            .args(line)
            .env("SHARD_ID", self.shard)
            .args(["--listen", &self.home.address().to_string(), "--state-dir"])
            .arg(&self.state)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// A server that issues, however long it is up before.
    pub(crate) fn start(&mut self, command: Command) -> Result<Running, Ended> {
        let mut server = Running::new(command, self.home.address());
        let begin = Instant::now();
        let mut up = None;
        loop {
            if let Some(status) = server.child.try_wait().unwrap() {
                return Err(Ended(code(status), server.log()));
            }
            match server.health() {
                Some(200) => break,
                Some(_) => up = up.or_else(|| Some(Instant::now())),
                None => {}
            }
            assert!(begin.elapsed() < PATIENCE, "not serving: {}", server.log());
            thread::park_timeout(Duration::from_millis(5));
        }
        let waited = up.map_or(Duration::ZERO, |up| up.elapsed());
        self.told.waited = self.told.waited.max(waited);
        Ok(server)
    }

    /// One that has to issue.
    pub(crate) fn serve(&mut self) -> Running {
        self.serve_by(&[])
    }

    /// One that has to issue, run by the program `wrapper`.
    pub(crate) fn serve_by(&mut self, wrapper: &[&str]) -> Running {
        self.start(self.command(wrapper))
            .unwrap_or_else(|Ended(code, log)| panic!("ended with {code}: {log}"))
    }

    /// Takes IDs, one by one and in bulk: all of them above those of earlier lives.
    pub(crate) fn take(&mut self, server: &Running) {
        let mut ids = server.ids(300);
        ids.extend((0..10).flat_map(|_| server.ids(1)));
        ids.extend(server.ids(700));
        self.received(&ids);
    }

    pub(crate) fn received(&mut self, ids: &[u64]) {
        self.ledger.enter_ids(ids);
    }

    /// The largest ID that it gave.
    pub(crate) fn highest(&self) -> u64 {
        self.ledger.highest(self.shard)
    }

    /// A whole life, that is killed.
    pub(crate) fn live(&mut self) {
        let server = self.serve();
        self.take(&server);
        server.kill();
    }

    /// Lives so often that IDs are well ahead of the clock: a start that does not know of them repeats
    /// some or gives lower ones.
    pub(crate) fn run_ahead(&mut self) {
        for _ in 0..ROUNDS {
            self.live();
        }
        let more = (ROUNDS..MOST_ROUNDS).find(|_| {
            let ahead = self.is_ahead();
            if !ahead {
                self.live();
            }
            ahead
        });
        assert!(more.is_some(), "a life takes longer than a window");
    }

    fn is_ahead(&self) -> bool {
        fields(self.highest()).0 > tick_now() + LEAD
    }

    /// A life after older state may have come back: the mark is called a copy and adopted as the
    /// message says, or all IDs are above what it does not tell.
    pub(crate) fn go_on(&mut self) {
        self.told.ahead = self.is_ahead();
        let server = match self.start(self.command(&[])) {
            Ok(server) => server,
            Err(Ended(code, log)) => {
                assert!(code == 78 && log.contains("copy"), "{code}: {log}");
                let mut quoted = log.split('`');
                let advice = quoted.find(|text| text.contains("shardflake state adopt"));
                self.shell(advice.expect("it says what to do"));
                self.told.copied = true;
                self.serve()
            }
        };
        self.take(&server);
        assert_eq!(server.stop(), 0);
    }

    /// Asserts that no mark is called a copy.
    pub(crate) fn is_original(&self) {
        let mut command = Command::new(BINARY);
        let shown = undisturbed(&mut command)
            .args(["state", "show", "--json", "--state-dir"])
            .arg(&self.state)
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let marks = shown["marks"].as_array().unwrap();
        let original = marks.iter().all(|mark| mark["original"] == true);
        assert!(original && !marks.is_empty(), "{shown}");
    }

    /// What it came to: no ID twice.
    pub(crate) fn end(mut self) -> Told {
        let mut told = std::mem::take(&mut self.told);
        told.ids = std::mem::take(&mut self.ledger).close();
        told
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        for mount in &self.mounts {
            let _ = umount2(mount, MntFlags::MNT_DETACH);
        }
    }
}

impl Running {
    fn new(mut command: Command, address: SocketAddr) -> Self {
        let log = tempfile::tempfile().unwrap();
        let child = command.stderr(log.try_clone().unwrap()).spawn().unwrap();
        Self {
            child,
            address,
            log,
        }
    }

    fn log(&self) -> String {
        let mut log = &self.log;
        let mut text = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut text).unwrap();
        text
    }

    /// The status of its health, once it answers.
    fn health(&self) -> Option<u16> {
        TcpStream::connect(self.address).ok()?;
        let mut client = Client::new(self.address).ok()?;
        Some(client.get("/health").ok()?.status)
    }

    /// So many IDs, in as many replies as it takes: one that comes to a tick too far ahead of the clock is
    /// refused or broken off.
    pub(crate) fn ids(&self, count: usize) -> Vec<u64> {
        let begin = Instant::now();
        let mut ids = self.reply(count);
        while ids.len() < count {
            assert!(
                begin.elapsed() < PATIENCE,
                "{} IDs: {}",
                ids.len(),
                self.log()
            );
            thread::park_timeout(Duration::from_millis(10));
            ids.extend(self.reply(count - ids.len()));
        }
        ids
    }

    /// The IDs of one reply, also of one that is broken off.
    fn reply(&self, count: usize) -> Vec<u64> {
        let request = format!(
            "GET /ids/{count}?format=binary HTTP/1.1\r\nhost: crash\r\nconnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // Whatever ends it, what came is there.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.map_or(0, |end| end + 4));
        if !head.starts_with(b"HTTP/1.1 200") {
            let text = String::from_utf8_lossy(&bytes);
            // One that is broken off early has no head.
            assert!(
                text.is_empty() || text.starts_with("HTTP/1.1 503"),
                "{text}"
            );
            return Vec::new();
        }
        let (ids, _) = body.as_chunks();
        ids.iter().map(|id| u64::from_be_bytes(*id)).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        code(self.child.wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
