//! HTTP: whatever bytes arrive at a connection, in whatever pieces, the server does not panic, ends
//! the connection when the client does, and what it sends are whole HTTP responses.
//!
//! The connection is a real one, over a Unix socket, to a server that issues IDs; its mark is kept
//! in memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task;

use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Layout;
use shardflake::issuer::Settings;
use shardflake::mark::Claim;
use shardflake::mark::rules::Settlement;
use shardflake::shard::{Opening, Shard};
use shardflake_server::config::Profile;
use shardflake_server::http::{App, Limits, Listener, run as serve};

use super::memory::Memory;

/// Every status that the server knows.
const STATUSES: [u16; 11] = [100, 200, 204, 400, 404, 405, 408, 413, 431, 500, 503];

/// A response.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A server that runs while its client waits, in one thread with it.
struct Server {
    runtime: Runtime,
    socket: PathBuf,
    shard: Option<Shard>,
    /// The largest ID that any input has got.
    last: Cell<u64>,
    _directory: tempfile::TempDir,
}

thread_local! {
    static SERVER: Server = Server::start();
}

/// Takes the input as the length of the pieces that the rest of it arrives in, and that rest.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) {
    let Some((piece, bytes)) = input.split_first() else {
        return;
    };
    let piece = match usize::from(*piece) {
        0 => bytes.len(),
        length => length,
    };
    let heads = bytes.windows(4).any(|four| four == b"HEAD");
    SERVER.with(|server| {
        for reply in replies(&server.exchange(bytes, piece), heads) {
            server.check(&reply);
        }
    });
}

/// The responses to `bytes`.
///
/// # Panics
/// If a promise is broken.
#[must_use]
pub fn ask(bytes: &[u8]) -> Vec<Reply> {
    SERVER.with(|server| replies(&server.exchange(bytes, bytes.len()), false))
}

/// Takes what a server sent apart. Where a request for a head alone was among those sent (`heads`),
/// a body may be announced that does not come.
///
/// # Panics
/// If it is not a row of whole responses.
#[must_use]
pub fn replies(mut bytes: &[u8], heads: bool) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, rest) = bytes.split_at(end.expect("a head ends") + 4);
        let (status, headers) = parse_head(head);
        let length = headers.get("content-length").map_or("0", String::as_str);
        let length = length.parse().expect("a length is a number");
        assert!(heads || [100, 204].contains(&status) || headers.contains_key("content-length"));
        let bodiless = heads && (rest.is_empty() || rest.starts_with(b"HTTP/1."));
        let length = if bodiless { 0 } else { length };
        assert!(length <= rest.len(), "cut off in a body");
        let (body, rest) = rest.split_at(length);
        replies.push(Reply {
            status,
            headers,
            body: body.to_vec(),
        });
        bytes = rest;
    }
    replies
}

fn parse_head(head: &[u8]) -> (u16, BTreeMap<String, String>) {
    let head = str::from_utf8(head).expect("a head is text");
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let line = lines.next().expect("a head has a first line");
    let mut words = line.splitn(3, ' ');
    let version = words.next().expect("a line has a first word");
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(&version), "{line:?}");
    let status = words.next().and_then(|word| word.parse().ok());
    let status = status.expect("a status is a number");
    assert!(STATUSES.contains(&status), "{line:?}");
    assert!(words.next().is_some_and(|reason| !reason.is_empty()));
    let mut headers = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header has a colon");
        assert!(!name.is_empty() && !value.contains('\n'), "{line:?}");
        let twice = headers.insert(name.to_owned(), value.to_owned());
        assert!(twice.is_none(), "{name} comes twice");
    }
    (status, headers)
}

impl Server {
    fn start() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let directory = tempfile::tempdir().expect("a directory can be made");
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket can be bound");
        let shard = shard();
        let issuer = Arc::clone(shard.issuer());
        let app = Arc::new(App::new(
            issuer,
            Profile::default(),
            Limits::default(),
            runtime.handle().clone(),
        ));
        let inside = runtime.enter();
        let listener = Listener::from_std_unix(listener).expect("a socket can be watched");
        runtime.spawn(serve(vec![listener], app, std::future::pending()));
        drop(inside);
        Self {
            runtime,
            socket,
            shard: Some(shard),
            last: Cell::new(0),
            _directory: directory,
        }
    }

    /// Sends `bytes` in pieces on a connection of its own, ends the sending half, and returns what
    /// comes until the server ends the other.
    fn exchange(&self, bytes: &[u8], piece: usize) -> Vec<u8> {
        let exchange = async {
            let stream = UnixStream::connect(&self.socket).await;
            let (mut from, mut to) = stream.expect("the server listens").into_split();
            let send = async move {
                for piece in bytes.chunks(piece.max(1)) {
                    // A server that refuses the rest closes; what it said is read below.
                    if to.write_all(piece).await.is_err() {
                        break;
                    }
                    task::yield_now().await;
                }
                drop(to);
            };
            let receive = async move {
                let mut received = Vec::new();
                // A reset comes after what was sent before it.
                while from
                    .read_buf(&mut received)
                    .await
                    .is_ok_and(|read| read > 0)
                {}
                received
            };
            tokio::join!(send, receive).1
        };
        self.runtime.block_on(exchange)
    }

    /// What holds for every response, whatever the request was.
    fn check(&self, reply: &Reply) {
        let json =
            reply.headers.get("content-type").map(String::as_str) == Some("application/json");
        if !json || reply.body.is_empty() {
            return;
        }
        let body: serde_json::Value =
            serde_json::from_slice(&reply.body).expect("what is called JSON is JSON");
        assert!(reply.status == 200 || !body["code"].is_null(), "{body}");
        if let Some(id) = body["id"].as_u64() {
            assert!(id > self.last.replace(id), "{id} came before");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At the end of a thread that may be panicking.
        let _ = self.shard.take().map(Shard::close);
    }
}

/// A shard that issues.
fn shard() -> Shard {
    let layout = Layout::SONYFLAKE;
    let settings = Settings {
        layout,
        machines: "1".parse().expect("a range"),
        max_ahead: Settings::MAX_AHEAD,
        window: Settings::WINDOW,
        deadline: Settings::DEADLINE,
        continue_ahead: None,
    };
    let mut opening = Opening::here(settings, Memory::default(), String::new());
    opening.policy.create = false;
    // A mark of a while ago, so that there is nothing to wait for.
    let now = layout.tick_at(SystemClock.realtime());
    let old = Settlement {
        own_bound: now.expect("after the epoch") - 6000,
        fresh: true,
        left_over: Vec::new(),
        left_over_bound: 0,
        obsolete: Vec::new(),
    };
    Claim::take(opening.storage.clone(), String::new(), settings.machines)
        .and_then(|mut claim| claim.settle(&opening.author, |_| Some(old)))
        .expect("memory can be written");
    let shard = Shard::open_with(opening, |_| {}).expect("a thread can be had");
    let mut changes = shard.issuer().changes();
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime can be made");
    while shard.issuer().health().refusal.is_some() {
        runtime
            .block_on(changes.changed())
            .expect("the issuer lives");
    }
    shard
}
