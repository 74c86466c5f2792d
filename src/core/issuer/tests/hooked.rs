//! A state directory in which something else happens, or something fails, at a call.

use std::io;

use super::*;
use crate::mark::storage::{File, Identity};

/// What the directory is about to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Names,
    Make,
    Read,
    Write,
    Flush,
    /// Bytes of a lock were given back.
    Unlocked,
}

type Hook = Arc<dyn Fn(Call) -> io::Result<()> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Hooked {
    real: Directory,
    hook: Hook,
}

pub(super) struct HookedFile {
    real: fs::File,
    hook: Hook,
}

impl Hooked {
    pub(super) fn new(
        state: &Path,
        hook: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let real = Directory::new(state);
        let hook = Arc::new(hook);
        Self { real, hook }
    }

    fn file(&self, real: fs::File) -> HookedFile {
        let hook = Arc::clone(&self.hook);
        HookedFile { real, hook }
    }
}

impl Storage for Hooked {
    type File = HookedFile;

    fn names(&self) -> io::Result<Vec<String>> {
        (self.hook)(Call::Names)?;
        self.real.names()
    }

    fn open(&self, name: &str) -> io::Result<Option<HookedFile>> {
        Ok(self.real.open(name)?.map(|file| self.file(file)))
    }

    fn open_or_create(&self, name: &str) -> io::Result<HookedFile> {
        (self.hook)(Call::Make)?;
        Ok(self.file(self.real.open_or_create(name)?))
    }

    fn create(&self, name: &str, len: u64) -> io::Result<HookedFile> {
        (self.hook)(Call::Make)?;
        Ok(self.file(self.real.create(name, len)?))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.real.sync()
    }

    fn now(&self) -> WallTime {
        self.real.now()
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        self.real.changed()
    }
}

impl File for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.hook)(Call::Read)?;
        File::read_at(&self.real, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Call::Write)?;
        File::write_at(&self.real, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.hook)(Call::Flush)?;
        File::sync_data(&self.real)
    }

    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool> {
        self.real.lock_bytes(start, len)
    }

    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()> {
        self.real.unlock_bytes(start, len)?;
        (self.hook)(Call::Unlocked)
    }

    fn identity(&self) -> io::Result<Identity> {
        self.real.identity()
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        File::changed(&self.real)
    }
}
