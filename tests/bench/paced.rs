//! A load that does not wait: one new connection for each request, at a fixed rate, whatever becomes
//! of those before.
//!
//! `paced ADDRESS RATE` asks `/generate` that often a second until SIGTERM, waits for the answers
//! that are open, and prints one line of JSON. Fails if a request got no ID, an ID came twice, or a
//! request got a smaller ID than one that was over before it began.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

const REQUEST: &[u8] =
    b"GET /generate?format=text HTTP/1.1\r\nhost: load\r\nconnection: close\r\n\r\n";
/// No start of a service takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Asked {
    begun: Instant,
    over: Instant,
    /// The ID, or what came in its place.
    got: Result<u64, String>,
}

async fn ask(address: SocketAddr) -> Asked {
    let begun = Instant::now();
    let got = timeout(PATIENCE, exchange(address)).await;
    Asked {
        begun,
        over: Instant::now(),
        got: got.unwrap_or_else(|_| Err(format!("nothing within {} s", PATIENCE.as_secs()))),
    }
}

async fn exchange(address: SocketAddr) -> Result<u64, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(failed("connecting"))?;
    stream.write_all(REQUEST).await.map_err(failed("asking"))?;
    let mut reply = String::new();
    stream
        .read_to_string(&mut reply)
        .await
        .map_err(failed("reading"))?;
    let body = reply.split_once("\r\n\r\n").map(|(_, body)| body);
    let id = body.and_then(|body| body.trim_end().parse().ok());
    id.filter(|_| reply.starts_with("HTTP/1.1 200 "))
        .ok_or_else(|| format!("the reply {:?}", without_date(&reply)))
}

/// Replies that differ in nothing else shall be counted together.
fn without_date(reply: &str) -> String {
    let lines = reply.lines().filter(|line| !line.starts_with("date:"));
    lines.collect::<Vec<_>>().join(" | ")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let address = arguments[1].parse().expect("an address and port");
    let rate: u32 = arguments[2].parse().expect("requests a second");
    let mut told = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
    // What a busy machine makes late is made up for at once.
    let mut beat = interval(Duration::from_secs(1) / rate);
    let begin = Instant::now();
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            _ = told.recv() => break,
            _ = beat.tick() => {
                open.spawn(ask(address));
            }
        }
    }
    let took = begin.elapsed();
    report(open.join_all().await, took)
}

fn report(mut all: Vec<Asked>, took: Duration) -> ExitCode {
    let mut failures = BTreeMap::<&str, u64>::new();
    for asked in &all {
        if let Err(what) = &asked.got {
            *failures.entry(what).or_default() += 1;
        }
    }
    for (what, count) in &failures {
        eprintln!("{count} failed: {what}");
    }
    let failed: u64 = failures.values().sum();
    let longest = all.iter().map(|asked| asked.over - asked.begun).max();
    let disordered = disordered(&mut all);
    let mut ids: Vec<u64> = all
        .iter()
        .filter_map(|asked| asked.got.clone().ok())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    let twice = count - ids.len();
    println!(
        "{{\"requests\":{},\"per_second\":{:.0},\"ids\":{count},\"failed\":{failed},\"twice\":{twice},\"disordered\":{disordered},\"max_ms\":{:.1}}}",
        all.len(),
        f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX)) / took.as_secs_f64(),
        longest.unwrap_or_default().as_secs_f64() * 1000.0,
    );
    if failed == 0 && twice == 0 && disordered == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// How many got a smaller ID than one that was over before they began.
fn disordered(all: &mut [Asked]) -> usize {
    let mut over: Vec<(Instant, u64)> = all
        .iter()
        .filter_map(|asked| Some((asked.over, asked.got.clone().ok()?)))
        .collect();
    over.sort_unstable();
    all.sort_unstable_by_key(|asked| asked.begun);
    let mut before = over.into_iter().peekable();
    let mut largest = 0;
    let mut count = 0;
    for asked in all {
        while let Some((_, id)) = before.next_if(|(at, _)| *at < asked.begun) {
            largest = largest.max(id);
        }
        count += usize::from(asked.got.as_ref().is_ok_and(|id| *id < largest));
    }
    count
}
