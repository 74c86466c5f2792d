//! Where records are written to: the journal, or standard error.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use log::Record;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use systemd_journal_logger::JournalLog;

use super::queue::Entry;

/// Takes records, for as long as that takes.
pub(super) trait Sink {
    /// Writes one record.
    fn write(&mut self, entry: &Entry) -> io::Result<()>;
}

/// The journal, with fields.
pub(super) struct Journal(pub(super) JournalLog);

impl Sink for Journal {
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        // The journal stamps records as it receives them; this one may have waited.
        let at = entry.at.to_string();
        let fields = [("MESSAGE_ID", entry.kind.message_id()), ("EVENT_TIME", &at)];
        self.0.journal_send(
            &Record::builder()
                .args(format_args!("{}", entry.text))
                .level(entry.level)
                .target("shardflake")
                .key_values(&fields)
                .build(),
        )
    }
}

/// Standard error, one line a record: moment, level, text.
pub(super) struct Lines<W>(pub(super) W);

impl<W: Write> Sink for Lines<W> {
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        // In one piece, so that others that write there do not come in between.
        let line = format!("{} {:5} {}\n", entry.at, entry.level, entry.text);
        self.0.write_all(line.as_bytes())
    }
}

/// Standard error without the lock of [`io::Stderr`]: a write that waits would hold it.
#[derive(Debug)]
pub struct Stderr {
    /// How long a write may wait for the reader, if not for ever.
    patience: Option<Duration>,
}

/// Bytes that surely fit at once where the system says that there is room.
const AT_ONCE: usize = 4096;

impl Stderr {
    /// Standard error that waits for its reader as long as that takes.
    #[must_use]
    pub const fn patient() -> Self {
        Self { patience: None }
    }

    /// Standard error that gives up, for good, a reader that takes nothing for `patience`: later writes are
    /// lost.
    #[must_use]
    pub const fn impatient(patience: Duration) -> Self {
        Self {
            patience: Some(patience),
        }
    }

    /// Waits for room; false if it does not come in time.
    fn await_room(&self) -> io::Result<bool> {
        let limit = self.patience.map(PollTimeout::try_from);
        let limit = limit.map_or(PollTimeout::NONE, |limit| limit.unwrap_or(PollTimeout::MAX));
        let stderr = io::stderr();
        let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        Ok(poll(&mut fds, limit)? > 0)
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = if self.patience.is_some() {
            if !self.await_room()? {
                self.patience = Some(Duration::ZERO);
                return Err(ErrorKind::TimedOut.into());
            }
            &bytes[..bytes.len().min(AT_ONCE)]
        } else {
            bytes
        };
        match nix::unistd::write(io::stderr(), piece) {
            // Another process that shares it has made it non-blocking.
            Err(Errno::EAGAIN) => {
                self.await_room()?;
                Err(ErrorKind::Interrupted.into())
            }
            written => Ok(written?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
