//! Many connections at once.
//!
//! `crowd ADDRESS CONNECTIONS` opens them, one straight after the other, and prints a line. Then it does
//! what each line on standard input says, on all of them, and prints a line:
//!
//! - `ask`: asks `/generate`, and waits until each was answered
//! - `half`: sends half of such a request's head
//! - `rest`: sends the other half, and waits until each was answered
//! - `open`: looks whether all are still open, with nothing to read
//! - `pace MILLISECONDS TIMES`: asks that often on each, with at least that long in between, evenly spread
//!
//! Lines are JSON. Fails if one is not served, or was closed by the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /generate HTTP/1.1\r\nhost: bench\r\n\r\n";
/// Somewhere in a header's name.
const HALF: usize = 26;
/// How many connections at a time ask while they are paced.
const AT_ONCE: usize = 50;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments[2].parse().expect("a number of connections");
    let begin = Instant::now();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(TcpStream::connect(&arguments[1])?);
    }
    report(count, begin);
    for line in io::stdin().lines() {
        let line = line?;
        let begin = Instant::now();
        match *line.split(' ').collect::<Vec<_>>() {
            ["ask"] => exchange(&mut all, REQUEST)?,
            ["half"] => send(&mut all, &REQUEST[..HALF])?,
            ["rest"] => exchange(&mut all, &REQUEST[HALF..])?,
            ["open"] => all.iter_mut().try_for_each(is_quiet)?,
            ["pace", millis, times] => {
                let millis = millis.parse().expect("milliseconds");
                let times = times.parse().expect("how often");
                pace(&mut all, Duration::from_millis(millis), times)?;
            }
            _ => panic!("{line:?} is nothing that can be done"),
        }
        report(count, begin);
    }
    Ok(())
}

fn send(all: &mut [TcpStream], bytes: &[u8]) -> io::Result<()> {
    all.iter_mut()
        .try_for_each(|stream| stream.write_all(bytes))
}

fn exchange(all: &mut [TcpStream], bytes: &[u8]) -> io::Result<()> {
    send(all, bytes)?;
    for stream in all {
        // The replies are short and come in one piece each.
        let mut reply = [0; 1024];
        let length = stream.read(&mut reply)?;
        let served = reply[..length].starts_with(b"HTTP/1.1 200 ");
        assert!(served, "a connection was not served");
    }
    Ok(())
}

fn is_quiet(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let read = stream.read(&mut [0]);
    let quiet = read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    assert!(quiet, "a connection was closed");
    stream.set_nonblocking(false)
}

fn pace(all: &mut [TcpStream], span: Duration, times: u32) -> io::Result<()> {
    let begin = Instant::now();
    let chunks = u32::try_from(all.chunks(AT_ONCE).len()).unwrap_or(u32::MAX);
    for time in 0..times {
        for (index, some) in (0..chunks).zip(all.chunks_mut(AT_ONCE)) {
            let due = begin + span * time + span * index / chunks;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
            exchange(some, REQUEST)?;
        }
    }
    Ok(())
}

fn report(count: usize, begin: Instant) {
    println!(
        "{{\"connections\":{count},\"seconds\":{:.3}}}",
        begin.elapsed().as_secs_f64()
    );
}
