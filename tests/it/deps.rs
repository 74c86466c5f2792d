//! What the small server, the library and the client are built from stays small.

use std::collections::BTreeSet;
use std::process::Command;

/// The most crates that the small server may be built from, itself included.
const SERVER: usize = 66;
/// The same of the library, and of what is left of it without a shard.
const LIBRARY: usize = 14;
const IDS: usize = 9;
/// The same of the client.
const CLIENT: usize = 23;

/// Parts of names of crates that speak to databases, to Kafka, or TLS.
const FOREIGN: [&str; 21] = [
    "aws-lc",
    "boring",
    "cassandra",
    "deadpool",
    "diesel",
    "etcd",
    "kafka",
    "mongodb",
    "mysql",
    "native-tls",
    "odbc",
    "openssl",
    "postgres",
    "redis",
    "ring",
    "rocksdb",
    "rustls",
    "sled",
    "sqlite",
    "sqlx",
    "webpki",
];

/// The crates that a listing of `cargo tree --prefix none` names.
fn crates(listing: &str) -> BTreeSet<&str> {
    listing
        .lines()
        .map(|line| line.trim_end_matches(" (*)").trim())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Those of them that the small server has no use for.
fn foreign<'a>(crates: &BTreeSet<&'a str>) -> Vec<&'a str> {
    let is_foreign = |name: &str| {
        FOREIGN.iter().any(|part| match *part {
            // Whole names where the part is a common word.
            "ring" | "sled" => name == *part,
            part => name.contains(part),
        })
    };
    crates
        .iter()
        .filter(|line| line.split(' ').next().is_some_and(is_foreign))
        .copied()
        .collect()
}

/// What `cargo tree` lists with these arguments: all that is built for use.
fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline"])
        .args(["-e", "normal", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails unless these are no more than `most` crates, among them `one`.
fn assert_at_most(most: usize, one: &str, crates: &BTreeSet<&str>) {
    let start = format!("{one} v");
    assert!(
        crates.iter().any(|name| name.starts_with(&start)),
        "{crates:#?}"
    );
    assert!(
        crates.len() <= most,
        "{} crates:\n{crates:#?}",
        crates.len()
    );
}

#[test]
fn the_small_server_is_built_from_little() {
    let listing = tree(&[]);
    let crates = crates(&listing);
    assert_at_most(SERVER, "hyper", &crates);
    assert_eq!(foreign(&crates), [""; 0]);
}

#[test]
fn the_library_is_built_from_less() {
    let library = ["--package", "shardflake"];
    assert_at_most(LIBRARY, "nix", &crates(&tree(&library)));
    let ids = [&library[..], &["--no-default-features"]].concat();
    assert_at_most(IDS, "itoa", &crates(&tree(&ids)));
}

#[test]
fn the_client_is_built_from_little_and_not_from_the_server() {
    let listing = tree(&["--package", "shardflake-client"]);
    let crates = crates(&listing);
    assert_at_most(CLIENT, "httparse", &crates);
    assert_eq!(foreign(&crates), [""; 0]);
    for one in ["hyper v", "tokio v", "shardflake-server v"] {
        assert!(!listing.contains(one), "{listing}");
    }
}

#[test]
fn foreign_crates_are_found_and_counted_once() {
    let listing = "a v1.0.0 (/a)\nsqlx-core v0.8.1\nring v0.17.8\ntokio-rustls v0.26.0\n\
        string-ring v1.0.0\nsqlx-core v0.8.1 (*)\n\nrdkafka-sys v4.8.0+2.3.0\n";
    let crates = crates(listing);
    assert_eq!(crates.len(), 6);
    let found = foreign(&crates);
    let wanted = [
        "rdkafka-sys v4.8.0+2.3.0",
        "ring v0.17.8",
        "sqlx-core v0.8.1",
        "tokio-rustls v0.26.0",
    ];
    assert_eq!(found, wanted);
}
