//! Imports point downward only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::{Mention, mentions};

/// The modules of the crate root, from the bottom up.
const LAYERS: [&[&str]; 5] = [
    &["id", "timestamp", "syscall", "atomic"],
    &["clock", "mark", "issuer"],
    &["config", "logging", "systemd", "metrics", "json"],
    &["http"],
    &["server", "cli", "main", "lib"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Whether a file of module `from` may name module `to`.
fn permitted(from: &str, to: &str) -> bool {
    let (Some(upper), Some(lower)) = (layer(from), layer(to)) else {
        return false;
    };
    if from == to || lower < upper {
        return true;
    }
    // An atomic is a number, which a model checker looks at.
    if from == "id" && to == "atomic" {
        return true;
    }
    // The modules of the lowest two layers do not know each other, except through the issuer.
    lower == upper && (upper >= 2 || from == "issuer")
}

/// The crate root's module that a file belongs to, and how many modules below the root it lies.
fn place(path: &Path) -> (String, usize) {
    let mut names: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if names.len() > 1 {
        names.pop_if(|name| name == "mod");
    }
    let depth = match names[0].as_str() {
        "lib" | "main" => 0,
        _ => names.len(),
    };
    (names.swap_remove(0), depth)
}

/// What a file, named relative to src/, imports although it may not.
fn violations(path: &Path, source: &str) -> Vec<String> {
    let (from, depth) = place(path);
    if layer(&from).is_none() {
        return vec![format!("src/{}: `{from}` has no layer", path.display())];
    }
    mentions(source, depth)
        .into_iter()
        .filter(|mention| !permitted(&from, &mention.module))
        .map(|Mention { module, line }| {
            let path = path.display();
            format!("src/{path}:{line}: `{from}` may not import `{module}`")
        })
        .collect()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_point_downward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut found, mut named) = (Vec::new(), 0);
    for path in &files {
        let source = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(&root).unwrap();
        named += mentions(&source, place(path).1).len();
        found.extend(violations(path, &source));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // A parser that sees nothing finds nothing wrong.
    assert!(
        files.len() > 20 && named > 50,
        "{} files, {named} paths",
        files.len()
    );
}

#[test]
fn upward_imports_are_found() {
    let bad = [
        ("id/range.rs", "use crate::clock::Clock;"),
        ("id/mod.rs", "use crate::syscall;"),
        ("clock/mod.rs", "use crate::mark::Record;"),
        ("mark/slot.rs", "use crate::{id::Layout, clock::Clock};"),
        (
            "mark/rules.rs",
            "use crate::{\n    id::{Layout, range::{MachineRange}},\n    issuer,\n};",
        ),
        ("mark/mod.rs", "fn f() -> crate::issuer::Issuer { todo() }"),
        (
            "clock/pace.rs",
            "impl From<u8> for crate :: http :: Reply {}",
        ),
        ("issuer.rs", "pub(in crate::config) fn f() {}"),
        ("issuer/keeper.rs", "use super::super::logging::record;"),
        ("issuer.rs", "mod tests { use super::super::http::Router; }"),
        ("metrics.rs", "use super::http;"),
        ("metrics.rs", "use super::{clock, server::Server};"),
        ("config/file.rs", "use crate::cli::Flags;"),
        ("http/router.rs", "let x = \"//\"; use crate::server::run;"),
        (
            "http/router.rs",
            "fn f<'a>(x: &'a str) -> crate::cli::Exit {}",
        ),
        (
            "http/router.rs",
            "const C: char = '\"'; use crate::server; const D: char = '\"';",
        ),
        ("http/router.rs", "/* /* */ */ use crate::server;"),
        ("http/mod.rs", "use crate::*;"),
        ("http/mod.rs", "use crate::{self as all};"),
        ("http/mod.rs", "use crate as all;"),
        ("http/mod.rs", "use crate::gateway::Tenant;"),
        ("gateway/mod.rs", "use crate::id::Layout;"),
    ];
    for (path, source) in bad {
        let found = violations(Path::new(path), source);
        assert_eq!(found.len(), 1, "src/{path}: {source}: {found:?}");
    }
}

#[test]
fn downward_imports_pass() {
    let good = [
        (
            "id/range.rs",
            "use crate::id::Layout; use super::encoding; pub(crate) fn f() {}",
        ),
        (
            "issuer.rs",
            "use crate::{clock::{self, Clock}, mark::*, id};",
        ),
        (
            "issuer.rs",
            "mod tests { use super::*; } use self::keeper::Keeper;",
        ),
        (
            "mark/slot.rs",
            "// crate::clock\n/* crate::issuer */ const A: &str = \"use crate::http\";",
        ),
        (
            "mark/slot.rs",
            "const A: &str = r#\"\" use crate::http;\"#; const B: &[u8] = b\"crate::cli\";",
        ),
        ("mark/tests/failing.rs", "use super::super::slot::Slot;"),
        ("config/mod.rs", "use crate::logging;"),
        ("server.rs", "use crate::{cli, http::Router};"),
        ("id/generator.rs", "use crate::atomic::AtomicU64;"),
        ("main.rs", "fn main() { shardflake::cli::run() }"),
    ];
    for (path, source) in good {
        let found = violations(Path::new(path), source);
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}

#[test]
fn the_line_is_told() {
    let found = violations(
        Path::new("id/mod.rs"),
        "//! Docs\n\n\"a\n\";\nuse crate::{\n  cli,\n};",
    );
    assert_eq!(found, ["src/id/mod.rs:6: `id` may not import `cli`"]);
}
