//! Connections that give up their buffers between requests.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::coop::consume_budget;
use tokio::time::sleep;

use super::harness::{Client, Reply, Server, until};
use crate::http::idle::Idle;
use crate::http::stream::Stream;
use crate::http::{Limits, connection};

/// A server with a connection that was answered and is parked.
fn parked(limits: Limits) -> (Server, Client<TcpStream>) {
    let server = Server::start(limits);
    let client = server.connect();
    let mut all = vec![client];
    ask_and_await_rest(&server, &mut all);
    (server, all.remove(0))
}

fn ask_and_await_rest(server: &Server, all: &mut [Client<TcpStream>]) {
    for client in &mut *all {
        assert_eq!(client.get("/health").status, 200);
    }
    await_parked(server, all.len());
}

fn await_parked(server: &Server, count: usize) {
    until(|| server.app.metrics.parked() == count);
}

/// Waits until a connection that has been answered just now is parked: then one that came to rest before
/// has been looked at as well.
fn await_a_look(server: &Server) {
    let before = server.app.metrics.parked();
    let mut other = server.connect();
    assert_eq!(other.get("/health").status, 200);
    await_parked(server, before + 1);
    drop(other);
    await_parked(server, before);
}

#[test]
fn connections_are_parked_before_and_between_requests() {
    let server = Server::start(Limits::default());
    let mut all: Vec<_> = (0..8).map(|_| server.connect()).collect();
    await_parked(&server, 8);
    for _ in 0..3 {
        ask_and_await_rest(&server, &mut all);
    }
    assert_eq!(server.app.connections(), 8);
    let metrics = all[0].get("/metrics");
    assert!(
        metrics
            .text()
            .contains("\nshardflake_connections_parked 7\n")
    );
    drop(all);
    server.await_connections(0);
    assert_eq!(server.app.metrics.parked(), 0);
}

#[test]
fn half_a_head_is_kept() {
    let (server, mut client) = parked(Limits::default());
    for half in ["G", "GET /generate HTTP/1.1\r\nhost: te", "\r\n"] {
        client.send(half);
        await_parked(&server, 0);
        await_a_look(&server);
        client.send(&"GET /generate HTTP/1.1\r\nhost: test\r\n\r\n"[half.trim_end().len()..]);
        assert_eq!(client.reply().status, 200);
        await_parked(&server, 1);
    }
}

#[test]
fn half_a_head_behind_a_request_is_kept() {
    let (server, mut client) = parked(Limits::default());
    client.send("GET /health HTTP/1.1\r\nhost: test\r\n\r\nGET /generate HTTP/1.1\r\nhost: te");
    assert_eq!(client.reply().text(), "OK");
    await_a_look(&server);
    assert_eq!(server.app.metrics.parked(), 0);
    client.send("st\r\n\r\n");
    assert!(client.reply().id() > 0);
    await_parked(&server, 1);
}

#[test]
fn half_a_body_is_kept() {
    let (server, mut client) = parked(Limits::default());
    client.send("POST /generate HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n{}");
    await_parked(&server, 0);
    await_a_look(&server);
    client.send("{}");
    assert!(client.reply().id() > 0);
    await_parked(&server, 1);
}

#[test]
fn requests_at_once_wake_it_once() {
    let (server, mut client) = parked(Limits::default());
    for count in [2, 16, 17, 40] {
        client.send("GET /generate HTTP/1.1\r\nhost: test\r\n\r\n".repeat(count));
        let ids: Vec<_> = (0..count).map(|_| client.reply().id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        await_parked(&server, 1);
    }
}

#[test]
fn a_client_may_half_close_or_leave() {
    let (server, mut client) = parked(Limits::default());
    client.finish();
    assert!(client.replies().is_empty());
    server.await_connections(0);

    let (server, mut client) = parked(Limits::default());
    client.send("GET /generate HTTP/1.1\r\nhost: test\r\n\r\n".repeat(3));
    client.finish();
    assert_eq!(client.replies().iter().map(Reply::id).count(), 3);
    server.await_connections(0);

    let (server, client) = parked(Limits::default());
    drop(client);
    server.await_connections(0);
}

#[test]
fn it_ends_with_the_server() {
    let (mut server, mut client) = parked(Limits::default());
    server.stop();
    assert!(client.replies().is_empty());
    server.ended();
}

#[test]
fn it_counts_as_open() {
    let (server, mut first) = parked(Limits {
        connections: 1,
        ..Limits::default()
    });
    let mut second = server.connect();
    second.send("GET /health HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(first.get("/health").status, 200);
    assert_eq!(server.app.connections(), 1);
    drop(first);
    assert_eq!(second.reply().status, 200);
}

#[test]
fn it_is_closed_when_it_was_idle_for_too_long() {
    // Longer than it takes to be looked at.
    let (server, mut client) = parked(Limits {
        idle_timeout: Duration::from_secs(3),
        ..Limits::default()
    });
    assert!(client.replies().is_empty());
    server.await_connections(0);
}

#[test]
fn a_head_has_a_time_of_its_own() {
    let (server, mut idle) = parked(Limits {
        head_timeout: Duration::from_millis(300),
        ..Limits::default()
    });
    let untouched = server.connect();
    // As the first of a connection; as a later one; behind a request. A byte now and then is of no use.
    let mut first = server.connect();
    first.send("GET /generate HTTP/1.1\r\nx: ");
    let mut later = server.connect();
    assert_eq!(later.get("/health").status, 200);
    later.send("G");
    let mut behind = server.connect();
    behind.send("GET /health HTTP/1.1\r\nhost: test\r\n\r\nGET /");
    assert_eq!(behind.reply().status, 200);
    while server.app.connections() > 2 {
        for client in [&mut first, &mut later, &mut behind] {
            let _ = client.stream.write_all(b"a");
        }
        // Slowly, or the head would be refused for its length.
        thread::park_timeout(Duration::from_millis(10));
    }
    for mut client in [first, later, behind] {
        assert!(client.replies().is_empty());
    }
    assert_eq!(idle.get("/health").status, 200);
    drop(untouched);
}

/// Requests that leave something behind: in what was read, or in what hyper remembers.
const LEAVING: [&str; 7] = [
    "GET /generate HTTP/1.1\r\nhost: test\r\n\r\n",
    "GET /generate HTTP/1.1\r\nhost: test\r\n\r\n\r\n\r\n",
    "GET /generate HTTP/1.1\r\nhost: test\r\n\r\nGET /hea",
    "GET /generate HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    "HEAD /generate HTTP/1.1\r\nhost: test\r\n\r\n",
    "GET /generate HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "POST /generate HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n\r\n\r\n",
];

#[test]
fn nothing_is_left_to_another_connection() {
    let server = Server::start(Limits::default());
    for leaving in LEAVING {
        let mut all = [server.connect(), server.connect(), server.connect()];
        await_parked(&server, all.len());
        ask_and_await_rest(&server, &mut all);
        let [one, two, three] = &mut all;
        one.send(leaving);
        assert_eq!(one.reply_to(leaving.split(' ').next().unwrap()).status, 200);
        two.send("GET /decode/7 HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!(two.reply().json()["id"], "7", "after {leaving:?}");
        three.send("nonsense\r\n\r\n");
        let mut refusal = String::new();
        three.stream.read_to_string(&mut refusal).unwrap();
        assert!(
            refusal.starts_with("HTTP/1.1 400 "),
            "{refusal:?} after {leaving:?}"
        );
        drop(all);
        server.await_connections(0);
    }
}

#[test]
fn its_task_is_small() {
    let server = Server::start(Limits::default());
    let inside = server.enter();
    let stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = Stream::Tcp(tokio::net::TcpStream::from_std(stream).unwrap());
    let (_stop, stopping) = watch::channel(());
    let task = connection::serve(stream, &server.app, stopping);
    let size = std::mem::size_of_val(&task);
    assert!(size <= 640, "{size} bytes");
    drop(task);
    drop(inside);
}

#[test]
fn a_turn_that_did_much_is_woken_by_its_alarm() {
    let server = Server::start(Limits::default());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut idle = Idle::new(&server.app, 0);
        let mut turn = 0;
        let woken = poll_fn(|cx| {
            turn += 1;
            match turn {
                1 => {
                    // More than the runtime lets a task do in a turn; it is polled again at once.
                    while pin!(consume_budget()).poll(cx).is_ready() {}
                    idle.wake_at(Instant::now() + Duration::from_millis(10), cx);
                    Poll::Pending
                }
                2 => Poll::Pending,
                _ => Poll::Ready(()),
            }
        });
        tokio::select! {
            // First, as its end would poll the other.
            biased;
            () = sleep(Duration::from_secs(30)) => panic!("the alarm woke nobody"),
            () = woken => {}
        }
    });
}
