//! How a client is made.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::range::MOST;
use crate::refiller::Refiller;
use crate::roster::{Roster, Troubles};
use crate::server::{NoServer, Server};
use crate::stock::Stock;

/// What a client is made of.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    servers: Vec<String>,
    buffer: u32,
    max_age: Duration,
    deadline: Duration,
    attempt: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unbuildable {
    /// One of the servers is none.
    #[error(transparent)]
    Server(#[from] NoServer),
    /// There are none.
    #[error("there are no servers; name at least one")]
    NoServers,
    /// The buffer cannot be so large or so small.
    #[error("a buffer of {0} IDs is not possible; from 1 to {MOST} are")]
    Buffer(u32),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl Builder {
    pub(crate) fn new<S: AsRef<str>>(servers: impl IntoIterator<Item = S>) -> Self {
        let text = |server: S| server.as_ref().to_owned();
        Self {
            servers: servers.into_iter().map(text).collect(),
            buffer: 100,
            max_age: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
            attempt: Duration::from_secs(2),
        }
    }

    /// How many IDs are asked for at a time, from 1 to 10,000; 100 by default. Twice as many are held, so
    /// that calls at R IDs a second never wait for a server that takes T to reply if this is above R × T.
    /// One call in so many wakes the thread that asks, which takes it some microseconds.
    pub const fn buffer(mut self, ids: u32) -> Self {
        self.buffer = ids;
        self
    }

    /// How long ago an ID may have been asked for when it is handed out; 1 s by default. With a server that
    /// takes longer than this to reply, only calls that were waiting before get its IDs; with 10 ms or less all
    /// calls wait for a reply.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How long a call may wait for an ID; 5 s by default. [`Client::id_within`] has it for one call.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long one server may take for one reply, connecting included, before the next one is asked; 2 s by
    /// default.
    pub const fn attempt(mut self, attempt: Duration) -> Self {
        self.attempt = attempt;
        self
    }

    /// The client. Its thread begins to fill the buffer at once.
    ///
    /// # Errors
    /// [`Unbuildable`] says what is wrong with what it is made of, or that the system gives no thread.
    pub fn build(self) -> Result<Client, Unbuildable> {
        let servers = self.servers.iter().map(|server| server.parse());
        let servers: Vec<Server> = servers.collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(Unbuildable::NoServers);
        }
        if !(1..=MOST).contains(&self.buffer) {
            return Err(Unbuildable::Buffer(self.buffer));
        }
        let stock = Arc::new(Stock::new(self.buffer, self.max_age));
        let troubles = Arc::new(Troubles::new(&servers));
        let client = Client {
            stock: Arc::clone(&stock),
            troubles: Arc::clone(&troubles),
            deadline: self.deadline,
        };
        let refiller = Refiller {
            stock,
            troubles,
            roster: Roster::new(servers),
            attempt: self.attempt,
            connection: None,
        };
        thread::Builder::new()
            .name("ids-refill".to_owned())
            .spawn(move || refiller.run())?;
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told() {
        let told = |builder: Builder| builder.build().unwrap_err().to_string();
        assert!(told(Client::builder([""; 0])).contains("no servers"));
        assert!(told(Client::builder(["ids"])).contains("no port"));
        for buffer in [0, 10_001] {
            assert!(told(Client::builder(["ids:1"]).buffer(buffer)).contains("1 to 10000"));
        }
    }

    #[test]
    fn a_client_is_shared_and_gives_back_its_thread() {
        fn shared<T: Send + Sync>(value: T) -> T {
            value
        }
        let client = shared(Client::new(["127.0.0.1:1"]).unwrap());
        let stock = Arc::downgrade(&client.stock);
        drop(client);
        let begun = std::time::Instant::now();
        while stock.strong_count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::yield_now();
        }
    }
}
