//! `check-config`: every value, where it comes from, and all problems.

use std::io;

use serde::Serialize;

use super::Streams;
use super::exit::Failure;
use super::table::{Column, Table};
use crate::config::{Config, ConfigErrors, Environment, Flags, Setting};

const COLUMNS: [Column; 3] = [
    Column::Text("KEY"),
    Column::Text("VALUE"),
    Column::Text("FROM"),
];

#[derive(Debug, Default, Serialize)]
struct Report {
    valid: bool,
    /// Null where none was read.
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
    streams: &mut Streams<'_>,
) -> Result<Vec<String>, Failure> {
    let config = Config::load(flags, environment);
    if json {
        writeln!(
            streams.out,
            "{}",
            serde_json::to_string(&report(&config)).map_err(io::Error::from)?
        )?;
        config?;
        return Ok(Vec::new());
    }
    let config = config?;
    write(&config.sources.settings, streams)?;
    Ok(config.warnings)
}

/// Prints the settings; the defaults among them are faint.
fn write(settings: &[Setting], streams: &mut Streams<'_>) -> io::Result<()> {
    let rows: Vec<Vec<String>> = settings
        .iter()
        .map(|setting| {
            vec![
                setting.key.to_owned(),
                setting.value.clone(),
                setting.origin.clone(),
            ]
        })
        .collect();
    let table = Table::fitting(&COLUMNS, &rows, streams.colour);
    table.heading(streams.out)?;
    for (setting, row) in settings.iter().zip(&rows) {
        if setting.is_default() {
            table.faint_row(streams.out, row)?;
        } else {
            table.row(streams.out, row)?;
        }
    }
    Ok(())
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

fn entry(setting: &Setting) -> Entry {
    Entry {
        key: setting.key,
        value: setting.value.clone(),
        from: setting.origin.clone(),
    }
}
