//! The problems of a configuration.

use std::fmt;
use std::path::PathBuf;

use super::Setting;
use shardflake::id::layout::LayoutError;
use shardflake::id::range::RangeError;

/// One problem. The text says which key, what was seen, where it came from and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that its key does not take.
    #[error("{key} (from {origin}): {problem}")]
    Value {
        /// The key.
        key: String,
        /// The file, environment variable or flag.
        origin: String,
        /// The reason why the key does not take the value.
        #[source]
        problem: ValueError,
    },
    /// A key in the file that nothing reads.
    #[error(
        "{key} in {file} is not a key of this program; the nearest is {nearest}: rename or remove it"
    )]
    UnknownKey {
        /// The key in the file.
        key: String,
        /// The file.
        file: PathBuf,
        /// A known key with a similar name.
        nearest: &'static str,
    },
    /// The file is not TOML.
    #[error("{file}: {problem}; mend the file, or name another with --config")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's message, with the line.
        problem: String,
    },
    /// The file that `--config` names does not exist.
    #[error("{0} does not exist; name an existing file with --config, or leave the flag out")]
    Missing(PathBuf),
    /// The file is not readable for this user.
    #[error(
        "{file} ({access}) is not readable for user {user} and group {group}; run as a user that may read it, let its group read it (chmod 0640), or name another file with --config"
    )]
    Forbidden {
        /// The file.
        file: PathBuf,
        /// The file's mode and owners, as far as this process may see them.
        access: String,
        /// The user ID that this process runs as.
        user: String,
        /// The group ID that it runs as.
        group: String,
    },
    /// Reading the file failed in another way.
    #[error("{file} cannot be read: {problem}; name a readable file with --config")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        problem: String,
    },
    /// An environment variable that is read is not UTF-8.
    #[error(
        "the environment variable {name} is {value:?}, which is not UTF-8; set it to plain text, or unset it"
    )]
    NotUtf8 {
        /// The variable.
        name: String,
        /// Its value, with replacement characters for bytes that are not UTF-8.
        value: String,
    },
    /// Two variables set the same key to different values.
    #[error(
        "{first} is {first_value:?} and {second} is {second_value:?}; both set {key}: unset one of them"
    )]
    Conflict {
        /// The key.
        key: &'static str,
        /// One variable.
        first: &'static str,
        /// Its value.
        first_value: String,
        /// The other variable.
        second: String,
        /// Its value.
        second_value: String,
    },
    /// One of two variables that make a shard number together.
    #[error(
        "{set} is set and {missing} is not; a shard of this profile is told by both: set {missing} too"
    )]
    HalfNumber {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
    /// The bits do not make a layout.
    #[error("layout.time_bits, layout.sequence_bits, layout.machine_bits and layout.tick: {0}")]
    Layout(LayoutError),
    /// No shard number is set.
    #[error(
        "no shard number is set; set {example} in the environment, --shard-id 1, or id = 1 under [shard] in {file}, with a number that no other host uses{hint}"
    )]
    NoShard {
        /// How the profile's bare variables set one.
        example: String,
        /// The configuration file.
        file: PathBuf,
        /// A variable of another profile that is set, or nothing.
        hint: String,
    },
    /// No directory for the state.
    #[error(
        "no state directory is set, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME names an absolute path; set --state-dir, or dir under [state] in {file}"
    )]
    NoStateDir {
        /// The configuration file.
        file: PathBuf,
    },
    /// Two durations that do not go together.
    #[error(
        "{long} and {short}; {} has to be at least twice {}: set {} to at least {least}, or {} to at most {most}",
        .long.key, .short.key, .long.key, .short.key
    )]
    TooClose {
        /// The setting that has to be the longer time.
        long: Box<Setting>,
        /// The setting that has to be the shorter time.
        short: Box<Setting>,
        /// The least for the longer, given the shorter.
        least: String,
        /// The most for the shorter, given the longer.
        most: String,
    },
    /// Ticks so long that the longer of two times is no more ticks than the shorter.
    #[error(
        "{tick}, so that {long} and {short} are {ticks} ticks both, and a start after a crash would wait for the clock: set {} to at least {least}",
        .long.key
    )]
    TooCoarse {
        /// How long a tick is.
        tick: Box<Setting>,
        /// The setting that has to be the longer time.
        long: Box<Setting>,
        /// The setting that has to be the shorter time.
        short: Box<Setting>,
        /// How many ticks each is.
        ticks: u64,
        /// The least for the longer, given the shorter.
        least: String,
    },
}

impl ConfigError {
    /// The error of a value that `key` does not take.
    // Not copied to each of its many callers; so the reader's.
    #[cold]
    pub(super) fn value(key: &str, origin: &str, problem: ValueError) -> Self {
        Self::Value {
            key: key.to_owned(),
            origin: origin.to_owned(),
            problem,
        }
    }
}

/// Why a value is not what its key takes. The text says what was seen, what is allowed and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a shard number or a range of them, or one that does not fit.
    #[error(transparent)]
    Shard(#[from] RangeError),
    /// A number without a unit.
    #[error("{0} has no unit; write a duration with its unit, such as \"250ms\"")]
    NoUnit(String),
    /// Not a duration.
    #[error("{0} is not a duration; write a number and its unit, such as \"250ms\" or \"5s\"")]
    Duration(String),
    /// A duration with a part below the millisecond.
    #[error("{0} has a part below the millisecond; write whole milliseconds, such as \"10ms\"")]
    Fraction(String),
    /// Not a whole number.
    #[error("{0} is not a whole number; write decimal digits alone, such as {1}")]
    Integer(String, u64),
    /// Outside the key's range.
    #[error("{seen} is out of range; it may be {min} to {max}: set a value in that range")]
    OutOfRange {
        /// The value that was seen.
        seen: String,
        /// The smallest that is allowed.
        min: String,
        /// The largest that is allowed.
        max: String,
    },
    /// Neither true nor false.
    #[error("{0} is neither true nor false; write one of the two")]
    Boolean(String),
    /// Not an RFC 3339 time.
    #[error("{0} is not a time from 1970 on; write RFC 3339, such as 2025-01-01T00:00:00Z")]
    Time(String),
    /// An epoch with a part below the millisecond, or too late.
    #[error(
        "{0} is not an epoch; it may be 1970 to 2199 in whole milliseconds: write one such as 2025-01-01T00:00:00.000Z"
    )]
    Epoch(String),
    /// Not one of a few words.
    #[error("{seen} is not known; it may be {allowed}: set one of these")]
    Word {
        /// The value that was seen.
        seen: String,
        /// The words that are.
        allowed: &'static str,
    },
    /// Not text.
    #[error("{0} is not text; write a string in quotes")]
    Text(String),
    /// Not a list of texts.
    #[error(
        "{0} is not a list; write one such as [\"127.0.0.1:7001\"], or \"127.0.0.1:7001,unix:/run/shardflake/shardflake.sock\""
    )]
    List(String),
    /// A list without an entry, or with one twice.
    #[error(
        "{0} names nothing, or one address twice; name each address that shall be listened on once"
    )]
    Addresses(String),
    /// An address that another one takes too.
    #[error("{wide} takes {narrow} as well; name one of the two")]
    Covered {
        /// All addresses of the host.
        wide: String,
        /// One of them.
        narrow: String,
    },
    /// Not an address to listen on.
    #[error(
        "{0:?} is not an address to listen on; write an IP address and a port such as \"127.0.0.1:7001\" or \"[::1]:7001\" (\"*:7001\" for all, \"0.0.0.0:7001\" for those of IPv4; without a port, the profile's own), or \"unix:/path\""
    )]
    Address(String),
    /// No port is left after the shard number was added.
    #[error(
        "{address:?} with N = {shard}, the shard number, is not a port; write a port and N that add up to 1 to 65535, or a port without \"+N\""
    )]
    ShardPort {
        /// The address with `+N`.
        address: String,
        /// The first machine ID.
        shard: u32,
    },
    /// Not a path for a Unix socket.
    #[error(
        "{0:?} is not a path for a Unix socket; write an absolute path to a file, of at most 107 bytes, such as \"unix:/run/shardflake/shardflake.sock\""
    )]
    SocketPath(String),
    /// Not an origin, or one that is named twice, or `*` beside others.
    #[error(
        "{0:?} is not an origin of its own; write each once and as browsers do, in lower case and without a slash at the end, such as \"https://example.org\" or \"http://localhost:3000\", or \"*\" alone for all"
    )]
    Origin(String),
    /// Not the mode of a Unix socket.
    #[error(
        "{0} is not the mode of a Unix socket; write up to four octal digits, as text, from \"0000\" to \"0777\", such as \"0660\": whoever may write may connect"
    )]
    Mode(String),
    /// Not a group.
    #[error(
        "{0} is not a group; write its name, such as \"www-data\", its number, or \"-\" for the process's own"
    )]
    Group(String),
    /// Not a bare port.
    #[error("{0:?} is not a port; it may be 1 to 65535 in decimal digits: set one such as 7001")]
    Port(String),
    /// Not an absolute path.
    #[error(
        "{0:?} is not an absolute path; write one that begins with a slash, such as \"/var/lib/shardflake\""
    )]
    RelativePath(String),
    /// A table in the place of a value.
    #[error("a table stands where a value belongs; write {0}")]
    Table(String),
    /// Not a table.
    #[error("{seen} stands where a table belongs; write [{table}] and its keys below")]
    NotATable {
        /// The value that was seen.
        seen: String,
        /// The table's name.
        table: String,
    },
}

/// All problems of a configuration, at least one; written one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
