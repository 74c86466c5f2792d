//! What an application holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::builder::{Builder, Unbuildable};
use crate::error::{Error, Wrong};
use crate::roster::Troubles;
use crate::stock::Stock;

/// A source of unique IDs, to be shared by reference between threads.
///
/// Dropped it asks for no more; its thread ends after what it is at.
#[derive(Debug)]
pub struct Client {
    pub(crate) stock: Arc<Stock>,
    pub(crate) troubles: Arc<Troubles>,
    pub(crate) deadline: Duration,
}

impl Client {
    /// A client of these servers with all else as [`Builder`] has it by default. Nothing is asked of them
    /// before it returns.
    ///
    /// # Errors
    /// [`Unbuildable`] if one is no address, if there is none, or if the system gives no thread.
    pub fn new<S: AsRef<str>>(servers: impl IntoIterator<Item = S>) -> Result<Self, Unbuildable> {
        Self::builder(servers).build()
    }

    /// A client of these servers, of which more can be said. Each is `HOST:PORT`, `http://HOST:PORT`, or a
    /// Unix socket as `unix:/PATH` or `/PATH`.
    pub fn builder<S: AsRef<str>>(servers: impl IntoIterator<Item = S>) -> Builder {
        Builder::new(servers)
    }

    /// A new ID: 63 bits, at once if one is buffered. Otherwise the thread sleeps, at most until
    /// [`Builder::deadline`].
    ///
    /// # Errors
    /// [`Error`] says which servers gave none, and why.
    #[inline]
    pub fn id(&self) -> Result<u64, Error> {
        match self.stock.take() {
            Some(id) => Ok(id),
            None => self.id_slowly(self.deadline),
        }
    }

    /// [`Client::id`] with a deadline of its own for this call.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn id_within(&self, deadline: Duration) -> Result<u64, Error> {
        match self.stock.take() {
            Some(id) => Ok(id),
            None => self.id_slowly(deadline),
        }
    }

    /// A new ID if one is buffered. If not, IDs are asked for, so that a later call may get one. A forked child
    /// of the process that built the client gets none.
    #[must_use]
    #[inline]
    pub fn try_id(&self) -> Option<u64> {
        self.stock.take().or_else(|| self.stock.take_locked())
    }

    /// How many IDs are buffered and young enough; others may take them meanwhile. 0 in a forked child.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.stock.buffered()
    }

    /// Each server, in the order in which they were given, with what was wrong when it was asked last. None in a
    /// forked child, which asks no server.
    #[must_use]
    pub fn troubles(&self) -> Vec<Wrong> {
        if self.stock.has_forked() {
            return Vec::new();
        }
        self.troubles.all()
    }

    #[cold]
    #[inline(never)]
    fn id_slowly(&self, deadline: Duration) -> Result<u64, Error> {
        if let Some(id) = self.stock.take_locked() {
            return Ok(id);
        }
        if self.stock.has_forked() {
            return Err(Error::Forked);
        }
        let until = Instant::now().checked_add(deadline);
        self.stock.wait(until).ok_or_else(|| Error::Deadline {
            deadline,
            servers: self.troubles.all(),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stock.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::Range;
    use crate::stock::tests::in_a_child;

    #[test]
    fn a_forked_child_is_refused_the_ids_of_its_parent() {
        let client = Client::new(["127.0.0.1:1"]).unwrap();
        let range = Range {
            first: 10,
            step: 1,
            count: 3,
            ..Range::NONE
        };
        client.stock.deliver(&[range], client.stock.clock.now());
        assert!(in_a_child(|| matches!(client.id(), Err(Error::Forked))));
        let long = Duration::from_secs(3600);
        assert!(in_a_child(|| {
            matches!(client.id_within(long), Err(Error::Forked))
        }));
        assert!(in_a_child(|| client.try_id().is_none()));
        assert!(in_a_child(|| client.buffered() == 0));
        assert_eq!(client.id().ok(), Some(10));
    }
}
