//! The HTTP server: listeners, the routes, and the answers in their forms.
//!
//! A request takes no lock, and one allocation for its answer's body.

mod bind;
mod connection;
mod endpoint;
mod error;
mod listener;
mod negotiation;
mod response;
mod router;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::issuer::SystemIssuer;
use crate::metrics;

pub use bind::{Address, BindError, SocketFile, bind_tcp, bind_unix};
pub use listener::{Listener, run};

/// The profile whose replies the routes give.
const PROFILE: &str = "sonyflake";

/// What one client, and all clients together, may ask of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a client may take to send a request's head or its body, and how long a
    /// connection may be idle.
    pub idle_timeout: Duration,
    /// The longest request line with its headers, in bytes.
    pub header_bytes: usize,
    /// The longest request body, in bytes. Bodies are read and discarded.
    pub body_bytes: usize,
    /// The most connections that are open at a time; more wait to be accepted.
    pub connections: usize,
    /// How long open connections have to finish when the server stops. Whoever awaits
    /// [`run`] sees to this one.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(30),
            header_bytes: 8 * 1024,
            body_bytes: 4 * 1024,
            connections: 16_384,
            drain: Duration::from_secs(5),
        }
    }
}

/// What all connections share.
pub struct App {
    issuer: Arc<SystemIssuer>,
    metrics: metrics::Http,
    limits: RwLock<Limits>,
    /// Told when there may be room for another connection.
    room: Notify,
}

impl App {
    /// A server of `issuer`'s IDs; to be handed to [`run`].
    #[must_use]
    pub fn new(issuer: Arc<SystemIssuer>, limits: Limits) -> Self {
        Self {
            issuer,
            metrics: metrics::Http::default(),
            limits: RwLock::new(limits),
            room: Notify::new(),
        }
    }

    /// The limits for connections that are accepted from now on.
    #[must_use]
    pub fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the limits for connections that are accepted from now on; open ones keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        self.room.notify_one();
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.metrics.connections()
    }

    fn issuer(&self) -> &SystemIssuer {
        &self.issuer
    }
}
