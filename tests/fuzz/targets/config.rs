//! Configuration: no file, variable or flag makes a panic, and what is accepted is accepted again,
//! with the same meaning, when it is written down as it was understood.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use shardflake_server::cli::arguments::Arguments;
use shardflake_server::config::{Calculation, Config, Environment, Flags, Upkeep};

thread_local! {
    /// Rewritten for each input.
    static FILES: Files = Files::new();
}

struct Files {
    given: PathBuf,
    written: PathBuf,
    _directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        Self {
            given: directory.path().join("given.toml"),
            written: directory.path().join("written.toml"),
            _directory: directory,
        }
    }
}

/// Takes the input as parts with a NUL between them: a file, then flags, which begin with a dash,
/// and variables.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) {
    FILES.with(|files| {
        let mut parts = input.split(|byte| *byte == 0);
        let file = parts.next().unwrap_or_default();
        fs::write(&files.given, file).expect("a file can be written");
        let (flags, variables) = split(parts);
        let flags = Flags {
            config: Some(files.given.clone()),
            ..flags
        };
        check(&flags, &Environment::new(variables), &files.written);
    });
}

/// The flags as the command line takes them, and the variables.
fn split<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Flags, Vec<(String, String)>) {
    let mut line = vec!["shardflake".to_owned()];
    let mut variables = Vec::new();
    for part in parts {
        let text = String::from_utf8_lossy(part);
        match text.split_once('=') {
            _ if text.starts_with('-') => line.push(text.into_owned()),
            Some((name, value)) => variables.push((name.to_owned(), value.to_owned())),
            None => {}
        }
    }
    let arguments = Arguments::try_parse_from(line);
    let flags = arguments.map(|arguments| arguments.common.flags());
    (flags.unwrap_or_default(), variables)
}

fn check(flags: &Flags, environment: &Environment, scratch: &Path) {
    let loaded = Config::load(flags, environment);
    let upkeep = Upkeep::load(flags, environment);
    let calculation = Calculation::load(flags, environment);
    let config = match loaded {
        Ok(config) => config,
        Err(errors) => {
            assert!(!errors.to_string().is_empty());
            return;
        }
    };
    let upkeep = upkeep.expect("it needs less than a server does");
    assert_eq!(
        (upkeep.layout, upkeep.shard, &upkeep.state),
        (config.shard.layout, Ok(config.shard), &config.state)
    );
    let calculation = calculation.expect("it needs less than a server does");
    assert_eq!(calculation.layout, config.shard.layout);

    fs::write(scratch, as_file(&config)).expect("a file can be written");
    let flags = Flags {
        config: Some(scratch.to_owned()),
        ..Flags::default()
    };
    same(&config, &flags, &Environment::default());
    // A variable holds a list with commas between its parts.
    if !addresses(&config)
        .iter()
        .any(|one| one.contains(',') || one.trim() != one)
    {
        fs::write(scratch, "").expect("a file can be written");
        same(&config, &flags, &Environment::new(as_variables(&config)));
    }
}

/// Loads again, and compares all but where the values come from.
fn same(config: &Config, flags: &Flags, environment: &Environment) {
    let again = Config::load(flags, environment).unwrap_or_else(|errors| panic!("{errors}"));
    let expected = Config {
        warnings: again.warnings.clone(),
        sources: again.sources.clone(),
        ..config.clone()
    };
    assert_eq!(again, expected);
    let values = |config: &Config| -> Vec<(&str, String)> {
        let settings = config.sources.settings.iter();
        settings.map(|one| (one.key, one.value.clone())).collect()
    };
    assert_eq!(values(&again), values(config));
}

/// Every key with its value, as it is shown.
fn shown(config: &Config) -> impl Iterator<Item = (&'static str, String)> {
    let settings = config.sources.settings.iter();
    settings.map(|one| {
        let value = match one.key {
            // Lists are shown as a file has them.
            "http.listen" => addresses(config).join(","),
            "http.cors" => config.http.cors.join(","),
            _ => one.value.clone(),
        };
        (one.key, value)
    })
}

fn addresses(config: &Config) -> Vec<String> {
    config.http.listen.iter().map(ToString::to_string).collect()
}

fn as_variables(config: &Config) -> Vec<(String, String)> {
    shown(config)
        .map(|(key, value)| {
            let name = key.to_uppercase().replace('.', "__");
            (format!("SHARDFLAKE_{name}"), value)
        })
        .collect()
}

fn as_file(config: &Config) -> String {
    let mut file = String::new();
    for (key, value) in shown(config) {
        let value = match key {
            "http.listen" => {
                let quoted: Vec<String> = addresses(config).iter().map(|one| quote(one)).collect();
                format!("[{}]", quoted.join(", "))
            }
            _ => quote(&value),
        };
        writeln!(file, "{key} = {value}").expect("a string takes all");
    }
    file
}

/// A text as TOML has it, whatever it holds.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            quoted.push(character);
        } else {
            write!(quoted, "\\U{:08X}", u32::from(character)).expect("a string takes all");
        }
    }
    quoted + "\""
}
