//! A running server, and a client that writes what it is told and reads what comes.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::Profile;
use crate::http::{App, Cors, Limits, Listener, bind_tcp, run};
use shardflake::clock::{Clock, SystemClock};
use shardflake::id::layout::Layout;
use shardflake::issuer::{Settings, SystemIssuer};
use shardflake::mark::rules::Settlement;
use shardflake::mark::{Claim, Directory};
use shardflake::shard::Opening;

const CUT_OFF: &str = "cut off in a reply's body";

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

const MINUTE: Duration = Duration::from_secs(60);

/// A shard that serves, over a state directory of its own.
struct Shard {
    open: Option<shardflake::shard::Shard>,
    issuer: Arc<SystemIssuer>,
    _state: tempfile::TempDir,
}

impl Shard {
    fn start(layout: Layout, machines: &str, deadline: Duration) -> Self {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings {
            layout,
            machines: machines.parse().unwrap(),
            max_ahead: Settings::MAX_AHEAD,
            window: Settings::WINDOW,
            deadline,
            continue_ahead: None,
        };
        let directory = Directory::new(state.path());
        let mut opening = Opening::here(settings, directory.clone(), String::new());
        opening.policy.create = false;
        // A mark of long ago, so that there is nothing to wait for.
        let long_ago = Settlement {
            own_bound: layout.tick_at(SystemClock.realtime()).unwrap() - layout.ticks(MINUTE),
            fresh: true,
            left_over: Vec::new(),
            left_over_bound: 0,
            obsolete: Vec::new(),
        };
        Claim::take(directory.clone(), String::new(), settings.machines)
            .and_then(|mut claim| claim.settle(&opening.author, |_| Some(long_ago)))
            .unwrap();
        let open = shardflake::shard::Shard::open_with(opening, |_| {}).unwrap();
        let issuer = Arc::clone(open.issuer());
        let mut changes = issuer.changes();
        let runtime = Builder::new_current_thread().build().unwrap();
        while issuer.health().refusal.is_some() {
            runtime.block_on(changes.changed()).unwrap();
        }
        Self {
            open: Some(open),
            issuer,
            _state: state,
        }
    }

    /// Ends issuing, as at the end of the process.
    fn stop(&mut self) {
        if let Some(open) = self.open.take() {
            open.close().unwrap();
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        // A failed test may drop it in the middle of anything.
        let _ = self.open.take().map(shardflake::shard::Shard::close);
    }
}

/// What a server is to be like.
pub(super) struct Setup {
    pub(super) profile: Profile,
    pub(super) layout: Layout,
    pub(super) machines: &'static str,
    pub(super) limits: Limits,
    pub(super) cors: Cors,
    pub(super) deadline: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            layout: Profile::default().layout(),
            machines: "1",
            limits: Limits::default(),
            cors: Cors::default(),
            deadline: Settings::DEADLINE,
        }
    }
}

pub(super) struct Server {
    pub(super) app: Arc<App>,
    shard: Shard,
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    runtime: Runtime,
}

impl Server {
    pub(super) fn start(limits: Limits) -> Self {
        Self::start_with(limits, Vec::new)
    }

    /// Starts a server of `profile` that owns `machines`.
    pub(super) fn of(profile: Profile, machines: &'static str, limits: Limits) -> Self {
        Self::set_up(Setup {
            profile,
            layout: profile.layout(),
            machines,
            limits,
            ..Setup::default()
        })
    }

    pub(super) fn set_up(setup: Setup) -> Self {
        Self::open(setup, Vec::new)
    }

    /// Starts a server that listens on what `more` opens too.
    pub(super) fn start_with(limits: Limits, more: impl FnOnce() -> Vec<Listener>) -> Self {
        let setup = Setup {
            limits,
            ..Setup::default()
        };
        Self::open(setup, more)
    }

    fn open(setup: Setup, more: impl FnOnce() -> Vec<Listener>) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let tcp = bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let Listener::Tcp(listening) = &tcp else {
            panic!("bind_tcp made another listener");
        };
        let address = listening.local_addr().unwrap();
        let mut listeners = more();
        listeners.push(tcp);
        let shard = Shard::start(setup.layout, setup.machines, setup.deadline);
        let timers = runtime.handle().clone();
        let issuer = Arc::clone(&shard.issuer);
        let app = App::new(issuer, setup.profile, setup.limits, timers);
        let app = Arc::new(app.with_cors(setup.cors));
        let (stop, stopped) = oneshot::channel();
        let running = runtime.spawn(run(listeners, Arc::clone(&app), async {
            let _ = stopped.await;
        }));
        drop(inside);
        Self {
            app,
            shard,
            address,
            stop: Some(stop),
            running,
            runtime,
        }
    }

    pub(super) fn issuer(&self) -> &SystemIssuer {
        &self.shard.issuer
    }

    /// From now on every request for an ID is refused.
    pub(super) fn stop_issuing(&mut self) {
        self.shard.stop();
    }

    pub(super) fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client::new(stream)
    }

    /// The reply to one request on a connection of its own.
    pub(super) fn ask(&self, method: &str, target: &str, headers: &str) -> Reply {
        let mut client = self.connect();
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n"
        ));
        client.reply_to(method)
    }

    pub(super) fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, "")
    }

    /// Waits until `count` connections are open.
    pub(super) fn await_connections(&self, count: usize) {
        let begun = Instant::now();
        while self.app.connections() != count {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} connections are open, not {count}",
                self.app.connections()
            );
            thread::yield_now();
        }
    }

    /// For what has to be made in a runtime.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Tells the server to stop.
    pub(super) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(super) fn ended(self) {
        let ended = async { tokio::time::timeout(PATIENCE, self.running).await };
        self.runtime
            .block_on(ended)
            .expect("still running")
            .unwrap();
    }
}

/// Looks again and again until `done`.
pub(super) fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        thread::yield_now();
    }
}

/// One response.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The ID in a reply of `/generate`.
    pub(super) fn id(&self) -> u64 {
        self.json()["id"].as_u64().unwrap()
    }
}

pub(super) struct Client<S> {
    pub(super) stream: S,
    read: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub(super) fn get(&mut self, target: &str) -> Reply {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"));
        self.reply()
    }

    pub(super) fn reply(&mut self) -> Reply {
        self.reply_to("GET")
    }

    pub(super) fn reply_to(&mut self, method: &str) -> Reply {
        self.next(method).expect("closed without a reply")
    }

    /// All replies until the server closes the connection.
    pub(super) fn replies(&mut self) -> Vec<Reply> {
        std::iter::from_fn(|| self.next("GET")).collect()
    }

    /// Waits until the first bytes of a reply have come.
    pub(super) fn peek(&mut self) {
        assert!(
            !self.read.is_empty() || self.more(),
            "closed without a reply"
        );
    }

    /// The next reply; `None` if the server closed before its first byte.
    fn next(&mut self, method: &str) -> Option<Reply> {
        let mut reply = self.next_head()?;
        reply.body = match reply.header("content-length") {
            _ if method == "HEAD" => Vec::new(),
            Some(length) => self.take(length.parse().unwrap()).expect(CUT_OFF),
            None if reply.header("transfer-encoding").is_some() => self.chunks().expect(CUT_OFF),
            None => Vec::new(),
        };
        Some(reply)
    }

    /// The head of the next reply, whose body is still to come.
    pub(super) fn head(&mut self) -> Reply {
        self.next_head().expect("closed without a reply")
    }

    fn next_head(&mut self) -> Option<Reply> {
        let end = loop {
            let end = self.read.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if !self.more() {
                assert!(self.read.is_empty(), "cut off in a reply's head");
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        Some(Reply {
            status: status.parse().unwrap(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        })
    }

    /// A chunked body; `None` if the connection ends before it does.
    pub(super) fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.read.windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break end + 2,
                    None => self.more().then_some(())?,
                }
            };
            let line = String::from_utf8(self.take(end)?).unwrap();
            let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
            body.extend(self.take(length)?);
            assert_eq!(self.take(2)?, b"\r\n");
            if length == 0 {
                return Some(body);
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.more().then_some(())?;
        }
        Some(self.read.drain(..length).collect())
    }

    /// Reads once; false at the end.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        let read = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            read => read.expect("the reply comes"),
        };
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

impl Client<TcpStream> {
    /// Ends the sending half alone.
    pub(super) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}
