//! Disks that fail and files that go, by strace and by hand.

use std::fs;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::{Home, Server, fields};

#[test]
fn failing_flushes_end_in_503_with_the_reason_and_recover() {
    let home = Home::with_mark("1");
    // The first flushes open the shard; then forty fail.
    let inject = "inject=fdatasync:error=EIO:when=5..44";
    let wrapper = [
        "strace",
        // The tracer is the grandchild, so that signals reach the server.
        "-D",
        "--seccomp-bpf",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        inject,
    ];
    let mut server = Server::start(home.wrapped(&wrapper, "1"), home.address());
    server.await_serving();
    let mut client = Client::new(server.address).unwrap();
    let mut last = 0;
    let refused = loop {
        let reply = client.get("/generate").unwrap();
        if reply.status != 200 {
            break reply;
        }
        assert!(reply.id() > last);
        last = reply.id();
    };
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "window_used_up")
    );
    assert!(refused.body.contains("cannot flush"), "{}", refused.body);
    server.await_line("cannot flush");
    assert_eq!(server.get("/livez").status, 200);
    server.await_line("the mark can be written again");
    server.await_serving();
    assert!(server.id() > last);
}

#[test]
fn an_exact_mark_that_cannot_be_written_exits_74_and_repeats_nothing() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let last = server.id();
    // Somebody replaced the mark: what is durable in it stands, and is the server's no more.
    let mark = home.state().join("1.mark");
    fs::copy(&mark, home.path("copy")).unwrap();
    fs::rename(home.path("copy"), &mark).unwrap();
    assert_eq!(server.stop(), 74);
    let adopted = home.run(&["state", "adopt", "--shard-id", "1"]);
    assert!(adopted.status.success(), "{adopted:?}");
    assert!(home.serve("1").id() > last);
}

#[test]
fn connections_that_take_every_open_file_leave_the_mark_its_own() {
    let home = Home::with_mark("1");
    let limit = ["sh", "-c", "ulimit -n 100; exec \"$@\"", "sh"];
    let mut server = Server::start(home.wrapped(&limit, "1"), home.address());
    server.await_serving();
    server.await_line("http.connections is 16384, but this process may open 100 files");
    let mut early = Client::new(server.address).unwrap();
    let first = early.get("/generate").unwrap().id();
    let crowd: Vec<_> = (0..200)
        .map(|_| std::net::TcpStream::connect(server.address).unwrap())
        .collect();
    server.until("as many connections as fit", |_| {
        let metrics = early.get("/metrics").unwrap().body;
        metrics.contains("shardflake_http_connections 36\n")
    });
    // The bound has to be raised for these.
    server.until("past two windows", |_| {
        fields(early.get("/generate").unwrap().id()).0 > fields(first).0 + 200
    });
    drop(crowd);
    server.await_serving();
    assert_eq!(server.stop(), 0);
}

/// A server that is told to stop while a client is half through a request, and what it says then.
fn stopped_under_a_slow_client(drain: &str, signals: usize) -> String {
    let home = Home::with_mark("1");
    let mut command = home.command("1");
    command.env("SHARDFLAKE_HTTP__DRAIN", drain);
    let mut server = Server::start(command, home.address());
    server.await_serving();
    // Half a request keeps its connection open.
    let mut slow = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(
        &mut slow,
        b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
    )
    .unwrap();
    server.until("two connections", |server| {
        server
            .get("/metrics")
            .body
            .contains("shardflake_http_connections 2")
    });
    for _ in 0..signals {
        server.signal(Signal::SIGTERM);
        server.await_line("stopping");
    }
    assert_eq!(server.wait(), 0, "{:#?}", server.log);
    server.await_line("closing the connections that are still open")
}

#[test]
fn a_second_signal_does_not_wait_for_slow_clients() {
    let told = stopped_under_a_slow_client("5min", 2);
    assert!(told.contains(", at a second signal to stop"), "{told}");
}

#[test]
fn a_server_says_how_long_it_has_waited_for_slow_clients() {
    let told = stopped_under_a_slow_client("10ms", 1);
    assert!(told.contains("), after 10ms (http.drain)"), "{told}");
}
