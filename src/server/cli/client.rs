//! A client of the server that a command asks: where it listens, and one request to it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::exit::Failure;
use super::running;
use crate::config::{Config, ConfigErrors, Environment, Flags, Listen};
use crate::http::connect_unix;

/// How long the server may take for each step.
const PATIENCE: Duration = Duration::from_secs(3);
/// More bytes than any head, or any body that is read whole, has.
const MOST: u64 = 64 * 1024;

/// The server of a command's configuration.
pub(super) struct Server {
    address: Listen,
    patience: Duration,
}

/// An answer, of which the head was read.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The length of the body in bytes, if it is told.
    pub(super) length: Option<u64>,
    body: Box<dyn BufRead>,
}

impl Server {
    /// The one that runs beside the command, or else the one that its own flags and variables name.
    pub(super) fn find(flags: &Flags, environment: &Environment) -> Result<Self, ConfigErrors> {
        let beside = beside(flags, environment);
        Ok(Self {
            address: beside.map_or_else(|| address(flags, environment), Ok)?,
            patience: PATIENCE,
        })
    }

    /// Its answer to a GET of `path`, preferably of the type `accept`.
    pub(super) fn get(&self, path: &str, accept: &str) -> Result<Answer, Failure> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        let mut stream = self.connect()?;
        let written = stream.write_all(request.as_bytes());
        let answer = written.and_then(|()| Answer::read(stream));
        answer.map_err(|error| self.failed(error))
    }

    /// The body of `answer`, whole.
    pub(super) fn text(&self, answer: &mut Answer) -> Result<String, Failure> {
        let mut text = String::new();
        let mut body = (&mut answer.body).take(MOST);
        let read = body.read_to_string(&mut text);
        read.map_err(|error| self.failed(error))?;
        Ok(text)
    }

    /// Fills `bytes` from the body of `answer`.
    pub(super) fn fill(&self, answer: &mut Answer, bytes: &mut [u8]) -> Result<(), Failure> {
        let read = answer.body.read_exact(bytes);
        read.map_err(|error| self.failed(error))
    }

    fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let over_tcp = |address: SocketAddr| {
            let stream = TcpStream::connect_timeout(&address, self.patience);
            limited(stream?, self.patience)
        };
        let connected = match &self.address {
            Listen::Tcp(tcp) => over_tcp(reachable(*tcp)),
            // Those of IPv4 are there with those of IPv6 and without.
            Listen::All(port) => over_tcp((Ipv4Addr::LOCALHOST, *port).into()),
            Listen::Unix(path) => match connect_unix(path) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(Failure::Crowded {
                        address: self.address.to_string(),
                    });
                }
                stream => stream.and_then(|stream| limited(stream, self.patience)),
            },
        };
        connected.map_err(|source| self.unreachable(source))
    }

    fn failed(&self, error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Silent {
                address: self.address.to_string(),
                patience: self.patience,
            },
            _ => self.unreachable(error),
        }
    }

    fn unreachable(&self, source: io::Error) -> Failure {
        Failure::Unreachable {
            address: self.address.to_string(),
            source,
        }
    }
}

impl Answer {
    /// Reads the head.
    fn read(stream: Box<dyn Stream>) -> io::Result<Self> {
        let mut body = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let left = MOST - head.len() as u64;
            if (&mut body).take(left).read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        Ok(Self {
            status: status.ok_or(ErrorKind::InvalidData)?,
            length,
            body: Box::new(body),
        })
    }
}

/// A connection.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// The connection, each step of which takes no longer than `patience`.
fn limited(
    stream: impl Stream + AsFd + 'static,
    patience: Duration,
) -> io::Result<Box<dyn Stream>> {
    let limit = TimeVal::microseconds(i64::try_from(patience.as_micros()).unwrap_or(i64::MAX));
    setsockopt(&stream, sockopt::ReceiveTimeout, &limit)?;
    setsockopt(&stream, sockopt::SendTimeout, &limit)?;
    Ok(Box::new(stream))
}

/// The address of the server that runs beside this command, by the flags that only the server was given.
fn beside(flags: &Flags, environment: &Environment) -> Option<Listen> {
    let untold = *flags == Flags::default();
    address(&untold.then(running::flags)??, environment).ok()
}

/// The address of the server of this configuration. Its shard number may be known to the service alone,
/// and is needed only where the address depends on it.
fn address(flags: &Flags, environment: &Environment) -> Result<Listen, ConfigErrors> {
    let listen = |flags: &Flags| {
        let mut config = Config::load(flags, environment)?;
        // The others lead to the same shard.
        Ok(config.http.listen.swap_remove(0))
    };
    let numbered = |number: &str| {
        listen(&Flags {
            shard_id: Some(number.to_owned()),
            ..flags.clone()
        })
    };
    listen(flags).or_else(
        |errors: ConfigErrors| match (numbered("0"), numbered("1")) {
            (Ok(address), Ok(other)) if address == other => Ok(address),
            _ => Err(errors),
        },
    )
}

/// An address to connect to, where all of this host's are listened on.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::sys::socket::{Backlog, listen};

    use super::*;
    use crate::cli::Exit;

    #[test]
    fn a_number_is_needed_only_where_the_address_depends_on_it() {
        let of = |listen: &str, number: Option<&str>| {
            let mut variables = vec![("HOME", "/root"), ("SHARDFLAKE_HTTP__LISTEN", listen)];
            variables.extend(number.map(|number| ("SHARD_ID", number)));
            let found = address(&Flags::default(), &Environment::new(variables));
            found.ok().map(|address| address.to_string())
        };
        let plain = "127.0.0.1:7001";
        assert_eq!(of(plain, None).as_deref(), Some(plain));
        assert_eq!(of("127.0.0.1:7000+N", None), None);
        let seventh = Some("127.0.0.1:7007");
        assert_eq!(of("127.0.0.1:7000+N", Some("7")).as_deref(), seventh);
        assert_eq!(of("nowhere", None), None);
    }

    #[test]
    fn a_server_that_does_not_get_on_is_told_from_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let patience = Duration::from_millis(20);
        let ask_at = |address| {
            let server = Server { address, patience };
            let failure = server.get("/health", "text/plain").err().unwrap();
            assert_eq!(Exit::from(&failure), Exit::Unavailable);
            failure.to_string()
        };
        let ask = || ask_at(Listen::Unix(path.clone()));
        assert!(ask().contains("no server answers at "));
        // Its queue takes this connection, and nobody accepts it.
        let listener = UnixListener::bind(&path).unwrap();
        let silent = ask();
        assert!(silent.contains("did not answer within 20ms"), "{silent}");
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = connect_unix(&path) {
            queue.push(stream);
            assert!(queue.len() < 1000, "the queue is never full");
        }
        let full = ask();
        assert!(
            full.contains("the queue") && full.contains("is full"),
            "{full}"
        );

        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Listen::Tcp(tcp.local_addr().unwrap());
        let silent = ask_at(address);
        assert!(silent.contains("did not answer within 20ms"), "{silent}");
    }

    #[test]
    fn all_addresses_are_reached_at_the_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:7001", "127.0.0.1:7001"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.7:7001", "10.0.0.7:7001"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
