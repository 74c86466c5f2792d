//! Failed writes and flushes, on a storage that fails on demand and remembers what is durable.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::*;
use crate::mark::storage::{File, Identity, Storage};

/// What a flush has made durable, what was only written, and which calls are to fail.
#[derive(Default)]
pub(super) struct Disk {
    volatile: Vec<u8>,
    durable: Vec<u8>,
    /// Every write and flush, as `w0`, `w1` (the slot) or `f`.
    pub(super) calls: Vec<&'static str>,
    fail: Vec<usize>,
    /// How often the names in the directory were flushed.
    pub(super) names_flushed: usize,
    /// How many files were closed that held a lock.
    let_go: usize,
    /// What others do just before a read (`r0`, `r1`), a write (`w0`, `w1`), a flush (`f`) or a flush of
    /// the names (`n`), and as soon as a file was opened or made (`o`).
    pub(super) meanwhile: Option<Meanwhile>,
    /// Whether what is noted in the lock file is lost.
    pub(super) loses_notes: bool,
    /// Instead of what the kernel stamps the directory with.
    pub(super) stamps: Option<Stamps>,
}

/// When the directory was changed, by a clock that stands still.
pub(super) struct Stamps {
    pub(super) now: WallTime,
    pub(super) changed: WallTime,
    /// How many files were made in it.
    pub(super) made: usize,
}

/// Told the call; an error makes it fail.
pub(super) type Meanwhile = Box<dyn FnMut(&str) -> io::Result<()> + Send>;

#[derive(Clone)]
pub(super) struct Faulty {
    real: Directory,
    disk: Arc<Mutex<Disk>>,
}

pub(super) struct FaultyFile {
    real: RefCell<fs::File>,
    disk: Arc<Mutex<Disk>>,
    locked: Cell<bool>,
    /// Whether it is the lock file: what is noted there may be lost.
    is_lock: bool,
}

impl Drop for FaultyFile {
    fn drop(&mut self) {
        if self.locked.get() {
            self.disk.lock().unwrap().let_go += 1;
        }
    }
}

impl Disk {
    fn call(&mut self, name: &'static str) -> io::Result<()> {
        self.calls.push(name);
        if self.fail.contains(&(self.calls.len() - 1)) {
            return Err(io::Error::other("injected"));
        }
        self.meanwhile(name)
    }

    fn count_from_here(&mut self, fail: &[usize]) {
        self.calls.clear();
        self.names_flushed = 0;
        self.fail = fail.to_vec();
    }

    fn meanwhile(&mut self, call: &str) -> io::Result<()> {
        self.meanwhile
            .as_mut()
            .map_or(Ok(()), |meanwhile| meanwhile(call))
    }

    /// A file is made in the directory.
    fn stamp(&mut self) {
        if let Some(stamps) = &mut self.stamps {
            stamps.changed = stamps.now;
            stamps.made += 1;
        }
    }

    fn valid_bounds(&self) -> Vec<u64> {
        let slots = [0, SLOT_LEN].map(|at| Slot::decode(self.durable.get(at..).unwrap_or(&[])));
        slots.into_iter().flatten().map(|slot| slot.bound).collect()
    }
}

impl Storage for Faulty {
    type File = FaultyFile;

    fn names(&self) -> io::Result<Vec<String>> {
        self.real.names()
    }

    fn open(&self, name: &str) -> io::Result<Option<FaultyFile>> {
        Ok(self.real.open(name)?.map(|file| self.file(name, file)))
    }

    fn open_or_create(&self, name: &str) -> io::Result<FaultyFile> {
        if !self.names()?.iter().any(|known| known == name) {
            self.disk.lock().unwrap().stamp();
        }
        let file = self.file(name, self.real.open_or_create(name)?);
        self.disk.lock().unwrap().meanwhile("o")?;
        Ok(file)
    }

    fn create(&self, name: &str, len: u64) -> io::Result<FaultyFile> {
        Ok(self.file(name, self.real.create(name, len)?))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.real.rename_new(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.real.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.names_flushed += 1;
        disk.meanwhile("n")?;
        self.real.sync()
    }

    fn now(&self) -> WallTime {
        let disk = self.disk.lock().unwrap();
        disk.stamps
            .as_ref()
            .map_or_else(|| self.real.now(), |stamps| stamps.now)
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        match &self.disk.lock().unwrap().stamps {
            Some(stamps) => Ok(Some(stamps.changed)),
            None => self.real.changed(),
        }
    }
}

impl Faulty {
    pub(super) fn new(state: &Path) -> Self {
        Self {
            real: Directory::new(state),
            disk: Arc::default(),
        }
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    /// Takes the claim on `range`, while others do `meanwhile`.
    pub(super) fn take(
        &self,
        range: &str,
        meanwhile: Option<Meanwhile>,
    ) -> Result<Claim<Self>, MarkError> {
        self.disk.lock().unwrap().meanwhile = meanwhile;
        Claim::take(self.clone(), "/state".into(), range.parse().unwrap())
    }

    fn file(&self, name: &str, real: fs::File) -> FaultyFile {
        FaultyFile {
            real: RefCell::new(real),
            disk: Arc::clone(&self.disk),
            locked: Cell::new(false),
            is_lock: name == "lock",
        }
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_lock {
            return File::read_at(&*self.real.borrow(), buffer, offset);
        }
        let call = if offset == 0 { "r0" } else { "r1" };
        self.disk.lock().unwrap().meanwhile(call)?;
        File::read_at(&*self.real.borrow(), buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.is_lock {
            if self.disk.lock().unwrap().loses_notes {
                return Err(io::Error::other("injected"));
            }
            return self.real.borrow().write_all_at(bytes, offset);
        }
        let mut disk = self.disk.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        disk.volatile.resize(2 * SLOT_LEN, 0);
        let result = disk.call(if at == 0 { "w0" } else { "w1" });
        // A write that fails may have written some of it.
        let len = if result.is_ok() { bytes.len() } else { 100 };
        disk.volatile[at..at + len].copy_from_slice(&bytes[..len]);
        if result.is_ok() {
            self.real.borrow().write_all_at(bytes, offset)?;
        }
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        disk.call("f")?;
        disk.durable = disk.volatile.clone();
        Ok(())
    }

    fn lock_bytes(&self, start: u64, len: u64) -> io::Result<bool> {
        let locked = File::lock_bytes(&*self.real.borrow(), start, len)?;
        self.locked.set(self.locked.get() || locked);
        Ok(locked)
    }

    fn unlock_bytes(&self, start: u64, len: u64) -> io::Result<()> {
        File::unlock_bytes(&*self.real.borrow(), start, len)
    }

    fn identity(&self) -> io::Result<Identity> {
        File::identity(&*self.real.borrow())
    }

    fn changed(&self) -> io::Result<Option<WallTime>> {
        File::changed(&*self.real.borrow())
    }
}

/// A claim over a faulty disk.
fn claim(state: &Path) -> (Claim<Faulty>, Arc<Mutex<Disk>>) {
    let storage = Faulty::new(state);
    let claim = storage.take("1", None).unwrap();
    (claim, storage.disk)
}

/// Settles the marks for shard 1.
fn settle(claim: &mut Claim<Faulty>) {
    let policy = policy("1");
    claim
        .settle(&author(), |view| settlement(view, &policy, &now(NOW)))
        .unwrap();
}

/// A record at its start, over a faulty disk whose calls are counted from here on.
pub(super) fn record(state: &Path, fail: &[usize]) -> (Record<Faulty>, Arc<Mutex<Disk>>) {
    let (mut claim, disk) = claim(state);
    settle(&mut claim);
    let record = claim.into_record(author()).unwrap();
    disk.lock().unwrap().count_from_here(fail);
    (record, disk)
}

/// A record whose run has raised its bound already, over such a disk.
pub(super) fn running(state: &Path, fail: &[usize]) -> (Record<Faulty>, Arc<Mutex<Disk>>) {
    let (mut record, disk) = record(state, &[]);
    let bound = record.bound() + 1;
    record.raise(bound, Moment::default()).unwrap();
    disk.lock().unwrap().count_from_here(fail);
    (record, disk)
}

#[test]
fn a_storage_that_opens_in_one_way_alone_is_looked_at_as_well() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let (marks, _) = survey(&Faulty::new(state.path()), "/state").unwrap();
    assert_eq!(marks.len(), 1);
}

#[test]
fn both_slots_are_durable_before_a_bound_counts() {
    let state = tempfile::tempdir().unwrap();
    let (mut record, disk) = running(state.path(), &[]);
    let bound = record.bound() + 100;
    record.raise(bound, Moment::default()).unwrap();
    let disk = disk.lock().unwrap();
    assert_eq!(disk.calls, ["w0", "f", "w1", "f"]);
    assert_eq!(disk.valid_bounds(), [bound, bound]);
}

#[test]
fn the_failed_slot_is_rewritten_before_the_other_is_touched() {
    // Which call fails first, and what follows when it is tried again.
    for (fail, after) in [
        (0, ["w0", "f", "w1", "f"]),
        (1, ["w0", "f", "w1", "f"]),
        (2, ["w1", "f", "w0", "f"]),
        (3, ["w1", "f", "w0", "f"]),
    ] {
        let state = tempfile::tempdir().unwrap();
        // It fails twice in a row.
        let (mut record, disk) = running(state.path(), &[fail, fail + 1]);
        let old = record.bound();
        let mut failures = 0;
        while record.raise(old + 100, Moment::default()).is_err() {
            failures += 1;
            assert_eq!(record.bound(), old, "published after a failure");
            let bounds = disk.lock().unwrap().valid_bounds();
            assert!(bounds.iter().all(|bound| *bound >= old), "{bounds:?}");
            assert!(!bounds.is_empty());
        }
        assert!(failures > 0);
        let disk = disk.lock().unwrap();
        let last: Vec<_> = disk.calls[disk.calls.len() - 4..].to_vec();
        assert_eq!(last, after, "failing call {fail}");
        assert_eq!(disk.valid_bounds(), [old + 100, old + 100]);
        assert_eq!(record.bound(), old + 100);
    }
}

#[test]
fn a_failed_exact_mark_leaves_the_bound_in_force() {
    for fail in 0..4 {
        let state = tempfile::tempdir().unwrap();
        let (mut record, disk) = running(state.path(), &[4 + fail]);
        let old = record.bound();
        record.raise(old + 100, Moment::default()).unwrap();
        assert!(record.finish(old + 40, Moment::default()).is_err());
        let bounds = disk.lock().unwrap().valid_bounds();
        assert!(bounds.iter().all(|bound| *bound >= old + 40), "{bounds:?}");
    }
}

/// R30.
#[test]
fn what_an_earlier_run_left_is_durable_before_anything_new_is_written() {
    // The call that fails, twice in a row, and all calls: both slots as they are and a flush, until
    // that is well, then the new bound.
    for (fail, tries) in [
        (0, "w0 w0 w0 w1 f w0 f w1 f"),
        (1, "w0 w1 w0 w0 w1 f w0 f w1 f"),
        (2, "w0 w1 f w0 w0 w1 f w0 f w1 f"),
        (3, "w0 w1 f w0 w0 w0 f w1 f"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let (mut record, disk) = record(state.path(), &[fail, fail + 1]);
        let old = record.bound();
        while record.raise(old + 100, Moment::default()).is_err() {
            let bounds = disk.lock().unwrap().valid_bounds();
            assert!(bounds.iter().all(|bound| *bound == old), "{bounds:?}");
        }
        let disk = disk.lock().unwrap();
        assert_eq!(disk.calls.join(" "), tries);
        assert_eq!(disk.valid_bounds(), [old + 100, old + 100]);
    }
}

#[test]
fn a_settlement_keeps_what_it_finds_before_it_raises_it() {
    let (state, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    leave(state.path(), "1", tick(NOW));
    leave(other.path(), "1-2", tick(NOW));
    // As a settlement that was killed half-way leaves them.
    fs::rename(other.path().join("1-2.mark"), state.path().join("1-2.mark")).unwrap();
    let (mut claim, disk) = claim(state.path());
    settle(&mut claim);
    assert_eq!(marks(state.path()), ["1.mark", "2.mark"]);
    let calls = disk.lock().unwrap().calls.join(" ");
    assert!(calls.ends_with("w0 w1 f w0 f w1 f"), "{calls}");
}

#[test]
fn a_slot_that_cannot_be_read_is_written_first() {
    for (bad, order) in [
        (0, ["w1", "f", "w0", "f", "w1", "f"]),
        (1, ["w0", "f", "w1", "f", "w0", "f"]),
    ] {
        let state = tempfile::tempdir().unwrap();
        leave(state.path(), "1", tick(NOW));
        damage(state.path(), "1.mark", bad);
        let (mut adopting, disk) = claim(state.path());
        adopting
            .adopt(&author(), None, |_| Ok(tick(NOW) + 9))
            .unwrap();
        assert_eq!(disk.lock().unwrap().calls, order, "adopted, slot {bad}");

        damage(state.path(), "1.mark", bad);
        drop(adopting);
        let (claim, disk) = claim(state.path());
        let mut record = claim.into_record(author()).unwrap();
        record.raise(tick(NOW) + 99, Moment::default()).unwrap();
        assert_eq!(disk.lock().unwrap().calls, order, "extended, slot {bad}");
    }
}

#[test]
fn the_marks_name_is_flushed_once_before_its_first_bound_counts() {
    let state = tempfile::tempdir().unwrap();
    let (mut record, disk) = record(state.path(), &[]);
    for more in 1..4 {
        let bound = record.bound() + more;
        record.raise(bound, Moment::default()).unwrap();
        assert_eq!(disk.lock().unwrap().names_flushed, 1);
    }
}

/// R28.
#[test]
fn names_are_flushed_before_old_ones_go_and_after() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1-2", tick(NOW));
    let (mut claim, disk) = claim(state.path());
    settle(&mut claim);
    assert_eq!(marks(state.path()), ["1.mark", "2.mark"]);
    assert_eq!(disk.lock().unwrap().names_flushed, 2);
}

#[test]
fn nothing_is_written_to_a_mark_while_its_name_is_gone() {
    let state = tempfile::tempdir().unwrap();
    let (mut record, disk) = running(state.path(), &[]);
    let bound = record.bound() + 100;
    let (mark, aside) = (state.path().join("1.mark"), state.path().join("aside"));
    fs::rename(&mark, &aside).unwrap();
    for _ in 0..3 {
        let result = record.raise(bound, Moment::default());
        assert!(matches!(result, Err(MarkError::Replaced { .. })));
        // Those of the first time, after which the name was looked at.
        assert_eq!(disk.lock().unwrap().calls, ["w0", "f", "w1", "f"]);
    }
    fs::rename(&aside, &mark).unwrap();
    record.raise(bound, Moment::default()).unwrap();
    assert_eq!(record.bound(), bound);
}

#[test]
fn looking_again_keeps_the_locks_on_the_marks() {
    let state = tempfile::tempdir().unwrap();
    leave(state.path(), "1", tick(NOW));
    let (mut claim, disk) = claim(state.path());
    claim.look().unwrap();
    claim.look().unwrap();
    assert_eq!(disk.lock().unwrap().let_go, 0);
}
