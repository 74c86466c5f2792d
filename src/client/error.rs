//! Why a call gets no ID.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;

/// Why a call gets no ID.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server gave one in time.
    #[error("no ID came within {deadline:?}; {}", listed(servers))]
    Deadline {
        /// How long the call waited.
        deadline: Duration,
        /// Every server, and what was wrong with it.
        servers: Vec<Wrong>,
    },
    /// The client was built by another process, of which this is a forked child.
    #[error("the client was built before this process was forked; build one after the fork")]
    Forked,
}

/// A server, and what was wrong when it was asked last.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The server.
    pub server: Server,
    /// None if it gave IDs, or was not asked yet.
    pub trouble: Option<Trouble>,
}

/// What was wrong with a server.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// There was no connection.
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    /// The connection broke, or no whole reply came within [`crate::Builder::attempt`].
    #[error("no whole reply: {0}")]
    Broken(Arc<io::Error>),
    /// It answered with another status than 200.
    #[error("status {status}{}: {message}", told(code.as_deref()))]
    Refused {
        /// The status of the reply, such as 503.
        status: u16,
        /// The server's word for the reason, such as `draining`; none of a proxy, and in some profiles.
        code: Option<String>,
        /// The server's sentence about it.
        message: String,
        /// When it asks to come back, in whole seconds.
        retry_after: Option<Duration>,
    },
    /// It answered with what is no description of the IDs that were asked for.
    #[error("not a reply to /ranges: {0}")]
    Unreadable(String),
}

impl Trouble {
    /// The server's code, such as `draining`, `fresh_mark` or `too_many_bulk_replies`, if it gave one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trouble {
            Some(trouble) => write!(f, "{}: {trouble}", self.server),
            None => write!(f, "{}: nothing wrong seen", self.server),
        }
    }
}

fn listed(servers: &[Wrong]) -> String {
    let lines: Vec<_> = servers.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

fn told(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_servers_and_reasons() {
        let refused = Trouble::Refused {
            status: 503,
            code: Some("draining".to_owned()),
            message: "the shard is shutting down".to_owned(),
            retry_after: None,
        };
        assert_eq!(refused.code(), Some("draining"));
        let trouble = |text: &str, trouble| {
            text.parse()
                .map(|server| Wrong { server, trouble })
                .unwrap()
        };
        let error = Error::Deadline {
            deadline: Duration::from_secs(5),
            servers: vec![trouble("a:1", Some(refused)), trouble("/b", None)],
        };
        assert_eq!(
            error.to_string(),
            "no ID came within 5s; a:1: status 503 (draining): the shard is shutting down; unix:/b: nothing wrong seen"
        );
    }
}
