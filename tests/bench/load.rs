//! A load of keep-alive connections that looks at what it gets.
//!
//! `load ADDRESS CONNECTIONS SECONDS` asks `/generate` on every connection again and again, and
//! `/health` on one more. Prints one line of JSON: IDs per second, refusals, latencies in
//! milliseconds; fails if an ID came twice, or a connection's IDs did not increase.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Default)]
struct Seen {
    ids: Vec<u64>,
    waits: Vec<Duration>,
    refused: u64,
    without_retry: u64,
}

/// One request and its whole reply: status, and the reply's text.
async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        let text = str::from_utf8(buffer).ok()?;
        let Some(end) = text.find("\r\n\r\n") else {
            continue;
        };
        let (_, length) = text[..end].split_once("content-length: ")?;
        let length: usize = length.lines().next()?.parse().ok()?;
        if text.len() == end + 4 + length {
            return text.get(9..12)?.parse().ok();
        }
    }
}

async fn client(address: SocketAddr, until: Instant) -> Seen {
    const REQUEST: &[u8] = b"GET /generate HTTP/1.1\r\nhost: bench\r\n\r\n";
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(1024);
    let mut stream = TcpStream::connect(address).await.expect("a server");
    stream.set_nodelay(true).expect("an open socket");
    while Instant::now() < until {
        let begin = Instant::now();
        let Some(status) = ask(&mut stream, REQUEST, &mut buffer).await else {
            break;
        };
        let text = str::from_utf8(&buffer).expect("ask has read text");
        if status == 200 {
            seen.waits.push(begin.elapsed());
            let (_, id) = text.split_once("\"id\":").expect("a reply of /generate");
            let id = id.split(',').next().and_then(|id| id.parse().ok());
            seen.ids.push(id.expect("a number"));
        } else {
            seen.refused += 1;
            seen.without_retry += u64::from(!text.contains("retry-after: "));
            // As the reply asks for, but shorter than its whole second, to keep up the load.
            sleep(Duration::from_millis(50)).await;
        }
    }
    seen
}

async fn health(address: SocketAddr, until: Instant) -> Vec<Duration> {
    const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: bench\r\n\r\n";
    let mut waits = Vec::new();
    let mut buffer = Vec::with_capacity(1024);
    let mut stream = TcpStream::connect(address).await.expect("a server");
    while Instant::now() < until {
        let begin = Instant::now();
        let status = ask(&mut stream, REQUEST, &mut buffer).await;
        assert_eq!(status, Some(200), "a saturated shard is healthy");
        waits.push(begin.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    waits
}

/// The value below which `share` of all lie, in milliseconds.
fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index, near enough"
    )]
    let index = (sorted.len() as f64 * share) as usize;
    let value = sorted.get(index.min(sorted.len().saturating_sub(1)));
    value.copied().unwrap_or_default().as_secs_f64() * 1000.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let address = arguments[1].parse().expect("an address and port");
    let connections: usize = arguments[2].parse().expect("a number of connections");
    let seconds = arguments[3].parse().expect("a number of seconds");
    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(client(address, until));
    }
    let probe = tokio::spawn(health(address, until));
    let all = clients.join_all().await;
    let took = begin.elapsed().as_secs_f64();
    let mut probe = probe.await.expect("a healthy shard");
    probe.sort();
    report(all, &probe, took);
}

fn report(all: Vec<Seen>, probe: &[Duration], took: f64) {
    let mut sum = Seen::default();
    for seen in all {
        assert!(
            seen.ids.is_sorted_by(|a, b| a < b),
            "IDs of a connection do not increase"
        );
        sum.ids.extend(seen.ids);
        sum.waits.extend(seen.waits);
        sum.refused += seen.refused;
        sum.without_retry += seen.without_retry;
    }
    let count = sum.ids.len();
    sum.ids.sort_unstable();
    sum.ids.dedup();
    assert_eq!(sum.ids.len(), count, "an ID came twice");
    sum.waits.sort();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = count as f64 / took;
    println!(
        "{{\"ids\":{count},\"ids_per_second\":{rate:.0},\"refused\":{},\"refused_without_retry_after\":{},\"p50_ms\":{:.2},\"p99_ms\":{:.2},\"max_ms\":{:.2},\"health_p99_ms\":{:.2}}}",
        sum.refused,
        sum.without_retry,
        quantile(&sum.waits, 0.5),
        quantile(&sum.waits, 0.99),
        quantile(&sum.waits, 1.0),
        quantile(probe, 0.99),
    );
}
