//! Unique 64-bit, time-ordered IDs that never repeat: what keeps the promise.
//!
//! From the bottom up; a module imports only from layers below its own, but for `issuer`, which ties those
//! beside it together, and [`id`] and [`timestamp`], which use [`time`], and [`wide`], which writes base32 as [`id`]
//! does.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`id`], [`wide`], [`time`], [`timestamp`], `syscall` | layouts, the generator, 128-bit identifiers, kinds of time, text forms, the few system calls that need unsafe code; `atomic`, which a model checker replaces |
//! | 1 | `clock`, `mark`, `random`, `issuer` | time, the persisted bound, random bits, and issuing, which ties them together |
//! | 2 | `shard` | the entry: how a shard is opened, used and closed |
//!
//! How one ID, one start and one stop go through them stands at the top of `shard`.
//!
//! # IDs in process
//!
//! ```no_run
//! # #[cfg(feature = "shard")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use shardflake::shard::{MachineId, Options, Shard};
//!
//! let shard = Shard::open(Options::new("/var/lib/orders", MachineId::any_of(0..=63)))?;
//! shard.await_ready(Duration::from_secs(10))?;
//! println!("{}", shard.id()?);
//! shard.close()?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "shard"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `shard`, on by default | the modules `clock`, `mark`, `random`, `issuer`, `shard` and `syscall` |
//! | `async` | IDs that a task waits for, in a Tokio runtime; `shard` with it |
//! | `serde` | IDs, UUIDs and ULIDs are serialised as texts; an ID as a number by `#[serde(with = "shardflake::as_number")]` |
//! | `postgres-types` | IDs as BIGINT, UUIDs and ULIDs as UUID, in statements of `postgres` and `tokio-postgres` |
//!
//! Without any there are layouts, the generator and the text forms of IDs: enough to read IDs, and little
//! to build.
//!
//! # Words
//!
//! Each has one meaning, here and in the server.
//!
//! | word | meaning |
//! |---|---|
//! | ID | 63 bits in a `u64`: a tick, a sequence number and a machine ID, in the order that the layout says |
//! | layout | how many bits of an ID are for what, how long a tick is, and when ticks began to be counted |
//! | epoch | the moment at which tick 0 began |
//! | tick | a span of time, 10 ms by default, and its number since the epoch |
//! | sequence | the number of an ID among those of its tick and machine ID |
//! | machine ID | the bits of an ID that no other running server has |
//! | range | machine IDs next to each other that one shard owns, often a single one |
//! | shard | the running owner of a range |
//! | mark | the file `RANGE.mark`, which says how far IDs of a range may have been issued; the high-water mark |
//! | stamp | what makes a UUIDv7 or a ULID unique: a millisecond, its counter, and a machine ID |
//! | slot | one of the two copies in a mark; a torn write leaves the other |
//! | bound | the last tick of which IDs may be issued. It is in the mark before it is used; only the exact mark at a clean end is lower |
//! | window | how far ahead of use the bound is kept |
//! | floor | the file `RANGE.floor`: a tick below which no mark of the range begins, whatever became of the mark |
//! | witness | a note of the bound outside the state directory, which a restored directory does not take back |
//! | generator | one word of memory that all IDs of a shard are taken from |
//! | issuer | the generator with the clock, the bound and the reasons for refusing |
//! | keeper | the thread that holds the locks and raises the bound |
//! | wall clock | the time since 1970, which may be set |
//! | boot clock | the time since boot, which only runs on |
//! | pace | the time by which ticks begin while IDs are ahead of the wall clock |

mod atomic;
#[cfg(feature = "shard")]
pub mod clock;
pub mod id;
#[cfg(feature = "shard")]
pub mod issuer;
#[cfg(feature = "shard")]
pub mod mark;
#[cfg(feature = "postgres-types")]
mod postgres;
#[cfg(feature = "shard")]
pub mod random;
#[cfg(feature = "serde")]
mod serialised;
#[cfg(feature = "shard")]
pub mod shard;
#[cfg(feature = "shard")]
pub mod syscall;
pub mod time;
pub mod timestamp;
pub mod wide;

#[cfg(feature = "serde")]
pub use serialised::as_number;
