//! One request for a range and its reply: as much of HTTP/1.1 as that takes.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::stream::Stream;

/// The largest head and body that are read, in bytes. The longest description of 10,000 IDs is shorter.
const HEAD: usize = 16 * 1024;
const BODY: usize = 4 * 1024 * 1024;
const HEADERS: usize = 64;
/// Read at a time.
const PIECE: usize = 16 * 1024;

/// A connection between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    host: String,
    /// What was read of the reply so far.
    read: Vec<u8>,
}

/// A whole reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// Whether the server closes the connection after it, as one does that drains.
    pub(crate) closes: bool,
    pub(crate) body: Vec<u8>,
}

/// Why there is no whole reply.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: io::Error,
    /// Whether the connection ended before the first byte of it: so it does when the server closed it while
    /// it was idle.
    pub(crate) before_reply: bool,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
    /// To the end of the connection.
    Open,
}

struct Head {
    length: usize,
    reply: Reply,
    body: Length,
}

impl Connection {
    pub(crate) fn open(server: &Server, until: Instant) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::open(server, until)?,
            host: match server {
                Server::Tcp(address) => address.clone(),
                Server::Unix(_) => "localhost".to_owned(),
            },
            read: Vec::new(),
        })
    }

    /// Asks for a range of `count` IDs. After an error the connection is of no more use.
    ///
    /// With POST, which no cache on the way answers: an ID out of a cache would be one that came before.
    pub(crate) fn ask(&mut self, count: u32, until: Instant) -> Result<Reply, Broken> {
        let request = format!(
            "POST /ranges/{count} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\naccept: application/json\r\n\r\n",
            self.host
        );
        self.read.clear();
        let reply = self
            .stream
            .write_all(request.as_bytes(), until)
            .and_then(|()| self.reply(until));
        reply.map_err(|error| Broken {
            before_reply: self.read.is_empty() && error.kind() != ErrorKind::TimedOut,
            error,
        })
    }

    fn reply(&mut self, until: Instant) -> io::Result<Reply> {
        let head = loop {
            if self.more(until)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = parse_head(&self.read)? {
                break head;
            }
            if self.read.len() > HEAD {
                return Err(invalid("the head is too long"));
            }
        };
        let Head {
            length,
            mut reply,
            body,
        } = head;
        reply.body = loop {
            if let Some(body) = whole_body(&self.read[length..], body)? {
                break body;
            }
            if self.read.len() > HEAD + BODY {
                return Err(invalid("the body is too long"));
            }
            if self.more(until)? == 0 {
                if body == Length::Open {
                    break self.read.split_off(length);
                }
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        Ok(reply)
    }

    /// Reads more; how many bytes that were.
    fn more(&mut self, until: Instant) -> io::Result<usize> {
        let before = self.read.len();
        self.read.resize(before + PIECE, 0);
        let read = self.stream.read(&mut self.read[before..], until);
        self.read.truncate(before + read.as_ref().unwrap_or(&0));
        read
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// The head of a reply, if it is whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let status = parsed
        .parse(bytes)
        .map_err(|error| invalid(&error.to_string()))?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let mut reply = Reply {
        status: parsed.code.unwrap_or_default(),
        retry_after: None,
        closes: parsed.version == Some(0),
        body: Vec::new(),
    };
    let mut body = Length::Open;
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.to_ascii_lowercase().as_str() {
            "connection" => {
                reply.closes |= value
                    .split(',')
                    .any(|word| word.trim().eq_ignore_ascii_case("close"));
            }
            // The other form is a date, which a proxy might send; it is as good as none.
            "retry-after" => reply.retry_after = value.parse().ok().map(Duration::from_secs),
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => body = Length::Chunked,
            "transfer-encoding" => return Err(invalid("the body is in an unknown encoding")),
            "content-length" if body != Length::Chunked => {
                let length = value.parse().ok().filter(|length| *length <= BODY);
                body = Length::Bytes(length.ok_or_else(|| invalid("the body is too long"))?);
            }
            _ => {}
        }
    }
    reply.closes |= body == Length::Open;
    Ok(Some(Head {
        length,
        reply,
        body,
    }))
}

/// The body that these bytes begin with, if it is whole.
fn whole_body(bytes: &[u8], length: Length) -> io::Result<Option<Vec<u8>>> {
    match length {
        Length::Bytes(length) => Ok(bytes.get(..length).map(<[u8]>::to_vec)),
        Length::Chunked => whole_chunks(bytes),
        Length::Open => Ok(None),
    }
}

fn whole_chunks(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let size =
            httparse::parse_chunk_size(bytes).map_err(|_| invalid("a chunk is malformed"))?;
        let httparse::Status::Complete((start, size)) = size else {
            return Ok(None);
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= BODY);
        let size = size.ok_or_else(|| invalid("the body is too long"))?;
        if size == 0 {
            // No trailers are expected; if some came, the connection could not be used again.
            return Ok(bytes[start..].starts_with(b"\r\n").then_some(body));
        }
        let Some(chunk) = bytes.get(start..start + size + 2) else {
            return Ok(None);
        };
        let (data, end) = chunk.split_at(size);
        if end != b"\r\n" {
            return Err(invalid("a chunk is malformed"));
        }
        body.extend_from_slice(data);
        bytes = &bytes[start + size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    /// What comes of a server's bytes, which come one by one if `slowly`.
    fn asked(bytes: &'static [u8], slowly: bool) -> Result<Reply, Broken> {
        let (here, mut there) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut request = [0; 1024];
            let length = io::Read::read(&mut there, &mut request).unwrap();
            let pieces = bytes.chunks(if slowly { 1 } else { bytes.len().max(1) });
            for piece in pieces {
                there.write_all(piece).unwrap();
            }
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let mut connection = Connection {
            stream: Stream::Unix(here),
            host: "ids:1".to_owned(),
            read: Vec::new(),
        };
        let reply = connection.ask(7, Instant::now() + SOON);
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /ranges/7 HTTP/1.1\r\nhost: ids:1\r\n"));
        reply
    }

    #[test]
    fn replies_are_read_in_all_forms() {
        for (bytes, status, seconds, closes) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..], 200, None, false),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n01;x=y\r\n}\r\n0\r\n\r\n", 200, None, false),
            (b"HTTP/1.1 503 No\r\nretry-after: 7\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}", 503, Some(7), true),
            (b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\n{}", 200, None, true),
            (b"HTTP/1.1 200 OK\r\n\r\n{}", 200, None, true),
            (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, None, true),
        ] {
            for slowly in [false, true] {
                let wanted = Reply {
                    status,
                    retry_after: seconds.map(Duration::from_secs),
                    closes,
                    body: b"{}".to_vec(),
                };
                assert_eq!(asked(bytes, slowly).unwrap(), wanted);
            }
        }
    }

    #[test]
    fn what_is_broken_off_is_no_reply() {
        for (bytes, before_reply) in [
            (&b""[..], true),
            (b"HTTP/1.1 200 OK\r\n", false),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", false),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
                false,
            ),
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}..0\r\n\r\n",
                false,
            ),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", false),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
                false,
            ),
            (b"hello\r\n\r\n", false),
        ] {
            let broken = asked(bytes, false).unwrap_err();
            assert_eq!(broken.before_reply, before_reply, "{broken:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up_in_time() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut connection = Connection {
            stream: Stream::Unix(here),
            host: String::new(),
            read: Vec::new(),
        };
        let broken = connection
            .ask(1, Instant::now() + Duration::from_millis(20))
            .unwrap_err();
        assert_eq!(broken.error.kind(), ErrorKind::TimedOut);
        assert!(!broken.before_reply);
        drop(there);
    }
}
