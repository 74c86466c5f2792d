//! The real binary over real sockets, files, locks and clocks.

mod clock;
mod faults;
mod life;
mod refusals;
mod server;
mod service;
