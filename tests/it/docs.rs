//! What the README tells must be what the program does.

use std::fs;

use shardflake::issuer::Refusal;
use shardflake::logging::Kind;

use crate::server::Home;

fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

#[test]
fn every_code_of_a_refusal_has_a_row() {
    let readme = readme();
    for code in Refusal::CODES {
        let row = format!("\n| `{code}` | ");
        assert!(readme.contains(&row), "{code}");
    }
}

#[test]
fn every_metric_has_a_row() {
    let readme = readme();
    let home = Home::with_mark("1");
    let metrics = home.serve("1").get("/metrics").body;
    let families: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE shardflake_")?.split(' ').next())
        .collect();
    assert!(families.len() > 10, "{metrics}");
    for family in families {
        assert!(readme.contains(&format!("\n| `{family}` | ")), "{family}");
    }
}

#[test]
fn every_kind_of_record_has_a_row() {
    let readme = readme();
    for kind in Kind::ALL {
        let id = kind.message_id();
        assert!(readme.contains(&format!(" | `{id}` |\n")), "{kind:?}");
    }
}

#[test]
fn the_manual_page_tells_every_code_and_record() {
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/man/shardflake.service.8"
    ))
    .unwrap();
    for code in Refusal::CODES {
        let entry = format!("\n.B {code}\n");
        assert!(page.contains(&entry), "{code}");
    }
    for kind in Kind::ALL {
        let row = format!("\n{}\t", kind.message_id());
        assert!(page.contains(&row), "{kind:?}");
    }
}

#[test]
fn every_proof_names_a_command_that_is_there() {
    let readme = readme();
    let (_, section) = readme.split_once("## How we know\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let commands: Vec<_> = section
        .lines()
        .filter_map(|line| line.split(" | `").nth(1)?.split(['`', ' ']).next())
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned() + command;
        assert!(command == "cargo" || fs::exists(path).unwrap(), "{command}");
    }
}
