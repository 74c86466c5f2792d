//! A client of a server, over any stream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::server::PATIENCE;

/// One keep-alive connection.
pub(crate) struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client<TcpStream> {
    pub(crate) fn new(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream))
    }

    /// Sends what is a part of a request, or a whole one whose reply is read later.
    pub(crate) fn send(&mut self, bytes: &str) {
        self.stream.get_mut().write_all(bytes.as_bytes()).unwrap();
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn get(&mut self, target: &str) -> std::io::Result<Reply> {
        self.ask("GET", target, "")
    }

    /// The reply to a request with more headers, each ended by a line break.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
    ) -> std::io::Result<Reply> {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: shardflake\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.read(method != "HEAD")
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> std::io::Result<Reply> {
        self.read(true)
    }

    fn read(&mut self, has_body: bool) -> std::io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let lower = head.to_lowercase();
        let body = match lower.split_once("content-length: ") {
            _ if !has_body => Vec::new(),
            Some((_, length)) => self.bytes(length.lines().next().unwrap().parse().unwrap())?,
            None => self.chunks()?,
        };
        Ok(Reply {
            status: head[9..12].parse().unwrap(),
            head: lower,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    fn bytes(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// A chunked body.
    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let length =
                usize::from_str_radix(line.trim_end(), 16).map_err(std::io::Error::other)?;
            body.extend(self.bytes(length)?);
            self.bytes(2)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

impl Reply {
    /// The value of a header, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The ID of a `/generate` reply.
    pub(crate) fn id(&self) -> u64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["id_str"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }
}
