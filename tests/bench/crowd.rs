//! Many connections at once.
//!
//! `crowd ADDRESS CONNECTIONS TIMES` opens them, one straight after the other, and prints a line;
//! then, for each of so many lines on standard input, asks `/generate` on all of them and prints a
//! line once each was answered. Lines are JSON. Fails if one is not served.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const REQUEST: &[u8] = b"GET /generate HTTP/1.1\r\nhost: bench\r\n\r\n";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let count: usize = arguments[2].parse().expect("a number of connections");
    let begin = Instant::now();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(TcpStream::connect(&arguments[1])?);
    }
    report(all.len(), begin);
    let times = arguments[3].parse().expect("how often to ask");
    for line in io::stdin().lines().take(times) {
        line?;
        let begin = Instant::now();
        for stream in &mut all {
            stream.write_all(REQUEST)?;
        }
        for stream in &mut all {
            // The replies are short and come in one piece each.
            let mut reply = [0; 1024];
            let length = stream.read(&mut reply)?;
            let served = reply[..length].starts_with(b"HTTP/1.1 200 ");
            assert!(served, "a connection was not served");
        }
        report(all.len(), begin);
    }
    Ok(())
}

fn report(count: usize, begin: Instant) {
    println!(
        "{{\"connections\":{count},\"seconds\":{:.3}}}",
        begin.elapsed().as_secs_f64()
    );
}
