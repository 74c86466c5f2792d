//! The state directory on a real file system.

mod file_system;
mod prepare;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, fallocate, fcntl};
use nix::libc;
use nix::sys::stat::fstat;
use nix::sys::statfs::fstatfs;
use nix::time::{ClockId, clock_gettime};

use super::storage::{File, Identity, Storage};
use crate::syscall;
use crate::time::{SECOND, TimeDelta, WallTime};
use file_system::FileSystem;
pub use prepare::DirectoryError;

/// A directory that holds marks.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`, which must exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .mode(0o640)
            .custom_flags(libc::O_NOFOLLOW);
        options
    }

    fn open_with(&self, options: &OpenOptions, name: &str) -> io::Result<Option<fs::File>> {
        match options.open(self.path.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a file that was made just now to the owner of the directory: an operator who runs a
    /// command as root must not shut out the service's user. Nobody else may, nor needs to.
    fn hand_over(&self, file: &fs::File) {
        if let Ok(owner) = fs::metadata(&self.path) {
            let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
        }
    }
}

impl Storage for Directory {
    type File = fs::File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Option<fs::File>> {
        self.open_with(&Self::options(), name)
    }

    fn open_to_read(&self, name: &str) -> io::Result<Option<fs::File>> {
        self.open_with(Self::options().write(false), name)
    }

    fn open_or_create(&self, name: &str) -> io::Result<fs::File> {
        let path = self.path.join(name);
        match Self::options().create_new(true).open(&path) {
            Ok(file) => {
                self.hand_over(&file);
                Ok(file)
            }
            // It is there, or was a moment ago.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Self::options().create(true).open(path)
            }
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str, len: u64) -> io::Result<fs::File> {
        self.remove(name)?;
        let file = Self::options()
            .create_new(true)
            .open(self.path.join(name))?;
        // Before the first byte, or it has no effect. Most file systems have no such flag, and
        // overwrite in place. Where there is one that cannot be set, a write may fail for want of room,
        // and says so then.
        let _ = syscall::disable_copy_on_write(&file);
        let length = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
        match fallocate(&file, FallocateFlags::empty(), 0, length) {
            // Not every file system can allocate ahead; writing the slots allocates as well.
            Ok(()) | Err(Errno::EOPNOTSUPP) => file.set_len(len)?,
            Err(error) => return Err(error.into()),
        }
        self.hand_over(&file);
        Ok(file)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        // A second link refuses a name that is taken, which a plain rename does not.
        fs::hard_link(self.path.join(from), self.path.join(to))?;
        self.remove(from)?;
        self.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn now(&self) -> WallTime {
        let time = clock_gettime(ClockId::CLOCK_REALTIME);
        time.map_or(WallTime::ZERO, |time| WallTime::ZERO + Duration::from(time))
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        File::changed(&fs::File::open(&self.path)?)
    }
}

impl File for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                // The file ends, or the buffer is full.
                Ok(0) => return Ok(filled),
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        fs::File::sync_data(self)
    }

    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool> {
        match set_lock(self, libc::F_WRLCK, start, len) {
            Ok(()) => Ok(true),
            // EACCES does not mean that it is held: a security module refuses locks.
            Err(Errno::EAGAIN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()> {
        set_lock(self, libc::F_UNLCK, start, len).map_err(Into::into)
    }

    fn identity(&self) -> io::Result<Identity> {
        let metadata = self.metadata()?;
        Ok(Identity {
            inode: metadata.ino(),
            born: metadata.created().map_or(WallTime::ZERO, WallTime::from),
            generation: syscall::generation(self).unwrap_or(0),
            subvolume: syscall::btrfs_subvolume(self).unwrap_or_default(),
        })
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        if let FileSystem::Network(_) = FileSystem::of(fstatfs(self)?.filesystem_type()) {
            // The stamp is by another machine's clock.
            return Ok(None);
        }
        let stat = fstat(self)?;
        let since = stat.st_ctime * SECOND + TimeDelta::from_nanos(stat.st_ctime_nsec);
        Ok(Some(WallTime::ZERO + since))
    }
}

/// Locks belong to the open file, not to the process: closing another descriptor of the same file
/// does not lose them, and a second open file in this process is refused as any other is.
fn set_lock(file: &fs::File, kind: libc::c_int, start: u64, len: u64) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(|_| Errno::EINVAL)?,
        l_whence: libc::c_short::try_from(libc::SEEK_SET).map_err(|_| Errno::EINVAL)?,
        l_start: i64::try_from(start).map_err(|_| Errno::EINVAL)?,
        l_len: i64::try_from(len).map_err(|_| Errno::EINVAL)?,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(temporary.path());
        (temporary, directory)
    }

    #[test]
    fn a_file_is_told_by_its_inode_and_its_birth() {
        let (temporary, directory) = directory();
        let file = directory.create("one", 1).unwrap();
        let metadata = fs::metadata(temporary.path().join("one")).unwrap();
        // Not every file system keeps it.
        let born = metadata.created().unwrap_or(std::time::UNIX_EPOCH);
        let identity = file.identity().unwrap();
        assert_eq!(identity.inode, metadata.ino());
        assert_eq!(identity.born, WallTime::from(born));
    }

    #[test]
    fn a_taken_name_is_not_replaced() {
        let (_keep, directory) = directory();
        directory.create("a", 8192).unwrap();
        directory.rename_new("a", "b").unwrap();
        assert_eq!(directory.names().unwrap(), ["b"]);
        directory.create("c", 8192).unwrap();
        let error = directory.rename_new("c", "b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }

    #[test]
    fn locks_exclude_where_bytes_overlap_until_the_file_is_dropped() {
        let (_keep, directory) = directory();
        let first = directory.open_or_create("lock").unwrap();
        let second = directory.open_or_create("lock").unwrap();
        assert!(first.lock_bytes(16, 16).unwrap());
        assert!(!second.lock_bytes(31, 1).unwrap());
        assert!(second.lock_bytes(32, 1).unwrap());
        drop(directory.open_or_create("lock").unwrap());
        assert!(!second.lock_bytes(16, 1).unwrap());
        first.unlock_bytes(16, 1).unwrap();
        assert!(second.lock_bytes(16, 1).unwrap());
        drop(first);
        assert!(second.lock_bytes(17, 15).unwrap());
    }

    #[test]
    fn identity_stays_over_a_rename_and_differs_in_a_copy() {
        let (_keep, directory) = directory();
        let file = directory.create("a", 8192).unwrap();
        let before = file.identity().unwrap();
        directory.rename_new("a", "b").unwrap();
        let opened = directory.open("b").unwrap().unwrap();
        assert_eq!(opened.identity().unwrap(), before);
        fs::copy(directory.path().join("b"), directory.path().join("c")).unwrap();
        let copy = directory.open("c").unwrap().unwrap();
        assert_ne!(copy.identity().unwrap(), before);
    }

    #[test]
    fn reading_stops_at_the_end() {
        let (_keep, directory) = directory();
        let file = directory.create("a", 10).unwrap();
        assert_eq!(File::read_at(&file, &mut [0; 4096], 4).unwrap(), 6);
        assert!(directory.open("none").unwrap().is_none());
    }

    #[test]
    fn looking_takes_no_right_to_write() {
        let (_keep, directory) = directory();
        directory.create("a", 10).unwrap();
        let file = directory.open_to_read("a").unwrap().unwrap();
        assert_eq!(File::read_at(&file, &mut [0; 4096], 0).unwrap(), 10);
        assert!(File::write_at(&file, b"x", 0).is_err());
        assert!(directory.open_to_read("none").unwrap().is_none());
        assert!(directory.open_to_read("a/b").is_err());
    }

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_directory() {
        let (keep, directory) = directory();
        let owner = |path: &Path| {
            let metadata = fs::metadata(path).unwrap();
            (metadata.uid(), metadata.gid())
        };
        if owner(keep.path()).0 == 0 {
            std::os::unix::fs::chown(keep.path(), Some(547), Some(548)).unwrap();
        }
        let wanted = owner(keep.path());
        let mark = directory.create("1.mark", 8192).unwrap();
        assert_eq!(
            (
                mark.metadata().unwrap().uid(),
                mark.metadata().unwrap().gid()
            ),
            wanted
        );
        directory.open_or_create("lock").unwrap();
        assert_eq!(owner(&keep.path().join("lock")), wanted);
        // Nothing that is there already is given away.
        fs::write(keep.path().join("theirs"), "").unwrap();
        let before = owner(&keep.path().join("theirs"));
        directory.open_or_create("theirs").unwrap();
        assert_eq!(owner(&keep.path().join("theirs")), before);
    }

    #[test]
    fn what_is_made_is_read_by_the_group_and_by_nobody_else() {
        let (keep, directory) = directory();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = u32::from_str_radix(umask.unwrap().trim(), 8).unwrap();
        directory.create("1.mark", 8192).unwrap();
        directory.open_or_create("lock").unwrap();
        for name in ["1.mark", "lock"] {
            let mode = fs::metadata(keep.path().join(name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o640 & !umask, "{name}");
        }
    }

    #[test]
    fn symbolic_links_are_not_followed() {
        let (_keep, directory) = directory();
        std::os::unix::fs::symlink("elsewhere", directory.path().join("1.mark")).unwrap();
        assert!(directory.open("1.mark").is_err());
        assert!(directory.open_to_read("1.mark").is_err());
        assert!(directory.open_or_create("1.mark").is_err());
    }

    #[test]
    fn a_failure_of_the_file_system_is_told() {
        let (_keep, directory) = directory();
        fs::create_dir(directory.path().join("folder")).unwrap();
        assert!(directory.remove("folder").is_err());
        assert!(directory.remove("none").is_ok());
        let folder = fs::File::open(directory.path().join("folder")).unwrap();
        assert!(File::read_at(&folder, &mut [0; 16], 0).is_err());
        let nowhere = Directory::new("/nowhere/at/all");
        assert!(nowhere.sync().is_err());
        assert!(nowhere.file_system().is_err());
        // What cannot be flushed says so.
        let null = fs::File::open("/dev/null").unwrap();
        assert!(File::sync_data(&null).is_err());
    }
}
