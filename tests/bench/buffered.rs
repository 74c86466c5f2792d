//! What a buffered ID costs a thread, and how calls fare with a server that is slow to reply.
//!
//! `buffered SERVER ROUNDS` prints a line of JSON:
//!
//! - `ns`: nanoseconds per ID, the median of rounds in which a full buffer of 10,000 IDs is taken in a row;
//! - `p999_ns`: what 99.9 % of single calls stay below, the reading of the clock around them included;
//! - `slow_waits` of `slow_calls`: calls that found no ID while a proxy held each reply back for 500 ms, and
//!   100 IDs a second were taken out of a buffer of 100.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use shardflake_client::Client;

const BUFFER: u32 = 10_000;
/// With the first of the second buffer, which has the next one asked for.
const TAKEN: u32 = BUFFER + 1;
const HELD: Duration = Duration::from_millis(500);
const SLOW_CALLS: u32 = 1000;

/// The processor's time of this thread is not asked for: what the clock on the wall says is what a caller sees.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().ok_or("name a server")?;
    let rounds: usize = arguments.next().ok_or("name a number of rounds")?.parse()?;
    let client = Client::builder([&server]).buffer(BUFFER).build()?;
    let (mut each, mut single) = (Vec::new(), Vec::new());
    for round in 0..2 * rounds {
        wait_until_full(&client);
        if round % 2 == 0 {
            each.push(in_a_row(&client)?);
        } else {
            one_by_one(&client, &mut single)?;
        }
    }
    each.sort_by(f64::total_cmp);
    single.sort_unstable();
    let waits = slow(&server)?;
    println!(
        r#"{{"ns":{:.2},"p999_ns":{},"slow_calls":{SLOW_CALLS},"slow_waits":{waits}}}"#,
        each[each.len() / 2],
        single[single.len() * 999 / 1000]
    );
    Ok(())
}

fn pause(duration: Duration) {
    let until = Instant::now() + duration;
    while let Some(left) = until.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        thread::park_timeout(left);
    }
}

fn wait_until_full(client: &Client) {
    while client.buffered() < 3 * BUFFER as usize / 2 {
        pause(Duration::from_millis(1));
    }
}

fn in_a_row(client: &Client) -> Result<f64, shardflake_client::Error> {
    let begun = Instant::now();
    for _ in 0..TAKEN {
        black_box(client.id()?);
    }
    let nanos = u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX);
    Ok(f64::from(nanos) / f64::from(TAKEN))
}

fn one_by_one(client: &Client, took: &mut Vec<u128>) -> Result<(), shardflake_client::Error> {
    for _ in 0..TAKEN {
        let begun = Instant::now();
        black_box(client.id()?);
        took.push(begun.elapsed().as_nanos());
    }
    Ok(())
}

/// How many calls found no ID.
fn slow(server: &str) -> Result<u32, Box<dyn std::error::Error>> {
    // What takes half a second to come would be too old half a second later.
    let client = Client::builder([delayed(server.parse()?)?.to_string()])
        .max_age(Duration::from_secs(3))
        .build()?;
    client.id()?;
    while client.buffered() < 150 {
        pause(Duration::from_millis(1));
    }
    let mut waits = 0;
    for _ in 0..SLOW_CALLS {
        if client.try_id().is_none() {
            waits += 1;
            client.id()?;
        }
        pause(Duration::from_millis(10));
    }
    Ok(waits)
}

/// A proxy that holds back each reply.
fn delayed(server: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || -> std::io::Result<()> {
        for client in listener.incoming() {
            let client = client?;
            let server = TcpStream::connect(server)?;
            let (to, from) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || pass(client, server, Duration::ZERO));
            thread::spawn(move || pass(from, to, HELD));
        }
        Ok(())
    });
    Ok(address)
}

fn pass(mut from: TcpStream, mut to: TcpStream, held: Duration) {
    let mut bytes = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        pause(held);
        if to.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}
