//! Memory that connections took for buffers, given back to the system when they are parked or closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::App;

/// By how many the connections with buffers, of 16 KiB each, have to become fewer before memory is given
/// back: the C library goes through all of it for that.
const WORTH: usize = 512;
/// How long to wait for others to come to rest as well.
const GATHER: Duration = Duration::from_secs(1);

/// How much memory there may be to give back.
#[derive(Debug, Default)]
pub(super) struct Slack {
    /// The most connections at a time that had buffers since memory was given back.
    most: AtomicUsize,
    is_planned: AtomicBool,
}

/// A connection in the count of those that are parked.
pub(super) struct Parked<'a>(&'a Arc<App>);

impl<'a> Parked<'a> {
    pub(super) fn new(app: &'a Arc<App>) -> Self {
        app.metrics.connection_parked();
        fewer(app);
        Self(app)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.metrics.connection_woken();
        let most = &self.0.slack.most;
        most.fetch_max(self.0.metrics.awake(), Ordering::Relaxed);
    }
}

/// To be called when fewer connections have buffers. The C library keeps freed memory for the next time:
/// all of it below a small block that is still in use.
pub(super) fn fewer(app: &Arc<App>) {
    let slack = &app.slack;
    let fewer = |app: &App| slack.most.load(Ordering::Relaxed) >= app.metrics.awake() + WORTH;
    if !fewer(app) || slack.is_planned.swap(true, Ordering::Relaxed) {
        return;
    }
    let app = Arc::clone(app);
    // Not where requests are served: it takes milliseconds.
    app.timers.clone().spawn(async move {
        sleep(GATHER).await;
        trim();
        let slack = &app.slack;
        slack.most.store(app.metrics.awake(), Ordering::Relaxed);
        slack.is_planned.store(false, Ordering::Relaxed);
    });
}

/// Gives the system back what memory is free, where the C library keeps it.
#[expect(unsafe_code, reason = "no crate has a safe function for it")]
fn trim() {
    // SAFETY: it may be called at any time, by any thread.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
