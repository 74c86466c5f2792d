//! Exit codes: the one place that turns an outcome into a number.
//!
//! | code | meaning | systemd |
//! |---|---|---|
//! | 0 | done, or stopped as asked | – |
//! | 64 | the command line, or an ID or time on it, is wrong | does not restart |
//! | 69 | `health`, `generate`: the server may not issue, or cannot be reached | – |
//! | 70 | a bug in this program | restarts |
//! | 74 | input or output failed; at shutdown: the exact mark could not be written | restarts |
//! | 75 | for now only: a lock or an address is in use, an address is not there yet, no room, files or memory left; `generate --local`: no ID for now | restarts |
//! | 78 | the configuration, or state that an operator must decide on | does not restart |

use std::io;
use std::panic::{self, UnwindSafe};
use std::process::ExitCode;
use std::time::Duration;

use super::state;
use crate::config::ConfigErrors;
use crate::daemon::ServerError;
use shardflake::mark::{DirectoryError, MarkError};
use shardflake::shard::IdError;
use shardflake::timestamp::span;

/// How a run ended, as in `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or stopped as asked.
    Ok = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The server may not issue, or cannot be reached.
    Unavailable = 69,
    /// A bug.
    Bug = 70,
    /// Input or output failed; at shutdown, the exact mark could not be written.
    Io = 74,
    /// For now only: another process holds the lock, or there is no room for the state directory.
    TryAgain = 75,
    /// Configuration, or state that an operator must decide on.
    Config = 78,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command line, or an ID or time on it, is wrong.
    #[error("{0}")]
    Usage(String),
    /// The configuration has problems.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A state command was refused.
    #[error(transparent)]
    State(#[from] state::Error),
    /// A shard that was opened for this command cannot start, or did not come to a clean end.
    #[error(transparent)]
    Server(Box<ServerError>),
    /// The shard gives no ID for now.
    #[error("{0}; try again later")]
    NoId(Box<IdError>),
    /// A server answers, and does not give what was asked for.
    #[error("the server answers {status}: {error}")]
    Declined {
        /// The status code.
        status: u16,
        /// What it says.
        error: String,
    },
    /// No server answers.
    #[error(
        "no server answers at {address}: {source}; check that it runs with the same configuration"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// A server listens there, and accepts no connection.
    #[error(
        "the queue of connections at {address} is full, and its server accepts none: look at its log, or restart it"
    )]
    Crowded {
        /// Where it listens.
        address: String,
    },
    /// A server took the connection, and does not answer.
    #[error("the server at {address} did not answer within {}: look at its log, or restart it", span(*patience))]
    Silent {
        /// Where it listens.
        address: String,
        /// How long it had.
        patience: Duration,
    },
    /// Reading or writing a stream failed.
    #[error("input or output failed: {0}; check where the output goes")]
    Io(#[from] io::Error),
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<IdError> for Failure {
    fn from(error: IdError) -> Self {
        Self::NoId(Box::new(error))
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(Box::new(error))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Usage(_) => Self::Usage,
            Failure::Unreachable { .. }
            | Failure::Crowded { .. }
            | Failure::Silent { .. }
            | Failure::Declined { .. } => Self::Unavailable,
            Failure::Server(error) => Self::from(&**error),
            Failure::NoId(_) => Self::TryAgain,
            Failure::Config(_) => Self::Config,
            Failure::State(error) => Self::from(error),
            Failure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::Ok,
            Failure::Io(_) => Self::Io,
        }
    }
}

impl From<&MarkError> for Exit {
    fn from(error: &MarkError) -> Self {
        match error {
            MarkError::Held { .. } | MarkError::Busy { .. } => Self::TryAgain,
            error if error.is_short() => Self::TryAgain,
            _ => Self::Config,
        }
    }
}

impl From<&DirectoryError> for Exit {
    fn from(error: &DirectoryError) -> Self {
        match error {
            // Room may come without anybody touching this service.
            DirectoryError::Full { .. } | DirectoryError::Short { .. } => Self::TryAgain,
            _ => Self::Config,
        }
    }
}

impl From<&state::Error> for Exit {
    fn from(error: &state::Error) -> Self {
        match error {
            state::Error::NoShard(_)
            | state::Error::NothingToAdopt { .. }
            | state::Error::Clock(_) => Self::Config,
            state::Error::Directory(error) => error.into(),
            state::Error::Mark(error) => error.into(),
            state::Error::Past { .. }
            | state::Error::TooFar { .. }
            | state::Error::Ahead { .. } => Self::Usage,
        }
    }
}

impl From<&ServerError> for Exit {
    fn from(error: &ServerError) -> Self {
        match error {
            ServerError::Start(error) => error.into(),
            ServerError::Finish(_) => Self::Io,
            ServerError::Bind(error) if error.may_pass() => Self::TryAgain,
            ServerError::System(_) => Self::TryAgain,
            ServerError::Directory(error) => error.into(),
            ServerError::Bind(_) | ServerError::Socket(_) => Self::Config,
            ServerError::Bug => Self::Bug,
        }
    }
}

impl Failure {
    /// Whether nothing is to be said: the reader of the output has left, as `head` does.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        Exit::from(self) == Exit::Ok
    }
}

/// Runs `body`; a panic, whose message the panic hook has printed, is a bug.
pub(super) fn guarded(body: impl FnOnce() -> Exit + UnwindSafe) -> Exit {
    panic::catch_unwind(body).unwrap_or(Exit::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_code() {
        let io = |kind| Failure::Io(io::Error::from(kind));
        for (failure, code) in [
            (Failure::Usage(String::new()), 64),
            (Failure::Config(ConfigErrors(Vec::new())), 78),
            (io(io::ErrorKind::StorageFull), 74),
            (io(io::ErrorKind::BrokenPipe), 0),
        ] {
            assert_eq!(Exit::from(&failure).code(), code, "{failure:?}");
            assert_eq!(failure.is_silent(), code == 0);
        }
        assert_eq!((Exit::TryAgain.code(), Exit::Bug.code()), (75, 70));
    }

    #[test]
    fn a_panic_is_a_bug() {
        assert_eq!(guarded(|| panic!("on purpose")), Exit::Bug);
        assert_eq!(guarded(|| Exit::Usage), Exit::Usage);
    }
}
