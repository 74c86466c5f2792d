//! Unique IDs from shardflake servers, fetched ahead and handed out at the speed of memory.
//!
//! ```no_run
//! let client = shardflake_client::Client::new(["10.0.0.1:7001", "10.0.0.2:7001"])?;
//! let id: u64 = client.id()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One [`Client`] serves all threads of a process. A thread of its own asks a server for ranges of IDs
//! (`/ranges`) and keeps two buffers: when the first is used up, and [`Builder::buffer`] IDs are left, it asks
//! for more. A range is handed out from its description, so that a buffer takes the same memory however
//! many IDs are in it.
//!
//! # What is promised
//!
//! - **No ID comes twice**, as long as the servers keep their promise. IDs that are fetched and not handed
//!   out are lost.
//! - **No call waits while the buffer holds an ID**, however slow a server is.
//! - **IDs are young.** One that was fetched longer than [`Builder::max_age`] ago (1 s) is dropped. The age
//!   counts from before the request was sent, by the monotonic clock, which nobody can set, and each call looks
//!   at it. It stands still between two ticks of the kernel's timer, for 10 ms at most, and so IDs are dropped up to
//!   20 ms before their time. Time in which the machine is suspended does not count, nor that for which the host
//!   of a virtual machine holds back its timer.
//! - **Another server takes over within the call** when one dies, hangs, drains (`Connection: close`, or 503
//!   with `draining`) or refuses (any other status; after `Retry-After` it is asked again). A call fails only
//!   when its deadline passes, and the error names each server and what was wrong with it.
//! - **Back-pressure, not errors**: calls that find the buffer empty wait in the order of their coming, and
//!   the next request asks for as many IDs more as calls are waiting.
//!
//! # Order
//!
//! As long as IDs come from consecutive ranges of one server, a call that begins after another one returned
//! gets a larger ID, on whatever thread. When the client moves to another server, order holds only within
//! the IDs of each server: those of the new one may be smaller than those handed out before, by how much the
//! servers' clocks differ and how far IDs were fetched ahead. An address behind which a balancer has several
//! servers counts as several. IDs that are dropped for their age leave gaps and change nothing about order.
//!
//! # What it costs to be idle
//!
//! A client that is used at least once in half of the maximum age asks for new IDs that often, and drops
//! those that it had: up to four times the buffer in each maximum age, 400 IDs a second by default. One that
//! nobody uses asks for nothing; its next call waits for one reply.
//!
//! # Fork
//!
//! The thread of a client does not live on in a forked child, and what is in the buffer is the parent's to hand
//! out. So the child gets no ID of it: calls fail with [`Error::Forked`], and [`Client::try_id`] gives none. Build
//! the client after the fork. (Before Linux 4.14 forks are not seen.)
//!
//! # Why no HTTP library
//!
//! The exchange is one request without a body and one reply, on one connection, by one thread: a blocking
//! socket and `httparse` do it. With hyper's client there would be 40 crates beside this one instead of 22,
//! and a runtime. TLS is not spoken: where it is needed, put a proxy on each side.

mod builder;
mod client;
mod counter;
mod error;
mod exchange;
mod range;
mod refiller;
mod roster;
mod server;
mod stock;
mod stream;
mod time;

pub use builder::{Builder, Unbuildable};
pub use client::Client;
pub use error::{Error, Trouble, Wrong};
pub use server::{NoServer, Server};
