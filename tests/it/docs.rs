//! What the README and the documents tell must be what the program does, and where they lead must be there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use shardflake::issuer::Refusal;
use shardflake_server::logging::Kind;

use crate::server::Home;
use crate::top;

/// Words as `wc -w` counts them: what a newcomer reads before anything else is short.
const README_WORDS: usize = 1500;

/// A file of the repository.
fn text_of(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

fn operations() -> String {
    text_of("packaging/doc/operations.md")
}

/// The README and every document.
fn documents() -> Vec<PathBuf> {
    let mut documents = vec![top().join("README.md"), top().join("tests/README.md")];
    for entry in fs::read_dir(top().join("packaging/doc")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    assert!(documents.len() > 10, "{documents:?}");
    documents
}

/// The lines of a document that are no example.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What the links and images of a document lead to: `](here)`.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .map(|rest| rest.split(')').next().unwrap())
        .collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter_map(|each| match each {
                ' ' => Some('-'),
                '-' | '_' => Some(each),
                _ => each.is_alphanumeric().then_some(each),
            });
            kept.collect()
        })
        .collect()
}

/// The commands at `column` of the rows of tables, to the end or the first space.
fn commands(text: &str, column: usize) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split(" | `").nth(column)?.split(['`', ' ']).next())
        .collect()
}

#[test]
fn the_readme_is_short() {
    let words = text_of("README.md").split_whitespace().count();
    assert!(words < README_WORDS, "{words} words");
}

#[test]
fn links_and_anchors_are_found() {
    let text = "# The `a/b` of C, 1\n[x](y.md#z) ![p](q.svg)\n```\n# no\n[no](no)\n```\n## d_e-f\n";
    assert_eq!(links(text), ["y.md#z", "q.svg"]);
    assert!(anchors(text).iter().eq(["d_e-f", "the-ab-of-c-1"]));
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                _ => document.parent().unwrap().join(path),
            };
            let found = fs::exists(&target).unwrap();
            assert!(found, "{link} of {} leads nowhere", document.display());
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                let named = anchors.contains(anchor);
                assert!(named, "{link} of {}: {anchors:?}", document.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} links");
}

#[test]
fn every_document_is_named_by_the_readme() {
    let readme = text_of("README.md");
    let links: BTreeSet<_> = links(&readme).iter().map(|link| top().join(link)).collect();
    for document in &documents()[1..] {
        assert!(links.contains(document), "{}", document.display());
    }
}

#[test]
fn every_suite_has_a_row() {
    let rows = text_of("tests/README.md");
    let mut suites = 0;
    for entry in fs::read_dir(top().join("tests")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            let row = format!("\n| `tests/{name}`: `");
            assert!(rows.contains(&row), "{name}");
            suites += 1;
        }
    }
    assert!(suites > 10, "{suites}");
}

#[test]
fn the_rust_of_the_readme_is_right() {
    // What is in this file is compiled, as a test of the documentation.
    let compiled = text_of("src/core/lib.rs");
    for file in ["README.md", "src/core/README.md"] {
        let readme = text_of(file);
        let (_, code) = readme.split_once("```rust\n").unwrap();
        let (code, _) = code.split_once("```").unwrap();
        assert!(code.lines().count() > 4, "{file}");
        for line in code.lines().filter(|line| !line.is_empty()) {
            assert!(compiled.contains(&format!("//! {line}\n")), "{line}");
        }
    }
}

#[test]
fn every_number_of_the_readme_is_one_of_the_documents() {
    let readme = text_of("README.md");
    let (_, section) = readme.split_once("## Six numbers\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let proofs = text_of("packaging/doc/proof.md") + &text_of("packaging/doc/cost.md");
    let rows: Vec<_> = section
        .lines()
        .filter(|line| line.ends_with("` |"))
        .collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let figures = row.split(" | ").nth(1).unwrap();
        for figure in figures.split(", ") {
            assert!(proofs.contains(figure), "{figure}");
        }
    }
    for command in commands(section, 1) {
        assert!(top().join(command).exists(), "{command}");
    }
}

#[test]
fn every_code_of_a_refusal_has_a_row() {
    let operations = operations();
    for code in Refusal::CODES {
        let row = format!("\n| `{code}` | ");
        assert!(operations.contains(&row), "{code}");
    }
}

#[test]
fn every_metric_has_a_row() {
    let operations = operations();
    let home = Home::with_mark("1");
    let metrics = home.serve("1").get("/metrics").body;
    let families: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE shardflake_")?.split(' ').next())
        .collect();
    assert!(families.len() > 10, "{metrics}");
    for family in families {
        let row = format!("\n| `{family}` | ");
        assert!(operations.contains(&row), "{family}");
    }
}

#[test]
fn every_kind_of_record_has_a_row() {
    let operations = operations();
    for kind in Kind::ALL {
        let id = kind.message_id();
        let end = format!(" | `{id}` |\n");
        assert!(operations.contains(&end), "{kind:?}");
    }
}

#[test]
fn the_manual_page_tells_every_code_and_record() {
    let page = text_of("packaging/man/shardflake.service.8");
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
    let proof = text_of("packaging/doc/proof.md");
    let commands = commands(&proof, 1);
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        assert!(
            command == "cargo" || top().join(command).exists(),
            "{command}"
        );
    }
}
