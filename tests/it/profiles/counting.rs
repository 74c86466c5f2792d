//! What the documented metrics count.

use std::collections::BTreeMap;
use std::time::Instant;

use super::documents::{DOCUMENTS, Document};
use crate::server::{Home, PATIENCE, Server};

const SEQUENCES: u64 = 4096;

/// The value of a family without labels.
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").body;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

fn exhausted(server: &Server) -> u64 {
    let documented = metric(server, "id_generator_sequence_exhausted_total");
    assert_eq!(
        metric(server, "shardflake_sequence_exhausted_total"),
        documented
    );
    documented
}

#[test]
fn the_exhaustion_counter_rises_when_a_tick_is_used_up_and_not_otherwise() {
    let home = Home::empty();
    let server = Document::of("snowflake").serve(&home);
    // Far fewer than a tick has.
    for _ in 0..100 {
        assert_eq!(server.get("/id").status, 200);
        assert_eq!(server.get("/ids/9").status, 200);
        assert_eq!(server.get("/decode/1").status, 200);
    }
    assert_eq!(exhausted(&server), 0);
    // Ten ticks of them. One more is used up only where the next ID is of a tick to come: a
    // processor that was busy elsewhere meanwhile has let ticks pass.
    let mut of_tick = BTreeMap::<u64, u64>::new();
    let begin = Instant::now();
    while exhausted(&server) == 0 {
        assert!(begin.elapsed() < PATIENCE, "it never rises");
        let reply = server.get("/ids/40960").json();
        for id in reply["ids"].as_array().unwrap() {
            let id: u64 = id.as_str().unwrap().parse().unwrap();
            *of_tick.entry(id >> 22).or_default() += 1;
        }
    }
    let counted = exhausted(&server);
    let used_up = of_tick.values().filter(|ids| **ids == SEQUENCES).count();
    assert!(
        counted <= used_up.try_into().unwrap(),
        "{counted} of {used_up}"
    );
    // And it stands again.
    for _ in 0..100 {
        assert_eq!(server.get("/id").status, 200);
    }
    assert_eq!(exhausted(&server), counted);
}

#[test]
fn ids_are_counted_as_they_are_handed_out() {
    let home = Home::empty();
    let server = Document::of("snowflake").serve(&home);
    let mut issued = 0;
    // Neither a refusal nor a request without an ID is one.
    for (target, ids) in [
        ("/id", 1),
        ("/ids/300", 300),
        ("/ids/5000?format=binary&encoding=none", 0),
        ("/ids/0", 0),
        ("/nothing", 0),
        ("/generate", 1),
        ("/ranges/5000", 5000),
        ("/health", 0),
    ] {
        assert!(server.get(target).status < 500);
        issued += ids;
        assert_eq!(
            metric(&server, "id_generator_ids_generated_total"),
            issued,
            "{target}"
        );
        assert_eq!(
            metric(&server, "shardflake_ids_issued_total"),
            issued,
            "{target}"
        );
    }
    assert_eq!(metric(&server, "id_generator_worker_id"), 1);
}

#[test]
fn the_documented_names_are_those_of_their_profile_alone() {
    for document in &DOCUMENTS {
        let home = Home::empty();
        let server = document.serve(&home);
        let text = server.get("/metrics").body;
        let there = text.contains("id_generator");
        assert_eq!(
            there,
            document.profile == "snowflake",
            "{}",
            document.profile
        );
        assert_eq!(server.stop(), 0);
    }
}
