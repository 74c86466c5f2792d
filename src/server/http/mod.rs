//! The HTTP server: listeners, the routes, and the answers in their forms.
//!
//! A request takes no lock, and one allocation for its answer's body.

mod activity;
mod bind;
mod body;
mod connection;
mod context;
mod cork;
mod cors;
mod endpoint;
mod error;
mod head;
mod host;
mod idle;
mod line;
mod listener;
mod memory;
mod negotiation;
mod profile;
mod response;
mod router;
mod routes;
mod seat;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use crate::config::Profile;
use crate::metrics;
use profile::Replies;
use shardflake::issuer::{Health, Refusal, SystemIssuer};

pub use bind::{Address, BindError, SocketFile, bind_all, bind_tcp, bind_unix, connect_unix};
pub use cors::Cors;
pub use endpoint::MOST as MOST_IDS;
pub use listener::{Listener, run};

/// The limits for one connection, and for all connections together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// How long a client may take to send a request's head, from its first byte on.
    pub head_timeout: Duration,
    /// How old a connection may be, give or take a tenth, before an answer on it is its last; zero for
    /// any age.
    pub connection_age: Duration,
    /// The longest request line with its headers, in bytes.
    pub header_bytes: usize,
    /// The longest request body, in bytes. Bodies are read and discarded.
    pub body_bytes: usize,
    /// The most connections that are open at a time; more wait to be accepted.
    pub connections: usize,
    /// The most long replies with many IDs at a time; more wait for the deadline, and are refused with 429
    /// then. It stays as it is for as long as the [`App`] lives.
    pub bulk_replies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(75),
            head_timeout: Duration::from_secs(30),
            connection_age: Duration::ZERO,
            header_bytes: 8 * 1024,
            body_bytes: 4 * 1024,
            connections: 16_384,
            bulk_replies: 4,
        }
    }
}

impl Limits {
    /// The longest wait for a client within a request: for its body, or for it to take more of the reply.
    fn stall(&self) -> Duration {
        self.idle_timeout.min(self.head_timeout)
    }
}

/// The state that all connections share.
pub struct App {
    issuer: Arc<SystemIssuer>,
    replies: &'static Replies,
    cors: Cors,
    metrics: metrics::Http,
    limits: RwLock<Limits>,
    /// Places for long replies with many IDs.
    bulk: Arc<Semaphore>,
    /// Told when there may be room for another connection.
    room: Notify,
    /// The runtime whose timers say when a connection has been idle for too long. Not the one that serves:
    /// a single timer makes each of its waits for the network cost more.
    timers: Handle,
    slack: memory::Slack,
    leaving: AtomicBool,
}

impl App {
    /// A server of `issuer`'s IDs with the replies of `profile`; to be handed to [`run`]. The runtime
    /// of `timers` has to live for as long as any connection.
    #[must_use]
    pub fn new(
        issuer: Arc<SystemIssuer>,
        profile: Profile,
        limits: Limits,
        timers: Handle,
    ) -> Self {
        Self {
            issuer,
            replies: Replies::of(profile),
            cors: Cors::default(),
            metrics: metrics::Http::new(routes::labels()),
            limits: RwLock::new(limits),
            bulk: Arc::new(Semaphore::new(limits.bulk_replies)),
            room: Notify::new(),
            timers,
            slack: memory::Slack::default(),
            leaving: AtomicBool::new(false),
        }
    }

    /// This server with replies that pages of other origins may read.
    #[must_use]
    pub fn with_cors(self, cors: Cors) -> Self {
        Self { cors, ..self }
    }

    /// The limits for connections that are accepted from now on.
    #[must_use]
    pub fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the limits for connections that are accepted from now on; open ones keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        let mut current = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        *current = Limits {
            bulk_replies: current.bulk_replies,
            ..limits
        };
        drop(current);
        self.room.notify_one();
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.metrics.connections()
    }

    /// From now on `/health` and `/readyz` send clients elsewhere, and each answer is its connection's
    /// last. All else is served as before.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// How the shard stands; a server that is about to stop is no longer ready.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut health = self.issuer.health();
        if self.is_leaving() {
            health.state = "draining";
            health.refusal = Some(Refusal::Draining);
        }
        health
    }

    #[inline]
    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    fn issuer(&self) -> &SystemIssuer {
        &self.issuer
    }
}
