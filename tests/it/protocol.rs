//! What clients and proxies ask in their own ways.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use crate::client::Client;
use crate::server::{Home, PATIENCE, Server, ends};

/// All that comes for these bytes until the server ends the connection.
fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    received
}

#[test]
fn a_header_that_accepts_nothing_of_it_is_no_reason_to_refuse() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let mut client = Client::new(server.address).unwrap();
    for accept in [
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "text/html, */*; q=.2",
        "*",
        "image/png",
        "*/*;q=0",
    ] {
        let accept = format!("accept: {accept}\r\n");
        for target in ["/generate", "/id", "/ids/1"] {
            let reply = client.ask("GET", target, &accept).unwrap();
            assert_eq!(reply.status, 200, "{target} {accept}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
        }
    }
    let weighed = "accept: application/json;q=.1, text/plain;q=.2\r\n";
    let text = client.ask("GET", "/id", weighed).unwrap();
    assert!(text.body.trim_end().parse::<u64>().is_ok(), "{text:?}");
}

#[test]
fn a_request_names_one_host() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let close = "connection: close\r\n\r\n";
    let ids = "shardflake_ids_issued_total ";
    let issued = || {
        let metrics = server.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(ids));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = issued();
    for hosts in [
        "",
        "host: a\r\nhost: b\r\n",
        "host: a/b\r\n",
        "host: a:b\r\n",
    ] {
        let reply = exchange(
            server.address,
            &format!("GET /generate HTTP/1.1\r\n{hosts}{close}"),
        );
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
        assert!(reply.contains("one Host header"), "{reply}");
    }
    assert_eq!(issued(), before);
    let old = exchange(server.address, "GET /generate HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[test]
fn http_2_is_told_what_is_spoken() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let reply = exchange(server.address, preface);
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    assert!(reply.contains("use HTTP/1.1"), "{reply}");
    // Also a part of it, at the end of which HTTP/1 would take it for a head.
    for length in [18, 21] {
        let reply = exchange(server.address, &preface[..length]);
        assert!(reply.contains("use HTTP/1.1"), "{length}: {reply}");
    }
}

#[test]
fn options_say_what_a_path_has() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    // As HAProxy asks by itself; then as a browser does.
    for head in [
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
        "OPTIONS /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let reply = exchange(server.address, head);
        assert_eq!(&reply[8..13], " 204 ", "{reply}");
        assert!(reply.contains("\r\nallow: "), "{reply}");
        assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    }
}

#[test]
fn a_page_of_a_listed_origin_may_read_replies() {
    let home = Home::with_mark("1");
    let mut command = home.command("1");
    let listed = "https://example.org, http://localhost:3000";
    command.env("SHARDFLAKE_HTTP__CORS", listed);
    let mut server = Server::start(command, home.address());
    server.await_serving();
    let mut client = Client::new(server.address).unwrap();
    for (origin, granted) in [
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("http://localhost:3001", None),
    ] {
        let reply = client.ask("GET", "/id", &format!("origin: {origin}\r\n"));
        let reply = reply.unwrap();
        assert_eq!(reply.header("access-control-allow-origin"), granted);
        assert_eq!(reply.header("vary"), Some("origin"));
    }
    let before = "origin: https://example.org\r\naccess-control-request-method: POST\r\n";
    let head = format!("OPTIONS /id HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{before}\r\n");
    let reply = exchange(server.address, &head);
    assert!(reply.starts_with("HTTP/1.1 204 "), "{reply}");
    assert!(reply.contains("\r\naccess-control-allow-methods: GET, HEAD, POST, OPTIONS\r\n"));
    drop(server);

    let mut command = home.command("1");
    command.env("SHARDFLAKE_HTTP__CORS", "https://example.org/");
    let (code, text) = ends(command);
    assert_eq!(code, 78, "{text}");
    assert!(
        text.contains("\"https://example.org/\" is not an origin"),
        "{text}"
    );
}

#[test]
fn small_batches_are_never_too_many() {
    let home = Home::with_mark("1");
    let mut command = home.command("1");
    command.env("SHARDFLAKE_HTTP__BULK_REPLIES", "1");
    let mut server = Server::start(command, home.address());
    server.await_serving();
    let address = server.address;
    thread::scope(|scope| {
        for client in 0..50 {
            scope.spawn(move || {
                let mut asker = Client::new(address).unwrap();
                let target = ["/ids/10", "/ids/10?format=text", "/ranges/10"][client % 3];
                for _ in 0..20 {
                    let reply = asker.get(target).unwrap();
                    assert_eq!(reply.status, 200, "{reply:?}");
                    let length = reply.body.len().to_string();
                    assert_eq!(reply.header("content-length"), Some(&*length));
                }
            });
        }
    });
}

#[test]
fn http_1_0_is_told_how_a_reply_ends() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    for target in ["/ids/1?format=text", "/ids/2000?format=text", "/ids/10"] {
        let reply = exchange(server.address, &format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.0 200 "), "{reply}");
        assert!(reply.contains("\r\ncontent-length: "), "{reply}");
    }
    let kept = "GET /ids/3000 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let reply = exchange(server.address, kept);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(!head.contains("keep-alive"), "{head}");
    assert_eq!(body.matches(',').count(), 2999);
}
