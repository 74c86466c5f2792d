//! Accepting connections, and letting them finish when the server stops.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::TcpListener as StdTcpListener;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{self, Instant};

use super::bind::SocketFile;
use super::stream::Stream;
use super::{App, connection, memory};
use crate::logging::{self, Kind};

/// How long to wait after an accept error: it takes time until descriptors, mostly, are free again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often accept errors that go on are logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// A socket that clients connect to.
#[derive(Debug)]
pub enum Listener {
    /// On an IP address and port.
    Tcp(TcpListener),
    /// On a path, with the file if this process has made it.
    Unix(UnixListener, Option<SocketFile>),
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("a TCP socket"),
            },
            Self::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                match path {
                    Some(path) => path.display().fmt(f),
                    None => f.write_str("a Unix socket"),
                }
            }
        }
    }
}

impl Listener {
    /// Takes over a listening TCP socket, such as one that systemd passed.
    ///
    /// # Errors
    /// The system's error if the socket cannot be made non-blocking or watched.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn from_std_tcp(listener: StdTcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// Takes over a listening Unix socket, such as one that systemd passed.
    ///
    /// # Errors
    /// The system's error if the socket cannot be made non-blocking or watched.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn from_std_unix(listener: StdUnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(|listener| Self::Unix(listener, None))
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener, _) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// Serves `app` on all `listeners` until `shutdown` completes; then accepts no more than what waits
/// for it already, and returns when every open connection has finished its request. An idle connection
/// closes at once, and one that has not asked yet a moment later.
pub async fn run(listeners: Vec<Listener>, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(());
    tokio::select! {
        never = accept_all(&listeners, &app, &stopping) => match never {},
        () = shutdown => {}
    }
    for listener in listeners {
        accept_rest(listener, &app, &stopping);
    }
    drop(stopping);
    stop.send_replace(());
    // Every connection holds a receiver for as long as it lives.
    stop.closed().await;
}

async fn accept_all(
    listeners: &[Listener],
    app: &Arc<App>,
    stopping: &watch::Receiver<()>,
) -> Infallible {
    let mut failures = Failures::default();
    let mut turn = 0;
    loop {
        while app.connections() >= app.limits().connections {
            app.room.notified().await;
        }
        turn += 1;
        match poll_fn(|cx| poll_any(listeners, turn, cx)).await {
            Ok(stream) => spawn(stream, app, stopping),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                failures.another(&error);
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// Accepts on whichever listener is ready, starting with another one each turn.
fn poll_any(listeners: &[Listener], turn: usize, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
    let (later, first) = listeners.split_at(turn % listeners.len().max(1));
    for listener in first.iter().chain(later) {
        if let Poll::Ready(accepted) = listener.poll_accept(cx) {
            return Poll::Ready(accepted);
        }
    }
    Poll::Pending
}

/// Whether `error` says that the client gave up before it was accepted, after which there is no need to wait.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Closes a listener, after accepting the connections that wait at it, which would be reset otherwise.
pub(super) fn accept_rest(listener: Listener, app: &Arc<App>, stopping: &watch::Receiver<()>) {
    // The system is asked and not the runtime, which may not know yet that somebody waits. An error ends
    // this, as the process is about to end.
    let mut next: Box<dyn FnMut() -> io::Result<Stream>> = match listener {
        Listener::Tcp(listener) => {
            let Ok(listener) = listener.into_std() else {
                return;
            };
            Box::new(move || {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream).map(Stream::Tcp)
            })
        }
        Listener::Unix(listener, file) => {
            // First, so that no further client can connect.
            drop(file);
            let Ok(listener) = listener.into_std() else {
                return;
            };
            Box::new(move || {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream).map(Stream::Unix)
            })
        }
    };
    while app.connections() < app.limits().connections {
        match next() {
            Ok(stream) => spawn(stream, app, stopping),
            Err(error) if is_the_clients(&error) => {}
            Err(_) => return,
        }
    }
}

fn spawn(stream: Stream, app: &Arc<App>, stopping: &watch::Receiver<()>) {
    let open = Open::new(Arc::clone(app));
    let stopping = stopping.clone();
    if let Stream::Tcp(stream) = &stream {
        // Fails only on a socket that is closed already, and the first read reports that.
        let _ = stream.set_nodelay(true);
    }
    tokio::spawn(async move {
        connection::serve(stream, &open.0, stopping).await;
    });
}

/// An open connection in the count of them; dropped, it makes room for another, also in a panic.
struct Open(Arc<App>);

impl Open {
    fn new(app: Arc<App>) -> Self {
        app.metrics.connection_opened();
        Self(app)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connection_closed();
        memory::fewer(&self.0);
        self.0.room.notify_one();
    }
}

/// Accept errors, logged at the first and then once a minute at most.
#[derive(Default)]
struct Failures {
    logged: Option<Instant>,
    unlogged: u64,
}

impl Failures {
    fn another(&mut self, error: &io::Error) {
        self.unlogged += 1;
        if self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return;
        }
        let text = format!(
            "cannot accept connections: {error} ({} times since the last such line); trying again every {} ms; if it stays, raise LimitNOFILE= or lower `http.connections`",
            self.unlogged,
            PAUSE.as_millis()
        );
        logging::record(log::Level::Warn, Kind::AcceptFailed, &text);
        self.logged = Some(Instant::now());
        self.unlogged = 0;
    }
}
