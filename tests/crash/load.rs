//! Clients that ask for IDs as fast as they get them, and look at every one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use shardflake::wide::{COUNTER_BITS, Stamp, Ulid, Uuid};

use crate::checker::look;
use crate::server::PATIENCE;

/// What a connection asks for in turn. A batch of one asks for IDs alone.
const ROUTES: [&str; 4] = ["/id", "/uuid", "/id", "/ulid"];
/// After a refusal.
const BREATH: Duration = Duration::from_millis(5);

/// What to load a server with.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Requests that a connection sends in one go.
    pub(crate) batch: usize,
    /// The largest ID that was received before.
    pub(crate) floor: u64,
    /// The mark that has to bound what is received.
    pub(crate) mark: Option<PathBuf>,
}

/// A load that goes on until it is ended or the server is gone.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Received>>,
}

/// What clients received.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) ids: Vec<u64>,
    /// What is unique of UUIDs and ULIDs: without their random bits.
    pub(crate) stamps: Vec<Stamp>,
    /// Refusals by their code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// The whole refusals, each text once.
    pub(crate) texts: BTreeSet<String>,
    /// How often the mark was looked at right after a receipt.
    pub(crate) looks: u64,
    faults: Vec<String>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    highest: AtomicU64,
    /// Time and counter of the largest stamp that came so far.
    highest_stamp: AtomicU64,
    count: AtomicU64,
    refused: AtomicU64,
}

impl Load {
    pub(crate) fn begin(plan: &Plan) -> Self {
        let shared = Arc::new(Shared::default());
        shared.highest.store(plan.floor, Ordering::Release);
        let clients = (0..plan.connections)
            .map(|_| {
                let (plan, shared) = (plan.clone(), Arc::clone(&shared));
                thread::spawn(move || client(&plan, &shared))
            })
            .collect();
        Self { shared, clients }
    }

    /// How many IDs came so far.
    pub(crate) fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Acquire)
    }

    /// The largest ID that came so far.
    pub(crate) fn highest(&self) -> u64 {
        self.shared.highest.load(Ordering::Acquire)
    }

    /// How many refusals came so far.
    pub(crate) fn refusals(&self) -> u64 {
        self.shared.refused.load(Ordering::Acquire)
    }

    /// Waits until `count` IDs have come.
    pub(crate) fn await_count(&self, count: u64) {
        self.until(&format!("{count} IDs"), |load| load.count() >= count);
    }

    pub(crate) fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            assert!(begin.elapsed() < PATIENCE, "not {what}");
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Ends it; panics if a client saw what must not be.
    pub(crate) fn end(self) -> Received {
        self.shared.stop.store(true, Ordering::Release);
        let mut all = Received::default();
        for client in self.clients {
            all.add(client.join().unwrap());
        }
        assert!(all.faults.is_empty(), "{:#?}", all.faults);
        all
    }
}

impl Received {
    fn add(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.stamps.extend(other.stamps);
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        self.texts.extend(other.texts);
        self.looks += other.looks;
        self.faults.extend(other.faults);
    }

    /// Takes a stamp that was asked for when the largest known one was `last`.
    fn stamp(&mut self, stamp: Stamp, last: &mut u64) {
        let place = stamp.unix_ms << COUNTER_BITS | u64::from(stamp.counter);
        if place <= *last {
            let text = format!("{stamp:?} was asked for after {last:x} had been received");
            self.faults.push(text);
        }
        *last = place;
        self.stamps.push(stamp);
    }

    fn refuse(&mut self, body: &str) {
        let code = body.split_once(r#""code":""#);
        let code = code.and_then(|(_, rest)| rest.split('"').next());
        let code = code.unwrap_or("none").to_owned();
        *self.refused.entry(code).or_default() += 1;
        self.texts.insert(body.to_owned());
    }
}

fn client(plan: &Plan, shared: &Shared) -> Received {
    let mut received = Received::default();
    // However it ends: the server may be killed at any moment.
    if let Err(error) = ask_on(plan, shared, &mut received) {
        let gone = [
            ErrorKind::ConnectionReset,
            ErrorKind::ConnectionRefused,
            ErrorKind::BrokenPipe,
            ErrorKind::UnexpectedEof,
        ];
        if !gone.contains(&error.kind()) {
            received
                .faults
                .push(format!("a connection failed: {error}"));
        }
    }
    received
}

fn ask_on(plan: &Plan, shared: &Shared, received: &mut Received) -> io::Result<()> {
    let mut stream = TcpStream::connect(plan.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let routes = ROUTES.iter().cycle().take(plan.batch);
    let request = |route| format!("GET {route}?format=text HTTP/1.1\r\nhost: crash\r\n\r\n");
    let requests = routes.map(request).collect::<Vec<_>>().concat();
    let mut replies = Replies::default();
    let (mut last, mut last_stamp) = (0, 0);
    let mut round = 0_u64;
    while !shared.stop.load(Ordering::Acquire) {
        // What is asked for from here on has to be larger than all that anybody was given.
        last = shared.highest.load(Ordering::Acquire).max(last);
        let highest = shared.highest_stamp.load(Ordering::Acquire);
        last_stamp = highest.max(last_stamp);
        stream.write_all(requests.as_bytes())?;
        let mut refused = false;
        for _ in 0..plan.batch {
            let (status, body) = replies.next(&mut stream)?;
            if status != 200 {
                refused = true;
                shared.refused.fetch_add(1, Ordering::AcqRel);
                received.refuse(body);
                continue;
            }
            if let Some(stamp) = stamp_of(body.trim_end()) {
                received.stamp(stamp, &mut last_stamp);
                shared.highest_stamp.fetch_max(last_stamp, Ordering::AcqRel);
                continue;
            }
            let id = body.trim_end().parse().map_err(io::Error::other)?;
            received.ids.push(id);
            shared.highest.fetch_max(id, Ordering::AcqRel);
            shared.count.fetch_add(1, Ordering::AcqRel);
            if id <= last {
                let text = format!("{id} was asked for after {last} had been received");
                received.faults.push(text);
            }
            last = id;
        }
        round += 1;
        if let Some(mark) = plan
            .mark
            .as_ref()
            .filter(|_| round % 8 == 1 && last > plan.floor)
        {
            received.looks += 1;
            received.faults.extend(look(mark, last).err());
        }
        if refused {
            thread::park_timeout(BREATH);
        }
    }
    Ok(())
}

/// The stamp of a UUID or a ULID; none if `text` is neither.
fn stamp_of(text: &str) -> Option<Stamp> {
    let uuid = text.parse::<Uuid>().ok().and_then(Uuid::parts);
    let parts = uuid.or_else(|| text.parse().ok().map(Ulid::parts));
    parts.map(|parts| parts.stamp)
}

/// Takes replies off a stream.
#[derive(Default)]
struct Replies {
    buffer: Vec<u8>,
    used: usize,
}

impl Replies {
    /// Status and body of the next one.
    fn next(&mut self, stream: &mut TcpStream) -> io::Result<(u16, &str)> {
        loop {
            if let Some((status, body, end)) = parse(&self.buffer[self.used..]) {
                let from = self.used + body;
                self.used += end;
                let body = str::from_utf8(&self.buffer[from..self.used]);
                return Ok((status, body.map_err(io::Error::other)?));
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            let filled = self.buffer.len();
            self.buffer.resize(filled + 16 * 1024, 0);
            let read = stream.read(&mut self.buffer[filled..]);
            self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Status, where the body begins and where it ends, of a whole reply at the beginning of `bytes`.
fn parse(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let (_, length) = head.split_once("content-length: ")?;
    let length: usize = length.lines().next()?.parse().ok()?;
    let whole = end + length;
    (bytes.len() >= whole).then_some((head.get(9..12)?.parse().ok()?, end, whole))
}
