//! The persisted high-water mark: a bound on the IDs that may have been issued, durable before they are.
//!
//! A state directory holds a lock file and one mark for each range of machine IDs. A [`Claim`] locks
//! a range, [`rules::decide`] says what its marks allow, and a [`Record`] raises the bound ahead of use.
//!
//! Invariants, each with a test:
//! - a bound is published only when both slots hold it durably;
//! - a failed write or flush is never taken for success, and the slot it failed on is the only one
//!   that is written until it succeeds;
//! - marks never overlap, and one is removed only after those that take its place are durable.

mod accept_clock;
mod changes;
mod claim;
mod directory;
mod floor;
mod operator;
mod record;
pub mod rules;
pub mod slot;
pub mod storage;
mod survey;
mod witness;
mod write;

use std::io;

use nix::errno::Errno;

pub use accept_clock::{ACCEPT_CLOCK, AcceptError, accept_until, accepted_until};
pub use claim::Claim;
pub use directory::{Directory, DirectoryError};
pub use operator::Operator;
pub use record::{Author, Record};
pub use survey::survey;
pub use witness::Witness;

use crate::id::range::MachineRange;

/// Why a mark cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the values that the messages name"
)]
pub enum MarkError {
    /// Another process owns one of the machine IDs.
    #[error(
        "machine ID {range} is in use in {directory} ({holder}): stop that process and those that it has forked, or choose another machine ID"
    )]
    Held {
        directory: String,
        range: MachineRange,
        holder: String,
    },
    /// Another process is just starting in the directory.
    #[error("another start is under way in {directory}: try again in a moment")]
    Busy { directory: String },
    /// A file whose name ends as a mark's does without naming a range.
    #[error(
        "{path} is not the name of a mark: name it after the machine IDs that it is for, such as 1.mark or 16-31.mark, or move it out of the state directory"
    )]
    Name { path: String },
    /// The start rules refuse.
    #[error(transparent)]
    Refused(#[from] rules::Refused),
    /// The start rules wait for the clock.
    #[error(transparent)]
    Wait(#[from] rules::Wait),
    /// A file was deleted or replaced while in use.
    #[error(
        "{path} was deleted or replaced while in use, so this shard will soon issue no more IDs: restart this shard, and let nothing else change its state directory"
    )]
    Replaced { path: String },
    /// The file system failed.
    #[error("cannot {action} {path}: {source}{}", remedy(action, source))]
    Io {
        action: &'static str,
        path: String,
        source: io::Error,
    },
}

impl MarkError {
    fn io(action: &'static str, directory: &str, name: &str, source: io::Error) -> Self {
        Self::Io {
            action,
            path: format!("{directory}/{name}"),
            source,
        }
    }

    /// Whether the system is short of something that it may have again soon.
    #[must_use]
    pub fn is_short(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_short(source))
    }

    /// R5: whether the file system failed in a way that may pass while the shard is up: a device that is
    /// in trouble, no room, no open files left. Not what only an operator changes, such as permissions.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        let is_loop = source.raw_os_error() == Some(Errno::ELOOP as i32);
        !is_loop
            && !matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            )
    }

    /// Whether the file system has no room, which it may get while the shard is up.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// The action that [`MarkError::Io`] names where a lock fails for another reason than that it is held.
const LOCKING: &str = "lock";

/// Whether `error` is for want of room.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether `error` is for want of open files or memory, which the system may have again.
#[must_use]
pub fn is_short(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    has_too_many_files(error) || matches!(number, Some(Errno::ENOMEM | Errno::ENOBUFS))
}

fn has_too_many_files(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE))
}

fn remedy(action: &str, error: &io::Error) -> &'static str {
    match error.kind() {
        // The file is open already, for reading and writing.
        _ if action == LOCKING && !is_short(error) => {
            ": files cannot be locked there; use a local file system that has byte-range locks (F_OFD_SETLK), or allow the service to take them (seccomp, AppArmor, SELinux)"
        }
        // The disk is in order, but the name is a symbolic link's.
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            ": replace the symbolic link, which is not followed, by the file itself"
        }
        io::ErrorKind::IsADirectory => {
            ": move that directory away, because a file of this name is needed"
        }
        _ if has_too_many_files(error) => {
            ": raise the limit on open files (LimitNOFILE= of the unit, `ulimit -n`), or lower http.connections"
        }
        io::ErrorKind::PermissionDenied => {
            ": give the service's user read and write permission on the directory and its files"
        }
        io::ErrorKind::NotFound => ": create the directory, or mount the volume that holds it",
        io::ErrorKind::StorageFull => ": free some space on that file system",
        io::ErrorKind::QuotaExceeded => ": lift the quota of that file system",
        io::ErrorKind::ReadOnlyFilesystem => {
            ": mount that file system writable, or let the unit write there (ReadWritePaths=)"
        }
        _ => ": look for the device's errors in the kernel log",
    }
}

#[cfg(test)]
mod tests;
