//! The small server as a library: IDs over HTTP, for systemd and LXC. IDs are kept unique by
//! [`shardflake`].
//!
//! From the bottom up; a module imports only from layers below its own.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`config`], [`logging`], [`systemd`], [`metrics`], [`json`] | what surrounds a service; the JSON that HTTP and the command line share |
//! | 1 | [`http`] | listeners, routes, replies |
//! | top | [`daemon`], [`cli`] | wiring, and the command line |
//!
//! One request: `http` → [`shardflake::issuer::Issuer::try_issue_at`], which moves one word on.
//! One start: `cli` → `config` → [`daemon::run`] → a [`shardflake::issuer::Keeper`]. One stop: drain, close,
//! write the exact mark.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod http;
pub mod json;
pub mod logging;
pub mod metrics;
pub mod systemd;
