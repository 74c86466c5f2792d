//! Many IDs in one reply.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::body::Body;
use tokio::runtime::Builder;

use super::harness::{Reply, Server, Setup, until};
use crate::config::Profile;
use crate::http::activity::{Activity, Rest};
use crate::http::head::Head;
use crate::http::{Limits, endpoint};
use shardflake::id::layout::{Bits, Order};
use shardflake::id::{Encoding, Layout};

fn server(machines: &'static str) -> Server {
    Server::of(Profile::Sonyflake, machines, Limits::default())
}

/// The IDs of a JSON reply.
fn ids(reply: &Reply) -> Vec<u64> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 1);
    let ids = json["ids"].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().parse().unwrap())
        .collect()
}

fn increasing(ids: &[u64]) -> bool {
    ids.is_sorted_by(|a, b| a < b)
}

#[test]
fn as_many_as_asked_for_come_in_order_over_many_ticks() {
    let server = server("1");
    for count in [1, 2, 255, 256, 257, 2000] {
        let got = ids(&server.get(&format!("/ids/{count}")));
        assert_eq!((got.len(), increasing(&got)), (count, true));
    }
    let mut client = server.connect();
    let first = ids(&client.get("/ids/300"));
    let single = client.get("/generate").id();
    let second = ids(&client.get("/ids/300"));
    assert!(increasing(&[first, vec![single], second].concat()));
}

#[test]
fn every_form_says_the_same() {
    let server = server("0-15");
    let text = server.get("/ids/5000?format=text");
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let decimal: Vec<u64> = text.text().lines().map(|id| id.parse().unwrap()).collect();
    assert_eq!((decimal.len(), increasing(&decimal)), (5000, true));
    for (encoding, name) in [(Encoding::Hex, "hex"), (Encoding::Base32, "base32")] {
        let text = server.get(&format!("/ids/5000?format=text&encoding={name}"));
        // A known length is told, and no reader takes a part of it for the whole.
        assert!(text.header("content-length").is_some());
        let lines: Vec<&str> = text.text().lines().collect();
        assert_eq!((lines.len(), lines.is_sorted()), (5000, true));
        let written = |id| encoding.encode(encoding.decode(id).unwrap());
        assert!(lines.iter().all(|id| written(id).as_str() == *id));
    }
    let binary = server.get("/ids/5000?format=binary");
    assert_eq!(binary.header("content-length"), Some("40000"));
    let words: Vec<u64> = binary
        .body
        .chunks(8)
        .map(|word| u64::from_be_bytes(word.try_into().unwrap()))
        .collect();
    assert!(increasing(&words));
    let accepted = server.ask("GET", "/ids/2", "accept: application/octet-stream\r\n");
    assert_eq!(accepted.body.len(), 16);
}

#[test]
fn ranges_describe_the_ids_that_would_have_come() {
    for profile in [Profile::Sonyflake, Profile::Snowflake] {
        let server = Server::of(profile, "3-5", Limits::default());
        let before = server.get("/generate").id();
        let reply = server.get("/ranges/3000");
        let json = reply.json();
        let mut found = BTreeSet::new();
        for range in json["ranges"].as_array().unwrap() {
            let number = |key: &str| range[key].as_u64().unwrap();
            let text = |key: &str| range[key].as_str().unwrap().parse::<u64>().unwrap();
            assert_eq!(number("count"), number("machines") * number("sequences"));
            for machine in 0..number("machines") {
                for sequence in 0..number("sequences") {
                    let id = text("first")
                        + machine * text("machine_step")
                        + sequence * text("sequence_step");
                    assert!(found.insert(id));
                }
            }
        }
        assert_eq!(found.len(), 3000);
        assert!(*found.first().unwrap() > before);
        assert!(server.get("/generate").id() > *found.last().unwrap());
        let layout = profile.layout();
        let machines: BTreeSet<u64> = found
            .iter()
            .map(|id| layout.decompose(*id).unwrap().machine_id)
            .collect();
        // 3000 IDs are less than one machine's row in Snowflake's order.
        let expected: &[u64] = match profile {
            Profile::Sonyflake => &[3, 4, 5],
            _ => &[3],
        };
        assert!(machines.iter().eq(expected), "{machines:?}");
    }
}

#[test]
fn a_count_is_a_number_within_the_limit() {
    let server = server("1");
    let issued = server.issuer().stats().ids_issued.total();
    for odd in [
        "",
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "4096001",
        "99999999999",
        "x",
        "1/2",
        "%31",
    ] {
        for route in ["ids", "ranges"] {
            let reply = server.get(&format!("/{route}/{odd}"));
            assert_eq!(
                (reply.status, reply.json()["code"].as_str()),
                (400, Some("bad_count"))
            );
            assert!(reply.text().contains("1 to 4096000"), "{}", reply.text());
        }
    }
    assert_eq!(server.get("/ids").status, 404);
    assert_eq!(
        server.ask("DELETE", "/ids/1", "").header("allow"),
        Some("GET, HEAD, POST, OPTIONS")
    );
    assert_eq!(server.get("/ranges/1?format=text").status, 400);
    let head = server.ask("HEAD", "/ids/9", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(server.issuer().stats().ids_issued.total(), issued);
}

#[test]
fn four_at_a_time_and_no_more() {
    let server = server("1");
    let mut readers: Vec<_> = (0..4)
        .map(|_| {
            let mut reader = server.connect();
            reader.send("GET /ids/4096000 HTTP/1.1\r\nhost: a\r\n\r\n");
            reader
        })
        .collect();
    // All four are under way once each has got something.
    for reader in &mut readers {
        reader.peek();
    }
    let fifth = server.get("/ids/3000");
    assert_eq!(
        (fifth.status, fifth.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(fifth.json()["code"], "too_many_bulk_replies");
    assert_eq!(server.get("/generate").status, 200);
    drop(readers.pop());
    until(|| server.get("/ids/3000").status == 200);
}

#[test]
fn a_client_that_hangs_up_stops_the_issuing() {
    let server = server("1");
    let mut reader = server.connect();
    reader.send("GET /ids/4096000 HTTP/1.1\r\nhost: a\r\n\r\n");
    reader.peek();
    drop(reader);
    server.await_connections(0);
    // One that is asked now comes after all that was taken for the other.
    let layout = Layout::SONYFLAKE;
    let tick = |id| layout.decompose(id).unwrap().time;
    let one = server.get("/id").json()["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let clock = layout
        .tick_at(shardflake::clock::Clock::realtime(
            &shardflake::clock::SystemClock,
        ))
        .unwrap();
    assert!(tick(one) <= clock + 2, "{} ticks ahead", tick(one) - clock);
    // What was under way ends, and nothing follows it.
    let total = || server.issuer().stats().ids_issued.total();
    until(|| server.app.bulk.available_permits() == 4);
    let seen = total();
    assert_eq!(server.get("/id").status, 200);
    assert_eq!(total(), seen + 1);
}

#[test]
fn a_reader_that_takes_nothing_is_left_and_its_place_given_back() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(2),
        bulk_replies: 1,
        ..Limits::default()
    };
    let server = Server::of(Profile::Sonyflake, "0-65535", limits);
    let mut reader = server.connect();
    reader.send("GET /ids/4096000 HTTP/1.1\r\nhost: a\r\n\r\n");
    reader.peek();
    assert_eq!(server.get("/ids/3000").status, 429);
    until(|| server.get("/ids/3000").status == 200);
    // The stalled one was closed, not ended: what it has is not the whole.
    assert_eq!(reader.head().status, 200);
    assert_eq!(reader.chunks(), None);
}

#[test]
fn a_reader_that_waits_for_ids_is_not_taken_for_a_slow_one() {
    let limits = Limits {
        idle_timeout: Duration::from_millis(400),
        ..Limits::default()
    };
    let bits = Bits {
        order: Order::SequenceMachine,
        time: 39,
        sequence: 8,
        machine: 16,
        datacenter: 0,
    };
    // 256 a tick, which takes a second.
    let layout = Layout::new(bits, 1000, Layout::SONYFLAKE.epoch_ms()).unwrap();
    let server = Server::set_up(Setup {
        layout,
        limits,
        ..Setup::default()
    });
    let got = ids(&server.get("/ids/600"));
    assert_eq!((got.len(), increasing(&got)), (600, true));
}

#[test]
fn a_failure_on_the_way_does_not_pass_for_the_end() {
    for (form, cut) in [("json", "]}"), ("text", "")] {
        let mut server = server("1");
        let mut reader = server.connect();
        reader.send(format!(
            "GET /ids/4096000?format={form} HTTP/1.1\r\nhost: a\r\n\r\n"
        ));
        reader.peek();
        server.stop_issuing();
        assert_eq!(reader.head().status, 200);
        assert_eq!(reader.chunks(), None, "{cut}");
    }
    let mut stopped = server("1");
    stopped.stop_issuing();
    let refused = stopped.get("/ids/1");
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (503, Some("draining"))
    );
}

#[test]
fn a_span_has_bounds() {
    let server = server("1");
    let whole = server.get("/bounds?from=2025-01-01T00:00:00Z&to=2025-01-01T00%3A00%3A00.010Z");
    assert_eq!(
        whole.text(),
        r#"{"smallest":"547205677056000000","largest":"547205677072777215"}"#
    );
    assert_eq!(whole.header("cache-control"), None);
    // The same span as others write it; the last two as forms do.
    for query in [
        "from=2025-01-01T01:00:00%2B01:00&to=2025-01-01t00:00:00.01z",
        "from=2025-01-01T01:00:00+01:00&to=2024-12-31T19:00:00.01-05:00",
        "from=2025-01-01%2000:00:00-00:00&to=2025-01-01T00:00:00.010%2B00:00",
        "from=2025-01-01+00%3A00%3A00%2B00%3A00&to=2025-01-01+00%3A00%3A00.01%2B00",
        "from=2025-01-01+00:00:00+00&to=2025-01-01+00:00:00.01Z",
    ] {
        let reply = server.get(&format!("/bounds?{query}"));
        assert_eq!(reply.text(), whole.text(), "{query}");
    }
    for (query, told) in [
        ("", "from is missing"),
        ("?from=2025-01-01T00:00:00Z", "to is missing"),
        ("?from=2025&to=2026", "RFC 3339"),
        ("?from=%C3%A9xxxx+%F0%9F&to=2026", "RFC 3339"),
        ("?from=2025-01-01T00:00:00+&to=2026", "RFC 3339"),
        (
            "?from=2025-01-01T00:00:00Z&from=2025-01-01T00:00:00Z",
            "more than once",
        ),
        ("?since=2025-01-01T00:00:00Z", "from or to"),
        (
            "?from=2025-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
            "earlier time first",
        ),
        (
            "?from=2014-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
            "before the epoch",
        ),
    ] {
        let reply = server.get(&format!("/bounds{query}"));
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (400, Some("bad_query"))
        );
        assert!(reply.text().contains(told), "{}", reply.text());
    }
}

#[test]
fn a_reply_to_a_fast_reader_leaves_turns_to_others() {
    let server = server("0-65535");
    let (request, ()) = Request::get("/").body(()).unwrap().into_parts();
    let activity = Arc::new(Activity::new(Rest::new(&Limits::default())));
    let (mut pieces, mut turns) = (0, 1);
    // Of one thread, so that nothing else decides when a poll ends. No tick runs out.
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let answer = endpoint::many_ids(
                &server.app,
                &activity,
                "1000000",
                endpoint::ids,
                &Head::from(&request),
            )
            .await;
            let mut body = answer.unwrap().into_reply(request).into_body();
            poll_fn(|cx| {
                loop {
                    match Pin::new(&mut body).poll_frame(cx) {
                        Poll::Ready(Some(frame)) => {
                            frame.unwrap();
                            pieces += 1;
                        }
                        Poll::Ready(None) => return Poll::Ready(()),
                        Poll::Pending => break,
                    }
                }
                turns += 1;
                Poll::Pending
            })
            .await;
        });
    assert!(pieces > 100);
    assert!(pieces <= turns * 8, "{pieces} pieces in {turns} turns");
}
