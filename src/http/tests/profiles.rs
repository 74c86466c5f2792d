//! Replies as each profile documents them.

use super::harness::Server;
use crate::config::Profile;
use crate::http::Limits;

/// The reply with `N` for every ID and `T` for every time.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        shape += match digits {
            15.. => "N",
            10 => "T",
            _ => number,
        };
        let other = after
            .bytes()
            .take_while(|byte| !byte.is_ascii_digit())
            .count();
        shape += &after[..other];
        rest = &after[other..];
    }
    shape
}

#[test]
fn every_documented_reply_has_its_documented_keys() {
    for (profile, machines, target, documented) in [
        (
            Profile::Sonyflake,
            "1",
            "/generate",
            r#"{"id":N,"id_str":"N","timestamp":T}"#,
        ),
        (
            Profile::Sonyflake,
            "1",
            "/id",
            r#"{"id":"N","machine_id":1}"#,
        ),
        (Profile::Sonyflake, "1", "/health", "OK"),
        (Profile::Snowflake, "1", "/id", r#"{"id":"N"}"#),
        (
            Profile::Snowflake,
            "1",
            "/ids/3",
            r#"{"ids":["N","N","N"]}"#,
        ),
        (
            Profile::Snowflake,
            "1",
            "/health",
            r#"{"status":"healthy","worker_id":1}"#,
        ),
        (
            Profile::Snowflake,
            "7-9",
            "/health",
            r#"{"status":"healthy","worker_id":7}"#,
        ),
        (
            Profile::SnowflakeNode,
            "1",
            "/id",
            r#"{"id":N,"machine_id":1}"#,
        ),
        (Profile::SnowflakeNode, "1", "/health", "ok"),
        (Profile::SnowflakeDc, "33", "/generate", r#"{"id":N}"#),
        (Profile::SnowflakeDc, "33", "/id", r#"{"id":N}"#),
    ] {
        let server = Server::of(profile, machines, Limits::default());
        let reply = server.get(target);
        assert_eq!(
            (reply.status, shape(reply.text()).as_str()),
            (200, documented),
            "{profile} {target}"
        );
        let json = documented.starts_with('{');
        let kind = if json {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        };
        assert_eq!(reply.header("content-type"), Some(kind));
    }
}

#[test]
fn errors_of_snowflake_have_one_key() {
    let server = Server::of(Profile::Snowflake, "1", Limits::default());
    for (target, status) in [
        ("/ids/0", 400),
        ("/ids/4096001", 400),
        ("/decode/x", 400),
        ("/nothing", 404),
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, status);
        let json = reply.json();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["error"], "{target}");
    }
}

#[test]
fn metrics_of_snowflake_have_the_documented_names_and_count() {
    let server = Server::of(Profile::Snowflake, "1", Limits::default());
    assert_eq!(server.get("/id").status, 200);
    assert_eq!(server.get("/ids/9").status, 200);
    let documented = "\
# HELP id_generator_ids_generated_total Total IDs generated
# TYPE id_generator_ids_generated_total counter
id_generator_ids_generated_total 10
# HELP id_generator_sequence_exhausted_total Times sequence was exhausted within a millisecond
# TYPE id_generator_sequence_exhausted_total counter
id_generator_sequence_exhausted_total 0
# HELP id_generator_worker_id Worker ID of this instance
# TYPE id_generator_worker_id gauge
id_generator_worker_id 1
";
    let metrics = server.get("/metrics");
    assert!(metrics.text().starts_with(documented), "{}", metrics.text());
    assert!(metrics.text().contains("shardflake_ids_issued_total 10\n"));
    assert_eq!(server.get("/ids/40960").status, 200);
    let text = server.get("/metrics").text().to_owned();
    let exhausted = text
        .lines()
        .find_map(|line| line.strip_prefix("id_generator_sequence_exhausted_total "));
    assert!((9..=10).contains(&exhausted.unwrap().parse::<u32>().unwrap()));
    let other = Server::start(Limits::default());
    assert!(!other.get("/metrics").text().contains("id_generator"));
}
