//! A state directory in memory: files with identities and byte locks, and no disk to wait for.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shardflake::mark::storage::{File, Identity, Storage};
use shardflake::time::WallTime;

/// A directory; its clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, Arc<Inode>>>>,
    made: Arc<AtomicU64>,
    /// When the directory was last changed, which its clock reads too.
    touched: Arc<AtomicI64>,
}

#[derive(Debug)]
struct Inode {
    identity: Mutex<Identity>,
    bytes: Mutex<Vec<u8>>,
    locks: Mutex<Vec<Lock>>,
}

#[derive(Debug)]
struct Lock {
    start: u64,
    end: u64,
    owner: u64,
}

/// A file, opened once.
#[derive(Debug)]
pub struct Handle {
    inode: Arc<Inode>,
    owner: u64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Puts a file there, in the place of one of that name; its bytes may tell its identity.
    pub fn put(&self, name: &str, bytes: impl FnOnce(Identity) -> Vec<u8>) {
        let identity = Identity {
            inode: self.number(),
            ..Identity::default()
        };
        let inode = Inode {
            identity: Mutex::new(identity),
            bytes: Mutex::new(bytes(identity)),
            locks: Mutex::default(),
        };
        held(&self.files).insert(name.to_owned(), Arc::new(inode));
    }

    /// Changes the bytes of a file, if it is there.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(inode) = held(&self.files).get(name) {
            change(&mut held(&inode.bytes));
        }
    }

    /// Makes another file of one, as copying it or restoring it from a backup does.
    pub fn copy(&self, name: &str) {
        if let Some(inode) = held(&self.files).get(name) {
            held(&inode.identity).inode = self.number();
        }
    }

    /// The directory was last changed at that moment, which is also what its clock reads.
    pub fn touch(&self, moment: WallTime) {
        self.touched.store(moment.as_nanos(), Ordering::Relaxed);
    }

    /// Every file's bytes.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let files = held(&self.files);
        let bytes = |inode: &Arc<Inode>| held(&inode.bytes).clone();
        files
            .iter()
            .map(|(name, inode)| (name.clone(), bytes(inode)))
            .collect()
    }

    fn number(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn handle(&self, inode: &Arc<Inode>) -> Handle {
        Handle {
            inode: Arc::clone(inode),
            owner: self.number(),
        }
    }
}

impl Storage for Memory {
    type File = Handle;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(held(&self.files).keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Option<Handle>> {
        Ok(held(&self.files).get(name).map(|inode| self.handle(inode)))
    }

    fn open_or_create(&self, name: &str) -> io::Result<Handle> {
        if let Some(file) = self.open(name)? {
            return Ok(file);
        }
        self.create(name, 0)
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Handle> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.put(name, |_| vec![0; len]);
        let made = self.open(name)?;
        made.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = held(&self.files);
        if files.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        held(&self.files).remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn now(&self) -> WallTime {
        WallTime::from_nanos(self.touched.load(Ordering::Relaxed))
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        Ok(Some(WallTime::from_nanos(
            self.touched.load(Ordering::Relaxed),
        )))
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = held(&self.inode.bytes);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let there = bytes.get(offset..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = held(&self.inode.bytes);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let end = offset + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool> {
        let end = start + len;
        let mut locks = held(&self.inode.locks);
        let others = |lock: &Lock| lock.owner != self.owner;
        if locks
            .iter()
            .any(|lock| others(lock) && lock.start < end && start < lock.end)
        {
            return Ok(false);
        }
        locks.push(Lock {
            start,
            end,
            owner: self.owner,
        });
        Ok(true)
    }

    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()> {
        let mine = |lock: &Lock| lock.owner == self.owner;
        let given_back = |lock: &Lock| lock.start == start && lock.end == start + len;
        held(&self.inode.locks).retain(|lock| !(mine(lock) && given_back(lock)));
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(*held(&self.inode.identity))
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        Ok(None)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        held(&self.inode.locks).retain(|lock| lock.owner != self.owner);
    }
}
