//! What no good client sends. The server answers or closes, and serves the next one.

use std::time::Duration;

use super::harness::Server;
use crate::http::Limits;

/// Whether the client ends its sending half after the bytes, or leaves that to the server.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Finish,
    Wait,
}
use Then::{Finish, Wait};

/// A name, what is sent, what follows, and the statuses that come back.
type Row<'a> = (&'a str, &'a [u8], Then, &'a [u16]);

/// For what only a time-out ends.
fn impatient() -> Limits {
    Limits {
        idle_timeout: Duration::from_millis(500),
        head_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

fn after(start: &[u8], filler: u8, count: usize, end: &[u8]) -> Vec<u8> {
    [start, &vec![filler; count], end].concat()
}

/// Sends the bytes of each row on a connection of its own and compares the statuses that come
/// until the connection ends.
fn check(limits: Limits, rows: &[Row<'_>]) {
    let server = Server::start(limits);
    for (name, bytes, then, expected) in rows {
        let mut client = server.connect();
        client.send(bytes);
        if *then == Finish {
            client.finish();
        }
        let statuses: Vec<u16> = client.replies().iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, *expected, "{name}");
        drop(client);
        assert_eq!(server.get("/health").text(), "OK", "after {name}");
        server.await_connections(0);
    }
}

const MALFORMED: &[Row<'_>] = &[
    ("nothing", b"", Finish, &[]),
    ("empty lines", b"\r\n\r\n\r\n", Finish, &[]),
    ("no version", b"GET /generate\r\n\r\n", Wait, &[400]),
    ("no target", b"GET HTTP/1.1\r\n\r\n", Wait, &[400]),
    ("words", b"make me an id please\r\n\r\n", Wait, &[400]),
    ("version 3", b"GET / HTTP/3.0\r\n\r\n", Wait, &[400]),
    ("NUL bytes", &[0; 64], Wait, &[400]),
    (
        "NUL in the target",
        b"GET /i\0d HTTP/1.1\r\n\r\n",
        Wait,
        &[400],
    ),
    (
        "NUL in a header",
        b"GET /id HTTP/1.1\r\nx: a\0b\r\n\r\n",
        Wait,
        &[400],
    ),
    (
        "no colon",
        b"GET /id HTTP/1.1\r\nhost\r\n\r\n",
        Wait,
        &[400],
    ),
    (
        "space before it",
        b"GET /id HTTP/1.1\r\nx : a\r\n\r\n",
        Wait,
        &[400],
    ),
    (
        "folded header",
        b"GET /id HTTP/1.1\r\nx: a\r\n b\r\n\r\n",
        Wait,
        &[400],
    ),
    ("cut off in the head", b"GET /generate HTT", Finish, &[]),
    ("no host", b"GET /health HTTP/1.1\r\n\r\n", Finish, &[400]),
];

#[test]
fn malformed_requests() {
    check(Limits::default(), MALFORMED);
}

const SLOW: &[Row<'_>] = &[
    ("silence", b"", Wait, &[]),
    ("head", b"GET /generate HTTP/1.1\r\nhost: ", Wait, &[]),
    (
        "body",
        b"POST /id HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf",
        Wait,
        &[408],
    ),
    (
        "after a reply",
        b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n",
        Wait,
        &[200],
    ),
];

#[test]
fn slow_requests() {
    check(impatient(), SLOW);
}

#[test]
fn hosts_that_are_none_or_not_one_take_no_id() {
    let server = Server::start(Limits::default());
    let before = server.issuer().stats().ids_issued.total();
    let body = "content-length: 2\r\n\r\n{}";
    for (host, told) in [
        ("", "has none"),
        ("host: a\r\nhost: a\r\n", "has more than one"),
        ("host: a\r\nx: y\r\nHost: b\r\n", "has more than one"),
        ("host: a b\r\n", "has \"a b\""),
        ("host: http://a/\r\n", "has \"http://a/\""),
        ("host: a:b\r\n", "has \"a:b\""),
        ("host: b\u{fc}cher\r\n", "has \"b"),
    ] {
        for (method, target) in [
            ("GET", "/generate"),
            ("POST", "/id"),
            ("HEAD", "/id"),
            ("GET", "/ids/2"),
            ("GET", "/ranges/2"),
            ("GET", "http://example.org/id"),
            ("OPTIONS", "*"),
            ("GET", "/health"),
        ] {
            let mut client = server.connect();
            let end = if method == "POST" { body } else { "\r\n" };
            client.send(format!("{method} {target} HTTP/1.1\r\n{host}{end}"));
            let reply = client.reply_to(method);
            assert_eq!(reply.status, 400, "{method} {target} {host:?}");
            if method != "HEAD" {
                assert_eq!(reply.json()["code"], "bad_host");
                let error = reply.json()["error"].as_str().unwrap().to_owned();
                assert!(error.contains(told), "{error}");
            }
            // The request is understood as far as its end, and the next one is answered.
            assert_eq!(client.get("/health").status, 200);
        }
    }
    let mut old = server.connect();
    old.send("GET /id HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n");
    assert_eq!(old.reply().status, 400);
    assert_eq!(server.issuer().stats().ids_issued.total(), before);
    for head in ["1.0\r\n", "1.0\r\nhost: a\r\n", "1.1\r\nhost:\r\n"] {
        let mut client = server.connect();
        client.send(format!("GET /id HTTP/{head}\r\n"));
        assert_eq!(client.reply().status, 200, "{head:?}");
    }
}

#[test]
fn who_speaks_http_2_is_told_at_once() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    client.send(PREFACE);
    let reply = client.reply();
    assert_eq!(
        (reply.status, reply.header("connection")),
        (400, Some("close"))
    );
    assert_eq!(reply.json()["code"], "bad_protocol");
    assert!(reply.text().contains("use HTTP/1.1"), "{}", reply.text());
    // Although the client has not ended its half.
    assert!(client.replies().is_empty());
    // Behind another request as well.
    let mut client = server.connect();
    client.send(NEXT);
    assert_eq!(client.reply().status, 200);
    client.send(PREFACE);
    assert_eq!(client.reply().json()["code"], "bad_protocol");
}

const UPGRADE: &[u8] =
    b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const CONNECT: &[u8] = b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n";
const PROXIED: &[u8] = b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET /health HTTP/1.1\r\n\r\n";

#[test]
fn other_protocols() {
    let hello = [0x16, 3, 1, 0, 0xf8, 1, 0, 0, 0xf4, 3, 3];
    let rows: &[Row<'_>] = &[
        ("TLS", &after(&hello, 0xaa, 240, b""), Wait, &[400]),
        ("HTTP/2", PREFACE, Wait, &[400]),
        ("HTTP/2, half of it", &PREFACE[..18], Wait, &[400]),
        ("HTTP/2, most of it", &PREFACE[..21], Wait, &[400]),
        ("HTTP/2 upgrade", UPGRADE, Finish, &[200]),
        ("proxying", CONNECT, Finish, &[404]),
        ("a proxy's head", PROXIED, Wait, &[400]),
    ];
    check(Limits::default(), rows);
}

#[test]
fn too_much() {
    let head = |bytes| {
        after(
            b"GET /health HTTP/1.1\r\nhost: a\r\nx: ",
            b'a',
            bytes,
            b"\r\n\r\n",
        )
    };
    let target = |bytes| {
        after(
            b"GET /decode/",
            b'1',
            bytes,
            b" HTTP/1.1\r\nhost: a\r\n\r\n",
        )
    };
    let many = [
        b"GET /health HTTP/1.1\r\nhost: a\r\n",
        &*b"x: y\r\n".repeat(101),
        b"\r\n",
    ]
    .concat();
    let rows: &[Row<'_>] = &[
        ("a large head", &head(8000), Finish, &[200]),
        ("a larger head", &head(8192), Wait, &[431]),
        ("a huge head", &head(200_000), Wait, &[431]),
        ("a head without an end", &vec![b'a'; 200_000], Wait, &[431]),
        ("many headers", &many, Wait, &[431]),
        ("a long target", &target(8000), Finish, &[400]),
        ("a longer target", &target(100_000), Wait, &[431]),
    ];
    check(Limits::default(), rows);
}

const NEXT: &[u8] = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n";

/// A request with a body, which announces it with `headers`.
fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /generate HTTP/1.1\r\nhost: test\r\n{headers}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn bodies_of_a_length() {
    let sized = |length: usize, body: &[u8]| post(&format!("content-length: {length}"), body);
    let whole = [&*sized(4096, &[b'{'; 4096]), NEXT].concat();
    let large = [&*sized(4097, &[b'{'; 4097]), NEXT].concat();
    let expecting = "expect: 100-continue\r\ncontent-length: ";
    let rows: &[Row<'_>] = &[
        ("a body", &whole, Finish, &[200, 200]),
        ("a large one", &large, Wait, &[413]),
        (
            "a huge one",
            &sized(200_000, &vec![b'{'; 200_000]),
            Wait,
            &[413],
        ),
        ("one cut off", &sized(10, b"half"), Finish, &[400]),
        (
            "leave",
            &post(&format!("{expecting}2"), b"{}"),
            Finish,
            &[100, 200],
        ),
        (
            "no leave",
            &post(&format!("{expecting}5000"), b""),
            Wait,
            &[413],
        ),
    ];
    check(Limits::default(), rows);
}

#[test]
fn bodies_in_chunks() {
    let chunked = |body: &[u8]| post("transfer-encoding: chunked", body);
    let whole = [&*chunked(b"3\r\nabc\r\n0\r\n\r\n"), NEXT].concat();
    let many = b"a\r\n0123456789\r\n".repeat(500);
    let both = post(
        "content-length: 3\r\ntransfer-encoding: chunked",
        b"0\r\n\r\n",
    );
    let rows: &[Row<'_>] = &[
        ("chunks", &whole, Finish, &[200, 200]),
        ("too many chunks", &chunked(&many), Wait, &[413]),
        ("a chunk that is none", &chunked(b"zz\r\n"), Wait, &[400]),
        ("a length beside them", &both, Finish, &[200]),
        (
            "another coding",
            &post("transfer-encoding: gzip", b"abc"),
            Wait,
            &[400],
        ),
    ];
    check(Limits::default(), rows);
}

#[test]
fn lengths_that_are_none() {
    for length in [
        "ten",
        "-1",
        "",
        "1 2",
        "0x2",
        "99999999999999999999",
        "3\r\ncontent-length: 4",
    ] {
        let bytes = post(&format!("content-length: {length}"), b"abcd");
        check(Limits::default(), &[(length, &bytes, Wait, &[400])]);
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_is_forgotten() {
    let server = Server::start(Limits::default());
    for bytes in [
        &b"GET /gen"[..],
        b"GET /generate HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc",
        b"POST /generate HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        &b"GET /generate HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000),
    ] {
        let mut client = server.connect();
        client.send(bytes);
        drop(client);
        server.await_connections(0);
    }
    assert_eq!(server.get("/health").text(), "OK");
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    let server = Server::start(impatient());
    let mut client = server.connect();
    let requests = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    // Until the server reads no more either, or has had enough.
    client
        .stream
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    while std::io::Write::write_all(&mut client.stream, &requests).is_ok() {}
    server.await_connections(0);
}

#[test]
fn a_refused_client_may_send_the_rest() {
    let server = Server::start(Limits::default());
    let mut client = server.connect();
    client.send(post("content-length: 100000", b""));
    assert_eq!(client.reply().status, 413);
    // Over a socket that is closed already, the second of these would fail.
    for _ in 0..100 {
        client.send([b'{'; 1000]);
    }
    client.finish();
    assert!(client.replies().is_empty());
    server.await_connections(0);
}
