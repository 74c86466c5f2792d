//! The configuration file: finding it, reading it, and refusing keys that nothing reads.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::environment::Environment;
use super::error::{ConfigError, ValueError};
use super::keys::{self, Key};
use super::layers::Layer;
use super::value;

/// The values of a file, and its problems.
#[derive(Debug, Default)]
pub(super) struct FileLayer {
    /// The file, if one was read.
    pub(super) path: Option<PathBuf>,
    /// Whether nothing in it could be read.
    pub(super) failed: bool,
    pub(super) layer: Layer,
    pub(super) problems: Vec<ConfigError>,
}

/// Reads the file that `named` names, else the one in /etc if it exists.
pub(super) fn read(named: Option<&Path>, environment: &Environment) -> FileLayer {
    let path = named.unwrap_or(environment.default_file());
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return FileLayer::default();
        }
        Err(error) => return FileLayer::failed(path, unreadable(path, &error)),
    };
    match String::from_utf8(bytes) {
        Ok(text) => parse(path, &text),
        Err(error) => {
            let problem = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1);
            FileLayer::failed(path, syntax(path, problem))
        }
    }
}

/// Takes the values out of the TOML `text` of the file at `path`.
fn parse(path: &Path, text: &str) -> FileLayer {
    match File::from_str(text, FileFormat::Toml).collect() {
        Ok(root) => {
            let mut file = FileLayer {
                path: Some(path.to_path_buf()),
                ..FileLayer::default()
            };
            file.take(path, "", root);
            // A map's order is random; the same file gets the same report. Few are inserted with less
            // program than a sort takes.
            let mut problems: Vec<ConfigError> = Vec::new();
            for problem in file.problems {
                let text = problem.to_string();
                let place = problems.partition_point(|known| known.to_string() <= text);
                problems.insert(place, problem);
            }
            FileLayer { problems, ..file }
        }
        Err(error) => {
            let problem = located(text, error.to_string());
            FileLayer::failed(path, syntax(path, one_line(&problem)))
        }
    }
}

impl FileLayer {
    fn failed(path: &Path, problem: ConfigError) -> Self {
        Self {
            path: Some(path.to_path_buf()),
            failed: true,
            problems: vec![problem],
            ..Self::default()
        }
    }

    /// Takes the value of a known key. A table is refused here: merged with the layers below, it would lose
    /// its origin.
    fn set(&mut self, path: &Path, known: &Key, kind: ValueKind) {
        let origin = path.display().to_string();
        if !matches!(kind, ValueKind::Table(_)) {
            self.layer.set(known.name, kind, &origin);
            return;
        }
        let leaf = known.name.rsplit('.').next().unwrap_or(known.name);
        let problem = ValueError::Table(format!("{leaf} = {}", known.example));
        let problem = ConfigError::value(known.name, &origin, problem);
        self.problems.push(problem);
    }

    /// Takes the values of one table, whose name and dot are `prefix`.
    fn take(&mut self, path: &Path, prefix: &str, table: Map<String, Value>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", quoted(name));
            if let Some(known) = keys::named(&key) {
                self.set(path, known, value.kind);
                continue;
            }
            match value.kind {
                ValueKind::Table(inner) if !inner.is_empty() => {
                    self.take(path, &format!("{key}."), inner);
                }
                // An empty table sets nothing.
                ValueKind::Table(_) if keys::TABLES.contains(&key.as_str()) => {}
                kind if keys::TABLES.contains(&key.as_str()) => {
                    let origin = path.display().to_string();
                    let problem = ValueError::NotATable {
                        seen: value::seen(&kind),
                        table: key.clone(),
                    };
                    self.problems
                        .push(ConfigError::value(&key, &origin, problem));
                }
                _ => self.problems.push(ConfigError::UnknownKey {
                    nearest: keys::nearest(&key).name,
                    key,
                    file: path.to_path_buf(),
                }),
            }
        }
    }
}

/// The parser says the line of wrong grammar, but not that of a number too large for its type:
/// that is the first line up to which the text fails in the same way.
fn located(text: &str, problem: String) -> String {
    if problem.contains("line ") {
        return problem;
    }
    let fails_within = |count: &usize| {
        let beginning: String = text.split_inclusive('\n').take(*count).collect();
        let parsed = File::from_str(&beginning, FileFormat::Toml).collect();
        parsed.is_err_and(|error| error.to_string() == problem)
    };
    match (1..=text.lines().count()).find(fails_within) {
        Some(line) => format!("line {line}: {problem}"),
        None => problem,
    }
}

/// A name as TOML would have it: `"http.listen"` in quotes is not the key `http.listen`.
fn quoted(name: String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(plain) {
        return name;
    }
    format!("{name:?}")
}

fn syntax(path: &Path, problem: String) -> ConfigError {
    ConfigError::Syntax {
        file: path.to_path_buf(),
        problem,
    }
}

/// The parser draws the line with a caret below it; a log takes one line.
fn one_line(drawn: &str) -> String {
    let lines: Vec<&str> = drawn
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('|'))
        .collect();
    lines.join("; ")
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    match error.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_path_buf()),
        io::ErrorKind::PermissionDenied => {
            // The owner of its own entry in /proc is whom this process runs as.
            let me = fs::metadata("/proc/self").ok();
            let shown = |id: Option<u32>| id.map_or("unknown".to_owned(), |id| id.to_string());
            ConfigError::Forbidden {
                file: path.to_path_buf(),
                access: access(path),
                user: shown(me.as_ref().map(MetadataExt::uid)),
                group: shown(me.as_ref().map(MetadataExt::gid)),
            }
        }
        _ => ConfigError::Unreadable {
            file: path.to_path_buf(),
            problem: error.to_string(),
        },
    }
}

/// Who may do what with the file, as `ls` would tell it.
fn access(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(file) => format!(
            "mode {:04o}, user {}, group {}",
            file.mode() & 0o7777,
            file.uid(),
            file.gid()
        ),
        Err(_) => "in a directory that is closed to it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = parse(Path::new("/f.toml"), text);
        file.problems.iter().map(ToString::to_string).collect()
    }

    fn only_problem(text: &str) -> String {
        let mut found = problems(text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn takes_known_keys_with_their_origin() {
        let file = parse(
            Path::new("/f.toml"),
            "[http]\nlisten = [\"a\"]\n[shard]\nid = 7\n[log]\n",
        );
        assert!(file.problems.is_empty());
        let id = file.layer.find("shard.id").unwrap();
        assert_eq!(
            (&id.kind, id.origin()),
            (&ValueKind::I64(7), Some("/f.toml"))
        );
        assert!(file.layer.find("http.listen").is_some());
    }

    #[test]
    fn unknown_keys_name_their_neighbour_and_the_file() {
        let error = only_problem("[http]\nlisten_on = 1");
        for part in [
            "http.listen_on",
            "/f.toml",
            "the nearest is http.listen",
            "rename",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!(only_problem("[htp]\nlisten = []").contains("htp.listen"));
        assert!(only_problem("[nothing]").contains("nothing in /f.toml"));
        assert!(only_problem("\"http.listen\" = []").contains("\"http.listen\" in"));
        assert_eq!(problems("a = 1\nb = 2\n[http]\nc = 3").len(), 3);
    }

    #[test]
    fn a_value_where_a_table_belongs() {
        let error = only_problem("http = 7001");
        for part in ["http (from /f.toml)", "7001", "write [http]"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_table_where_a_value_belongs() {
        let error = only_problem("[shard]\nid = 1\n[http.listen]\nport = 7001");
        for part in [
            "http.listen (from /f.toml)",
            "listen = [\"127.0.0.1:7001\"]",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert!(only_problem("[epoch]").contains("epoch (from /f.toml): a table"));
    }

    #[test]
    fn a_number_too_large_says_the_line() {
        let error = only_problem("[shard]\nid = 1\n[http]\nbody_bytes = 99999999999999999999\n\n");
        assert!(
            error.contains("/f.toml: line 4: number too large"),
            "{error}"
        );
        let error = only_problem("[http]\nlisten = [\n\"/s\",\n]\nworkers = 1e999");
        assert!(error.contains("/f.toml: line 5: "), "{error}");
    }

    #[test]
    fn wrong_toml_says_the_line() {
        let error = only_problem("[http]\ndrain = 5s\n");
        for part in ["/f.toml", "line 2", "drain = 5s", "mend the file"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains('\n'), "{error}");
        assert!(only_problem("[shard]\nid = 01").contains("line 2"));
        assert!(only_problem("[shard]\nid = 1\nid = 2").contains("line 3"));
    }

    #[test]
    fn files_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment::default().with_default_file(dir.path().join("none.toml"));
        let default = read(None, &environment);
        assert!(default.path.is_none() && default.problems.is_empty());

        let named = dir.path().join("named.toml");
        let report = |path: &Path| read(Some(path), &environment).problems[0].to_string();
        assert!(report(&named).contains("named.toml does not exist"));
        assert!(report(&named).contains("--config"));
        assert!(report(dir.path()).contains("cannot be read"));
        fs::write(&named, b"a = \xff").unwrap();
        assert!(report(&named).contains("byte 5 is not UTF-8"));
    }

    #[test]
    fn a_forbidden_file_says_who_and_what_to_do() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = unreadable(&path, &denied).to_string();
        let me = fs::metadata("/proc/self").unwrap();
        let owner = fs::metadata(&path).unwrap();
        for part in [
            format!("mode 0600, user {}, group {}", owner.uid(), owner.gid()),
            format!("for user {} and group {}", me.uid(), me.gid()),
            "chmod 0640".to_owned(),
            "--config".to_owned(),
        ] {
            assert!(error.contains(&part), "{error}");
        }
        let hidden = unreadable(&dir.path().join("none"), &denied).to_string();
        assert!(hidden.contains("in a directory that is closed"), "{hidden}");
    }
}
