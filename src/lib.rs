//! Unique 64-bit, time-ordered IDs that never repeat: the small server as a library.
//!
//! From the bottom up; a module imports only from layers below its own.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`id`], [`timestamp`], [`syscall`] | pure: layouts, the generator, text forms; `atomic`, which a model checker replaces |
//! | 1 | [`clock`], [`mark`], [`issuer`] | time, the persisted bound, and issuing, which ties them together |
//! | 2 | [`config`], [`logging`], [`systemd`], [`metrics`], [`json`] | what surrounds a service; the JSON that HTTP and the command line share |
//! | 3 | [`http`] | listeners, routes, replies |
//! | top | [`server`], [`cli`] | wiring, and the command line |
//!
//! One request: `http` → [`issuer::Issuer::try_issue_at`], which swaps one word.
//! One start: `cli` → `config` → [`server::run`] → a [`issuer::Keeper`] that takes the locks,
//! follows [`mark::rules`] and opens the generator. One stop: drain, close, write the exact mark.

mod atomic;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod id;
pub mod issuer;
pub mod json;
pub mod logging;
pub mod mark;
pub mod metrics;
pub mod server;
pub mod syscall;
pub mod systemd;
pub mod timestamp;
