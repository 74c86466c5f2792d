//! Connections over their whole life: kept, pipelined, half closed, limited, drained.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tokio::sync::watch;

use super::harness::{Client, Reply, Server};
use crate::http::listener::accept_rest;
use crate::http::{Limits, bind_tcp, bind_unix};

#[test]
fn a_kept_connection_gets_increasing_ids() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    let mut last = 0;
    for _ in 0..100 {
        let id = client.get("/generate").id();
        assert!(id > last);
        last = id;
    }
    assert_eq!(server.app.connections(), 1);
    drop(client);
    server.await_connections(0);
}

#[test]
fn sixteen_requests_at_once_are_answered_in_order() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    // Each reply tells which request it answers, and IDs tell the order of issuing.
    let requests: Vec<_> = (0..16)
        .map(|n| format!("GET /decode/{n} HTTP/1.1\r\nhost: a\r\n\r\nGET /generate HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    for _ in 0..20 {
        client.send(requests.concat());
        let mut last = 0;
        for n in 0..16 {
            assert_eq!(client.reply().json()["id"], n.to_string());
            let id = client.reply().id();
            assert!(id > last);
            last = id;
        }
    }
}

#[test]
fn what_follows_a_request_does_not_hold_up_its_answer() {
    let server = Server::start(Limits::default());
    for rest in ["\r\n", "GET /generate HT"] {
        let mut client = server.connect();
        client.send(format!("GET /generate HTTP/1.1\r\nhost: a\r\n\r\n{rest}"));
        assert_eq!(client.reply().status, 200);
    }
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    client.send("GET /generate HTTP/1.1\r\nhost: a\r\n\r\n".repeat(16));
    client.finish();
    let ids: Vec<u64> = client.replies().iter().map(Reply::id).collect();
    assert_eq!(ids.len(), 16);
    assert!(ids.is_sorted_by(|a, b| a < b));
    server.await_connections(0);
}

#[test]
fn a_client_that_leaves_within_a_request_gets_the_answers_before_it() {
    let server = Server::start(Limits::default());
    for _ in 0..50 {
        let mut client = server.connect();
        client.send("GET /generate HTTP/1.1\r\nhost: a\r\n\r\n".repeat(8) + "GET /generate HT");
        client.finish();
        assert_eq!(client.replies().len(), 8);
    }
    server.await_connections(0);
}

#[test]
fn http_1_0_is_kept_only_if_asked() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    client.send("GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let reply = client.reply();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, Some("keep-alive"))
    );
    client.send("GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(client.replies().len(), 1);
}

#[test]
fn a_list_whose_end_http_1_0_cannot_show_is_refused() {
    let server = Server::start(Limits::default());
    let ask = |target: &str| {
        let mut client = server.connect();
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
        client
    };
    let refused = ask("/ids/3000?format=text").reply();
    assert_eq!(refused.status, 505);
    assert_eq!(refused.json()["code"], "end_unseen");
    for target in [
        "/ids/1?format=text",
        "/ids/2000?format=text",
        "/ids/3000",
        "/ids/3000?format=text&encoding=hex",
        "/ids/9000?format=binary",
        "/ranges/3000",
        "/generate?format=text",
    ] {
        assert_eq!(ask(target).head().status, 200, "{target}");
    }
    assert_eq!(server.get("/ids/3000?format=text").status, 200);
}

#[test]
fn absolute_targets_work() {
    let server = Server::start(Limits::default());
    let reply = server.get("http://example.org:7001/generate?format=text");
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/plain; charset=utf-8"))
    );
}

#[test]
fn a_unix_socket_serves_beside_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.sock");
    let server = Server::start_with(Limits::default(), || {
        vec![bind_unix(&path, 0o660, None).unwrap()]
    });
    let mut unix = Client::new(UnixStream::connect(&path).unwrap());
    let mut tcp = server.connect();
    let mut last = 0;
    for _ in 0..10 {
        for id in [unix.get("/generate").id(), tcp.get("/generate").id()] {
            assert!(id > last);
            last = id;
        }
    }
    assert_eq!(server.app.connections(), 2);
}

#[test]
fn a_full_server_accepts_when_there_is_room() {
    let full = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = Server::start(full);
    let mut first = server.connect();
    let mut second = server.connect();
    assert_eq!(first.get("/health").status, 200);
    assert_eq!(second.get("/health").status, 200);
    let mut third = server.connect();
    third.send("GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(first.get("/health").status, 200);
    assert_eq!(server.app.connections(), 2);
    drop(second);
    assert_eq!(third.reply().status, 200);

    let mut fourth = server.connect();
    fourth.send("GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
    server.app.set_limits(Limits::default());
    assert_eq!(fourth.reply().status, 200);
    assert_eq!(server.app.connections(), 3);
}

#[test]
fn new_limits_hold_for_new_connections() {
    let server = Server::start(Limits::default());
    let mut old = server.connect();
    assert_eq!(old.get("/health").status, 200);
    server.app.set_limits(Limits {
        body_bytes: 1,
        ..Limits::default()
    });
    let post = "POST /id HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    old.send(post);
    assert_eq!(old.reply().status, 200);
    let mut new = server.connect();
    new.send(post);
    assert_eq!(new.reply().status, 413);
    // The places for bulk replies are counted from the start on.
    server.app.set_limits(Limits {
        bulk_replies: 1,
        ..Limits::default()
    });
    assert_eq!(server.app.limits(), Limits::default());
}

#[test]
fn stopping_closes_the_idle_and_finishes_the_busy() {
    let mut server = Server::start(Limits::default());
    let mut idle = server.connect();
    assert_eq!(idle.get("/health").status, 200);
    let untouched = server.connect();
    let mut busy = server.connect();
    busy.send("POST /generate HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{");
    server.await_connections(3);
    // The head of the busy one is read once it has been asked to go on.
    let mut expecting = server.connect();
    expecting
        .send("POST /id HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(expecting.reply().status, 100);

    server.stop();
    assert!(idle.replies().is_empty());
    server.await_connections(2);
    expecting.send("1");
    let reply = expecting.reply();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, Some("close"))
    );
    busy.send("}");
    assert_eq!(busy.replies().len(), 1);
    server.ended();
    drop(untouched);
}

#[test]
fn stopping_answers_who_waits_to_be_accepted() {
    let server = Server::start(Limits::default());
    let inside = server.enter();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s.sock");
    let unix = bind_unix(&path, 0o660, None).unwrap();
    let tcp = bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let address = tcp.to_string();
    let (stop, stopping) = watch::channel(());
    let mut over_tcp: Vec<_> = (0..3)
        .map(|_| Client::new(TcpStream::connect(&address).unwrap()))
        .collect();
    let mut over_unix: Vec<_> = (0..3)
        .map(|_| Client::new(UnixStream::connect(&path).unwrap()))
        .collect();
    accept_rest(tcp, &server.app, &stopping);
    accept_rest(unix, &server.app, &stopping);
    stop.send_replace(());
    drop(inside);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!path.exists());
    for client in &mut over_tcp {
        assert_eq!(client.get("/health").header("connection"), Some("close"));
    }
    for client in &mut over_unix {
        assert_eq!(client.get("/health").header("connection"), Some("close"));
    }
}

#[test]
fn stopping_answers_who_has_just_connected() {
    let mut server = Server::start(Limits::default());
    let mut idle = server.connect();
    assert_eq!(idle.get("/health").status, 200);
    let mut early = server.connect();
    server.await_connections(2);
    server.stop();
    // Its end tells that the stop has begun.
    assert!(idle.replies().is_empty());
    early.send("GET /generate HTTP/1.1\r\nhost: a\r\n\r\n");
    let reply = early.reply();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, Some("close"))
    );
    assert!(early.replies().is_empty());
    server.ended();
}
