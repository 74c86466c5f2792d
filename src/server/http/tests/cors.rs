//! What pages of other origins may read.

use super::harness::{Reply, Server, Setup};
use crate::http::{Cors, Limits};

const ORIGIN: &str = "access-control-allow-origin";
const BEFORE: &str = "access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-trace\r\n";

fn server(origins: &[&str]) -> Server {
    let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
    Server::set_up(Setup {
        cors: Cors::new(&origins),
        ..Setup::default()
    })
}

fn from(server: &Server, origin: &str, method: &str, target: &str, headers: &str) -> Reply {
    let mut client = server.connect();
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nhost: test\r\norigin: {origin}\r\n{headers}\r\n"
    ));
    client.head()
}

/// All headers that are about other origins.
fn told(reply: &Reply) -> Vec<(&'static str, &str)> {
    [
        ORIGIN,
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-expose-headers",
        "access-control-max-age",
        "access-control-allow-credentials",
        "vary",
    ]
    .into_iter()
    .filter_map(|name| Some((name, reply.header(name)?)))
    .collect()
}

#[test]
fn nothing_is_said_where_it_is_off() {
    let server = Server::start(Limits::default());
    for (method, headers) in [("GET", ""), ("OPTIONS", BEFORE)] {
        let reply = from(&server, "https://example.org", method, "/id", headers);
        assert_eq!(told(&reply), []);
    }
}

#[test]
fn a_listed_origin_may_read_every_reply_and_no_other_one() {
    let server = server(&["https://example.org", "http://localhost:3000"]);
    for origin in ["https://example.org", "http://localhost:3000"] {
        // Errors as well: a page has to know why it got no ID.
        for (method, target) in [
            ("GET", "/id"),
            ("POST", "/generate"),
            ("HEAD", "/id"),
            ("GET", "/ids/2"),
            ("GET", "/ids/100000"),
            ("GET", "/decode/1"),
            ("GET", "/nothing"),
            ("PUT", "/id"),
            ("GET", "/ids/none"),
        ] {
            let reply = from(&server, origin, method, target, "");
            let expected = [
                (ORIGIN, origin),
                ("access-control-expose-headers", "retry-after"),
                ("vary", "origin"),
            ];
            assert_eq!(told(&reply), expected, "{method} {target}");
        }
    }
    for origin in [
        "https://example.com",
        "http://example.org",
        "https://example.org:8443",
        "https://a.example.org",
        "https://example.org.evil.example",
        "null",
        "*",
    ] {
        assert_eq!(
            told(&from(&server, origin, "GET", "/decode/1", "")),
            [("vary", "origin")]
        );
    }
    // A cache may keep this one, and must not give it to a page.
    assert_eq!(told(&server.get("/decode/1")), [("vary", "origin")]);
}

#[test]
fn a_browser_that_asks_before_is_told_what_it_may() {
    let all = "origin, access-control-request-method, access-control-request-headers";
    let server = server(&["https://example.org"]);
    let before = server.issuer().stats().ids_issued.total();
    for (target, methods) in [
        ("/id", "GET, HEAD, POST, OPTIONS"),
        ("/decode/1", "GET, HEAD, OPTIONS"),
    ] {
        let reply = from(&server, "https://example.org", "OPTIONS", target, BEFORE);
        assert_eq!((reply.status, reply.header("allow")), (204, Some(methods)));
        let expected = [
            (ORIGIN, "https://example.org"),
            ("access-control-allow-methods", methods),
            ("access-control-allow-headers", "content-type,x-trace"),
            ("access-control-max-age", "7200"),
            ("vary", all),
        ];
        assert_eq!(told(&reply), expected);
        let other = from(&server, "https://example.com", "OPTIONS", target, BEFORE);
        assert_eq!((other.status, told(&other)), (204, vec![("vary", all)]));
    }
    let plain = from(&server, "https://example.org", "OPTIONS", "/id", "");
    assert_eq!(
        told(&plain),
        [(ORIGIN, "https://example.org"), ("vary", all)]
    );
    assert_eq!(server.issuer().stats().ids_issued.total(), before);
}

#[test]
fn all_origins_are_told_alike() {
    let server = server(&["*"]);
    let expected = [
        (ORIGIN, "*"),
        ("access-control-expose-headers", "retry-after"),
    ];
    assert_eq!(
        told(&from(&server, "https://example.org", "GET", "/id", "")),
        expected
    );
    assert_eq!(told(&server.get("/id")), expected);
    let reply = from(&server, "null", "OPTIONS", "/id", BEFORE);
    assert_eq!(reply.header(ORIGIN), Some("*"));
    assert_eq!(
        reply.header("access-control-allow-headers"),
        Some("content-type,x-trace")
    );
}
