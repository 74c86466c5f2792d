//! A server under strace, and what its system calls say is durable.
//!
//! strace writes a call down before the caller goes on from it. What the trace does not tell when
//! an ID has arrived had not happened when the ID left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shardflake::mark::slot::{SLOT_LEN, Slot};

use crate::server::{Home, Server, fields};

/// Calls by which a file's name, content or length is reached.
const FILE_CALLS: &str = "trace=%file,read,write,readv,writev,pread64,pwrite64,preadv,pwritev,fsync,fdatasync,sync_file_range,fallocate,ftruncate,getdents64";
const MARK_CALLS: &str = "trace=pwrite64,fdatasync,fsync,fallocate,linkat,unlink";

/// What the trace of one server says, as far as it was read.
#[derive(Default)]
pub(crate) struct Trace {
    folder: PathBuf,
    /// How far the file of each thread was read.
    read: BTreeMap<PathBuf, u64>,
    /// What each slot's last successful flush made durable.
    flushed: [Option<u64>; 2],
    /// What was written to each slot since.
    written: [Option<u64>; 2],
    /// The slot whose write or flush failed.
    doubtful: Option<usize>,
    /// Flushes of the mark that succeeded.
    pub(crate) flushes: u64,
    /// Calls that failed by injection.
    pub(crate) failures: u64,
    /// Flushes since the last such failure.
    pub(crate) flushes_since: u64,
    /// What the longest flush took, a delay by injection included.
    pub(crate) longest: Duration,
}

/// Starts a server for shard 1 under strace, which alters its calls as `inject` says.
pub(crate) fn traced(home: &Home, inject: &[&str], quick: bool) -> (Server, Trace) {
    follow(home, MARK_CALLS, inject, quick)
}

/// Starts a server for shard 1 under strace, which follows every call that reaches a file.
pub(crate) fn watched(home: &Home) -> (Server, Trace) {
    follow(home, FILE_CALLS, &[], false)
}

fn follow(home: &Home, calls: &str, inject: &[&str], quick: bool) -> (Server, Trace) {
    let folder = home.path("trace");
    fs::create_dir(&folder).unwrap();
    let output = folder.join("thread");
    let output = output.to_str().unwrap();
    let mut wrapper = vec![
        "strace",
        "-D",
        "--seccomp-bpf",
        "-ff",
        "-qq",
        "-y",
        "-x",
        "-T",
    ];
    wrapper.extend(["-s", "4096", "-o", output, "-e", calls]);
    for what in inject {
        wrapper.extend(["-e", *what]);
    }
    let mut command = home.wrapped(&wrapper, "1");
    if quick {
        crate::kill::hurry(&mut command);
    }
    let trace = Trace {
        folder,
        flushed: bounds_in(&home.state().join("1.mark")),
        ..Trace::default()
    };
    (Server::start(command, home.address()), trace)
}

impl Trace {
    /// Reads on; panics if the keeper did what it must not.
    pub(crate) fn read(&mut self) {
        for (_, line) in self.lines() {
            self.take(&line);
        }
    }

    /// Asserts that `id`, which was received before the trace is read here, is durably bounded.
    pub(crate) fn bounds(&mut self, id: u64) {
        self.read();
        let (tick, _) = fields(id);
        let [first, second] = self.flushed;
        assert!(
            id == 0 || first.min(second).is_some_and(|bound| tick <= bound),
            "{id} has tick {tick}, durable are {first:?} and {second:?}"
        );
    }

    /// The lines that are new, each with the thread that made the call.
    pub(crate) fn lines(&mut self) -> Vec<(u32, String)> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            let thread = path.extension().unwrap().to_str().unwrap();
            let thread = thread.parse().unwrap();
            let read = self.read.entry(path.clone()).or_default();
            let text = whole_lines(&path, *read);
            *read += text.len() as u64;
            lines.extend(text.lines().map(|line| (thread, line.to_owned())));
        }
        lines
    }

    fn take(&mut self, line: &str) {
        let failed = line.contains("(INJECTED)");
        self.failures += u64::from(failed);
        if failed {
            self.flushes_since = 0;
        }
        // Of the mark itself, not of one that is being made.
        if !line.contains("/1.mark>") {
            return;
        }
        if line.starts_with("pwrite64(") {
            self.write(line, failed);
        } else if line.starts_with("fdatasync(") {
            self.flush(failed);
            self.longest = self.longest.max(took(line));
        }
    }

    fn write(&mut self, line: &str, failed: bool) {
        let (slot, bound) = written(line);
        if self.flushed[slot] == Some(bound) {
            // What a start finds it makes durable once more; the same bytes change nothing.
            return;
        }
        if let Some(doubtful) = self.doubtful {
            assert_eq!(doubtful, slot, "the other slot was written: {line}");
        }
        if failed {
            self.doubtful = Some(slot);
        } else {
            self.written[slot] = Some(bound);
        }
    }

    fn flush(&mut self, failed: bool) {
        for slot in 0..2 {
            // A flush that failed may have dropped what was written.
            let Some(bound) = self.written[slot].take() else {
                continue;
            };
            if failed {
                self.doubtful = Some(slot);
            } else {
                self.flushed[slot] = Some(bound);
                self.doubtful = self.doubtful.filter(|doubtful| *doubtful != slot);
            }
        }
        if !failed {
            self.flushes += 1;
            self.flushes_since += 1;
        }
    }
}

/// The bounds that lie in a mark's slots.
fn bounds_in(mark: &Path) -> [Option<u64>; 2] {
    let bytes = fs::read(mark).unwrap_or_default();
    [0, SLOT_LEN].map(|at| {
        let slot = bytes.get(at..at + SLOT_LEN)?;
        Some(Slot::decode(slot).ok()?.bound)
    })
}

/// A call by its name, and which of the thread's calls of that name it is.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

/// The calls that `lines` of one thread tell, numbered as strace counts them.
pub(crate) fn calls_of(lines: &[String]) -> Vec<Call> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let names = lines.iter().filter_map(|line| line.split_once('('));
    names
        .map(|(name, _)| {
            let number = numbers.entry(name).or_default();
            *number += 1;
            Call {
                name: name.to_owned(),
                number: *number,
            }
        })
        .collect()
}

/// What strace wrote in `folder` of the thread that takes the lock; nothing if none has come so far.
pub(crate) fn keeper_lines(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let mut texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let keeper = texts.find(|text| text.contains("/lock"));
    let lines = keeper.unwrap_or_default();
    lines.lines().map(str::to_owned).collect()
}

/// How long a call took, from the end of its line.
fn took(line: &str) -> Duration {
    let seconds = line.trim_end_matches('>').rsplit('<').next();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.expect("the time that the call took"))
}

/// Slot and bound that a line about `pwrite64` tells.
fn written(line: &str) -> (usize, u64) {
    let mut quoted = line.split('"');
    let bytes = quoted.nth(1).expect("what was written");
    let bytes: Vec<u8> = bytes
        .split("\\x")
        .skip(1)
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let rest = quoted.next().expect("length and offset");
    let offset = rest.split([',', ')']).nth(2).expect("an offset");
    let offset: usize = offset.trim().parse().unwrap();
    let slot = Slot::decode(&bytes).expect("a whole slot is written");
    (offset / SLOT_LEN, slot.bound)
}

/// The text from `offset` on, without a line that is still being written.
fn whole_lines(path: &Path, offset: u64) -> String {
    let mut file = File::open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}
