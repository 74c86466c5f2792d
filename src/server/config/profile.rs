//! Profiles: the systems that this server can stand in for.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use shardflake::id::Layout;

/// A system to stand in for: its layout, epoch, bare variables, port, and the shape of its documented
/// replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Sonyflake v1, `SHARD_ID` and `SERVICE_PORT`.
    #[default]
    Sonyflake,
    /// Snowflake with 1024 workers, `WORKER_ID` and `WORKERS`.
    Snowflake,
    /// Snowflake with 1024 machines, `MACHINE_ID` and `PORT`.
    SnowflakeNode,
    /// Snowflake with 32 datacenters of 32 machines, `DATACENTER_ID`, `MACHINE_ID` and `PORT`.
    SnowflakeDc,
}

/// Where a profile's shard number comes from in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// One variable holds it.
    Plain(&'static str),
    /// The first holds it, or the ordinal at the end of the second, which names a pod.
    OrOrdinal(&'static str, &'static str),
    /// The first holds the datacenter, the second the machine.
    Pair(&'static str, &'static str),
}

/// The setting that a bare variable stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Number,
    Port,
    Workers,
}

/// Every bare variable of any profile.
const BARE: [(&str, Role); 8] = [
    ("SHARD_ID", Role::Number),
    ("WORKER_ID", Role::Number),
    ("POD_NAME", Role::Number),
    ("MACHINE_ID", Role::Number),
    ("DATACENTER_ID", Role::Number),
    ("SERVICE_PORT", Role::Port),
    ("PORT", Role::Port),
    ("WORKERS", Role::Workers),
];

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [
        Self::Sonyflake,
        Self::Snowflake,
        Self::SnowflakeNode,
        Self::SnowflakeDc,
    ];

    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sonyflake => "sonyflake",
            Self::Snowflake => "snowflake",
            Self::SnowflakeNode => "snowflake-node",
            Self::SnowflakeDc => "snowflake-dc",
        }
    }

    /// The layout, with the profile's own epoch.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::Sonyflake => Layout::SONYFLAKE,
            Self::Snowflake => Layout::SNOWFLAKE,
            Self::SnowflakeNode => Layout::SNOWFLAKE_NODE,
            Self::SnowflakeDc => Layout::SNOWFLAKE_DC,
        }
    }

    /// The port that is listened on where no address is configured.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Sonyflake => 7001,
            Self::Snowflake | Self::SnowflakeNode | Self::SnowflakeDc => 8080,
        }
    }

    /// Where the shard number comes from.
    pub(super) const fn number(self) -> Number {
        match self {
            Self::Sonyflake => Number::Plain("SHARD_ID"),
            Self::Snowflake => Number::OrOrdinal("WORKER_ID", "POD_NAME"),
            Self::SnowflakeNode => Number::Plain("MACHINE_ID"),
            Self::SnowflakeDc => Number::Pair("DATACENTER_ID", "MACHINE_ID"),
        }
    }

    /// The bare variable that holds the port.
    pub(super) const fn port_variable(self) -> Option<&'static str> {
        match self {
            Self::Sonyflake => Some("SERVICE_PORT"),
            Self::Snowflake => None,
            Self::SnowflakeNode | Self::SnowflakeDc => Some("PORT"),
        }
    }

    /// The bare variable that holds the number of threads.
    pub(super) const fn workers_variable(self) -> Option<&'static str> {
        match self {
            Self::Snowflake => Some("WORKERS"),
            _ => None,
        }
    }

    /// The variable that this profile reads for `role`.
    pub(super) const fn reads(self, role: Role) -> &'static str {
        let own = match role {
            Role::Number => return self.number().name(),
            Role::Port => self.port_variable(),
            Role::Workers => self.workers_variable(),
        };
        match (own, role) {
            (Some(own), _) => own,
            (None, Role::Workers) => "SHARDFLAKE_HTTP__WORKERS",
            (None, _) => "SHARDFLAKE_HTTP__LISTEN",
        }
    }

    /// Bare variables that only other profiles read.
    pub(super) fn foreign_variables(self) -> impl Iterator<Item = (&'static str, Role)> {
        BARE.into_iter().filter(move |(name, role)| match role {
            Role::Number => !self.number().reads(name),
            Role::Port => self.port_variable() != Some(*name),
            Role::Workers => self.workers_variable() != Some(*name),
        })
    }
}

impl Number {
    /// The names of the variables that set it, for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain(name) | Self::OrOrdinal(name, _) => name,
            Self::Pair(..) => "DATACENTER_ID and MACHINE_ID",
        }
    }

    /// How to set it, as an example.
    pub(super) fn example(self) -> String {
        match self {
            Self::Plain(name) | Self::OrOrdinal(name, _) => format!("{name}=1"),
            Self::Pair(upper, lower) => format!("{upper}=0 and {lower}=1"),
        }
    }

    fn reads(self, variable: &str) -> bool {
        match self {
            Self::Plain(name) => name == variable,
            Self::OrOrdinal(first, second) | Self::Pair(first, second) => {
                first == variable || second == variable
            }
        }
    }
}

impl FromStr for Profile {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| ValueError::Word {
                seen: format!("{text:?}"),
                allowed: "\"sonyflake\", \"snowflake\", \"snowflake-node\" or \"snowflake-dc\"",
            })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
