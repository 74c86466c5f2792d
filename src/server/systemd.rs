//! The service manager: readiness, status, watchdog, and sockets that it passes.
//!
//! Nothing happens where no service manager listens.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use sd_notify::NotifyState;

/// A socket that the service manager has opened.
#[derive(Debug)]
pub enum Socket {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

/// Why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The variables that name them are malformed.
    #[error(
        "the service manager's LISTEN_FDS or LISTEN_PID cannot be read: {0}; start the service through its unit"
    )]
    Environment(#[source] io::Error),
    /// It is not a listening stream socket.
    #[error(
        "passed socket {index} is not a listening TCP or Unix stream socket: use ListenStream= with Accept=no in the socket unit"
    )]
    Kind {
        /// Its place in the socket unit, from 0.
        index: usize,
    },
}

/// Tells that the shard is up: its locks are held and its state is accepted. False if the service manager
/// has too much to read already: it is to be told again.
#[must_use]
pub fn ready(status: &str) -> bool {
    send(&[NotifyState::Ready, NotifyState::Status(status)])
}

/// Tells how the shard stands, in one line; as [`ready`].
#[must_use]
pub fn status(status: &str) -> bool {
    send(&[NotifyState::Status(status)])
}

/// Tells that the configuration is being read again; [`ready`] ends that.
pub fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    send(&states);
}

/// Tells that the shard ends, and that this may take `patience`.
pub fn stopping(patience: Duration) {
    send(&[NotifyState::Stopping, extend(patience)]);
}

/// Asks for `patience` more before the start counts as failed.
pub fn starting(status: &str, patience: Duration) {
    send(&[NotifyState::Status(status), extend(patience)]);
}

/// Tells that the process is alive.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often to call [`alive`]: half of what the unit allows; `None` without a watchdog.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// The sockets that were passed, in the order of the socket unit. To be called once.
///
/// # Errors
/// [`SocketError`] if there are some that cannot be used.
pub fn sockets() -> Result<Vec<Socket>, SocketError> {
    let fds = sd_notify::listen_fds().map_err(SocketError::Environment)?;
    fds.enumerate()
        .map(|(index, fd)| socket(inherited(fd)).ok_or(SocketError::Kind { index }))
        .collect()
}

/// Takes over a descriptor that the service manager passed to this process, one that `sd_notify::listen_fds`
/// names: only [`sockets`] calls this, and that only once, so that nothing else closes the descriptor.
#[expect(
    unsafe_code,
    reason = "a descriptor that was passed is known by its number alone"
)]
fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: by the protocol nobody else in this process owns the descriptor.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn socket(fd: OwnedFd) -> Option<Socket> {
    if !getsockopt(&fd, sockopt::AcceptConn).ok()? {
        return None;
    }
    let address: SockaddrStorage = getsockname(fd.as_raw_fd()).ok()?;
    match address.family()? {
        AddressFamily::Inet | AddressFamily::Inet6 => Some(Socket::Tcp(fd.into())),
        AddressFamily::Unix => Some(Socket::Unix(fd.into())),
        _ => None,
    }
}

fn extend(patience: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(patience.as_micros()).unwrap_or(u32::MAX))
}

fn send(states: &[NotifyState]) -> bool {
    // A service manager that does not listen is no reason to fail.
    !notify(states).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// As `sd_notify::notify`, which waits for a service manager that does not read.
#[expect(
    clippy::disallowed_methods,
    reason = "the protocol's own variable, which sd_notify reads too"
)]
fn notify(states: &[NotifyState]) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(lines.join("\n").as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_stream_sockets_are_told_apart() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(matches!(socket(tcp.into()), Some(Socket::Tcp(_))));
        let state = tempfile::tempdir().unwrap();
        let unix = UnixListener::bind(state.path().join("s")).unwrap();
        assert!(matches!(socket(unix.into()), Some(Socket::Unix(_))));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(socket(udp.into()).is_none());
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(socket(one.into()).is_none());
    }
}
