//! A simulated volume: what a file system may do to unflushed writes, names and locks.
//!
//! Reading sees the page cache. A crash of the machine keeps what was flushed, and of everything
//! else whatever it likes: each write, or part of it, and each change of a name, in any order. A
//! failed flush may have dropped what it was to write, and the next one will not say so.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use shardflake::clock::Clock;
use shardflake::mark::storage::{File, Identity, Storage};
use shardflake::time::WallTime;

use crate::clock::SimClock;
use crate::volume::Volume;

/// A call on the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Changes nothing: names, content, locks.
    Look,
    Write,
    Flush,
    Name,
    Create,
}

/// A volume, as one process has it mounted.
#[derive(Clone)]
pub(crate) struct Disk {
    volume: Arc<Mutex<Volume>>,
    /// Stamps what changes on the volume.
    clock: SimClock,
    process: Arc<Process>,
}

/// A process as the disk sees it: it may end at any call.
#[derive(Default)]
pub(crate) struct Process {
    /// Changing calls until it ends; negative while it does not.
    calls_left: AtomicI64,
    /// What happens beside the call, in other threads of the process.
    beside: Mutex<Option<Beside>>,
}

type Beside = Arc<dyn Fn(Call) + Send + Sync>;

/// An open file.
pub(crate) struct Handle {
    disk: Disk,
    inode: u64,
    /// Which open file this is: locks belong to it.
    number: u64,
}

impl Process {
    /// A process that runs on.
    pub(crate) fn new() -> Arc<Self> {
        let process = Self::default();
        process.calls_left.store(-1, Ordering::Relaxed);
        Arc::new(process)
    }

    /// Ends the process before its changing call number `calls` from now.
    pub(crate) fn end_after(&self, calls: u32) {
        self.calls_left.store(i64::from(calls), Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> bool {
        self.calls_left.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn beside(&self, beside: Option<Beside>) {
        *self.beside.lock().unwrap() = beside;
    }

    /// Counts a call, if it is one that changes something; an error if the process has ended by then.
    fn call(&self, call: Call) -> io::Result<()> {
        let left = self.calls_left.load(Ordering::Relaxed);
        if left > 0 && call != Call::Look {
            self.calls_left.store(left - 1, Ordering::Relaxed);
        }
        self.alive()?;
        let beside = self.beside.lock().unwrap().clone();
        if let Some(beside) = beside {
            beside(call);
        }
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.ended() {
            return Err(io::Error::other("the process has ended"));
        }
        Ok(())
    }
}

impl Disk {
    pub(crate) fn new(volume: Volume, clock: &SimClock) -> Self {
        Self {
            volume: Arc::new(Mutex::new(volume)),
            clock: clock.clone(),
            process: Process::new(),
        }
    }

    /// This volume as another process sees it.
    pub(crate) fn mount(&self, process: &Arc<Process>) -> Self {
        Self {
            volume: Arc::clone(&self.volume),
            clock: self.clock.clone(),
            process: Arc::clone(process),
        }
    }

    pub(crate) fn volume(&self) -> MutexGuard<'_, Volume> {
        let mut volume = self.volume.lock().unwrap();
        volume.clock = self.clock.realtime();
        volume
    }

    /// A call that changes nothing, which may fail as well.
    fn look(&self) -> io::Result<()> {
        self.process.call(Call::Look)?;
        self.volume().look()
    }

    fn open_inode(&self, inode: u64) -> Handle {
        Handle {
            disk: self.clone(),
            inode,
            number: self.volume().open(inode),
        }
    }
}

impl Storage for Disk {
    type File = Handle;

    fn names(&self) -> io::Result<Vec<String>> {
        self.look()?;
        Ok(self.volume().names())
    }

    fn open(&self, name: &str) -> io::Result<Option<Handle>> {
        self.look()?;
        let inode = self.volume().inode(name);
        Ok(inode.map(|inode| self.open_inode(inode)))
    }

    fn open_or_create(&self, name: &str) -> io::Result<Handle> {
        if let Some(handle) = self.open(name)? {
            return Ok(handle);
        }
        self.process.call(Call::Create)?;
        // One call: nobody comes in between.
        let mut volume = self.volume();
        let known = volume.inode(name);
        let inode = known.map_or_else(|| volume.create(name, 0), Ok)?;
        drop(volume);
        Ok(self.open_inode(inode))
    }

    fn create(&self, name: &str, len: u64) -> io::Result<Handle> {
        self.process.call(Call::Create)?;
        let inode = self.volume().create(name, place(len))?;
        Ok(self.open_inode(inode))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.process.call(Call::Name)?;
        self.volume().link(from, to)?;
        self.remove(from)?;
        self.sync()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.process.call(Call::Name)?;
        self.volume().unlink(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.process.call(Call::Flush)?;
        self.volume().flush_names()
    }

    fn now(&self) -> WallTime {
        self.clock.realtime()
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        self.look()?;
        Ok(Some(self.volume().changed()))
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.process.call(Call::Look)?;
        let mut volume = self.disk.volume();
        let content = volume.read(self.inode)?;
        let start = content.len().min(place(offset));
        let len = buffer.len().min(content.len() - start);
        buffer[..len].copy_from_slice(&content[start..start + len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.process.call(Call::Write)?;
        self.disk.volume().write(self.inode, place(offset), bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.process.call(Call::Flush)?;
        self.disk.volume().flush(self.inode)
    }

    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool> {
        self.disk.look()?;
        let mut volume = self.disk.volume();
        Ok(volume.lock(self.inode, self.number, start..start + len))
    }

    /// Gives back what was locked by one call; the mark's code never splits a range.
    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()> {
        self.disk.process.alive()?;
        let mut volume = self.disk.volume();
        volume.unlock(self.number, Some(&(start..start + len)));
        Ok(())
    }

    fn identity(&self) -> io::Result<Identity> {
        self.disk.process.alive()?;
        let mut volume = self.disk.volume();
        volume.look()?;
        Ok(volume.identity(self.inode))
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        self.disk.process.alive()?;
        Ok(Some(self.disk.volume().changed_of(self.inode)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.disk.volume().close(self.number);
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("a mark is small")
}
