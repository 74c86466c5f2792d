//! What the mark needs of a directory, so that a simulated one can stand in for it.
#![expect(
    clippy::missing_errors_doc,
    reason = "every method fails as the file system does"
)]

use std::io;

/// Which file this is, whatever its name: inode and birth time, on BTRFS also the subvolume.
///
/// A file that was copied, restored or sent elsewhere has another identity. The device number is
/// left out: it changes from boot to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// The inode number.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970; 0 where the file system keeps none.
    pub born: i64,
    /// UUID of the BTRFS subvolume; zeros elsewhere.
    pub subvolume: [u8; 16],
}

impl Identity {
    /// Whether both are of one file. A birth time that one of them does not know tells nothing: a newer
    /// kernel may know it of a file that an older one wrote.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        let born = self.born == other.born || self.born == 0 || other.born == 0;
        born && self.inode == other.inode && self.subvolume == other.subvolume
    }
}

/// One state directory.
pub trait Storage: Send + 'static {
    /// An open file in it.
    type File: File;

    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing, `None` if there is none of that name.
    fn open(&self, name: &str) -> io::Result<Option<Self::File>>;

    /// The same for reading alone: what it takes to look, also on a volume that is mounted so.
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

    /// Makes names that were given and removed durable.
    fn sync(&self) -> io::Result<()>;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_another_by_inode_subvolume_or_two_birth_times() {
        let file = Identity {
            inode: 42,
            born: 1_700_000_000_000_000_000,
            subvolume: [7; 16],
        };
        let unknown = Identity { born: 0, ..file };
        for (one, other) in [(file, file), (file, unknown), (unknown, unknown)] {
            assert!(one.is_same_file(&other) && other.is_same_file(&one));
        }
        let inode = |file| Identity { inode: 43, ..file };
        let subvolume = |file| Identity {
            subvolume: [0; 16],
            ..file
        };
        let later = Identity {
            born: file.born + 1,
            ..file
        };
        for other in [
            later,
            inode(file),
            inode(unknown),
            subvolume(file),
            subvolume(unknown),
        ] {
            assert!(!file.is_same_file(&other), "{other:?}");
            assert!(!other.is_same_file(&file), "{other:?}");
        }
    }
}
