//! Unique 64-bit, time-ordered IDs that never repeat: what keeps the promise.
//!
//! From the bottom up; a module imports only from layers below its own.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`id`], [`timestamp`], [`syscall`] | pure: layouts, the generator, text forms; `atomic`, which a model checker replaces |
//! | 1 | [`clock`], [`mark`], [`issuer`] | time, the persisted bound, and issuing, which ties them together |
//!
//! One ID: [`issuer::Issuer::try_issue_at`], which swaps one word. One start: an [`issuer::Keeper`] takes
//! the locks, follows [`mark::rules`] and opens the generator. One stop: it closes the generator and writes
//! the exact mark.

mod atomic;
pub mod clock;
pub mod id;
pub mod issuer;
pub mod mark;
pub mod syscall;
pub mod timestamp;
