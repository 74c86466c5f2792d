//! Profiles: the systems that this server can stand in for.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use crate::id::Layout;

/// Chooses the layout, the epoch, the bare variables and the shape of the documented replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Sonyflake v1, `SHARD_ID` and `SERVICE_PORT`.
    #[default]
    Sonyflake,
}

/// Profiles that exist on paper, so that a user who sets one hears more than "unknown".
const FUTURE: [&str; 3] = ["snowflake", "snowflake-node", "snowflake-dc"];

/// Bare variables that hold a shard number, or a part of one, in other profiles.
const FOREIGN_NUMBERS: [&str; 4] = ["WORKER_ID", "MACHINE_ID", "DATACENTER_ID", "POD_NAME"];

impl Profile {
    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sonyflake => "sonyflake",
        }
    }

    /// The layout, with the profile's own epoch.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match self {
            Self::Sonyflake => Layout::SONYFLAKE,
        }
    }

    /// The bare variable that holds the shard number.
    #[must_use]
    pub const fn shard_variable(self) -> &'static str {
        match self {
            Self::Sonyflake => "SHARD_ID",
        }
    }

    /// The bare variable that holds the port.
    #[must_use]
    pub const fn port_variable(self) -> &'static str {
        match self {
            Self::Sonyflake => "SERVICE_PORT",
        }
    }

    /// Bare variables of other profiles, each with the one that this profile reads in its place.
    pub(super) fn foreign_variables(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let numbers = FOREIGN_NUMBERS.map(|name| (name, self.shard_variable()));
        let rest = [
            ("PORT", self.port_variable()),
            ("WORKERS", "SHARDFLAKE_HTTP__WORKERS"),
        ];
        numbers.into_iter().chain(rest)
    }
}

impl FromStr for Profile {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "sonyflake" => Ok(Self::Sonyflake),
            known if FUTURE.contains(&known) => Err(ValueError::FutureProfile(known.to_owned())),
            other => Err(ValueError::Word {
                seen: format!("{other:?}"),
                allowed: "\"sonyflake\"",
            }),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
