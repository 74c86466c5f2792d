//! What lies on a simulated volume, and what a crash leaves of it.

mod hands;
mod inode;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind};
use std::ops::{Range, RangeInclusive};

use fastrand::Rng;
use nix::errno::Errno;
use shardflake::id::MachineRange;
use shardflake::mark::slot::{BootId, SLOT_LEN, Slot};
use shardflake::mark::storage::Identity;
use shardflake::time::{BootTime, Offset, WallTime};

use inode::Inode;

/// Machine IDs that a history may use, from 0.
pub(crate) const MACHINES: u32 = 6;

/// What is wrong with a volume at present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The next so many looks fail: opening, listing, locking, asking what a file is.
    pub(crate) looks: u32,
    /// The next so many reads of a mark fail.
    pub(crate) reads: u32,
    /// The next so many writes fail half-way.
    pub(crate) writes: u32,
    /// The next so many flushes fail, and may drop what they were to flush.
    pub(crate) flushes: u32,
    /// New files and names find no space.
    pub(crate) full: bool,
    /// Flushes claim success and do nothing.
    pub(crate) lies: bool,
}

/// How often a trouble came about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effects {
    pub(crate) looks: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) flushes: u64,
    pub(crate) full: u64,
    pub(crate) lies: u64,
}

impl Effects {
    /// Calls that failed.
    pub(crate) const fn failures(&self) -> u64 {
        self.looks + self.reads + self.writes + self.flushes + self.full
    }
}

/// What lies on a volume.
#[derive(Clone)]
pub(crate) struct Volume {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending: Vec<(String, Option<u64>)>,
    locks: Vec<Lock>,
    /// Open files and their inodes, whose numbers are not free.
    opened: BTreeMap<u64, u64>,
    next: u64,
    subvolume: u8,
    rng: Rng,
    /// What the wall clock reads, which stamps changes.
    pub(crate) clock: WallTime,
    /// When a name in the directory was last changed, and what a crash would leave of that.
    changed: WallTime,
    durable_changed: WallTime,
    /// The file system keeps no birth times and no generations, and uses inode numbers again.
    is_weak: bool,
    /// A crash takes away stamps that no flush of their own has made durable.
    forgets_stamps: bool,
    /// What somebody has put elsewhere, by the names that it had.
    away: BTreeMap<String, u64>,
    /// Copies of what marks held.
    backup: BTreeMap<String, Vec<u8>>,
    pub(crate) trouble: Trouble,
    pub(crate) effects: Effects,
    /// Counts what could change the answer of [`Volume::certain`].
    version: u64,
}

#[derive(Clone)]
struct Lock {
    inode: u64,
    owner: u64,
    bytes: Range<u64>,
}

impl Volume {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            locks: Vec::new(),
            opened: BTreeMap::new(),
            next: 1,
            subvolume: 1,
            rng: Rng::with_seed(seed),
            clock: WallTime::ZERO,
            changed: WallTime::ZERO,
            durable_changed: WallTime::ZERO,
            is_weak: seed % 4 == 1,
            forgets_stamps: seed % 8 >= 4,
            away: BTreeMap::new(),
            backup: BTreeMap::new(),
            trouble: Trouble::default(),
            effects: Effects::default(),
            version: 0,
        }
    }

    /// Counts what could change the answer of [`Volume::certain`].
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The bound for `machines` that every crash would leave: the lowest that a slot of a mark may
    /// hold afterwards, if one slot is sure to be readable, and of all machine IDs the lowest. `None` if
    /// nothing is sure of one of them.
    pub(crate) fn certain(&self, machines: RangeInclusive<u32>) -> Option<u64> {
        let sure = |name: &String, inode: u64| {
            let pending = self.pending.iter().any(|(changed, _)| changed == name);
            !pending && self.durable_names.get(name) == Some(&inode)
        };
        let bounds: Vec<_> = self
            .ranges()
            .filter(|(_, name, inode)| sure(name, *inode))
            .filter_map(|(range, _, inode)| Some((range, self.inodes[&inode].certain()?)))
            .collect();
        let bound = |machine| {
            let of_it = bounds.iter().filter(|(range, _)| has(*range, machine));
            of_it.map(|(_, bound)| *bound).max()
        };
        machines.map(bound).min().flatten()
    }

    /// The ranges, names and inodes of all marks.
    fn ranges(&self) -> impl Iterator<Item = (MachineRange, &String, u64)> {
        self.names.iter().filter_map(|(name, inode)| {
            let range = name.strip_suffix(".mark")?.parse().ok()?;
            Some((range, name, *inode))
        })
    }

    /// The latest offset of the wall clock to the boot clock that the marks tell of a boot.
    pub(crate) fn offset_in(
        &self,
        boot_id: BootId,
        boot: BootTime,
        machines: MachineRange,
    ) -> Option<Offset> {
        let marks = self.ranges();
        let own = marks.filter(|(range, _, _)| range.overlaps(&machines));
        let slots = own.flat_map(|(_, _, inode)| self.inodes[&inode].cache.chunks(SLOT_LEN));
        let written = slots.filter_map(|slot| Some(Slot::decode(slot).ok()?.written));
        // None if one does not tell of it: the others may not be readable for a while.
        written
            .map(|written| {
                let tells = written.boot_id == boot_id && written.boot <= boot;
                tells.then(|| written.wall - written.boot)
            })
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .max()
    }

    /// The names of all marks.
    pub(crate) fn marks(&self) -> Vec<String> {
        let marks = self.names.keys();
        let marks = marks.filter(|name| name.strip_suffix(".mark").is_some());
        marks.cloned().collect()
    }

    /// The machine stops, and starts again: `choose` decides what was on its way to the disk, by
    /// numbers below the one that it is given.
    pub(crate) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.version += 1;
        for (name, inode) in std::mem::take(&mut self.pending) {
            if choose(2) == 1 {
                set(&mut self.durable_names, name, inode);
            }
        }
        self.names = self.durable_names.clone();
        self.locks.clear();
        self.opened.clear();
        let kept = self.names.values().chain(self.away.values());
        let kept: Vec<u64> = kept.copied().collect();
        self.inodes.retain(|inode, _| kept.contains(inode));
        if self.forgets_stamps {
            self.changed = self.durable_changed;
        }
        for inode in self.inodes.values_mut() {
            inode.crash(choose);
            if self.forgets_stamps {
                inode.changed = inode.durable_changed;
            }
        }
    }

    /// Whether a mark holds `machine`.
    pub(crate) fn knows(&self, machine: u32) -> bool {
        self.ranges().any(|(range, _, _)| has(range, machine))
    }

    /// All machine IDs that marks hold.
    pub(crate) fn known(&self) -> Vec<u32> {
        let machines = 0..MACHINES;
        machines.filter(|machine| self.knows(*machine)).collect()
    }

    /// Whether all that was written to a file is flushed.
    pub(crate) fn is_flushed(&self, name: &str) -> bool {
        self.inodes[&self.names[name]].dirty.is_empty()
    }

    /// The machine stops in good order: everything is flushed.
    pub(crate) fn unmount(&mut self) {
        self.version += 1;
        for inode in self.inodes.values_mut() {
            inode.flush();
            inode.durable_changed = inode.changed;
        }
        self.durable_changed = self.changed;
        self.durable_names = self.names.clone();
        self.pending.clear();
    }

    /// A start for `machines` looks at their marks: a slot that has rotted is known from now on, and
    /// written before the other.
    pub(crate) fn noticed(&mut self, machines: MachineRange) {
        self.version += 1;
        let marks = self
            .ranges()
            .filter(|(range, ..)| range.overlaps(&machines));
        let marks: Vec<u64> = marks.map(|(_, _, inode)| inode).collect();
        for mark in marks {
            let inode = self.inodes.get_mut(&mark).expect("named");
            inode.rotten &= inode.readable() == 0;
        }
    }

    /// Turns a bit of a flushed mark, as an ageing disk does. False if there is none.
    pub(crate) fn rot(&mut self, name: &str, bit: usize) -> bool {
        self.version += 1;
        let flushed = self.is_flushed(name);
        let inode = self.inodes.get_mut(&self.names[name]).expect("named");
        let (at, bit) = (bit / 8, 1 << (bit % 8));
        if at >= inode.durable.len() || !flushed {
            return false;
        }
        inode.durable[at] ^= bit;
        inode.cache[at] ^= bit;
        inode.rotten = true;
        true
    }

    /// Makes every inode's content what `older` had, in a subvolume of its own, as a restore does;
    /// a clone is a restore beside the original.
    pub(crate) fn restore(&mut self, older: &Self) {
        let (locks, next) = (self.locks.clone(), self.next);
        let (trouble, effects) = (self.trouble, self.effects);
        let clock = self.clock;
        let subvolume = self.subvolume.max(older.subvolume) + 1;
        let version = self.version + 1;
        *self = older.clone();
        self.locks = locks;
        self.next = next.max(older.next);
        self.subvolume = subvolume;
        self.trouble = trouble;
        self.effects = effects;
        self.version = version;
        self.clock = clock;
        // A snapshot holds what was written, whether or not it was flushed.
        for inode in self.inodes.values_mut() {
            inode.durable.clone_from(&inode.cache);
            inode.dirty.clear();
        }
        self.durable_names = self.names.clone();
        self.pending.clear();
        self.locks.clear();
        self.opened.clear();
    }

    /// Goes on with what does not belong to the volume of which it takes the place.
    pub(crate) fn take_over(&mut self, other: &Self) {
        self.effects = other.effects;
        self.trouble = other.trouble;
        self.version = self.version.max(other.version) + 1;
        self.next = self.next.max(other.next);
    }

    /// Somebody removes a file, durably. False if there is none.
    pub(crate) fn delete(&mut self, name: &str) -> bool {
        let known = self.names.contains_key(name);
        self.put(name, None);
        known
    }

    /// A new file with that content, flushed.
    fn make(&mut self, content: Vec<u8>) -> u64 {
        let mut inode = Inode {
            changed: self.clock,
            durable_changed: self.clock,
            ..Inode::default()
        };
        inode.replace(content);
        self.add(inode)
    }

    /// Gives a new file its number: where the file system is weak, the lowest that is free.
    fn add(&mut self, mut inode: Inode) -> u64 {
        let key = self.number();
        if self.is_weak {
            let taken = |number| {
                let kept = self.names.values().chain(self.away.values());
                let kept = kept.chain(self.durable_names.values());
                let kept = kept.chain(self.opened.values());
                kept.into_iter().any(|key| {
                    self.inodes
                        .get(key)
                        .is_some_and(|inode| inode.number == number)
                })
            };
            inode.number = (1..u64::MAX)
                .find(|number| !taken(*number))
                .expect("some are free");
        } else {
            inode.number = key;
            inode.generation = u32::try_from(key).expect("few files");
        }
        self.inodes.insert(key, inode);
        key
    }

    /// Somebody gives a name to a file, or takes it away, durably.
    fn put(&mut self, name: &str, inode: Option<u64>) {
        self.version += 1;
        set(&mut self.names, name.to_owned(), inode);
        set(&mut self.durable_names, name.to_owned(), inode);
        self.pending.retain(|(changed, _)| changed != name);
        (self.changed, self.durable_changed) = (self.clock, self.clock);
    }

    /// Whether inode numbers alone tell files apart.
    pub(crate) const fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Opens a file; which open file that is.
    pub(crate) fn open(&mut self, inode: u64) -> u64 {
        let number = self.number();
        self.opened.insert(number, inode);
        number
    }

    /// Closes an open file, which gives back its locks.
    pub(crate) fn close(&mut self, owner: u64) {
        self.opened.remove(&owner);
        self.unlock(owner, None);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(crate) fn inode(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    /// Which file an inode is.
    pub(crate) fn identity(&self, inode: u64) -> Identity {
        let Inode {
            number, generation, ..
        } = self.inodes[&inode];
        Identity {
            inode: number,
            born: WallTime::ZERO,
            generation,
            subvolume: [self.subvolume; 16],
        }
    }

    /// When a name in the directory was last changed.
    pub(crate) const fn changed(&self) -> WallTime {
        self.changed
    }

    /// When a file was last changed.
    pub(crate) fn changed_of(&self, inode: u64) -> WallTime {
        self.inodes[&inode].changed
    }

    /// A call that changes nothing.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        if self.trouble.looks > 0 {
            self.trouble.looks -= 1;
            self.effects.looks += 1;
            return Err(Errno::EIO.into());
        }
        Ok(())
    }

    /// What reading finds: the page cache.
    pub(crate) fn read(&mut self, inode: u64) -> io::Result<&[u8]> {
        let content = &self.inodes[&inode].cache;
        if self.trouble.reads > 0 && content.len() == 2 * SLOT_LEN {
            self.trouble.reads -= 1;
            self.effects.reads += 1;
            return Err(Errno::EIO.into());
        }
        Ok(content)
    }

    pub(crate) fn create(&mut self, name: &str, len: usize) -> io::Result<u64> {
        self.space()?;
        self.unlink(name);
        let inode = Inode {
            cache: vec![0; len],
            changed: self.clock,
            ..Inode::default()
        };
        let key = self.add(inode);
        self.name(name, Some(key));
        Ok(key)
    }

    pub(crate) fn link(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.space()?;
        if self.names.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = self.inode(from).ok_or(ErrorKind::NotFound)?;
        self.name(to, Some(inode));
        self.inodes.get_mut(&inode).expect("named").changed = self.clock;
        Ok(())
    }

    pub(crate) fn unlink(&mut self, name: &str) {
        if let Some(inode) = self.inode(name) {
            self.name(name, None);
            self.inodes.get_mut(&inode).expect("named").changed = self.clock;
        }
    }

    pub(crate) fn write(&mut self, inode: u64, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.version += 1;
        let mut len = bytes.len();
        let fails = self.trouble.writes > 0;
        if fails {
            self.trouble.writes -= 1;
            self.effects.writes += 1;
            len = self.rng.usize(..len);
        }
        let clock = self.clock;
        let inode = self.inodes.get_mut(&inode).expect("an open file");
        inode.put(at, &bytes[..len]);
        inode.changed = clock;
        if fails {
            return Err(io::Error::other("injected: the write failed"));
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self, inode: u64) -> io::Result<()> {
        self.version += 1;
        let failed = self.fail_flush();
        let mut luck = self.rng.fork();
        let inode = self.inodes.get_mut(&inode).expect("an open file");
        match failed {
            Err(_) => inode.fail_flush(&mut luck),
            Ok(()) if self.trouble.lies => self.effects.lies += 1,
            Ok(()) => inode.flush(),
        }
        failed
    }

    /// Locks bytes for the open file `owner`. False if another one holds some of them.
    pub(crate) fn lock(&mut self, inode: u64, owner: u64, bytes: Range<u64>) -> bool {
        let taken = self.locks.iter().any(|lock| {
            lock.inode == inode
                && lock.owner != owner
                && lock.bytes.start < bytes.end
                && bytes.start < lock.bytes.end
        });
        if !taken {
            self.locks.push(Lock {
                inode,
                owner,
                bytes,
            });
        }
        !taken
    }

    /// Gives back all locks of the open file `owner`, or those on exactly `bytes`.
    pub(crate) fn unlock(&mut self, owner: u64, bytes: Option<&Range<u64>>) {
        self.locks
            .retain(|lock| lock.owner != owner || bytes.is_some_and(|bytes| *bytes != lock.bytes));
    }

    fn name(&mut self, name: &str, inode: Option<u64>) {
        self.version += 1;
        set(&mut self.names, name.to_owned(), inode);
        self.pending.push((name.to_owned(), inode));
        self.changed = self.clock;
    }

    pub(crate) fn flush_names(&mut self) -> io::Result<()> {
        self.fail_flush()?;
        if self.trouble.lies {
            self.effects.lies += 1;
            return Ok(());
        }
        self.version += 1;
        for (name, inode) in std::mem::take(&mut self.pending) {
            set(&mut self.durable_names, name, inode);
        }
        self.durable_changed = self.changed;
        Ok(())
    }

    fn fail_flush(&mut self) -> io::Result<()> {
        if self.trouble.flushes > 0 {
            self.trouble.flushes -= 1;
            self.effects.flushes += 1;
            return Err(io::Error::other("injected: the flush failed"));
        }
        Ok(())
    }

    fn space(&mut self) -> io::Result<()> {
        if self.trouble.full {
            self.effects.full += 1;
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Hash for Volume {
    /// Over what a start can see or a crash can change.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for (name, inode) in &self.names {
            (name, &self.inodes[inode]).hash(hasher);
        }
        (&self.durable_names, &self.pending).hash(hasher);
        (self.changed, self.durable_changed).hash(hasher);
    }
}

const fn has(range: MachineRange, machine: u32) -> bool {
    range.first() <= machine && machine <= range.last()
}

fn set(names: &mut BTreeMap<String, u64>, name: String, inode: Option<u64>) {
    match inode {
        Some(inode) => names.insert(name, inode),
        None => names.remove(&name),
    };
}
