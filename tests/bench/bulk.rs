//! Long replies: read and thrown away, read and checked, or sent as fast as the socket takes them.
//!
//! - `bulk read ADDRESS PATH TIMES` reads the reply that often and prints one line of JSON for each.
//! - `bulk check ADDRESS PATH` also reads the IDs of a JSON reply; fails unless they increase.
//! - `bulk send ADDRESS BYTES` answers every request with that many bytes of the same content: the
//!   limit to compare with.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What one system call moves.
const PIECE: usize = 256 * 1024;

struct Reply {
    /// Of the body as it was sent, with the heads of its chunks.
    bytes: u64,
    took: Duration,
    body: Vec<u8>,
}

/// Reads until `end` bytes of body have come or, of a chunked one, its last chunk.
fn read(address: &str, path: &str, keep: bool) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    let begin = Instant::now();
    // In one call: half a request would be answered too by the sender of this program.
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut space = vec![0; PIECE];
    let mut head = Vec::new();
    let (status, length, mut body) = loop {
        let count = stream.read(&mut space)?;
        head.extend_from_slice(&space[..count]);
        if let Some(parsed) = parse_head(&head) {
            break parsed;
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    assert!(status == 200, "status {status}: look at the server's log");
    let mut bytes = body.len() as u64;
    let mut tail = body.clone();
    while length.map_or(!tail.ends_with(b"\r\n0\r\n\r\n"), |length| bytes < length) {
        let count = stream.read(&mut space)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes += count as u64;
        let piece = &space[..count];
        if keep {
            body.extend_from_slice(piece);
        }
        tail.extend_from_slice(&piece[count.saturating_sub(8)..]);
        tail.drain(..tail.len().saturating_sub(8));
    }
    Ok(Reply {
        bytes,
        took: begin.elapsed(),
        body,
    })
}

/// Status, content length, and what has come of the body; `None` while the head is not whole.
fn parse_head(bytes: &[u8]) -> Option<(u16, Option<u64>, Vec<u8>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.lines().next()?.parse().ok());
    Some((status, length, bytes[end + 4..].to_vec()))
}

/// The IDs of a reply, without the heads of its chunks.
fn ids(mut chunked: &[u8]) -> Vec<u64> {
    let mut json = Vec::new();
    loop {
        let end = chunked.windows(2).position(|two| two == b"\r\n");
        let end = end.expect("a chunk has a head");
        let size = str::from_utf8(&chunked[..end]).expect("a head is text");
        let size = usize::from_str_radix(size, 16).expect("a head is a size");
        if size == 0 {
            break;
        }
        json.extend_from_slice(&chunked[end + 2..end + 2 + size]);
        chunked = &chunked[end + 2 + size + 2..];
    }
    let json: serde_json::Value = serde_json::from_slice(&json).expect("the reply is JSON");
    let ids = json["ids"].as_array().expect("a list of IDs");
    ids.iter()
        .map(|id| id.as_str().expect("text").parse().expect("a number"))
        .collect()
}

fn send(address: &str, bytes: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let piece = vec![b'5'; PIECE];
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut request = [0; 1024];
        if stream.read(&mut request)? == 0 {
            continue;
        }
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n")?;
        let mut left = bytes;
        while left > 0 {
            let count = left.min(PIECE as u64);
            stream.write_all(&piece[..usize::try_from(count).expect("at most a piece")])?;
            left -= count;
        }
    }
}

fn report(reply: &Reply) {
    println!(
        "{{\"bytes\":{},\"seconds\":{:.4}}}",
        reply.bytes,
        reply.took.as_secs_f64()
    );
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["read", address, path, times] => {
            for _ in 0..times.parse().expect("how often") {
                report(&read(address, path, false)?);
            }
        }
        ["check", address, path] => {
            let reply = read(address, path, true)?;
            report(&reply);
            let ids = ids(&reply.body);
            assert!(ids.is_sorted_by(|a, b| a < b), "the IDs do not increase");
            println!("{{\"ids\":{}}}", ids.len());
        }
        ["send", address, bytes] => send(address, bytes.parse().expect("a number of bytes"))?,
        _ => panic!("bulk read|check|send; see the head of its source"),
    }
    Ok(())
}
