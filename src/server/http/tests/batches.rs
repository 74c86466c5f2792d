//! Short replies with many IDs, and how the length of any is told.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::Read;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Buf;
use hyper::Request;
use hyper::body::Body;
use tokio::runtime::Builder;

use super::harness::{Server, Setup};
use crate::http::activity::{Activity, Rest};
use crate::http::{Limits, endpoint};

fn server() -> Server {
    Server::start(Limits::default())
}

/// All that comes for one request of HTTP/1.0 until the server ends the connection.
fn old(server: &Server, target: &str, headers: &str) -> String {
    let mut client = server.connect();
    client.send(format!("GET {target} HTTP/1.0\r\n{headers}\r\n"));
    let mut received = String::new();
    client.stream.read_to_string(&mut received).unwrap();
    received
}

#[test]
fn fifty_clients_with_small_batches_all_get_them_though_no_place_is_free() {
    let server = server();
    let places = Arc::clone(&server.app.bulk).try_acquire_many_owned(4);
    let ids: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = server.connect();
                    let mut got = Vec::new();
                    for _ in 0..20 {
                        let reply = client.get("/ids/10");
                        assert_eq!(reply.status, 200, "{}", reply.text());
                        let json = reply.json();
                        let ids = json["ids"].as_array().unwrap().iter();
                        got.extend(ids.map(|id| id.as_str().unwrap().to_owned()));
                    }
                    got
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    assert_eq!(ids.len(), 10_000);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 10_000);
    drop(places);
}

#[test]
fn a_place_is_waited_for() {
    let server = Server::set_up(Setup {
        deadline: Duration::from_secs(60),
        ..Setup::default()
    });
    let places = Arc::clone(&server.app.bulk).try_acquire_many_owned(4);
    let mut waiting = server.connect();
    waiting.send("GET /ids/3000 HTTP/1.1\r\nhost: a\r\n\r\n");
    // Meanwhile it is read; if not, it finds the places free.
    for _ in 0..20 {
        assert_eq!(server.get("/livez").status, 200);
    }
    drop(places);
    let reply = waiting.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["ids"].as_array().unwrap().len(), 3000);
}

#[test]
fn what_fits_one_piece_tells_its_length() {
    let server = server();
    for target in [
        "/ids/1",
        "/ids/10",
        "/ids/2000",
        "/ids/1?format=text",
        "/ids/2000?format=text",
        "/ids/2000?encoding=hex",
        "/ids/2000?encoding=base32&format=text",
        "/ids/8000?format=binary",
        "/ranges/1",
        "/ranges/5000",
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 200, "{target}");
        let length = reply.body.len().to_string();
        assert_eq!(reply.header("content-length"), Some(&*length), "{target}");
        // To a client that knows nothing else, and keeps the connection by that.
        let mut client = server.connect();
        for _ in 0..2 {
            client.send(format!(
                "GET {target} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
            ));
            let reply = client.reply();
            assert_eq!(reply.header("connection"), Some("keep-alive"), "{target}");
            assert!(!reply.body.is_empty());
        }
    }
}

#[test]
fn a_length_that_is_known_is_told_of_longer_ones_too() {
    let server = Server::set_up(Setup {
        machines: "0-15",
        ..Setup::default()
    });
    for target in [
        "/ids/5000?encoding=hex",
        "/ids/5000?encoding=base32",
        "/ids/5000?encoding=hex&format=text",
        "/ids/20000?format=binary",
    ] {
        let reply = server.get(target);
        assert!(reply.header("content-length").is_some(), "{target}");
        if reply.header("content-type") == Some("application/json") {
            assert_eq!(reply.json()["ids"].as_array().unwrap().len(), 5000);
        }
        let head = server.ask("HEAD", target, "");
        assert_eq!(
            head.header("content-length"),
            reply.header("content-length")
        );
    }
    for target in ["/ids/5000", "/ranges/9", "/ids/5000?format=text"] {
        let head = server.ask("HEAD", target, "");
        assert_eq!((head.status, head.header("content-length")), (200, None));
    }
}

#[test]
fn a_reply_without_a_length_promises_http_1_0_no_next_one() {
    let server = server();
    for headers in ["", "connection: keep-alive\r\n"] {
        let received = old(&server, "/ids/3000", headers);
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: close"), "{head}");
        for absent in ["keep-alive", "transfer-encoding", "content-length"] {
            assert!(!head.contains(absent), "{head}");
        }
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["ids"].as_array().unwrap().len(), 3000);
    }
}

#[test]
fn whatever_ends_a_connection_of_http_1_0_promises_nothing_else() {
    let server = server();
    let headers = "connection: keep-alive\r\ncontent-length: 9999\r\n";
    let mut client = server.connect();
    client.send(format!("POST /id HTTP/1.0\r\n{headers}\r\n"));
    let reply = client.head();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (413, Some("close"))
    );
}

#[test]
fn what_was_taken_for_short_and_is_not_goes_on_as_a_long_reply() {
    let server = server();
    let activity = Arc::new(Activity::new(Rest::new(&server.app.limits())));
    let count = NonZeroU32::new(3000).unwrap();
    let read = async {
        // For an entry or two, where a dozen ticks make as many and more.
        let answer = endpoint::ranges_within(&server.app, &activity, count, 400).await;
        assert_eq!(server.app.bulk.available_permits(), 3);
        let mut body = answer
            .unwrap()
            .into_reply(Request::get("/").body(()).unwrap().into_parts().0)
            .into_body();
        let mut all = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            all.extend(frame.unwrap().into_data().unwrap().chunk());
        }
        all
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&runtime.block_on(read)).unwrap();
    let ranges = json["ranges"].as_array().unwrap();
    let counts = ranges.iter().map(|range| range["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 3000);
    // What had no place gets none either, if none comes free.
    let places = Arc::clone(&server.app.bulk).try_acquire_many_owned(4);
    let refused = runtime.block_on(endpoint::ranges_within(&server.app, &activity, count, 400));
    assert!(refused.is_err());
    drop(places);
}
