//! Every request that the documents show or describe, and what it is answered.

use shardflake::id::Layout;

/// A documented server.
pub(super) struct Document {
    pub(super) profile: &'static str,
    pub(super) layout: Layout,
    /// What it is started with, as the document starts it.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// The variable that holds its port.
    pub(super) port_variable: Option<&'static str>,
    /// The machine ID that the variables make, as a shard and in the IDs.
    pub(super) shard: &'static str,
    pub(super) machine: u64,
    /// Takes an ID apart as the document tells, and not by the code under test: when its tick
    /// began, in milliseconds since 1970, and its machine.
    pub(super) fields: fn(u64) -> (u64, u64),
    pub(super) rows: &'static [Row],
}

/// A request and its reply, in the words of [`super::pattern::read`].
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) request: &'static str,
    pub(super) status: u16,
    pub(super) content: &'static str,
    pub(super) reply: &'static str,
    /// Where this is not what the document has: why, in the words of the migration guide.
    pub(super) differs: Option<&'static str>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) const TWITTER_EPOCH_MS: u64 = 1_288_834_974_657;
pub(super) const WORKERS_EPOCH_MS: u64 = 1_705_065_354_064;
pub(super) const NODE_EPOCH_MS: u64 = 1_704_067_200_000;
pub(super) const SONY_EPOCH_MS: u64 = 1_409_529_600_000;

/// As document and product have it.
const fn same(
    request: &'static str,
    status: u16,
    content: &'static str,
    reply: &'static str,
) -> Row {
    Row {
        request,
        status,
        content,
        reply,
        differs: None,
    }
}

/// As the product has it and the document has not.
const fn other(row: Row, reason: &'static str) -> Row {
    Row {
        differs: Some(reason),
        ..row
    }
}

const fn id(request: &'static str, reply: &'static str) -> Row {
    same(request, 200, JSON, reply)
}

const fn error(request: &'static str, status: u16) -> Row {
    same(request, status, JSON, r#"{"error":"<told>"}"#)
}

/// An error of a server whose document shows none.
const fn coded(request: &'static str, status: u16, reply: &'static str) -> Row {
    other(
        same(request, status, JSON, reply),
        "All errors have the key `error`, and `code` for programs beside it",
    )
}

/// The document shows no path, so both are there.
const DATACENTERS: [Row; 4] = [
    id("GET /generate", r#"{"id":<id>}"#),
    id("GET /id", r#"{"id":<id>}"#),
    id("POST /generate", r#"{"id":<id>}"#),
    coded(
        "GET /nothing",
        404,
        r#"{"error":"<told>","code":"not_found"}"#,
    ),
];

const WORKERS: [Row; 15] = [
    id("GET /id", r#"{"id":"<id>"}"#),
    id("GET /ids/1", r#"{"ids":[<ids 1>]}"#),
    id("GET /ids/2", r#"{"ids":[<ids 2>]}"#),
    id("GET /ids/4096000", r#"{"ids":[<ids 4096000>]}"#),
    error("GET /ids/0", 400),
    error("GET /ids/4096001", 400),
    error("GET /ids/-1", 400),
    error("GET /ids/1.5", 400),
    error("GET /ids/many", 400),
    error("GET /ids/", 400),
    error("GET /nothing", 404),
    error("DELETE /id", 405),
    error("GET /id?format=xml", 400),
    id("GET /health", r#"{"status":"healthy","worker_id":1}"#),
    other(
        same("GET /metrics", 200, PROMETHEUS, ID_GENERATOR),
        "`/metrics` has this server's own families after the documented ones",
    ),
];

/// How often the sequence was used up depends on the machine: [`super::counting`] looks closer.
const ID_GENERATOR: &str = "\
# HELP id_generator_ids_generated_total Total IDs generated
# TYPE id_generator_ids_generated_total counter
id_generator_ids_generated_total <issued>
# HELP id_generator_sequence_exhausted_total Times sequence was exhausted within a millisecond
# TYPE id_generator_sequence_exhausted_total counter
id_generator_sequence_exhausted_total <count>
# HELP id_generator_worker_id Worker ID of this instance
# TYPE id_generator_worker_id gauge
id_generator_worker_id 1
# HELP shardflake_<more>";

const NODES: [Row; 3] = [
    same("GET /health", 200, TEXT, "ok"),
    id("GET /id", r#"{"id":<id>,"machine_id":1}"#),
    coded(
        "GET /nothing",
        404,
        r#"{"error":"<told>","code":"not_found"}"#,
    ),
];

const SHARDS: [Row; 4] = [
    other(
        id(
            "GET /generate",
            r#"{"id":<id>,"id_str":"<same>","timestamp":<seconds>}"#,
        ),
        "`/generate` has `id_str` beside `id`, because JavaScript rounds numbers of this size",
    ),
    same("GET /health", 200, TEXT, "OK"),
    // What the other documents name is here too, in the form that this product chose.
    id("GET /id", r#"{"id":"<id>","machine_id":1}"#),
    coded(
        "GET /nothing",
        404,
        r#"{"error":"<told>","code":"not_found"}"#,
    ),
];

pub(super) const DOCUMENTS: [Document; 4] = [
    Document {
        profile: "snowflake-dc",
        layout: Layout::SNOWFLAKE_DC,
        variables: &[("DATACENTER_ID", "1"), ("MACHINE_ID", "1")],
        port_variable: Some("PORT"),
        shard: "33",
        machine: 33,
        fields: |id| ((id >> 22) + TWITTER_EPOCH_MS, id >> 12 & 1023),
        rows: &DATACENTERS,
    },
    Document {
        profile: "snowflake",
        layout: Layout::SNOWFLAKE,
        variables: &[("WORKER_ID", "1"), ("WORKERS", "3")],
        port_variable: None,
        shard: "1",
        machine: 1,
        fields: |id| ((id >> 22) + WORKERS_EPOCH_MS, id >> 12 & 1023),
        rows: &WORKERS,
    },
    Document {
        profile: "snowflake-node",
        layout: Layout::SNOWFLAKE_NODE,
        variables: &[("MACHINE_ID", "1")],
        port_variable: Some("PORT"),
        shard: "1",
        machine: 1,
        fields: |id| ((id >> 22) + NODE_EPOCH_MS, id >> 12 & 1023),
        rows: &NODES,
    },
    Document {
        profile: "sonyflake",
        layout: Layout::SONYFLAKE,
        variables: &[("SHARD_ID", "1")],
        port_variable: Some("SERVICE_PORT"),
        shard: "1",
        machine: 1,
        fields: |id| ((id >> 24) * 10 + SONY_EPOCH_MS, id & 65535),
        rows: &SHARDS,
    },
];

const NOT_YET: &str = "while it may not issue, `/health` and requests for IDs get 503";

/// Before the first ID may leave. The documented servers answer as ever then.
pub(super) const WAITING: [(&str, Row); 8] = [
    ("snowflake-dc", waiting_id("GET /generate")),
    ("snowflake-dc", waiting_text()),
    ("snowflake", other(error("GET /id", 503), NOT_YET)),
    ("snowflake", other(error("GET /health", 503), NOT_YET)),
    ("snowflake-node", waiting_id("GET /id")),
    ("snowflake-node", waiting_text()),
    ("sonyflake", waiting_id("GET /generate")),
    ("sonyflake", waiting_text()),
];

const fn waiting_id(request: &'static str) -> Row {
    let reply = r#"{"error":"<told>","code":"fresh_mark"}"#;
    other(same(request, 503, JSON, reply), NOT_YET)
}

const fn waiting_text() -> Row {
    let reply = "the mark is new<more>";
    other(same("GET /health", 503, TEXT, reply), NOT_YET)
}

impl Document {
    pub(super) fn of(profile: &str) -> &'static Self {
        let mut all = DOCUMENTS.iter();
        all.find(|document| document.profile == profile).unwrap()
    }
}
