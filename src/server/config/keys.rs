//! The table of configuration keys: their names and defaults.
//!
//! The loader takes its defaults and its known names from here, and tests hold the installed file,
//! the commented example and the manual page against it.

/// One configuration key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name with its table, such as `http.deadline`.
    pub name: &'static str,
    /// The default as TOML, or `None` where it depends on the host or has to be set.
    pub default: Option<&'static str>,
    /// The value in the commented example, as TOML: the default where there is one.
    pub example: &'static str,
    /// Whether SIGHUP applies a change; everything else takes a restart.
    pub reloads: bool,
}

/// The prefix of the environment variables that set keys.
pub const PREFIX: &str = "SHARDFLAKE_";

/// The tables of the configuration file.
pub const TABLES: [&str; 6] = ["layout", "shard", "http", "state", "clock", "log"];

/// Every key, in the order of the example file.
pub const KEYS: [Key; 30] = [
    Key::new("profile", r#""sonyflake""#),
    Key::open("epoch", r#""2014-09-01T00:00:00Z""#),
    Key::open("layout.time_bits", "39"),
    Key::open("layout.sequence_bits", "8"),
    Key::open("layout.machine_bits", "16"),
    Key::open("layout.tick", r#""10ms""#),
    Key::open("shard.id", "1"),
    Key::new("shard.source", r#""static""#),
    Key::new("http.listen", r#"["127.0.0.1:7001"]"#),
    Key::new("http.socket_mode", r#""0660""#),
    Key::new("http.socket_group", r#""-""#),
    Key::open("http.workers", "2"),
    Key::new("http.deadline", r#""250ms""#),
    Key::new("http.idle_timeout", r#""75s""#).reloading(),
    Key::new("http.head_timeout", r#""30s""#).reloading(),
    Key::new("http.connection_age", r#""0s""#).reloading(),
    Key::new("http.header_bytes", "8192").reloading(),
    Key::new("http.body_bytes", "4096").reloading(),
    Key::new("http.connections", "16384").reloading(),
    Key::new("http.bulk_replies", "4"),
    Key::new("http.cors", "[]"),
    Key::new("http.lame_duck", r#""0s""#),
    Key::new("http.drain", r#""5s""#),
    Key::open("state.dir", r#""/var/lib/shardflake""#),
    Key::new("state.window", r#""1s""#),
    Key::new("state.create", "true"),
    Key::new("state.allow_network_fs", "false"),
    Key::new("clock.max_ahead", r#""5s""#),
    Key::new("clock.require_sync", "false"),
    Key::new("log.level", r#""info""#).reloading(),
];

/// Other servers' names for some of these keys, which likeness alone would not find.
const ALIASES: [(&str, &str); 12] = [
    ("address", "http.listen"),
    ("bind", "http.listen"),
    ("host", "http.listen"),
    ("port", "http.listen"),
    ("threads", "http.workers"),
    ("cors_origins", "http.cors"),
    ("allowed_origins", "http.cors"),
    ("machine_id", "shard.id"),
    ("worker_id", "shard.id"),
    ("number", "shard.id"),
    ("data_dir", "state.dir"),
    ("verbosity", "log.level"),
];

impl Key {
    const fn new(name: &'static str, default: &'static str) -> Self {
        Self {
            name,
            default: Some(default),
            example: default,
            reloads: false,
        }
    }

    /// A key without a fixed default.
    const fn open(name: &'static str, example: &'static str) -> Self {
        Self {
            default: None,
            ..Self::new(name, example)
        }
    }

    const fn reloading(self) -> Self {
        Self {
            reloads: true,
            ..self
        }
    }

    /// The environment variable that sets this key.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('.', "__"))
    }
}

/// The key of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that is set by the environment variable `variable`.
#[must_use]
pub fn set_by(variable: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.variable() == variable)
}

/// The key whose name is most like `name`: someone who mistypes a key wants to hear of it.
///
/// # Panics
/// Never: the table is not empty.
#[must_use]
pub fn nearest(name: &str) -> &'static Key {
    let name = name.to_lowercase();
    if let Some(key) = by_alias(&name.replace('.', "_")) {
        return key;
    }
    KEYS.iter()
        .max_by(|a, b| likeness(&name, a.name).total_cmp(&likeness(&name, b.name)))
        .expect("the table of keys is not empty")
}

/// The key that `flat`, or its last words, is another name for.
fn by_alias(flat: &str) -> Option<&'static Key> {
    let (_, key) = ALIASES.iter().find(|(alias, _)| {
        flat.strip_suffix(alias)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    })?;
    named(key)
}

/// How alike two names are, 0 to 1: by the whole name, or for a little less by its last part, as a key may
/// stand in the wrong table.
fn likeness(name: &str, key: &str) -> f64 {
    let flat = |text: &str| text.replace('.', "_");
    let last = |text: &str| {
        text.rsplit('.')
            .next()
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let whole = strsim::jaro_winkler(&flat(name), &flat(key));
    let part = strsim::jaro_winkler(&last(name), &last(key));
    whole.max(0.98 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_follow_from_the_names() {
        assert_eq!(
            named("http.idle_timeout").unwrap().variable(),
            "SHARDFLAKE_HTTP__IDLE_TIMEOUT"
        );
        assert_eq!(set_by("SHARDFLAKE_PROFILE"), named("profile"));
        assert_eq!(set_by("SHARDFLAKE_HTTP_LISTEN"), None);
        assert_eq!(set_by("SHARDFLAKE_Http__Listen"), None);
    }

    #[test]
    fn a_mistyped_key_finds_its_neighbour() {
        for (typed, meant) in [
            ("http.listne", "http.listen"),
            ("htp.listen", "http.listen"),
            ("listen", "http.listen"),
            ("http_listen", "http.listen"),
            ("http.widow", "state.window"),
            ("http.idle-timeout", "http.idle_timeout"),
            ("shard.ID", "shard.id"),
            ("shard_id", "shard.id"),
            ("state.directory", "state.dir"),
            ("http.max_ahead", "clock.max_ahead"),
            ("loglevel", "log.level"),
            ("port", "http.listen"),
            ("http.port", "http.listen"),
            ("HTTP_PORT", "http.listen"),
            ("server.host", "http.listen"),
            ("http.worker_threads", "http.workers"),
            ("shard.number", "shard.id"),
        ] {
            assert_eq!(nearest(typed).name, meant, "{typed}");
        }
    }

    #[test]
    fn every_alias_is_another_name_of_a_key() {
        for (alias, key) in ALIASES {
            assert!(named(key).is_some(), "{key}");
            assert!(named(alias).is_none(), "{alias}");
            assert_eq!(nearest(alias).name, key);
        }
        assert_ne!(nearest("http.transport").name, "http.listen");
    }

    #[test]
    fn every_table_and_name_is_in_order() {
        for key in KEYS {
            let table = key.name.split_once('.').map(|(table, _)| table);
            assert!(
                table.is_none_or(|table| TABLES.contains(&table)),
                "{}",
                key.name
            );
            assert_eq!(named(key.name), Some(&key), "{} is there twice", key.name);
        }
    }
}
