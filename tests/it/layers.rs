//! Imports point downward only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::mentions;
use crate::top;

/// The crates under src/, each with the modules of its root from the bottom up.
const CRATES: [(&str, &[&[&str]]); 3] = [
    (
        "client",
        &[
            &["time", "server", "range"],
            &["error", "counter", "stream"],
            &["stock", "exchange", "roster"],
            &["refiller"],
            &["client", "builder"],
            &["lib"],
        ],
    ),
    (
        "core",
        &[
            &["id", "time", "timestamp", "wide", "syscall", "atomic"],
            &[
                "clock",
                "mark",
                "random",
                "issuer",
                "serialised",
                "postgres",
            ],
            &["shard"],
            &["lib", "examples"],
        ],
    ),
    (
        "server",
        &[
            &["config", "logging", "systemd", "metrics", "json"],
            &["http"],
            &["daemon", "cli", "main", "lib"],
        ],
    ),
];

/// Where a file stands: its crate, the module of that one's root, and how many modules below the root.
struct Place {
    house: String,
    module: String,
    depth: usize,
}

fn layer(house: &str, module: &str) -> Option<usize> {
    let (_, layers) = CRATES.iter().find(|(name, _)| *name == house)?;
    layers.iter().position(|layer| layer.contains(&module))
}

/// Whether a file there may name the module `to` of its crate.
fn permitted(from: &Place, to: &str) -> bool {
    let (house, from) = (from.house.as_str(), from.module.as_str());
    let (Some(upper), Some(lower)) = (layer(house, from), layer(house, to)) else {
        return false;
    };
    if from == to || lower < upper {
        return true;
    }
    // Numbers: atomic ones, which a model checker looks at, and those of a kind of time.
    if matches!(from, "id" | "timestamp") && matches!(to, "atomic" | "time") {
        return true;
    }
    // The digits of base32.
    if (from, to) == ("wide", "id") {
        return true;
    }
    // The modules of the core do not know each other, except through the issuer.
    lower == upper && (house != "core" || from == "issuer")
}

/// The place of a file, named relative to src/.
fn place(path: &Path) -> Place {
    let mut names: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let house = names.remove(0);
    if names.len() > 1 {
        names.pop_if(|name| name == "mod");
    }
    let depth = match names[0].as_str() {
        "lib" | "main" => 0,
        _ => names.len(),
    };
    Place {
        house,
        module: names.swap_remove(0),
        depth,
    }
}

/// What a file, named relative to src/, imports although it may not.
fn violations(path: &Path, source: &str) -> Vec<String> {
    let from = place(path);
    let Place { house, module, .. } = &from;
    if layer(house, module).is_none() {
        return vec![format!("src/{}: `{module}` has no layer", path.display())];
    }
    mentions(source, from.depth)
        .into_iter()
        .filter(|mention| !permitted(&from, &mention.module))
        .map(|mention| {
            let (path, line, to) = (path.display(), mention.line, mention.module);
            format!("src/{path}:{line}: `{module}` may not import `{to}`")
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
    let root = top().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut found, mut named) = (Vec::new(), 0);
    for path in &files {
        let source = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(&root).unwrap();
        named += mentions(&source, place(path).depth).len();
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
        ("core/id/range.rs", "use crate::clock::Clock;"),
        ("core/id/mod.rs", "use crate::syscall;"),
        ("core/time.rs", "use crate::id::Layout;"),
        ("core/clock/mod.rs", "use crate::mark::Record;"),
        (
            "core/mark/slot.rs",
            "use crate::{id::Layout, clock::Clock};",
        ),
        (
            "core/mark/rules.rs",
            "use crate::{\n    id::{Layout, range::{MachineRange}},\n    issuer,\n};",
        ),
        (
            "core/mark/mod.rs",
            "fn f() -> crate::issuer::Issuer { todo() }",
        ),
        (
            "core/clock/pace.rs",
            "impl From<u8> for crate :: http :: Reply {}",
        ),
        ("core/issuer.rs", "pub(in crate::config) fn f() {}"),
        (
            "core/issuer/keeper.rs",
            "use super::super::logging::record;",
        ),
        (
            "core/issuer.rs",
            "mod tests { use super::super::http::Router; }",
        ),
        ("server/metrics.rs", "use super::http;"),
        ("server/metrics.rs", "use super::{config, daemon::Server};"),
        ("server/config/file.rs", "use crate::cli::Flags;"),
        (
            "server/http/router.rs",
            "let x = \"//\"; use crate::daemon::run;",
        ),
        (
            "server/http/router.rs",
            "fn f<'a>(x: &'a str) -> crate::cli::Exit {}",
        ),
        (
            "server/http/router.rs",
            "const C: char = '\"'; use crate::daemon; const D: char = '\"';",
        ),
        ("server/http/router.rs", "/* /* */ */ use crate::daemon;"),
        ("server/http/mod.rs", "use crate::*;"),
        ("server/http/mod.rs", "use crate::{self as all};"),
        ("server/http/mod.rs", "use crate as all;"),
        ("server/http/mod.rs", "use crate::gateway::Tenant;"),
        ("server/gateway/mod.rs", "use crate::id::Layout;"),
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
            "core/id/range.rs",
            "use crate::id::Layout; use super::encoding; pub(crate) fn f() {}",
        ),
        (
            "core/issuer.rs",
            "use crate::{clock::{self, Clock}, mark::*, id};",
        ),
        (
            "core/issuer.rs",
            "mod tests { use super::*; } use self::keeper::Keeper;",
        ),
        (
            "core/mark/slot.rs",
            "// crate::clock\n/* crate::issuer */ const A: &str = \"use crate::http\";",
        ),
        (
            "core/mark/slot.rs",
            "const A: &str = r#\"\" use crate::http;\"#; const B: &[u8] = b\"crate::cli\";",
        ),
        (
            "core/mark/tests/failing.rs",
            "use super::super::slot::Slot;",
        ),
        ("server/config/mod.rs", "use crate::logging;"),
        ("server/daemon.rs", "use crate::{cli, http::Router};"),
        ("core/id/generator.rs", "use crate::atomic::AtomicU64;"),
        ("core/timestamp.rs", "use crate::time::WallTime;"),
        (
            "server/main.rs",
            "fn main() { shardflake_server::cli::run() }",
        ),
    ];
    for (path, source) in good {
        let found = violations(Path::new(path), source);
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}

#[test]
fn the_line_is_told() {
    let found = violations(
        Path::new("core/id/mod.rs"),
        "//! Docs\n\n\"a\n\";\nuse crate::{\n  cli,\n};",
    );
    assert_eq!(found, ["src/core/id/mod.rs:6: `id` may not import `cli`"]);
}
