//! The thread that asks servers for IDs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::error::Trouble;
use crate::exchange::{Connection, Reply};
use crate::range::{self, Range};
use crate::roster::{Roster, Troubles};
use crate::stock::Stock;

const OK: u16 = 200;
/// How much of a text is told that a server sends instead of an error of its own, in characters.
const TOLD: usize = 200;

pub(crate) struct Refiller {
    pub(crate) stock: Arc<Stock>,
    pub(crate) troubles: Arc<Troubles>,
    pub(crate) roster: Roster,
    /// How long one request may take, with its connection.
    pub(crate) attempt: Duration,
    /// The open connection, and whose it is.
    pub(crate) connection: Option<(usize, Connection)>,
}

/// The body of an error.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: String,
    #[serde(default)]
    code: Option<String>,
}

impl Refiller {
    /// Fills the stock until its end.
    pub(crate) fn run(mut self) {
        while let Some(count) = self.stock.order() {
            let index = match self.roster.pick(Instant::now()) {
                Ok(index) => index,
                Err(until) => {
                    if !self.stock.pause(until) {
                        return;
                    }
                    continue;
                }
            };
            // Before the request: no ID is older than that.
            let sent = self.stock.clock.now();
            match self.fetch(index, count) {
                Ok((ranges, closes)) => {
                    self.roster.worked(index, closes);
                    self.troubles.note(index, None);
                    self.stock.deliver(&ranges, sent);
                }
                Err(trouble) => {
                    self.roster.failed(index, &trouble, Instant::now());
                    self.troubles.note(index, Some(trouble));
                }
            }
        }
    }

    /// `count` IDs of that server, and whether it closes the connection.
    fn fetch(&mut self, index: usize, count: u32) -> Result<(Vec<Range>, bool), Trouble> {
        let reply = self.exchange(index, count)?;
        if reply.status != OK {
            return Err(refused(&reply));
        }
        let ranges = range::parse(&reply.body, count).map_err(Trouble::Unreadable)?;
        Ok((ranges, reply.closes))
    }

    fn exchange(&mut self, index: usize, count: u32) -> Result<Reply, Trouble> {
        let until = Instant::now() + self.attempt;
        let broken = |error| Trouble::Broken(Arc::new(error));
        if let Some((_, mut kept)) = self.connection.take().filter(|kept| kept.0 == index) {
            match kept.ask(count, until) {
                Ok(reply) => return Ok(self.keep(index, kept, reply)),
                // Closed while it was idle, which says nothing about the server.
                Err(end) if end.before_reply => {}
                Err(end) => return Err(broken(end.error)),
            }
        }
        let connect = |error| Trouble::Connect(Arc::new(error));
        let mut new = Connection::open(self.roster.server(index), until).map_err(connect)?;
        let reply = new.ask(count, until).map_err(|end| broken(end.error))?;
        Ok(self.keep(index, new, reply))
    }

    fn keep(&mut self, index: usize, connection: Connection, reply: Reply) -> Reply {
        self.connection = (!reply.closes).then_some((index, connection));
        reply
    }
}

fn refused(reply: &Reply) -> Trouble {
    let refusal = serde_json::from_slice(&reply.body).unwrap_or_else(|_| Refusal {
        error: String::from_utf8_lossy(&reply.body)
            .trim()
            .chars()
            .take(TOLD)
            .collect(),
        code: None,
    });
    Trouble::Refused {
        status: reply.status,
        code: refusal.code,
        message: refusal.error,
        retry_after: reply.retry_after,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// A server that closes each connection after one reply, as one does with idle ones, and does not say so.
    #[test]
    fn a_connection_that_was_closed_while_idle_is_no_trouble() {
        let folder = std::env::temp_dir().join(format!("ids-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&folder).unwrap();
        let server = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                stream
                    .write_all(b"HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n")
                    .unwrap();
            }
        });
        let servers = vec![format!("unix:{}", folder.display()).parse().unwrap()];
        let mut refiller = Refiller {
            stock: Arc::new(Stock::new(1, Duration::ZERO)),
            troubles: Arc::new(Troubles::new(&servers)),
            roster: Roster::new(servers),
            attempt: Duration::from_secs(60),
            connection: None,
        };
        for _ in 0..2 {
            assert_eq!(refiller.exchange(0, 1).unwrap().status, 204);
            assert!(refiller.connection.is_some());
        }
        server.join().unwrap();
        std::fs::remove_file(&folder).unwrap();
        // Nobody listens any more.
        let end = refiller.exchange(0, 1).unwrap_err();
        assert!(matches!(end, Trouble::Connect(_)), "{end}");
    }

    #[test]
    fn refusals_are_told_in_the_words_of_the_server() {
        for (body, code, message) in [
            (
                r#"{"error":"come back","code":"draining"}"#,
                Some("draining"),
                "come back",
            ),
            (r#"{"error":"come back"}"#, None, "come back"),
            ("<h1>Bad gateway</h1>\n", None, "<h1>Bad gateway</h1>"),
            ("", None, ""),
        ] {
            let trouble = refused(&Reply {
                status: 503,
                retry_after: None,
                closes: false,
                body: body.as_bytes().to_vec(),
            });
            assert_eq!(trouble.code(), code);
            let text = trouble.to_string();
            assert!(text.ends_with(&format!(": {message}")), "{text}");
        }
    }
}
