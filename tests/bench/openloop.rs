//! Latency under a load that does not wait for answers.
//!
//! `openloop ADDRESS CONNECTIONS RATE SECONDS` sends that many requests for `/generate` a second,
//! evenly spaced, each on a kept-alive connection that is free. A request that finds none waits, and
//! its wait counts: latency is measured from the moment at which it was to be sent. With rate 0
//! every connection asks again as soon as it is answered, which tells the capacity.
//!
//! Prints one line of JSON. Keeps a core busy: timers are too coarse for what is measured.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const REQUEST: &[u8] = b"GET /generate HTTP/1.1\r\nhost: bench\r\n\r\n";

struct Connection {
    stream: TcpStream,
    reply: Vec<u8>,
    /// When the request under way was to be sent.
    due: Option<Instant>,
}

impl Connection {
    fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            reply: Vec::with_capacity(1024),
            due: None,
        })
    }

    fn ask(&mut self, due: Instant) -> io::Result<()> {
        self.due = Some(due);
        self.reply.clear();
        // A request is far smaller than what a socket takes at once.
        self.stream.write_all(REQUEST)
    }

    /// Whether the reply is there.
    fn answered(&mut self) -> io::Result<bool> {
        let mut space = [0; 1024];
        loop {
            match self.stream.read(&mut space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.reply.extend_from_slice(&space[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.due.is_some() && is_whole(&self.reply))
    }
}

/// Whether `reply` is all of one; it must be a success.
fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = str::from_utf8(&reply[..end]).expect("a head is text");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (_, length) = head
        .split_once("content-length: ")
        .expect("a length is told");
    let length: usize = length
        .lines()
        .next()
        .and_then(|length| length.parse().ok())
        .expect("a length is a number");
    reply.len() == end + 4 + length
}

struct Load {
    connections: Vec<Connection>,
    free: Vec<usize>,
    /// Requests that wait for a connection, by when they were to be sent.
    late: VecDeque<Instant>,
    latencies: Vec<Duration>,
}

impl Load {
    fn send(&mut self, due: Instant) -> io::Result<()> {
        if let Some(index) = self.free.pop() {
            return self.connections[index].ask(due);
        }
        self.late.push_back(due);
        Ok(())
    }

    fn take(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        if connection.answered()? {
            let due = connection.due.take().expect("it was asked");
            self.latencies.push(due.elapsed());
            match self.late.pop_front() {
                Some(due) => connection.ask(due)?,
                None => self.free.push(index),
            }
        }
        Ok(())
    }
}

fn run(address: &str, connections: usize, rate: u32, seconds: u64) -> io::Result<Load> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let mut load = Load {
        connections: Vec::new(),
        free: (0..connections).collect(),
        late: VecDeque::new(),
        latencies: Vec::new(),
    };
    for index in 0..connections {
        let connection = Connection::open(address)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        epoll.add(&connection.stream, event)?;
        load.connections.push(connection);
    }
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let apart = Duration::from_secs(1).checked_div(rate);
    let mut due = begin;
    let mut events = vec![EpollEvent::empty(); connections];
    loop {
        let now = Instant::now();
        match apart {
            Some(apart) => {
                while due <= now && due < end {
                    load.send(due)?;
                    due += apart;
                }
            }
            None => {
                while now < end && !load.free.is_empty() {
                    load.send(now)?;
                }
            }
        }
        if now >= end && load.late.is_empty() && load.free.len() == connections {
            return Ok(load);
        }
        let ready = epoll.wait(&mut events, EpollTimeout::ZERO)?;
        for event in &events[..ready] {
            load.take(usize::try_from(event.data()).expect("an index"))?;
        }
    }
}

/// The latency below which `share` per mille of all lie, in microseconds.
fn quantile(sorted: &[Duration], share: usize) -> u128 {
    let index = (sorted.len() * share / 1000).min(sorted.len().saturating_sub(1));
    sorted[index].as_micros()
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<u32>().expect("a number");
    let seconds = u64::from(number(4));
    let mut load = run(&arguments[1], number(2) as usize, number(3), seconds)?;
    load.latencies.sort_unstable();
    let sorted = &load.latencies;
    println!(
        "{{\"rate\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"max_us\":{}}}",
        sorted.len() as u64 / seconds,
        quantile(sorted, 500),
        quantile(sorted, 990),
        quantile(sorted, 999),
        quantile(sorted, 1000),
    );
    Ok(())
}
