//! A server process, with a state directory of its own.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Layout;
use shardflake::mark::rules::Settlement;
use shardflake::mark::slot::{Holder, Moment};
use shardflake::mark::{Author, Claim, Directory};

use crate::client::{Client, Reply};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_shardflake");
/// How long a test waits for what must come, before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A state directory with everything that a server needs to run beside others.
pub(crate) struct Home {
    directory: tempfile::TempDir,
    pub(crate) port: u16,
}

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: Receiver<String>,
    pub(crate) log: Vec<String>,
}

impl Home {
    /// A directory without marks.
    pub(crate) fn empty() -> Self {
        Self::under(&std::env::temp_dir())
    }

    /// A directory without marks, on the file system of `parent`.
    pub(crate) fn under(parent: &Path) -> Self {
        Self {
            directory: tempfile::tempdir_in(parent).unwrap(),
            port: free_port(),
        }
    }

    /// A directory whose mark for `shard` is a minute old, so that a server starts at once.
    pub(crate) fn with_mark(shard: &str) -> Self {
        let home = Self::empty();
        home.make_mark(shard);
        home
    }

    /// Makes the state directory, and such a mark in it.
    pub(crate) fn make_mark(&self, shard: &str) {
        self.make_mark_of(Layout::SONYFLAKE, shard);
    }

    /// Makes the state directory, and in it a mark of `layout` that is a minute old.
    pub(crate) fn make_mark_of(&self, layout: Layout, shard: &str) {
        let now = layout.tick_at(SystemClock.realtime()).unwrap();
        self.make_mark_at(layout, shard, now - layout.ticks(Duration::from_secs(60)));
    }

    /// Makes the state directory, and a mark with this bound in it.
    pub(crate) fn make_mark_at(&self, layout: Layout, shard: &str, bound: u64) {
        std::fs::create_dir(self.state()).unwrap();
        let author = Author {
            layout,
            furthest: 0,
            holder: Holder::default(),
            moment: Moment::default(),
        };
        let settlement = Settlement {
            own_bound: bound,
            fresh: true,
            left_over: Vec::new(),
            left_over_bound: 0,
            obsolete: Vec::new(),
        };
        let directory = Directory::new(self.state());
        Claim::take(directory, String::new(), shard.parse().unwrap())
            .and_then(|mut claim| claim.settle(&author, |_| Some(settlement)))
            .unwrap();
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The command line of a server for `shard`, to which a test may add.
    pub(crate) fn command(&self, shard: &str) -> Command {
        self.wrapped(&[], shard)
    }

    /// The command line of a second server in the same state directory, on another port.
    pub(crate) fn beside(&self, shard: &str) -> (Command, SocketAddr) {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        (self.line(&[], shard, address), address)
    }

    /// The command line of a server for `shard` that the program `wrapper` runs.
    pub(crate) fn wrapped(&self, wrapper: &[&str], shard: &str) -> Command {
        self.line(wrapper, shard, self.address())
    }

    fn line(&self, wrapper: &[&str], shard: &str, address: SocketAddr) -> Command {
        let mut line: Vec<OsString> = wrapper.iter().map(OsString::from).collect();
        line.push(BINARY.into());
        let mut command = Command::new(&line[0]);
        undisturbed(&mut command)
            .args(&line[1..])
            .env("SHARD_ID", shard)
            .env("RUNTIME_DIRECTORY", self.directory.path())
            .args(["--listen", &address.to_string(), "--state-dir"])
            .arg(self.state())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// A server for `shard` that answers, whether or not it issues yet.
    pub(crate) fn start(&self, shard: &str) -> Server {
        Server::start(self.command(shard), self.address())
    }

    /// A server for `shard` that issues.
    pub(crate) fn serve(&self, shard: &str) -> Server {
        let mut server = self.start(shard);
        server.await_serving();
        server
    }

    /// Runs the command line `arguments` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    /// Runs the command line `arguments` to its end, with these variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--state-dir").arg(self.state());
        undisturbed(&mut command)
            .env("RUNTIME_DIRECTORY", self.directory.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// What `state show` tells of the only mark.
    pub(crate) fn mark(&self) -> Value {
        let shown = self.run(&["state", "show", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["marks"].as_array().unwrap().len(), 1, "{shown}");
        shown["marks"][0].clone()
    }
}

impl Server {
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Self {
        let mut server = Self::of(command.spawn().unwrap(), address);
        server.await_listening();
        server
    }

    pub(crate) fn await_listening(&mut self) {
        self.until("listening", |server| {
            TcpStream::connect(server.address).is_ok()
        });
    }

    /// A server that was just started.
    pub(crate) fn of(mut child: Child, address: SocketAddr) -> Self {
        // A test may have sent it elsewhere.
        let stderr = child.stderr.take();
        let mut server = Self {
            child,
            address,
            lines: channel().1,
            log: Vec::new(),
        };
        if let Some(stderr) = stderr {
            server.read_log(stderr);
        }
        server
    }

    /// Takes the lines of the log from there.
    pub(crate) fn read_log(&mut self, from: impl Read + Send + 'static) {
        let (sender, lines) = channel();
        self.lines = lines;
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Kills it as a power cut would, but for the disk.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> i32 {
        let code = end_of(&mut self.child);
        self.log.extend(self.lines.iter());
        code.unwrap_or_else(|| panic!("not ended: {:#?}", self.log))
    }

    /// Waits until the log has a line with `text`, and returns it.
    pub(crate) fn await_line(&mut self, text: &str) -> String {
        let known = self.log.iter().find(|line| line.contains(text)).cloned();
        known.unwrap_or_else(|| {
            loop {
                let line = self.lines.recv_timeout(PATIENCE);
                let line =
                    line.unwrap_or_else(|_| panic!("no line with {text:?} in {:#?}", self.log));
                self.log.push(line.clone());
                if line.contains(text) {
                    return line;
                }
            }
        })
    }

    pub(crate) fn await_serving(&mut self) {
        self.until("serving", |server| server.get("/health").status == 200);
    }

    /// Asks again and again until `done`.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            self.log.extend(self.lines.try_iter());
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended with {ended:?}: {:#?}", self.log);
            assert!(begin.elapsed() < PATIENCE, "not {what}: {:#?}", self.log);
            // Not at full speed: the server needs the processor more.
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        Client::new(self.address).unwrap().get(target).unwrap()
    }

    pub(crate) fn id(&self) -> u64 {
        self.get("/generate").id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without what the environment of the tests might tell a server. Not an empty environment: the
/// measuring of coverage is told where to write by a variable.
#[expect(
    clippy::disallowed_methods,
    reason = "what is the tests' own is not read, but taken away"
)]
pub(crate) fn undisturbed(command: &mut Command) -> &mut Command {
    [
        "SHARD_ID",
        "SERVICE_PORT",
        "WORKER_ID",
        "WORKERS",
        "MACHINE_ID",
        "DATACENTER_ID",
        "POD_NAME",
        "PORT",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
        "STATE_DIRECTORY",
    ]
    .iter()
    .fold(&mut *command, |command, name| command.env_remove(name));
    // No witness: none is left behind where this host keeps its own.
    command.env("RUNTIME_DIRECTORY", "/dev/null/none");
    std::env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SHARDFLAKE_"))
        .fold(command, |command, (name, _)| command.env_remove(name))
}

/// The exit code, or minus the signal that ended the process.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap())
}

/// Runs a server that is expected to end by itself; its exit code and what it wrote.
pub(crate) fn ends(mut command: Command) -> (i32, String) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let code = end_of(&mut child);
    let text = reader.join().unwrap();
    (code.unwrap_or_else(|| panic!("not ended: {text}")), text)
}

/// The exit code of a process that is expected to end; none if it had to be killed.
pub(crate) fn end_of(child: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(code(status));
        }
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A port that nobody listens on. Below those that the kernel gives to clients, and never the same twice
/// in this process, so that nobody takes it before the server does.
fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + number % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Tick and machine ID of a Sonyflake ID.
pub(crate) fn fields(id: u64) -> (u64, u64) {
    (id >> 24, id & 0xffff)
}

/// The machine's clock now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemClock.realtime().as_nanos() / 1_000_000).unwrap()
}

/// The tick of the machine's clock now.
pub(crate) fn tick_now() -> u64 {
    let now = SystemClock.realtime();
    Layout::SONYFLAKE.tick_at(now).unwrap()
}
