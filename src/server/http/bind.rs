//! Opening the sockets that the server listens on.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, setsockopt,
    socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::Group;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::Listener;
use shardflake::mark::is_short;

/// How many connections may wait to be accepted; the kernel's `somaxconn` may lower it.
const BACKLOG: u32 = 4096;

/// Where a socket was to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody listens there.
    #[error("another process listens on {0}: stop it, or set `listen` to another address")]
    InUse(Address),
    /// The process may not open a socket there.
    #[error(
        "not allowed to listen on {0}: use a port above 1023 or a directory that this user may write to, or set `listen` to another address"
    )]
    Denied(Address),
    /// No interface of this machine has the address.
    #[error(
        "this machine has no address {}: set `listen` to one that `ip address` shows, or to 0.0.0.0 or [::] for all", .0.ip()
    )]
    NoSuchAddress(SocketAddr),
    /// There is a file at the path that is not a socket.
    #[error("{} exists and is not a socket: move it away, or set `listen` to another path", .0.display())]
    NotASocket(PathBuf),
    /// There is no such group.
    #[error(
        "there is no group {0}: make it, or set `socket_group` to one that `getent group` shows, or to its number"
    )]
    NoSuchGroup(String),
    /// The process may not give its socket to the group.
    #[error(
        "not allowed to give {} to group {group}: add this user to that group (SupplementaryGroups= in the unit), or set `socket_group` to another", path.display()
    )]
    GroupDenied {
        /// The socket.
        path: PathBuf,
        /// The group as it was named.
        group: String,
    },
    /// Anything else that the system said.
    #[error(
        "cannot listen on {address}: {source}; correct this, or set `listen` to another address"
    )]
    Failed {
        /// Where.
        address: Address,
        /// The system's error.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: Address, source: io::Error) -> Self {
        match (source.kind(), address) {
            (ErrorKind::AddrInUse, address) => Self::InUse(address),
            (ErrorKind::PermissionDenied, address) => Self::Denied(address),
            (ErrorKind::AddrNotAvailable, Address::Tcp(address)) => Self::NoSuchAddress(address),
            (_, address) => Self::Failed { address, source },
        }
    }

    /// Whether it may pass by itself: the process that listens there may end, as the holder of a lock may; an
    /// address may come up after this process, as by DHCP; files and memory may be free again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::InUse(_) | Self::NoSuchAddress(_) => true,
            Self::Failed { source, .. } => is_short(source),
            Self::Denied(_)
            | Self::NotASocket(_)
            | Self::NoSuchGroup(_)
            | Self::GroupDenied { .. } => false,
        }
    }
}

/// Listens on an IP address; port 0 takes a free one. `[::]` takes IPv4 as well, as the system has it,
/// unless `only_v6` leaves that to a socket of its own.
///
/// # Errors
/// [`BindError`] if the system refuses.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn bind_tcp(address: SocketAddr, only_v6: bool) -> Result<Listener, BindError> {
    listen_tcp(address, only_v6.then_some(true))
        .map(Listener::Tcp)
        .map_err(|error| BindError::new(Address::Tcp(address), error))
}

/// Listens on a port of all addresses: by one socket for IPv6 and IPv4, whatever the system's default, or
/// for IPv4 alone where there is no IPv6.
///
/// # Errors
/// [`BindError`] if the system refuses.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn bind_all(port: u16) -> Result<Listener, BindError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match listen_tcp(both, Some(false)) {
        Ok(listener) => Ok(Listener::Tcp(listener)),
        Err(error) if lacks_ipv6(&error) => bind_tcp((Ipv4Addr::UNSPECIFIED, port).into(), false),
        Err(error) => Err(BindError::new(Address::Tcp(both), error)),
    }
}

/// Whether `error` is one of those where the kernel, its configuration or the service's unit leaves IPv6
/// out.
fn lacks_ipv6(error: &io::Error) -> bool {
    const UNSUPPORTED: [Errno; 3] = [
        Errno::EAFNOSUPPORT,
        Errno::EPROTONOSUPPORT,
        Errno::EADDRNOTAVAIL,
    ];
    let number = error.raw_os_error().map(Errno::from_raw);
    number.is_some_and(|number| UNSUPPORTED.contains(&number))
}

/// Listens on `address`. If `only_v6` is `None`, the system's default decides.
fn listen_tcp(address: SocketAddr, only_v6: Option<bool>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(only_v6) = only_v6.filter(|_| address.is_ipv6()) {
        setsockopt(&socket, sockopt::Ipv6V6Only, &only_v6)?;
    }
    // Connections of a former run linger in the kernel and would hold the port for a minute.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on a Unix socket with the permissions `mode`, where write permission lets connect. Its group is
/// `group`, by name or number, or else the process's own. At no moment may others connect. The socket file
/// of a process that is gone is replaced.
///
/// # Errors
/// [`BindError`] if a process answers there, if the path is something else, if the group is not to be had,
/// or if the system refuses.
///
/// # Panics
/// Outside a Tokio runtime.
pub fn bind_unix(path: &Path, mode: u32, group: Option<&str>) -> Result<Listener, BindError> {
    let failed = |error| BindError::new(Address::Unix(path.to_owned()), error);
    let id = group.map(group_id).transpose()?;
    clear(path)?;
    let (socket, file) = bound(path).map_err(failed)?;
    if let Some(id) = id {
        lchown(path, None, Some(id)).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => BindError::GroupDenied {
                path: path.to_owned(),
                group: group.unwrap_or_default().to_owned(),
            },
            _ => failed(error),
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    let listening = || {
        let backlog = i32::try_from(BACKLOG).unwrap_or(i32::MAX);
        listen(&socket, Backlog::new(backlog)?)?;
        UnixListener::from_std(socket.into())
    };
    Ok(Listener::Unix(listening().map_err(failed)?, Some(file)))
}

/// A socket bound to that path, which nobody may connect to yet.
fn bound(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux gives the file the socket's own mode.
    fchmod(&socket, Mode::empty())?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let file = SocketFile::of(path)?;
    Ok((socket, file))
}

/// The number of a group that is given by number or by name.
fn group_id(group: &str) -> Result<u32, BindError> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    match Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        _ => Err(BindError::NoSuchGroup(group.to_owned())),
    }
}

/// The file of a socket that this process has made; dropped, it is removed, unless another process has
/// put its own there.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Where it cannot be removed, the next process that binds there replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Connects to a Unix socket without a wait: [`ErrorKind::WouldBlock`] says that somebody listens there
/// whose queue of connections to accept is full. Reads and writes on the connection block, as on others.
///
/// # Errors
/// The system's error.
pub fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Removes a socket file that nobody answers on.
fn clear(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::new(Address::Unix(path.to_owned()), error);
    let file_type = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !file_type.is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match connect_unix(path) {
        Ok(_) => Err(BindError::InUse(Address::Unix(path.to_owned()))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(BindError::InUse(Address::Unix(path.to_owned())))
        }
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_and_told_from_other_errors() {
        let first = bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let Listener::Tcp(first) = first else {
            panic!("not TCP")
        };
        let address = first.local_addr().unwrap();
        let error = bind_tcp(address, false).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)) && error.may_pass());
        assert!(error.to_string().contains(&address.to_string()));

        let error = bind_tcp("192.0.2.1:0".parse().unwrap(), false).unwrap_err();
        assert!(matches!(error, BindError::NoSuchAddress(_)), "{error}");
        assert!(error.to_string().contains("192.0.2.1"));
        assert!(error.may_pass());
    }

    #[tokio::test]
    async fn all_addresses_of_both_kinds_go_beside_each_other() {
        let port = |listener: &Listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().unwrap().port(),
            Listener::Unix(..) => panic!("not TCP"),
        };
        let all = |ip: &str, port| format!("{ip}:{port}").parse().unwrap();
        let first = bind_tcp(all("[::]", 0), true).unwrap();
        bind_tcp(all("0.0.0.0", port(&first)), false).unwrap();
        let both = bind_tcp(all("[::]", 0), false).unwrap();
        let error = bind_tcp(all("0.0.0.0", port(&both)), false).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
    }

    #[tokio::test]
    async fn a_socket_whose_queue_is_full_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let crowded = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listen(&crowded, Backlog::new(0).unwrap()).unwrap();
        let mut queue = Vec::new();
        let refused = loop {
            match connect_unix(&path) {
                Ok(stream) => queue.push(stream),
                Err(error) => break error,
            }
            assert!(queue.len() < 100, "the queue is never full");
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        let error = bind_unix(&path, 0o640, None).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn only_a_dead_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.sock");
        let first = bind_unix(&path, 0o640, None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let error = bind_unix(&path, 0o640, None).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
        drop(first);
        assert!(!path.exists());
        // The standard library's leaves its file behind, as a process that is killed does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let mine = bind_unix(&path, 0o640, None).unwrap();
        fs::rename(&path, directory.path().join("other")).unwrap();
        let others = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(mine);
        assert!(path.exists(), "another process's socket was removed");
        drop(others);

        let file = directory.path().join("file");
        fs::write(&file, "kept").unwrap();
        let error = bind_unix(&file, 0o640, None).unwrap_err();
        assert!(matches!(error, BindError::NotASocket(_)), "{error}");
        assert!(!error.may_pass());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");

        let error = bind_unix(&directory.path().join("missing/s.sock"), 0o640, None).unwrap_err();
        assert!(matches!(error, BindError::Failed { .. }), "{error}");
        assert!(!error.may_pass());
    }
}
