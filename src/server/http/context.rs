//! The state that all requests of one connection share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shardflake::time::BootTime;

use super::activity::{Activity, Rest};
use super::cork::Turn;
use super::{App, Limits};

/// Shared between the task that serves the connection and every answer that is awaited, so that what
/// changes is atomic.
pub(super) struct Context {
    pub(super) app: Arc<App>,
    pub(super) limits: Limits,
    pub(super) activity: Arc<Activity>,
    pub(super) turn: Arc<Turn>,
    left_unread: AtomicBool,
    ending: AtomicBool,
}

impl Context {
    pub(super) fn new(app: &Arc<App>, limits: &Limits, rest: Rest) -> Self {
        Self {
            app: Arc::clone(app),
            limits: *limits,
            activity: Arc::new(Activity::new(rest)),
            turn: Arc::default(),
            left_unread: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }
    }

    /// Whether another connection with these limits can use it. One that is ending is not given away.
    pub(super) fn is_for(&self, app: &Arc<App>, limits: &Limits) -> bool {
        Arc::ptr_eq(&self.app, app) && self.limits == *limits && !self.is_ending()
    }

    /// To be called when a request is answered without reading all of its body.
    pub(super) fn leave_unread(&self) {
        self.left_unread.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::leave_unread`] was called.
    pub(super) fn has_left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
    }

    /// To be called when the server stops: the next answer is the connection's last.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether an answer that is made at `boot`, a reading of the boot clock, is the connection's last.
    #[inline]
    pub(super) fn is_last(&self, boot: BootTime) -> bool {
        self.is_ending() || self.app.is_leaving() || self.activity.is_old(boot)
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }
}
