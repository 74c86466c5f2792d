//! A reload (SIGHUP): which changes a running server can apply, and which take a restart.

use std::fmt;

use super::{Config, Sources, keys};

/// The changes from the running configuration to a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Changes that can be applied: to the log at once, to connections as they come.
    pub applicable: Vec<Change>,
    /// Changes that take a restart; the running values stay.
    pub needs_restart: Vec<Change>,
}

/// A key with its running and its new value, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: &'static str,
    /// The running value.
    pub old: String,
    /// The new value.
    pub new: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} → {}", self.key, self.old, self.new)
    }
}

/// Compares the running configuration with a new one. Flags and environment are those of the
/// start in both, so that only the file can have made the difference.
#[must_use]
pub fn reload_difference(old: &Config, new: &Config) -> Difference {
    let mut difference = Difference::default();
    for key in keys::KEYS {
        let (old, new) = (setting(old, key.name), setting(new, key.name));
        if old == new {
            continue;
        }
        let change = Change {
            key: key.name,
            old: old.to_owned(),
            new: new.to_owned(),
        };
        if key.reloads {
            difference.applicable.push(change);
        } else {
            difference.needs_restart.push(change);
        }
    }
    difference
}

impl Sources {
    /// Notes that `changes` are in force now.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let known = self
                .settings
                .iter_mut()
                .find(|known| known.key == change.key);
            if let Some(known) = known {
                known.value.clone_from(&change.new);
            }
        }
    }
}

fn setting<'a>(config: &'a Config, key: &str) -> &'a str {
    let settings = &config.sources.settings;
    let found = settings.iter().find(|setting| setting.key == key);
    found.map_or("unset", |setting| &setting.value)
}
