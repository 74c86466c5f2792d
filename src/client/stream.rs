//! A connection to a server, each step of which has a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::server::Server;

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Connects, at most until then. To look up a host's name may take longer: the system has a time limit
    /// of its own for that.
    pub(crate) fn open(server: &Server, until: Instant) -> io::Result<Self> {
        match server {
            Server::Tcp(address) => {
                let mut last = ErrorKind::NotFound.into();
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, left(until)?) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Self::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Server::Unix(path) => Ok(Self::Unix(open_unix(path, left(until)?)?)),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        let left = Some(left(until)?);
        match self {
            Self::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write_all(bytes)
            }
            Self::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write_all(bytes)
            }
        }
    }

    /// Reads what there is; 0 bytes at the end.
    pub(crate) fn read(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            let left = Some(left(until)?);
            let read = match self {
                Self::Tcp(stream) => {
                    stream.set_read_timeout(left)?;
                    stream.read(bytes)
                }
                Self::Unix(stream) => {
                    stream.set_read_timeout(left)?;
                    stream.read(bytes)
                }
            };
            match read {
                // The time that is left says which of the two it was.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ) => {}
                read => return read,
            }
        }
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(
            ErrorKind::TimedOut,
            "the time for it is over",
        ));
    }
    Ok(left)
}

/// The standard library's own connecting waits for ever at a server that is stopped and has a full queue.
fn open_unix(path: &Path, left: Duration) -> io::Result<UnixStream> {
    let socket: OwnedFd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // Rounded up: zero would mean for ever.
    let millis = i64::try_from(left.as_millis()).unwrap_or(i64::MAX / 2) + 1;
    let limit = TimeVal::new(millis / 1000, millis % 1000 * 1000);
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket.into())
}
