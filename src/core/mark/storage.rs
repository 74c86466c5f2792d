//! The operations that marks need of a directory, as traits: a simulated disk can stand in for it.
#![expect(
    clippy::missing_errors_doc,
    reason = "every method fails as the file system does"
)]

use std::io;

use crate::time::WallTime;

/// Which file this is, whatever its name: inode, birth time and generation, on BTRFS also the
/// subvolume.
///
/// A file that was copied, restored or sent elsewhere has another identity. Left out is what changes
/// from boot to boot, or names the device and not the file: the device number, the file system's UUID
/// and its ID, mount IDs and handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// The inode number.
    pub inode: u64,
    /// Birth time; 1970 where the file system keeps none.
    pub born: WallTime,
    /// The inode's generation, which tells apart files that had the same inode number one after the other;
    /// 0 where the file system does not tell it.
    pub generation: u32,
    /// UUID of the BTRFS subvolume; zeros elsewhere.
    pub subvolume: [u8; 16],
}

/// The first difference between two identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name of the property that differs.
    pub what: &'static str,
    /// Its value as the mark has it.
    pub written: String,
    /// Its value as the file has it now.
    pub found: String,
}

impl Identity {
    /// Whether both are of one file.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.difference(other).is_none()
    }

    /// The first difference between this file, as it was written down, and the one that was `found`. A
    /// property that one of them lacks is no difference: a newer kernel may know the birth time of a file
    /// that an older one wrote, and a sandbox may forbid to ask.
    #[must_use]
    pub fn difference(&self, found: &Self) -> Option<Difference> {
        let tell = |what, written: String, found: String| {
            Some(Difference {
                what,
                written,
                found,
            })
        };
        let differ = |one: i64, other: i64| one != other && one != 0 && other != 0;
        if self.inode != found.inode {
            return tell("inode", self.inode.to_string(), found.inode.to_string());
        }
        if differ(self.born.as_nanos(), found.born.as_nanos()) {
            return tell("birth time", moment(self.born), moment(found.born));
        }
        if differ(self.generation.into(), found.generation.into()) {
            let [one, other] = [self, found].map(|file| file.generation.to_string());
            return tell("generation", one, other);
        }
        let [one, other] = [self, found].map(|file| u128::from_be_bytes(file.subvolume));
        if one != other && one != 0 && other != 0 {
            return tell(
                "BTRFS subvolume",
                format!("{one:032x}"),
                format!("{other:032x}"),
            );
        }
        None
    }

    /// Whether a copy could pass for this file: an inode number is used again as soon as it is free.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.born.as_nanos() == 0 && self.generation == 0
    }
}

/// A moment as people read it, and in nanoseconds.
fn moment(time: WallTime) -> String {
    format!("{time} ({} ns)", time.as_nanos())
}

/// One state directory.
pub trait Storage: Send + 'static {
    /// An open file in it.
    type File: File;

    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing, `None` if there is none of that name.
    fn open(&self, name: &str) -> io::Result<Option<Self::File>>;

    /// Opens a file for reading alone, as works on a read-only volume too; `None` if there is none of that
    /// name.
    fn open_to_read(&self, name: &str) -> io::Result<Option<Self::File>> {
        self.open(name)
    }

    /// Opens a file, made empty if there is none.
    fn open_or_create(&self, name: &str) -> io::Result<Self::File>;

    /// Makes a file of `len` zeros under a name that nobody else uses, replacing a left-over one;
    /// its space is allocated, and overwriting it needs no more.
    fn create(&self, name: &str, len: u64) -> io::Result<Self::File>;

    /// Gives the file `from` the name `to`, durably.
    /// [`io::ErrorKind::AlreadyExists`] if that name is taken.
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name; none of that name is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which names there are.
    fn sync(&self) -> io::Result<()>;

    /// The present time by the clock that stamps changes of files: the kernel's wall clock, whichever clock
    /// IDs follow.
    fn now(&self) -> WallTime;

    /// When the directory itself was last changed: a name in it, or where it lies.
    /// `None` if this machine's clock does not say so, as on network file systems.
    fn changed(&self) -> io::Result<Option<WallTime>>;
}

/// An open file.
pub trait File: Send + 'static {
    /// Reads from `offset` until `buffer` is full or the file ends; returns how much.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Locks `len` bytes from `start` for writing until the file is dropped, against every other
    /// open file. False if somebody else holds one of them.
    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool>;

    /// Gives locked bytes back.
    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()>;

    /// Which file this is.
    fn identity(&self) -> io::Result<Identity>;

    /// When anything about the file was last changed (its ctime, which nobody can set); `None` as for
    /// [`Storage::changed`].
    fn changed(&self) -> io::Result<Option<WallTime>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeDelta;

    const FILE: Identity = Identity {
        inode: 42,
        born: WallTime::from_nanos(1_700_000_000_000_000_000),
        generation: 5,
        subvolume: [7; 16],
    };

    #[test]
    fn a_file_is_another_by_each_thing_that_both_know() {
        for (other, what) in [
            (Identity { inode: 43, ..FILE }, "inode"),
            (
                Identity {
                    born: FILE.born + TimeDelta::from_nanos(1),
                    ..FILE
                },
                "birth time",
            ),
            (
                Identity {
                    generation: 6,
                    ..FILE
                },
                "generation",
            ),
            (
                Identity {
                    subvolume: [8; 16],
                    ..FILE
                },
                "BTRFS subvolume",
            ),
        ] {
            for (one, two) in [(FILE, other), (other, FILE)] {
                let difference = one.difference(&two).unwrap();
                assert_eq!(difference.what, what);
                assert_ne!(difference.written, difference.found);
                assert!(!one.is_same_file(&two));
            }
        }
    }

    #[test]
    fn what_is_not_known_tells_no_files_apart() {
        let unknown = Identity {
            inode: 42,
            ..Identity::default()
        };
        for (one, other) in [(FILE, FILE), (FILE, unknown), (unknown, unknown)] {
            assert!(one.is_same_file(&other) && other.is_same_file(&one));
        }
        let inode = Identity {
            inode: 43,
            ..unknown
        };
        assert!(!FILE.is_same_file(&inode));
    }

    #[test]
    fn a_difference_is_told_in_digits() {
        let other = Identity {
            subvolume: [0x1f; 16],
            ..FILE
        };
        let difference = FILE.difference(&other).unwrap();
        assert_eq!(difference.found, "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f");
    }

    #[test]
    fn an_identity_is_weak_if_nothing_but_the_inode_is_known() {
        let inode = Identity {
            inode: 42,
            subvolume: [7; 16],
            ..Identity::default()
        };
        assert!(inode.is_weak());
        assert!(
            !Identity {
                born: WallTime::from_nanos(1),
                ..inode
            }
            .is_weak()
        );
        assert!(
            !Identity {
                generation: 1,
                ..inode
            }
            .is_weak()
        );
    }
}
