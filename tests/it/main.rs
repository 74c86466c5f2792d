//! The real binary over real sockets, files, locks and clocks; and the shape of its source.

mod addresses;
mod client;
mod clock;
mod connections;
mod deps;
mod docs;
mod faketime;
mod faults;
mod health;
mod kinds;
mod layers;
mod life;
mod logs;
mod migration;
mod moments;
mod paths;
mod profiles;
mod protocol;
mod refusals;
mod server;
mod service;
mod state;
mod terminal;
mod threads;
mod units;

use std::path::Path;

/// Where the repository is.
fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
