//! Unique 64-bit, time-ordered IDs that never repeat: what keeps the promise.
//!
//! From the bottom up; a module imports only from layers below its own.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`id`], [`timestamp`], [`syscall`] | pure: layouts, the generator, text forms; `atomic`, which a model checker replaces |
//! | 1 | [`clock`], [`mark`], [`issuer`] | time, the persisted bound, and issuing, which ties them together |
//! | 2 | [`shard`] | the door: how a shard is opened, used and closed |
//!
//! One ID: [`issuer::Issuer::try_issue_at`], which swaps one word. One start: [`shard::Shard::open`] has an
//! [`issuer::Keeper`] take the locks, follow [`mark::rules`] and open the generator. One stop: it closes the
//! generator and writes the exact mark.

mod atomic;
pub mod clock;
pub mod id;
pub mod issuer;
pub mod mark;
pub mod shard;
pub mod syscall;
pub mod timestamp;
