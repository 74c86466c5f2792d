//! The command line's grammar. Its comments are the help texts.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Flags;
use crate::config::value::rfc3339;
use shardflake::id::Encoding;
use shardflake::id::encoding::DecodeError;
use shardflake::wide::Kind;

const EXIT_CODES: &str = "Exit codes: 0 done, 64 usage, 69 not healthy or no server, 70 bug, 74 input or output failed, \
75 for now only: lock or address taken, address not there yet, no room, no threads, files or memory left, 78 configuration or state that an operator must decide on";

/// Reads an RFC 3339 time. Its error is plain text: an error's own type would bring along how each of its
/// variants is written for debugging, which is some KB of program.
fn moment(text: &str) -> Result<SystemTime, String> {
    rfc3339(text).map_err(|error| error.to_string())
}

/// Unique 64-bit, time-ordered IDs that never repeat, served over HTTP
///
/// Without a command, it serves.
#[derive(Debug, Parser)]
#[command(name = "shardflake", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The flags that every command takes.
    #[command(flatten)]
    pub common: Common,
    /// What to do; serving, if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    /// Whether that is a server.
    #[must_use]
    pub const fn serves(&self) -> bool {
        matches!(self.command, None | Some(Command::Serve(_)))
    }
}

/// Flags that stand above the environment and the configuration file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Common {
    /// Configuration file [default: /etc/shardflake/shardflake.toml, if it exists]
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The system to stand in for: layout, epoch, bare variables and replies
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Shard number, or a range of them such as 16-31
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    pub shard_id: Option<String>,
    /// Address to listen on, such as 127.0.0.1:7001 or a socket's path; may be given several times
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Listen on this port of all addresses, of IPv4 and IPv6; for one address, see --listen
    #[arg(long, global = true, value_name = "PORT", allow_hyphen_values = true)]
    pub port: Option<String>,
    /// Directory of the marks and the lock
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve IDs over HTTP
    Serve(Serve),
    /// Make IDs, UUIDs or ULIDs: those of the running server of this configuration, or of the state directory
    Generate(Generate),
    /// Show the fields of IDs, UUIDs and ULIDs
    Decode(Decode),
    /// Show the smallest and the largest ID of a time span, for range scans in a database
    Bounds(Bounds),
    /// Show the layouts with their lifetime and capacity
    Layouts(Layouts),
    /// Check the configuration, and show every value and where it comes from
    CheckConfig(Json),
    /// Ask the running server of this configuration for its health; exits with 69 if it may not issue
    Health,
    /// Look after the marks in the state directory
    #[command(subcommand)]
    State(StateCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page in roff
    Man {
        /// Of this command instead of the whole program
        command: Option<String>,
    },
}

/// Flags of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct Serve {
    /// Issue ahead of the clock until this time (RFC 3339): unique IDs with wrong timestamps
    #[arg(long, value_name = "UNTIL", require_equals = true, value_parser = moment)]
    pub continue_ahead: Option<SystemTime>,
}

/// Flags of `generate`.
#[derive(Debug, Args)]
pub struct Generate {
    /// What to make
    #[arg(long, default_value = "id", value_parser = kinds())]
    pub kind: Made,
    /// How many
    #[arg(long, default_value = "1", value_name = "N")]
    pub count: NonZeroU64,
    /// How they are printed: one a line, a JSON array of texts, or 8 or 16 bytes each, the highest first
    #[arg(long, default_value = "text")]
    pub format: Form,
    /// How IDs are written
    #[arg(long, default_value = "decimal", value_parser = encodings())]
    pub encoding: Encoding,
    /// Open the state directory for this command, instead of asking a server; none may be running on it
    #[arg(long)]
    pub local: bool,
}

/// Forms that `generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One a line
    Text,
    /// An array of texts
    Json,
    /// Bytes
    Binary,
}

/// What `generate` makes: IDs, or a kind of 128-bit identifier.
pub type Made = Option<Kind>;

/// Flags of `decode`.
#[derive(Debug, Args)]
pub struct Decode {
    /// IDs, UUIDs or ULIDs; - reads them from standard input, one a line
    #[arg(required = true, value_name = "ID", allow_negative_numbers = true)]
    pub ids: Vec<String>,
    /// How the IDs are written
    #[arg(long, default_value = "decimal", value_parser = encodings())]
    pub encoding: Encoding,
    /// Count time from here (RFC 3339) instead of the configured epoch
    #[arg(long, value_name = "TIME")]
    pub epoch: Option<String>,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// Flags of `bounds`.
#[derive(Debug, Args)]
pub struct Bounds {
    /// Begin of the span (RFC 3339), included
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: SystemTime,
    /// End of the span (RFC 3339), excluded
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: SystemTime,
    /// Count time from here (RFC 3339) instead of the configured epoch
    #[arg(long, value_name = "TIME")]
    pub epoch: Option<String>,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// Flags of `layouts`.
#[derive(Debug, Args)]
pub struct Layouts {
    /// Also show the configured layout with this epoch (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub epoch: Option<String>,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// The `state` commands.
#[derive(Debug, Clone, Subcommand)]
pub enum StateCommand {
    /// Make the mark of a new shard, so that its first start need not wait; never replaces one
    Init(Init),
    /// Show the marks and who holds them
    Show(Json),
    /// Accept a mark that was restored, copied or damaged, and raise it above the present
    Adopt(Adopt),
    /// Let a running server believe its clock although it looks wrong
    AcceptClock(AcceptClock),
}

/// Flags of `state init`.
#[derive(Debug, Clone, Args)]
pub struct Init {
    /// Begin above this ID (decimal), such as the last one of a server that this one replaces; raises
    /// the mark if it is there already
    #[arg(long, value_name = "ID", value_parser = id)]
    pub above: Option<u64>,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// Flags of `state adopt`.
#[derive(Debug, Clone, Args)]
pub struct Adopt {
    /// Begin above this ID (decimal) too, where IDs were issued ahead of the clock
    #[arg(long, value_name = "ID", value_parser = id)]
    pub above: Option<u64>,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// Flags of `state accept-clock`.
#[derive(Debug, Clone, Args)]
pub struct AcceptClock {
    /// Believe clocks up to this time (RFC 3339), ten years on at most
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: SystemTime,
    /// What to print.
    #[command(flatten)]
    pub json: Json,
}

/// The choice between people and machines.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

impl Common {
    /// The flags as the configuration takes them.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            profile: self.profile.clone(),
            shard_id: self.shard_id.clone(),
            listen: self.listen.clone(),
            port: self.port.clone(),
            state_dir: self.state_dir.clone(),
            ..Flags::default()
        }
    }
}

fn id(text: &str) -> Result<u64, DecodeError> {
    Encoding::Decimal.decode(text)
}

fn kinds() -> impl TypedValueParser<Value = Made> {
    let names = Kind::ALL.map(|(name, _)| name);
    PossibleValuesParser::new(["id"].into_iter().chain(names)).map(|name| {
        let kind = Kind::ALL.iter().find(|(known, _)| *known == name);
        kind.map(|(_, kind)| *kind)
    })
}

fn encodings() -> impl TypedValueParser<Value = Encoding> {
    PossibleValuesParser::new(Encoding::ALL.map(|(name, _)| name))
        .map(|name| Encoding::named(&name).expect("the parser takes known names alone"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn common_flags_stand_before_or_after_the_command() {
        for line in [
            ["shardflake", "--config", "/c", "check-config"],
            ["shardflake", "check-config", "--config", "/c"],
        ] {
            let arguments = Arguments::try_parse_from(line).unwrap();
            assert_eq!(arguments.common.flags().config, Some(PathBuf::from("/c")));
        }
        let arguments = Arguments::try_parse_from(["shardflake", "--shard-id", "-1"]).unwrap();
        assert_eq!(arguments.common.flags().shard_id.as_deref(), Some("-1"));
        assert!(arguments.command.is_none());
    }

    #[test]
    fn times_are_checked_on_the_command_line() {
        let parse = |flag: &str| Arguments::try_parse_from(["shardflake", "serve", flag]);
        assert!(parse("--continue-ahead=2030-01-01T00:00:00Z").is_ok());
        let error = parse("--continue-ahead=tomorrow").unwrap_err().to_string();
        for part in ["--continue-ahead", "tomorrow", "2025-01-01T00:00:00Z"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(parse("--continue-ahead").is_err());
        assert!(Arguments::try_parse_from(["shardflake", "state", "accept-clock"]).is_err());
    }
}
