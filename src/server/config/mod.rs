//! Configuration: read once, checked completely, and then only passed along.
//!
//! Defaults lie below the file, the file below the environment, the environment below the flags.
//! The environment's bare variables (`SHARD_ID`, `SERVICE_PORT`) stand just below those with the
//! prefix. All problems are reported together, each with its key, value, origin and remedy.

mod bare;
pub mod environment;
pub mod error;
mod file;
mod flags;
pub mod keys;
mod layers;
mod layout;
pub mod listen;
mod load;
mod origin;
pub mod profile;
mod reader;
pub mod reload;
pub mod value;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use shardflake::id::Layout;
use shardflake::issuer::Settings;

pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors, ValueError};
pub use flags::Flags;
pub use listen::Listen;
pub use profile::Profile;
pub use reload::{Change, Difference, reload_difference};

/// All that a server needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which system this server stands in for.
    pub profile: Profile,
    /// The shard: the profile's layout with the configured bits, tick and epoch; the machine IDs that this
    /// server owns, which fit it; and the times that its mark depends on.
    ///
    /// `deadline` is 1 ms to 10 s. `window` is 100 ms to 1 min, and at least twice the deadline. `max_ahead`
    /// is 200 ms to 10 min, and at least twice the window, and in ticks of the layout more than it.
    pub shard: Settings,
    /// `[http]`, but for the deadline.
    pub http: Http,
    /// `[state]` and `[clock]`, but for the times.
    pub state: State,
    /// `log.level`.
    pub log_level: LevelFilter,
    /// Things that the operator should hear of, though nothing is wrong.
    pub warnings: Vec<String>,
    /// Where the values come from.
    pub sources: Sources,
}

/// Where and how requests are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Addresses to listen on, at least one.
    pub listen: Vec<Listen>,
    /// Who may connect to Unix sockets that this server makes: permissions, 0 to 0o777.
    pub socket_mode: u32,
    /// The group that these sockets get, by name or number, if not the process's own.
    pub socket_group: Option<String>,
    /// Threads that serve requests, 1 to 1024.
    pub workers: usize,
    /// The longest silence on a connection between requests, 1 s to 1 h.
    pub idle_timeout: Duration,
    /// The longest that a request's head may take, 1 s to 1 h.
    pub head_timeout: Duration,
    /// How old a connection may be, 0 s to 7 days; 0 s for any age.
    pub connection_age: Duration,
    /// The largest request head in bytes, 8,192 to 1,048,576.
    pub header_bytes: usize,
    /// The largest request body in bytes, 0 to 1,048,576.
    pub body_bytes: usize,
    /// The most connections at a time, 1 to 1,048,576.
    pub connections: usize,
    /// The most long replies with many IDs at a time, 1 to 1024.
    pub bulk_replies: usize,
    /// Origins whose pages may read replies, or `*` alone; none if CORS is off.
    pub cors: Vec<String>,
    /// How long all requests are still served at shutdown, before the drain, 0 s to 5 min.
    pub lame_duck: Duration,
    /// The longest wait for open requests at shutdown, 0 s to 5 min.
    pub drain: Duration,
}

/// What outlives the process, and what a start asks of it and of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the marks and the lock lie; absolute.
    pub dir: PathBuf,
    /// Whether a missing mark may be made.
    pub create: bool,
    /// Whether the directory may lie on a network or FUSE file system.
    pub allow_network_fs: bool,
    /// Whether a start waits until the kernel calls the clock synchronised.
    pub require_sync: bool,
    /// Where the bounds may be kept a second time while the machine is up, the best place first.
    pub runtime: Vec<PathBuf>,
}

/// Where a configuration comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The configuration file, if one was read.
    pub file: Option<PathBuf>,
    /// Every key's value, in the order of [`keys::KEYS`].
    pub settings: Vec<Setting>,
}

/// The value of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// Its value as text.
    pub value: String,
    /// The file, environment variable or flag that set it, or `default`.
    pub origin: String,
}

impl Setting {
    /// Whether nobody has set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.origin == layers::DEFAULT
    }

    /// Whether it is the default of the program or of the profile.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_default() || self.origin == layers::PROFILE
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} (from {})", self.key, self.value, self.origin)
    }
}

/// The configuration for the `state` commands. A shard number may be missing: `state show` shows all
/// marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// The profile's layout, with the configured bits, tick and epoch.
    pub layout: Layout,
    /// The shard, or what to say where it is needed, if no shard number is set.
    pub shard: Result<Settings, Box<ConfigError>>,
    /// `[state]` and `[clock]`, but for the times.
    pub state: State,
    /// Things that the operator should hear of.
    pub warnings: Vec<String>,
    /// Where the values come from.
    pub sources: Sources,
}

/// The configuration for the commands that only calculate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calculation {
    /// The profile's layout, with the configured bits, tick and epoch.
    pub layout: Layout,
    /// Things that the operator should hear of.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests;
