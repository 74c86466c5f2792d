//! The document of the start rules and the source, which cites them, have the same rules.

use std::collections::BTreeSet;

use super::*;

const DOCUMENT: &str = include_str!("../../../../packaging/doc/start-rules.md");

/// The rules that a text names: `R1` and so on, as words.
fn named(text: &str) -> BTreeSet<usize> {
    let words = text.split(|each: char| !each.is_ascii_alphanumeric());
    let rules = words.filter_map(|word| word.strip_prefix('R')?.parse().ok());
    rules.collect()
}

/// The comments of the core that keeps the rules, and those of its tests.
fn comments(directory: &Path, kept: &mut String, tested: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            comments(&path, kept, tested);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let is_test = path.components().any(|part| part.as_os_str() == "tests")
                || path.file_name().is_some_and(|name| name == "tests.rs");
            let (code, tests) = match source.split_once("#[cfg(test)]") {
                _ if is_test => ("", &*source),
                Some(parts) => parts,
                None => (&*source, ""),
            };
            for (text, into) in [(code, &mut *kept), (tests, &mut *tested)] {
                let comments = text.lines().filter_map(|line| line.split_once("//"));
                for (_, comment) in comments {
                    into.push_str(comment);
                    into.push('\n');
                }
            }
        }
    }
}

#[test]
fn every_rule_is_cited_where_it_is_kept_and_where_it_is_tested() {
    let entry = |line: &str| line.strip_prefix("- **R")?.split('.').next()?.parse().ok();
    let rules: Vec<usize> = DOCUMENT.lines().filter_map(entry).collect();
    assert!(rules.len() > 20, "{rules:?}");
    assert!(rules.iter().copied().eq(1..=rules.len()), "{rules:?}");
    let rules: BTreeSet<_> = rules.into_iter().collect();
    assert_eq!(named(DOCUMENT), rules, "the document names others");
    let (mut kept, mut tested) = (String::new(), String::new());
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    comments(core, &mut kept, &mut tested);
    assert_eq!(named(&kept), rules, "those that the code cites");
    assert_eq!(named(&tested), rules, "those that the tests cite");
}
