//! The threads of a server: all of them are started at the beginning, as many as the system lets it have,
//! and none later.

use std::os::unix::fs::MetadataExt;
use std::panic::{self, PanicHookInfo};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use log::Level;
use tokio::runtime::{self, Runtime};

use super::ServerError;
use crate::cli::Exit;
use crate::logging::{self, Kind};

/// Threads beside those that serve: the keeper, and one that watches the clock. The log's is there already.
const OTHERS: usize = 2;

/// How long the kernel may go on counting threads that have ended.
const FORGETTING: Duration = Duration::from_secs(1);

/// The runtime that serves, with `wanted` threads or as many as can be had beside those that the server
/// needs for other things.
///
/// # Errors
/// [`ServerError::System`] if that is none.
pub(super) fn serving(wanted: usize) -> Result<Runtime, ServerError> {
    let (room, refused) = room(wanted + OTHERS);
    let workers = match (room.checked_sub(OTHERS), refused) {
        (_, None) => wanted,
        (None | Some(0), Some(error)) => return Err(ServerError::System(error)),
        (Some(workers), Some(error)) => {
            logging::record(
                Level::Warn,
                Kind::ConfigWarning,
                &fewer(wanted, workers, &error),
            );
            workers
        }
    };
    build(workers).map_err(ServerError::System)
}

fn fewer(wanted: usize, workers: usize, error: &io::Error) -> String {
    format!(
        "http.workers is {wanted}, but the system refuses to start as many threads ({error}): {workers} serve; raise TasksMax= of the unit, the container's limit on processes or `ulimit -u`, or lower http.workers"
    )
}

/// How many threads may be started now, up to those that are `wanted`, and what the system said to the
/// next one. They are started, and end again.
fn room(wanted: usize) -> (usize, Option<io::Error>) {
    let before = threads();
    let gate = Mutex::new(());
    let found = thread::scope(|scope| {
        let closed = gate.lock();
        let mut started = Vec::new();
        let mut refused = None;
        while started.len() < wanted && refused.is_none() {
            match thread::Builder::new().spawn_scoped(scope, || drop(gate.lock())) {
                Ok(thread) => started.push(thread),
                Err(error) => refused = Some(error),
            }
        }
        drop(closed);
        let count = started.len();
        for thread in started {
            // It has nothing to panic about.
            let _ = thread.join();
        }
        (count, refused)
    });
    // A thread that has ended counts until the kernel is done with it.
    let begin = Instant::now();
    while threads() > before && begin.elapsed() < FORGETTING {
        thread::yield_now();
    }
    found
}

/// How many threads this process has; none where the system does not tell.
fn threads() -> Option<u64> {
    // The number of links of a directory is two, and one for each directory in it.
    fs::metadata("/proc/self/task")
        .map(|tasks| tasks.nlink())
        .ok()
}

/// Builds the runtime. Where Tokio cannot start a thread it panics, and waits for ever for those that it
/// has started: should that happen although there was room a moment ago, the process ends on the spot.
fn build(workers: usize) -> io::Result<Runtime> {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(give_up));
    let built = runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("http")
        .enable_all()
        .build();
    panic::set_hook(usual);
    built
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing is issued yet, and a return would not come to an end"
)]
fn give_up(panic: &PanicHookInfo<'_>) {
    let text = panic.payload().downcast_ref::<String>();
    let text = text.map_or_else(|| panic.to_string(), Clone::clone);
    let error = ServerError::System(io::Error::other(text));
    super::tell(&error);
    logging::flush();
    process::exit(Exit::from(&error).code().into());
}
