//! The server's life: build, run, drain. The only place that wires everything together.
//!
//! Sockets are bound and answer first, with 503 and the reason, while the keeper takes the locks and
//! follows the start rules. One stop: accept no more, let requests finish for a bounded time, close
//! the generator, write the exact mark.

mod descriptors;
pub mod shard;
mod supervisor;
mod threads;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use tokio::runtime::{self, Runtime};
use tokio::sync::{oneshot, watch};

use crate::config::{Config, ConfigErrors, Listen, State};
use crate::http::{self, App, BindError, Cors, Limits, Listener};
use crate::logging::{self, Kind};
use crate::systemd::{self, Socket, SocketError};
use shardflake::mark::rules::Invocation;
use shardflake::mark::{Directory, DirectoryError, MarkError};
use shardflake::shard::{CloseError, Shard};
use supervisor::{End, Ended, Supervisor};

/// The longest that writing the exact mark may take at the end, on top of the drain.
const FINISH: Duration = Duration::from_secs(5);

/// The longest that the process waits at its end for threads that still serve.
const FORSAKE: Duration = Duration::from_secs(1);

/// Why the server ended other than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The state directory will not do.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The shard cannot start.
    #[error(transparent)]
    Start(MarkError),
    /// The exact mark was not written.
    #[error(
        "{0}; no ID will repeat: the next start begins above the mark that is on disk, up to one window (state.window) later, or waits as for a new mark if there is none"
    )]
    Finish(MarkError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A passed socket cannot be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refuses a thread, a signal handler or an event queue.
    #[error(
        "cannot start: {0}; look at the limits of the service on processes, memory and open files, and at its filter of system calls"
    )]
    System(#[source] io::Error),
    /// A thread of ours panicked.
    #[error("{}", CloseError::Bug)]
    Bug,
}

impl ServerError {
    /// The error of a shard that ended before it issued anything.
    pub(crate) fn unstarted(error: CloseError) -> Self {
        match error {
            CloseError::Mark(error) => Self::Start(error),
            CloseError::Bug | CloseError::Forked => Self::Bug,
        }
    }

    /// The error of one that issued, and did not come to a clean end.
    pub(crate) fn unfinished(error: CloseError) -> Self {
        match error {
            CloseError::Mark(error) => Self::Finish(error),
            error => Self::unstarted(error),
        }
    }
}

/// Serves until a signal ends it. Messages tell an operator to call the program as `invocation` does;
/// `reload` reads the configuration again, as at the start.
///
/// # Errors
/// [`ServerError`] says why it could not, or not to a clean end.
pub fn run(config: Config, invocation: Invocation, reload: Reload) -> Result<(), ServerError> {
    let logging = logging::init(config.log_level, config.shard.machines);
    for warning in &config.warnings {
        logging::record(Level::Warn, Kind::ConfigWarning, warning);
    }
    let result = logging
        .map_err(ServerError::System)
        .and_then(|()| serve(config, invocation, reload));
    if let Err(error) = &result {
        tell(error);
    }
    result
}

fn tell(error: &ServerError) {
    let text = error.to_string();
    logging::record(Level::Error, Kind::Fatal, &text);
    // If the service manager cannot be told, the log still says it.
    let _ = systemd::status(&text);
}

fn serve(config: Config, invocation: Invocation, reload: Reload) -> Result<(), ServerError> {
    let serving = threads::serving(config.http.workers)?;
    // Signals, rounds and time-outs of connections, away from the runtime that serves.
    let main = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServerError::System)?;
    let result = main.block_on(async {
        Server::build(config, invocation, &serving)?
            .run(reload)
            .await
    });
    // A request that outlives the drain is not waited for; its time-outs must outlive it.
    serving.shutdown_timeout(FORSAKE);
    result
}

/// Reads the configuration again, as at the start.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigErrors>>;

struct Server {
    config: Config,
    app: Arc<App>,
    shard: Shard,
    /// Resolves as soon as the shard has ended.
    ended: Ended,
    listeners: Vec<Listener>,
    serving: runtime::Handle,
}

impl Server {
    /// To be called in the runtime that is not `serving`.
    fn build(
        config: Config,
        invocation: Invocation,
        serving: &Runtime,
    ) -> Result<Self, ServerError> {
        descriptors::raise_limit();
        let state = &config.state;
        let directory = directory(state)?;
        let listeners = {
            let _serving = serving.enter();
            listeners(&config)?
        };
        let text = format!(
            "shardflake {}, shard {}, state directory {}, listening on {}",
            env!("CARGO_PKG_VERSION"),
            config.shard.machines,
            state.dir.display(),
            listed(&listeners)
        );
        logging::record(Level::Info, Kind::Starting, &text);
        let opening = shard::opening(config.shard, state, directory, invocation);
        let limits = limits(&config);
        let (told, ended) = oneshot::channel();
        let shard = Shard::open_telling(opening, logging::event, move || drop(told))
            .map_err(ServerError::System)?;
        let issuer = Arc::clone(shard.issuer());
        let app = App::new(issuer, config.profile, limits, runtime::Handle::current());
        Ok(Self {
            app: Arc::new(app.with_cors(Cors::new(&config.http.cors))),
            shard,
            ended,
            listeners,
            config,
            serving: serving.handle().clone(),
        })
    }

    async fn run(self, reload: Reload) -> Result<(), ServerError> {
        let Self {
            config,
            app,
            shard,
            mut ended,
            listeners,
            serving,
        } = self;
        let issuer = Arc::clone(shard.issuer());
        let (lame_duck, drain) = (config.http.lame_duck, config.http.drain);
        // Before anything is served: whoever has an answer may tell the server to stop.
        let mut supervisor = Supervisor::new(config, reload, Arc::clone(&app), Arc::clone(&issuer))
            .map_err(ServerError::System)?;
        let (stop, mut stopped) = watch::channel(false);
        let accepting = async move {
            // The sender lives until the drain is over.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let serving = serving.spawn(http::run(listeners, app, accepting));
        let mut end = supervisor.until_told(&mut ended).await;
        // A shard that has issued nothing yet has nothing to go on with.
        if matches!(end, End::Signal) && !lame_duck.is_zero() && issuer.has_opened() {
            systemd::stopping(lame_duck + drain + FINISH + logging::PATIENCE);
            end = supervisor.leave(&mut ended, lame_duck).await;
        }
        systemd::stopping(drain + FINISH + logging::PATIENCE);
        if matches!(end, End::Shard) {
            return shard.close().map_err(ServerError::unstarted);
        }
        logging::record(
            Level::Info,
            Kind::Stopping,
            "stopping: finishing open requests",
        );
        issuer.drain();
        stop.send_replace(true);
        supervisor.drain(serving, drain).await;
        finish(shard, ended).await
    }
}

/// Closes the generator, and sees the exact mark written.
async fn finish(shard: Shard, ended: Ended) -> Result<(), ServerError> {
    let issuer = Arc::clone(shard.issuer());
    issuer.stop();
    // Awaited first: `close` blocks this thread, which also runs the time-outs of connections.
    let _ = ended.await;
    let closed = shard.close();
    if issuer.has_opened() {
        return closed.map_err(ServerError::unfinished);
    }
    // It was told to stop before it could start.
    closed.map_err(ServerError::unstarted)
}

/// The state directory, checked; a doubt about it that is allowed goes to the log.
fn directory(state: &State) -> Result<Directory, DirectoryError> {
    let (directory, warning) =
        Directory::prepare(&state.dir, state.create, state.allow_network_fs)?;
    if let Some(warning) = warning {
        logging::record(Level::Warn, Kind::StateWarning, &warning);
    }
    Ok(directory)
}

/// The configured limits, with as many connections as there are descriptors for.
fn limits(config: &Config) -> Limits {
    let http = &config.http;
    let (connections, warning) = descriptors::fitting(http.connections);
    if let Some(warning) = warning {
        logging::record(Level::Warn, Kind::ConfigWarning, &warning);
    }
    Limits {
        idle_timeout: http.idle_timeout,
        head_timeout: http.head_timeout,
        connection_age: http.connection_age,
        header_bytes: http.header_bytes,
        body_bytes: http.body_bytes,
        connections,
        bulk_replies: http.bulk_replies,
    }
}

/// The sockets that were passed, or else those that the configuration names.
fn listeners(config: &Config) -> Result<Vec<Listener>, ServerError> {
    let passed = systemd::sockets()?;
    let mut listeners = Vec::new();
    if !passed.is_empty() {
        let text = format!(
            "listening on {} sockets that the service manager passed; http.listen is not used",
            passed.len()
        );
        logging::record(Level::Info, Kind::Starting, &text);
        for socket in passed {
            let listener = match socket {
                Socket::Tcp(socket) => Listener::from_std_tcp(socket),
                Socket::Unix(socket) => Listener::from_std_unix(socket),
            };
            listeners.push(listener.map_err(ServerError::System)?);
        }
        return Ok(listeners);
    }
    let addresses = &config.http.listen;
    let (mode, group) = (config.http.socket_mode, config.http.socket_group.as_deref());
    for address in addresses {
        listeners.push(match address {
            Listen::Tcp(address) => http::bind_tcp(*address, has_v4(addresses, address.port()))?,
            Listen::All(port) => http::bind_all(*port)?,
            Listen::Unix(path) => http::bind_unix(path, mode, group)?,
        });
    }
    Ok(listeners)
}

/// Whether one of `addresses` is of IPv4 with that port.
fn has_v4(addresses: &[Listen], port: u16) -> bool {
    addresses
        .iter()
        .any(|address| matches!(address, Listen::Tcp(tcp) if tcp.is_ipv4() && tcp.port() == port))
}

fn listed(listeners: &[Listener]) -> String {
    let texts: Vec<_> = listeners.iter().map(Listener::to_string).collect();
    texts.join(", ")
}
