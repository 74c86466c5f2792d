//! How an operator calls the program again for a shard, for messages that name a command.

use std::path::Path;

use crate::config::environment::DEFAULT_FILE;
use crate::config::{Sources, keys};
use shardflake::id::range::MachineRange;
use shardflake::mark::rules::Invocation;

/// The variables and options with which a command finds the state of `shard` and its layout, in whatever
/// shell it is pasted. Settings from the configuration file need none.
pub(super) fn invocation(directory: &Path, sources: &Sources, shard: MachineRange) -> Invocation {
    let directory = directory.display().to_string();
    let mut variables = Vec::new();
    let mut options = vec![
        format!("--state-dir {}", word(&directory)),
        format!("--shard-id {shard}"),
    ];
    let file = sources.file.as_ref();
    let file = file.map(|file| file.display().to_string());
    for setting in &sources.settings {
        let told = Some(&setting.origin) == file.as_ref();
        let Some(key) = keys::named(setting.key).filter(|_| !told && !setting.is_own()) else {
            continue;
        };
        let value = word(&setting.value);
        match key.name {
            "profile" => options.push(format!("--profile {value}")),
            "epoch" => variables.push(format!("{}={value}", key.variable())),
            // A new mark's bound is computed from these.
            "clock.max_ahead" | "state.window" | "http.deadline" => {
                variables.push(format!("{}={value}", key.variable()));
            }
            name if name.starts_with("layout.") => {
                variables.push(format!("{}={value}", key.variable()));
            }
            _ => {}
        }
    }
    if let Some(file) = file.filter(|file| file != DEFAULT_FILE) {
        options.push(format!("--config {}", word(&file)));
    }
    Invocation { variables, options }
}

/// `text` as one word of a shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:+,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Environment, Flags, Upkeep};

    #[test]
    fn a_command_is_told_the_layout_that_it_would_not_find_by_itself() {
        let command = |flags: &Flags, variables: &[(&str, &str)]| {
            let environment = Environment::new(variables.iter().copied());
            let upkeep = Upkeep::load(flags, &environment).unwrap();
            let shard = "4-7".parse().unwrap();
            invocation(&upkeep.state.dir, &upkeep.sources, shard).of("state adopt")
        };
        let of = |variables: &[(&str, &str)]| {
            let flags = Flags {
                state_dir: Some("/var/lib/a b".to_owned()),
                ..Flags::default()
            };
            command(&flags, variables)
        };
        let plain = "shardflake state adopt --state-dir '/var/lib/a b' --shard-id 4-7";
        assert_eq!(of(&[]), plain);
        assert_eq!(
            of(&[
                ("SHARDFLAKE_PROFILE", "snowflake"),
                ("SHARDFLAKE_EPOCH", "2025-01-01T00:00:00.250Z"),
            ]),
            format!("SHARDFLAKE_EPOCH=2025-01-01T00:00:00.250Z {plain} --profile snowflake")
        );
        let bits = [
            ("TIME_BITS", "40"),
            ("SEQUENCE_BITS", "7"),
            ("TICK", "1s 5ms"),
        ];
        let bits = bits.map(|(key, value)| (format!("SHARDFLAKE_LAYOUT__{key}"), value));
        let variables: Vec<_> = bits
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        assert_eq!(
            of(&variables),
            format!(
                "SHARDFLAKE_LAYOUT__TIME_BITS=40 SHARDFLAKE_LAYOUT__SEQUENCE_BITS=7 SHARDFLAKE_LAYOUT__TICK='1s 5ms' {plain}"
            )
        );

        // What a file says it says to the command as well.
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("it's.toml");
        let text =
            "profile = \"snowflake\"\nepoch = \"2025-01-01T00:00:00Z\"\nstate.dir = \"/s\"\n";
        fs::write(&file, text).unwrap();
        let flags = Flags {
            config: Some(file.clone()),
            ..Flags::default()
        };
        let quoted = file.display().to_string().replace('\'', r"'\''");
        assert_eq!(
            command(&flags, &[]),
            format!("shardflake state adopt --state-dir /s --shard-id 4-7 --config '{quoted}'")
        );
    }
}
