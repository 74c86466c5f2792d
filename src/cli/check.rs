//! `check-config`: every value, where it comes from, and all problems.

use std::io::{self, Write};

use serde::Serialize;

use super::exit::Failure;
use super::table;
use crate::config::{Config, ConfigErrors, Environment, Flags};

#[derive(Debug, Default, Serialize)]
struct Report {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    settings: Vec<Entry>,
    warnings: Vec<String>,
    errors: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    key: &'static str,
    value: String,
    from: String,
}

/// Prints the configuration. Its warnings are left to the caller unless `json` holds them.
pub(super) fn run(
    flags: &Flags,
    environment: &Environment,
    json: bool,
    out: &mut dyn Write,
) -> Result<Vec<String>, Failure> {
    let config = Config::load(flags, environment);
    if json {
        writeln!(
            out,
            "{}",
            serde_json::to_string(&report(&config)).map_err(io::Error::from)?
        )?;
        config?;
        return Ok(Vec::new());
    }
    let config = config?;
    let rows: Vec<Vec<String>> = config
        .sources
        .settings
        .iter()
        .map(|setting| {
            vec![
                setting.key.to_owned(),
                setting.value.clone(),
                setting.origin.clone(),
            ]
        })
        .collect();
    table::write(out, &["KEY", "VALUE", "FROM"], &rows)?;
    Ok(config.warnings)
}

fn report(config: &Result<Config, ConfigErrors>) -> Report {
    match config {
        Ok(config) => Report {
            valid: true,
            file: config
                .sources
                .file
                .as_ref()
                .map(|file| file.display().to_string()),
            settings: config.sources.settings.iter().map(entry).collect(),
            warnings: config.warnings.clone(),
            errors: Vec::new(),
        },
        Err(errors) => Report {
            errors: errors.0.iter().map(ToString::to_string).collect(),
            ..Report::default()
        },
    }
}

fn entry(setting: &crate::config::Setting) -> Entry {
    Entry {
        key: setting.key,
        value: setting.value.clone(),
        from: setting.origin.clone(),
    }
}
