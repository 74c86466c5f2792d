//! What each route replies.

use serde_json::json;

use super::harness::Server;
use crate::http::Limits;
use shardflake::issuer::Refusal;

fn server() -> Server {
    Server::start(Limits::default())
}

#[test]
fn generate_replies_in_every_form() {
    let server = server();
    let reply = server.get("/generate");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let id = reply.id();
    let seconds = server.issuer().layout().unix_ms(id >> 24) / 1000;
    assert_eq!(
        reply.json(),
        json!({"id": id, "id_str": id.to_string(), "timestamp": seconds})
    );

    let text = server.ask("GET", "/generate", "accept: text/plain\r\n");
    assert!(
        text.text()
            .strip_suffix('\n')
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > id
    );
    let hex = server.get("/generate?format=text&encoding=hex");
    assert_eq!(hex.body.len(), 17);
    let binary = server.ask("POST", "/generate?format=binary", "accept: text/html\r\n");
    assert_eq!(
        binary.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(u64::from_be_bytes(binary.body.try_into().unwrap()) > id);
}

/// What Java's own client has sent by itself, and a browser does.
const ACCEPTS: [&str; 4] = [
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "text/html, */*; q=.2",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "image/png",
];

#[test]
fn whatever_a_client_accepts_it_gets_the_ids() {
    let server = server();
    for accept in ACCEPTS {
        let accept = format!("accept: {accept}\r\n");
        for target in [
            "/generate",
            "/id",
            "/ids/2",
            "/ranges/2",
            "/decode/1",
            "/readyz",
        ] {
            let reply = server.ask("GET", target, &accept);
            assert_eq!(reply.status, 200, "{target} {accept}");
            reply.json();
        }
        assert_eq!(server.ask("GET", "/health", &accept).text(), "OK");
    }
}

#[test]
fn id_replies_with_a_text_and_the_machine() {
    let server = server();
    let reply = server.ask("POST", "/id?encoding=base32", "").json();
    assert_eq!(reply["machine_id"], 1);
    assert_eq!(reply["id"].as_str().unwrap().len(), 13);
    assert_eq!(reply.as_object().unwrap().len(), 2);
}

#[test]
fn decode_reads_what_generate_wrote() {
    let server = server();
    let reply = server.get("/decode/0f60gn8000001?encoding=base32&");
    assert_eq!(reply.header("cache-control"), None);
    assert_eq!(
        reply.json(),
        json!({
            "id": "547205677056000001", "time": 32_616_000_000_u64, "sequence": 0,
            "machine_id": 1, "datetime": "2025-01-01T00:00:00.000Z"
        })
    );
}

#[test]
fn errors_say_what_to_do() {
    let server = server();
    for (method, target, headers, status, code) in [
        ("GET", "/", "", 404, "not_found"),
        ("GET", "/decode/x", "", 400, "bad_id"),
        ("GET", "/decode/", "", 400, "bad_id"),
        ("GET", "/decode/9223372036854775808", "", 400, "bad_id"),
        ("GET", "/decode/1?format=json", "", 400, "bad_query"),
        ("GET", "/generate?count=2", "", 400, "bad_query"),
        ("GET", "/id?encoding=hexa", "", 400, "bad_query"),
        ("DELETE", "/generate", "", 405, "method_not_allowed"),
        ("POST", "/health", "", 405, "method_not_allowed"),
        ("GET", "*", "", 404, "not_found"),
        ("TRACE", "/id", "", 405, "method_not_allowed"),
        (
            "POST",
            "/id",
            "content-length: 9999\r\n",
            413,
            "body_too_large",
        ),
    ] {
        let reply = server.ask(method, target, headers);
        assert_eq!(reply.status, status, "{method} {target}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let body = reply.json();
        assert_eq!(body["code"], code, "{method} {target}");
        assert!(!body["error"].as_str().unwrap().is_empty());
        assert_eq!(body.as_object().unwrap().len(), 2);
    }
    let reply = server.ask("PUT", "/id", "");
    assert_eq!(reply.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(server.get("/health?x=1").status, 200);
}

#[test]
fn options_are_told_of_every_path_and_take_no_id() {
    let mut server = server();
    let before = server.issuer().stats().ids_issued.total();
    let (some, post) = ("GET, HEAD, OPTIONS", "GET, HEAD, POST, OPTIONS");
    let told = |server: &Server| {
        for (target, allow) in [
            ("*", post),
            ("/generate", post),
            ("/id?format=nonsense", post),
            ("/ids/none", post),
            ("/ranges/9", post),
            ("/decode/x", some),
            ("/bounds", some),
            ("/health", some),
            ("/livez", some),
            ("/readyz", some),
            ("/metrics", some),
            ("/", "OPTIONS"),
            ("/nothing", "OPTIONS"),
        ] {
            let mut client = server.connect();
            client.send(format!("OPTIONS {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
            let reply = client.head();
            assert_eq!((reply.status, reply.header("allow")), (204, Some(allow)));
            for absent in [
                "content-length",
                "content-type",
                "transfer-encoding",
                "vary",
            ] {
                assert_eq!(reply.header(absent), None, "{target}");
            }
            assert_eq!(client.get("/livez").text(), "OK");
        }
    };
    told(&server);
    assert_eq!(server.issuer().stats().ids_issued.total(), before);
    // What can be asked does not depend on how the shard stands.
    server.stop_issuing();
    told(&server);
    let metrics = server.get("/metrics");
    let line = "shardflake_http_requests_total{route=\"health\",code=\"204\"} 2\n";
    assert!(metrics.text().contains(line));
}

#[test]
fn errors_say_what_was_seen() {
    let server = server();
    let long = format!("/{}", "x".repeat(500));
    for (method, target, headers, parts) in [
        ("GET", "/nothing", "", &["\"/nothing\" is not a route"][..]),
        ("GET", &long, "", &["xxx\" is not a route"]),
        ("DELETE", "/generate", "", &["DELETE is not a method"]),
        ("TRY-ME", "/health", "", &["TRY-ME is not a method"]),
        (
            "POST",
            "/id",
            "content-length: 9999\r\n",
            &["has 9999 bytes, more than the 4096 bytes allowed"],
        ),
        (
            "GET",
            "/bounds?from=1969-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
            "",
            &[
                "from is \"1969-01-01T00:00:00Z\"",
                "from the epoch, 2014-09-01T00:00:00Z, on",
            ],
        ),
    ] {
        let reply = server.ask(method, target, headers).json();
        let error = reply["error"].as_str().unwrap();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
        assert!(error.len() < 300, "{error}");
    }
}

/// What has a length that is known before the IDs are.
const HEADS: [&str; 13] = [
    "/generate",
    "/generate?encoding=hex",
    "/id",
    "/id?format=text",
    "/id?format=binary",
    "/ids/1",
    "/ids/2000",
    "/ids/10?format=text",
    "/ids/10?encoding=base32",
    "/ids/10?format=text&encoding=hex",
    "/ids/8000?format=binary",
    "/ids/9000?format=binary",
    "/ids/3000?encoding=hex",
];

#[test]
fn head_has_no_body_and_takes_no_id() {
    let server = server();
    let before = server.issuer().stats().ids_issued.total();
    let heads = HEADS.map(|target| server.ask("HEAD", target, ""));
    assert_eq!(server.issuer().stats().ids_issued.total(), before);
    for (target, head) in HEADS.iter().zip(&heads) {
        let reply = server.get(target);
        assert_eq!((head.status, reply.status), (200, 200));
        for header in ["content-length", "content-type", "cache-control"] {
            assert!(head.header(header).is_some(), "{target}");
            assert_eq!(head.header(header), reply.header(header), "{target}");
        }
    }
    let reply = server.ask("HEAD", "/health", "");
    assert_eq!(
        (reply.status, reply.header("content-length")),
        (200, Some("2"))
    );
    assert_eq!(server.ask("HEAD", "/generate?x", "").status, 400);
    assert_eq!(server.ask("HEAD", "/nothing", "").status, 404);
}

#[test]
fn health_is_ok_in_two_letters() {
    let server = server();
    for target in ["/health", "/livez"] {
        let reply = server.get(target);
        assert_eq!((reply.status, reply.text()), (200, "OK"));
        assert_eq!(
            reply.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
    let reply = server.ask("GET", "/health", "accept: application/json\r\n");
    assert_eq!(reply.json(), json!({"status": "ok"}));
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 200);
    let body = ready.json();
    assert_eq!(body["state"], "serving");
    for key in ["reason", "code", "warning"] {
        assert!(body[key].is_null());
    }
    assert!(body["clock"]["ahead_seconds"].is_number());
    assert!(
        body["clock"]
            .as_object()
            .unwrap()
            .contains_key("synchronised")
    );
    assert!(body["window_remaining_seconds"].is_number());
    assert!(body["time_field_remaining_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_refusing_shard_says_why_and_until_when() {
    let mut server = server();
    let refusal = Refusal::Draining;
    server.stop_issuing();
    for target in ["/generate", "/id", "/health", "/readyz"] {
        let reply = server.get(target);
        assert_eq!(reply.status, 503, "{target}");
        assert_eq!(reply.header("retry-after"), Some("1"), "{target}");
        assert_eq!(server.ask("HEAD", target, "").status, 503, "{target}");
    }
    assert_eq!(server.get("/livez").status, 200);
    let expected = json!({"error": refusal.to_string(), "code": "draining"});
    assert_eq!(server.get("/generate").json(), expected);
    let health = server.ask("GET", "/health", "accept: application/json\r\n");
    assert_eq!(health.json(), expected);
    assert_eq!(server.get("/health").text(), refusal.to_string());
    let ready = server.get("/readyz").json();
    assert_eq!(ready["reason"], refusal.to_string());
    assert_eq!(ready["code"], "draining");
    let metrics = server.get("/metrics");
    assert!(
        metrics
            .text()
            .contains("shardflake_refused_total{reason=\"draining\"} 3\n")
    );
}

/// All metrics, without their prefix.
const FAMILIES: [&str; 18] = [
    "ids_issued_total",
    "sequence_exhausted_total",
    "issue_wait_seconds",
    "mark_fsync_seconds",
    "mark_failures_total",
    "clock_steps_total",
    "http_requests_total",
    "http_request_duration_seconds",
    "identifiers_issued_total",
    "http_connections",
    "connections_parked",
    "refused_total",
    "clock_ahead_seconds",
    "clock_doubted_seconds",
    "window_remaining_seconds",
    "time_field_remaining_seconds",
    "log_records_dropped_total",
    "build_info",
];

#[test]
fn requests_are_counted_by_route_and_code() {
    let server = server();
    for target in [
        "/generate",
        "/generate",
        "/generate?x",
        "/nothing",
        "/elsewhere",
    ] {
        server.get(target);
    }
    let reply = server.get("/metrics");
    assert_eq!(
        reply.header("content-type"),
        Some(crate::metrics::CONTENT_TYPE)
    );
    let families: Vec<&str> = reply
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE shardflake_")?.split(' ').next())
        .collect();
    assert_eq!(families, FAMILIES);
    for line in [
        "shardflake_build_info{version=\"0.1.0\",profile=\"sonyflake\"} 1",
        "shardflake_clock_steps_total{direction=\"back\"} 0",
        "shardflake_ids_issued_total 2",
        "shardflake_http_requests_total{route=\"generate\",code=\"200\"} 2",
        "shardflake_http_requests_total{route=\"generate\",code=\"400\"} 1",
        "shardflake_http_requests_total{route=\"other\",code=\"404\"} 2",
        "shardflake_http_request_duration_seconds_count{route=\"generate\"} 3",
    ] {
        assert!(reply.text().lines().any(|found| found == line), "{line}");
    }
}
