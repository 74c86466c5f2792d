//! The variables of the documents: what they set, and what is said of wrong and foreign ones.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::documents::{DOCUMENTS, Document};
use crate::server::{Home, Server, ends};

type Variables = &'static [(&'static str, &'static str)];

/// Profile, variables beside the document's own, key, and the value that it has then.
const SETTINGS: [(&str, Variables, &str, &str); 14] = [
    ("snowflake-dc", &[], "shard.id", "33"),
    (
        "snowflake-dc",
        &[("DATACENTER_ID", "3"), ("MACHINE_ID", "9")],
        "shard.id",
        "105",
    ),
    (
        "snowflake-dc",
        &[("DATACENTER_ID", "31"), ("MACHINE_ID", "31")],
        "shard.id",
        "1023",
    ),
    (
        "snowflake-dc",
        &[("DATACENTER_ID", "0"), ("MACHINE_ID", "0")],
        "shard.id",
        "0",
    ),
    (
        "snowflake-dc",
        &[("PORT", "8082")],
        "http.listen",
        r#"["*:8082"]"#,
    ),
    ("snowflake", &[], "http.workers", "3"),
    ("snowflake", &[("WORKER_ID", "0")], "shard.id", "0"),
    ("snowflake", &[("WORKER_ID", "1023")], "shard.id", "1023"),
    ("snowflake-node", &[("MACHINE_ID", "0")], "shard.id", "0"),
    (
        "snowflake-node",
        &[("MACHINE_ID", "1023")],
        "shard.id",
        "1023",
    ),
    (
        "snowflake-node",
        &[("PORT", "8080")],
        "http.listen",
        r#"["*:8080"]"#,
    ),
    ("sonyflake", &[("SHARD_ID", "2")], "shard.id", "2"),
    ("sonyflake", &[("SHARD_ID", "65535")], "shard.id", "65535"),
    (
        "sonyflake",
        &[("SERVICE_PORT", "7001")],
        "http.listen",
        r#"["*:7001"]"#,
    ),
];

const LOOPBACK: &str =
    "the addresses are `127.0.0.1` unless a port variable or `http.listen` says otherwise";
const THREADS: &str = "Without `WORKERS` there are as many threads as processors, not one";

/// Profile, a variable that is not set, its key, the documented default, what there is instead (the
/// value, or where it is from), and why, in the words of the migration guide.
pub(super) const DIFFERENCES: [(&str, &str, &str, &str, &str, &str); 5] = [
    (
        "snowflake-dc",
        "PORT",
        "http.listen",
        r#"["*:8080"]"#,
        r#"["127.0.0.1:8080"]"#,
        LOOPBACK,
    ),
    (
        "snowflake",
        "PORT",
        "http.listen",
        r#"["*:8080"]"#,
        r#"["127.0.0.1:8080"]"#,
        LOOPBACK,
    ),
    (
        "snowflake",
        "WORKERS",
        "http.workers",
        "1",
        "number of CPUs",
        THREADS,
    ),
    (
        "snowflake-node",
        "PORT",
        "http.listen",
        r#"["*:8080"]"#,
        r#"["127.0.0.1:8080"]"#,
        LOOPBACK,
    ),
    (
        "sonyflake",
        "SERVICE_PORT",
        "http.listen",
        r#"["*:7001"]"#,
        r#"["127.0.0.1:7001"]"#,
        LOOPBACK,
    ),
];

/// What is no shard number, whatever the profile.
const ODD: [&str; 10] = [
    "", "-1", " 1", "1 ", "1.9", "01", "0x1", "true", "one", "9-3",
];

/// What is no port.
const NO_PORTS: [&str; 6] = ["", "0", "65536", "-1", "http", "8080/tcp"];

/// Profile, one of its number's variables, the first value that is too large, and what is told.
const TOO_LARGE: [(&str, &str, &str, &str); 5] = [
    ("snowflake-dc", "DATACENTER_ID", "32", "0 to 31"),
    ("snowflake-dc", "MACHINE_ID", "32", "0 to 31"),
    ("snowflake", "WORKER_ID", "1024", "0 to 1023"),
    ("snowflake-node", "MACHINE_ID", "1024", "0 to 1023"),
    ("sonyflake", "SHARD_ID", "65536", "0 to 65535"),
];

/// Profile, variables that other profiles read, and what this one reads in their place.
const FOREIGN: [(&str, &[&str], &str); 10] = [
    (
        "snowflake-dc",
        &["SHARD_ID", "WORKER_ID", "POD_NAME"],
        "DATACENTER_ID and MACHINE_ID",
    ),
    ("snowflake-dc", &["SERVICE_PORT"], "PORT"),
    ("snowflake-dc", &["WORKERS"], "SHARDFLAKE_HTTP__WORKERS"),
    (
        "snowflake",
        &["SHARD_ID", "MACHINE_ID", "DATACENTER_ID"],
        "WORKER_ID",
    ),
    (
        "snowflake",
        &["SERVICE_PORT", "PORT"],
        "SHARDFLAKE_HTTP__LISTEN",
    ),
    (
        "snowflake-node",
        &["SHARD_ID", "WORKER_ID", "DATACENTER_ID"],
        "MACHINE_ID",
    ),
    ("snowflake-node", &["SERVICE_PORT"], "PORT"),
    (
        "sonyflake",
        &["WORKER_ID", "MACHINE_ID", "DATACENTER_ID"],
        "SHARD_ID",
    ),
    ("sonyflake", &["PORT"], "SERVICE_PORT"),
    ("sonyflake", &["WORKERS"], "SHARDFLAKE_HTTP__WORKERS"),
];

impl Document {
    /// A command with `variables` above the document's own, and without those of no value.
    fn with(&self, home: &Home, variables: &[(&str, Option<&str>)]) -> Command {
        let mut command = self.command(home);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// What `check-config` tells of a key.
    fn setting(&self, variables: &[(&str, Option<&str>)], key: &str) -> Value {
        let mut command = self.with(&Home::empty(), variables);
        command
            .args(["check-config", "--json"])
            .stdout(Stdio::piped());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let settings = report["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["key"] == key);
        setting.unwrap().clone()
    }

    /// Starts a server with such variables. It must end as one that wants an operator, say all
    /// `parts`, and leave nothing behind.
    fn refused(&self, variables: &[(&str, Option<&str>)], parts: &[&str]) {
        let home = Home::empty();
        let mut command = self.with(&home, variables);
        command.arg("serve");
        let (code, told) = ends(command);
        let what = format!("{} with {variables:?}: {told}", self.profile);
        assert_eq!(code, 78, "{what}");
        for part in parts {
            assert!(told.contains(part), "{part:?} in {what}");
        }
        assert!(!home.state().exists(), "{what}");
    }

    /// The variables of its number.
    fn numbers(&self) -> impl Iterator<Item = &'static str> {
        let names = self.variables.iter().map(|(name, _)| *name);
        names.filter(|name| *name != "WORKERS")
    }
}

#[test]
fn each_variable_sets_what_its_document_says() {
    for (profile, variables, key, value) in SETTINGS {
        let set: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, Some(*value)))
            .collect();
        let setting = Document::of(profile).setting(&set, key);
        assert_eq!(setting["value"], value, "{profile} {variables:?}");
    }
    for (profile, unset, key, documented, here, _) in DIFFERENCES {
        let setting = Document::of(profile).setting(&[(unset, None)], key);
        let told = [&setting["value"], &setting["from"]];
        assert!(told.contains(&&here.into()), "{profile}: {setting}");
        assert_ne!(here, documented);
    }
}

#[test]
fn a_number_that_is_missing_odd_or_too_large_is_refused() {
    for document in &DOCUMENTS {
        let none: Vec<_> = document.numbers().map(|name| (name, None)).collect();
        let examples: Vec<String> = match document.profile {
            "snowflake-dc" => vec!["DATACENTER_ID=0 and MACHINE_ID=1".into()],
            _ => document.numbers().map(|name| format!("{name}=1")).collect(),
        };
        let examples: Vec<&str> = examples.iter().map(String::as_str).collect();
        document.refused(
            &none,
            &[&["no shard number is set"], &examples[..]].concat(),
        );
        for name in document.numbers() {
            for odd in ODD {
                document.refused(&[(name, Some(odd))], &[&format!("from {name}")]);
            }
        }
    }
    for (profile, name, value, range) in TOO_LARGE {
        let parts = [&format!("from {name}"), value, range];
        Document::of(profile).refused(&[(name, Some(value))], &parts);
    }
    let datacenters = Document::of("snowflake-dc");
    for (set, missing) in [
        ("DATACENTER_ID", "MACHINE_ID"),
        ("MACHINE_ID", "DATACENTER_ID"),
    ] {
        let told = format!("{set} is set and {missing} is not");
        datacenters.refused(&[(missing, None)], &[&told, &format!("set {missing} too")]);
    }
}

#[test]
fn a_port_or_a_number_of_threads_that_is_none_is_refused() {
    for document in &DOCUMENTS {
        for port in NO_PORTS {
            if let Some(name) = document.port_variable {
                let parts = [&format!("http.listen (from {name})"), "1 to 65535"];
                document.refused(&[(name, Some(port))], &parts);
            }
        }
    }
    let workers = Document::of("snowflake");
    for (count, told) in [
        ("0", "1 to 1024"),
        ("1025", "1 to 1024"),
        ("two", "whole number"),
    ] {
        workers.refused(
            &[("WORKERS", Some(count))],
            &["http.workers (from WORKERS)", told],
        );
    }
}

#[test]
fn a_profile_or_a_number_that_contradicts_itself_is_refused() {
    for document in &DOCUMENTS {
        let full = ("SHARDFLAKE_SHARD__ID", Some("7"));
        document.refused(&[full], &["SHARDFLAKE_SHARD__ID is \"7\"", "unset one"]);
        let names = DOCUMENTS.iter().map(|document| document.profile);
        let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let wrong = ("SHARDFLAKE_PROFILE", Some("twitter"));
        document.refused(&[wrong], &[&["SHARDFLAKE_PROFILE"], &names[..]].concat());
    }
}

#[test]
fn a_variable_of_another_profile_is_a_hint() {
    for (profile, foreign, own) in FOREIGN {
        let document = Document::of(profile);
        for name in foreign {
            let hint = format!("{name}=5 is set, but the profile {profile} reads {own}");
            let mut command = document.command(&Home::empty());
            let checked = command.env(name, "5").arg("check-config").output().unwrap();
            assert_eq!(checked.status.code(), Some(0));
            let told = String::from_utf8(checked.stderr).unwrap();
            assert_eq!(told, format!("shardflake: warning: {hint}\n"));
        }
    }
}

#[test]
fn a_number_for_another_profile_alone_is_refused_with_a_hint() {
    for (profile, foreign, own) in FOREIGN {
        let document = Document::of(profile);
        let numbers = foreign
            .iter()
            .filter(|name| !name.contains("PORT") && **name != "WORKERS");
        for name in numbers {
            let mut variables: Vec<_> = document.numbers().map(|own| (own, None)).collect();
            variables.push((name, Some("5")));
            let hint = format!("{name}=5 is set, but the profile {profile} reads {own}");
            document.refused(&variables, &["no shard number is set", &hint]);
        }
    }
}

#[test]
fn a_server_tells_its_hints_in_its_log() {
    for (profile, foreign, own) in FOREIGN {
        let document = Document::of(profile);
        let home = Home::empty();
        home.make_mark_of(document.layout, document.shard);
        let mut command = document.command(&home);
        let listen = home.address().to_string();
        command
            .env(foreign[0], "5")
            .env("SHARDFLAKE_HTTP__LISTEN", listen)
            .arg("serve");
        let mut server = Server::start(command, home.address());
        server.await_line(&format!(
            "{}=5 is set, but the profile {profile} reads {own}",
            foreign[0]
        ));
        server.await_serving();
        assert_eq!(server.stop(), 0);
    }
}
