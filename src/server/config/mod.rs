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
use std::time::{Duration, SystemTime};

use log::LevelFilter;

use shardflake::id::{Layout, MachineRange};

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
    /// The profile's layout, with the configured bits, tick and epoch.
    pub layout: Layout,
    /// The machine IDs that this server owns; they fit the layout.
    pub shard: MachineRange,
    /// `[http]`.
    pub http: Http,
    /// `[state]`.
    pub state: State,
    /// `[clock]`.
    pub clock: Clock,
    /// `log.level`.
    pub log_level: LevelFilter,
    /// `--continue-ahead`: issue ahead of the clock until then.
    pub continue_ahead: Option<SystemTime>,
    /// Things that the operator should hear of, though nothing is wrong.
    pub warnings: Vec<String>,
    /// Where the values come from.
    pub sources: Sources,
}

/// `[http]`: where and how requests are taken.
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
    /// The longest that a request waits for its tick, 1 ms to 10 s.
    pub deadline: Duration,
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

/// `[state]`: what outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the marks and the lock lie; absolute.
    pub dir: PathBuf,
    /// How far ahead of use the mark is kept, 100 ms to 1 min and at least twice the deadline.
    pub window: Duration,
    /// Whether a missing mark may be made.
    pub create: bool,
    /// Whether the directory may lie on a network or FUSE file system.
    pub allow_network_fs: bool,
    /// Where the bounds may be kept a second time while the machine is up, the best place first.
    pub runtime: Vec<PathBuf>,
}

/// `[clock]`: how far IDs may be ahead of it, and whether it has to be synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The largest lead over the clock at which IDs are issued, 200 ms to 10 min and at least
    /// twice the window, and in ticks of the layout more than it.
    pub max_ahead: Duration,
    /// Whether a start waits until the kernel calls the clock synchronised.
    pub require_sync: bool,
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
    /// The machine IDs, or what to say where they are needed, if no shard number is set.
    pub shard: Result<MachineRange, Box<ConfigError>>,
    /// `[state]`.
    pub state: State,
    /// `[clock]`.
    pub clock: Clock,
    /// `http.deadline`, which a new mark's wait depends on.
    pub deadline: Duration,
    /// Things that the operator should hear of.
    pub warnings: Vec<String>,
    /// Where the values come from.
    pub sources: Sources,
}

impl From<&Config> for Upkeep {
    /// The part of a server's configuration that its state depends on.
    fn from(config: &Config) -> Self {
        Self {
            layout: config.layout,
            shard: Ok(config.shard),
            state: config.state.clone(),
            clock: config.clock,
            deadline: config.http.deadline,
            warnings: Vec::new(),
            sources: config.sources.clone(),
        }
    }
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
