//! Records on their way to a reader: kept in a bounded queue, and written by one thread that does nothing
//! else, so that nobody else waits for a reader that takes none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use log::{Level, max_level};

use super::Kind;
use super::sink::Sink;
use shardflake::clock::{Clock, SystemClock};
use shardflake::time::WallTime;

/// How many records are kept; further ones are only counted.
const RECORDS: usize = 1024;
/// How many bytes of text they may have together.
const BYTES: usize = 1 << 20;

/// A record, and when it was made.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: WallTime,
    pub(super) level: Level,
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Records that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Told when there is something to write.
    filled: Condvar,
    /// Told when there is nothing.
    emptied: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Dropped since the last entry.
    missing: u64,
    writing: bool,
}

impl Entry {
    /// A record of this moment.
    pub(super) fn now(level: Level, kind: Kind, text: String) -> Self {
        Self {
            at: SystemClock.realtime(),
            level,
            kind,
            text,
        }
    }
}

impl Queue {
    /// Writes what is put into the queue to `sink`, on a thread of its own.
    pub(super) fn start(sink: impl Sink + Send + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self::default());
        let source = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || source.write_all(sink))?;
        Ok(queue)
    }

    /// Leaves `entry` to the thread that writes, if there is room.
    pub(super) fn put(&self, entry: Entry) {
        let mut state = self.state();
        let fits = state.bytes + entry.text.len() <= BYTES || state.entries.is_empty();
        if state.entries.len() >= RECORDS || !fits {
            state.missing += 1;
            self.count_dropped();
            return;
        }
        state.tell_missing();
        state.push(entry);
        drop(state);
        self.filled.notify_one();
    }

    /// Waits until all is written, for at most `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.writing || !state.entries.is_empty();
        // A reader that takes nothing until then is given up.
        let _ = self
            .emptied
            .wait_timeout_while(self.state(), patience, busy);
    }

    /// How many records were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn write_all(&self, mut sink: impl Sink) {
        loop {
            let entry = self.next();
            if sink.write(&entry).is_err() {
                self.count_dropped();
            }
        }
    }

    /// Waits for the next record; what was taken before is written.
    fn next(&self) -> Entry {
        let mut state = self.state();
        state.writing = false;
        loop {
            if state.entries.is_empty() {
                state.tell_missing();
            }
            if let Some(entry) = state.entries.pop_front() {
                state.bytes -= entry.text.len();
                state.writing = true;
                return entry;
            }
            self.emptied.notify_all();
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Its fields are valid at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, entry: Entry) {
        self.bytes += entry.text.len();
        self.entries.push_back(entry);
    }

    /// Puts a record about the dropped ones in their place.
    fn tell_missing(&mut self) {
        let missing = std::mem::take(&mut self.missing);
        if missing > 0 && max_level() >= Level::Warn {
            let text = format!(
                "{missing} log records were dropped here, because the reader of the log took none or was too slow: look at journald, or at what reads standard error"
            );
            self.push(Entry::now(Level::Warn, Kind::RecordsDropped, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A reader that takes a record when it is told to.
    struct Reader {
        leave: Receiver<()>,
        taken: Sender<String>,
    }

    impl Sink for Reader {
        fn write(&mut self, entry: &Entry) -> io::Result<()> {
            self.leave.recv().map_err(io::Error::other)?;
            self.taken
                .send(entry.text.clone())
                .map_err(io::Error::other)
        }
    }

    fn started() -> (Arc<Queue>, Sender<()>, Receiver<String>) {
        log::set_max_level(log::LevelFilter::Info);
        let (allow, leave) = channel();
        let (taken, read) = channel();
        let queue = Queue::start(Reader { leave, taken }).unwrap();
        (queue, allow, read)
    }

    fn entry(text: impl Into<String>) -> Entry {
        Entry::now(Level::Info, Kind::Serving, text.into())
    }

    #[test]
    fn records_come_in_their_order_and_what_is_missing_is_told_in_its_place() {
        let (queue, allow, read) = started();
        for number in 0..RECORDS + 10 {
            queue.put(entry(number.to_string()));
        }
        let take = || {
            allow.send(()).unwrap();
            read.recv_timeout(LONG).unwrap()
        };
        let missing = queue.dropped();
        // One more fits if the first was taken from the queue meanwhile.
        assert!((9..=10).contains(&missing), "{missing}");
        assert_eq!(take(), "0");
        assert_eq!(take(), "1");
        queue.put(entry("after"));
        let kept = RECORDS + 10 - usize::try_from(missing).unwrap();
        for number in 2..kept {
            assert_eq!(take(), number.to_string());
        }
        let told = take();
        assert!(
            told.starts_with(&format!("{missing} log records were dropped")),
            "{told}"
        );
        assert_eq!(take(), "after");
        queue.flush(LONG);
        assert_eq!(queue.dropped(), missing);
    }

    #[test]
    fn what_is_missing_is_told_though_nothing_follows() {
        let (queue, allow, read) = started();
        queue.put(entry("x"));
        // It is taken from the queue, which is empty then.
        while !queue.state().writing {
            thread::yield_now();
        }
        queue.put(entry("y".repeat(BYTES)));
        queue.put(entry("z"));
        assert_eq!(queue.dropped(), 1);
        for _ in 0..3 {
            allow.send(()).unwrap();
        }
        let told = [(); 3].map(|()| read.recv_timeout(LONG).unwrap());
        assert!(told[0] == "x" && told[1].len() == BYTES);
        assert!(told[2].starts_with("1 log records"), "{}", told[2]);
    }

    #[test]
    fn a_flush_ends_without_a_reader_and_a_record_that_cannot_be_written_counts() {
        let (queue, allow, _read) = started();
        queue.put(entry("stuck"));
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.dropped(), 0);
        drop(allow);
        queue.flush(LONG);
        assert_eq!(queue.dropped(), 1);
    }
}
