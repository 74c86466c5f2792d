//! The kind of file system that a state directory lies on.

use std::io;

use nix::sys::statfs::{FsType, statfs};

use super::Directory;

/// A kind of file system: whether its files last, and how far its locks hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileSystem {
    /// Keeps files over a reboot, and its locks hold for all of the host.
    Local,
    /// Its locks may hold on one host only.
    Network(&'static str),
    /// Its files are gone when the host or the container is.
    Volatile(&'static str),
}

impl Directory {
    /// The kind of file system that it lies on.
    ///
    /// # Errors
    /// If the directory cannot be reached.
    pub(super) fn file_system(&self) -> io::Result<FileSystem> {
        Ok(FileSystem::of(statfs(&self.path)?.filesystem_type()))
    }
}

impl FileSystem {
    /// By the magic number, from `linux/magic.h` and the file systems' own headers.
    pub(super) fn of(magic: FsType) -> Self {
        // The type of the number differs between C libraries; its low 32 bits do not.
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "a bit pattern"
        )]
        match magic.0 as u32 {
            0x6969 => Self::Network("nfs"),
            0xff53_4d42 => Self::Network("cifs"),
            0xfe53_4d42 => Self::Network("smb2"),
            0x517b => Self::Network("smb"),
            0x6573_5546 => Self::Network("fuse"),
            0x00c3_6400 => Self::Network("ceph"),
            0x0102_1997 => Self::Network("9p"),
            0x5346_414f => Self::Network("afs"),
            0x0bd0_0bd0 => Self::Network("lustre"),
            0x0116_1970 => Self::Network("gfs2"),
            0x7461_636f => Self::Network("ocfs2"),
            0x6b41_4653 => Self::Network("kafs"),
            0x786f_4256 => Self::Network("vboxsf"),
            0x4750_4653 => Self::Network("gpfs"),
            0x1983_0326 => Self::Network("beegfs"),
            0x2003_0528 => Self::Network("orangefs"),
            0x7375_7245 => Self::Network("coda"),
            0x0102_1994 => Self::Volatile("tmpfs"),
            0x8584_58f6 => Self::Volatile("ramfs"),
            0x794c_7630 => Self::Volatile("overlay"),
            _ => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_are_told_apart() {
        let of = |magic| FileSystem::of(FsType(magic));
        for (magic, name) in [
            (0x6969, "nfs"),
            (0xff53_4d42, "cifs"),
            (0xfe53_4d42, "smb2"),
            (0x517b, "smb"),
            (0x6573_5546, "fuse"),
            (0x00c3_6400, "ceph"),
            (0x0102_1997, "9p"),
            (0x5346_414f, "afs"),
            (0x0bd0_0bd0, "lustre"),
            (0x0116_1970, "gfs2"),
            (0x7461_636f, "ocfs2"),
            (0x6b41_4653, "kafs"),
            (0x786f_4256, "vboxsf"),
            (0x4750_4653, "gpfs"),
            (0x1983_0326, "beegfs"),
            (0x2003_0528, "orangefs"),
            (0x7375_7245, "coda"),
        ] {
            assert_eq!(of(magic), FileSystem::Network(name));
        }
        for (magic, name) in [
            (0x0102_1994, "tmpfs"),
            (0x8584_58f6, "ramfs"),
            (0x794c_7630, "overlay"),
        ] {
            assert_eq!(of(magic), FileSystem::Volatile(name));
        }
        assert_eq!(of(0x9123_683e), FileSystem::Local);
        let keep = tempfile::tempdir().unwrap();
        assert!(Directory::new(keep.path()).file_system().is_ok());
    }
}
