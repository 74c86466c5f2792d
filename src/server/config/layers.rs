//! Layers of configuration: defaults, then the file, the environment and the flags.
//!
//! Every value carries where it came from, so that a problem can be found where it was made. A key stays
//! one name with its dot in it; only a file has tables.

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::keys::KEYS;

/// Values by key, each with its origin.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(Map<String, Value>);

/// Where a default comes from.
pub(super) const DEFAULT: &str = "default";
/// Where a value comes from that the profile has by itself.
pub(super) const PROFILE: &str = "profile";

impl Layer {
    /// The defaults of the table of keys.
    pub(super) fn defaults() -> Self {
        // In quotes, a name with a dot is one key.
        let line = |name: &str, default: &str| format!("\"{name}\" = {default}\n");
        let lines: String = KEYS
            .iter()
            .filter_map(|key| Some(line(key.name, key.default?)))
            .collect();
        let parsed = File::from_str(&lines, FileFormat::Toml).collect();
        let mut layer = Self::default();
        for (key, value) in parsed.expect("every default in the table is TOML") {
            layer.set(&key, value.kind, DEFAULT);
        }
        layer
    }

    /// Sets a key.
    pub(super) fn set(&mut self, key: &str, kind: ValueKind, origin: &str) {
        let value = Value::new(Some(&origin.to_owned()), kind);
        self.0.insert(key.to_owned(), value);
    }

    /// The value of a key.
    pub(super) fn find(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }

    /// Key by key: the trait's own would make a tree, by the dots in the names.
    fn collect_to(&self, merged: &mut Value) -> Result<(), config::ConfigError> {
        if let ValueKind::Table(values) = &mut merged.kind {
            values.extend(self.0.clone());
        }
        Ok(())
    }
}

/// Lays `layers` over each other, the last on top.
pub(super) fn merge(layers: &[&Layer]) -> Layer {
    let layers: Vec<Layer> = layers.iter().copied().cloned().collect();
    Layer(Source::collect(&layers).expect("layers are there already"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(key: &str, value: &str, origin: &str) -> Layer {
        let mut layer = Layer::default();
        layer.set(key, value.into(), origin);
        layer
    }

    #[test]
    fn every_default_is_there_and_says_so() {
        let defaults = Layer::defaults();
        for key in KEYS {
            let found = defaults.find(key.name);
            assert_eq!(found.is_some(), key.default.is_some(), "{}", key.name);
            assert!(found.is_none_or(|value| value.origin() == Some(DEFAULT)));
        }
    }

    #[test]
    fn the_last_layer_wins_and_keeps_its_origin() {
        let low = layer("http.listen", "a", "low");
        let high = layer("http.listen", "b", "high");
        let other = layer("http.drain", "1s", "other");
        let merged = merge(&[&low, &other, &high]);
        let value = merged.find("http.listen").unwrap();
        assert_eq!(value.kind, ValueKind::String("b".into()));
        assert_eq!(value.origin(), Some("high"));
        assert_eq!(merged.find("http.drain").unwrap().origin(), Some("other"));
        assert_eq!(merged.find("shard.id"), None);
    }

    #[test]
    fn a_list_replaces_a_longer_list() {
        let mut low = Layer::default();
        let values = |texts: &[&str]| {
            let values = texts.iter().map(|text| Value::from(*text));
            ValueKind::Array(values.collect())
        };
        low.set("http.listen", values(&["a", "b"]), "low");
        let mut high = Layer::default();
        high.set("http.listen", values(&["c"]), "high");
        let merged = merge(&[&low, &high]);
        assert_eq!(merged.find("http.listen").unwrap().kind, values(&["c"]));
    }
}
