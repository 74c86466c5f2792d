//! Signals, the service manager and the status line, while the server runs.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use super::{Reload, limits};
use crate::config::{Change, Config, reload_difference};
use crate::http::App;
use crate::logging::{self, Kind};
use crate::systemd;
use shardflake::id::range::MachineRange;
use shardflake::issuer::{Health, SystemIssuer};
use shardflake::timestamp::span;

/// How often the status line is brought up to date.
const STATUS_ROUND: Duration = Duration::from_secs(1);
/// The time that a start asks the service manager for, again and again, while it waits for a lock.
const START_PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Supervisor {
    config: Config,
    reload: Reload,
    app: Arc<App>,
    issuer: Arc<SystemIssuer>,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    status: String,
    ready: bool,
    leaving: bool,
    /// IDs a second, and when and from which total the next measurement begins.
    rate: u64,
    measured: (Instant, u64),
    warned_of_sync: bool,
}

/// Resolves as soon as the shard has ended; nothing is sent.
pub(super) type Ended = oneshot::Receiver<()>;

/// Why the server ends.
pub(super) enum End {
    /// It was told to.
    Signal,
    /// The shard ended first: it cannot start, or a bug.
    Shard,
}

impl Supervisor {
    pub(super) fn new(
        config: Config,
        reload: Reload,
        app: Arc<App>,
        issuer: Arc<SystemIssuer>,
    ) -> io::Result<Self> {
        Ok(Self {
            config,
            reload,
            app,
            issuer,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            status: String::new(),
            ready: false,
            leaving: false,
            rate: 0,
            measured: (Instant::now(), 0),
            warned_of_sync: false,
        })
    }

    /// Returns when a signal or the end of the shard ends the server.
    pub(super) async fn until_told(&mut self, ended: &mut Ended) -> End {
        let issuer = Arc::clone(&self.issuer);
        let mut changes = issuer.changes();
        let mut watchdog = systemd::watchdog_interval().map(every);
        let mut round = every(STATUS_ROUND);
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return End::Signal,
                _ = self.interrupt.recv() => return End::Signal,
                // A server that is about to end reads no configuration any more.
                _ = self.hangup.recv() => if !self.leaving { self.reload() },
                _ = &mut *ended => return End::Shard,
                _ = changes.changed() => self.report(),
                _ = round.tick() => {
                    self.measure();
                    self.report();
                }
                () = tick(&mut watchdog) => {
                    // A shard that rightly waits is alive as well.
                    if issuer.alive() {
                        systemd::alive();
                    }
                }
            }
        }
    }

    /// Serves on for `patience`, so that whoever asks for the health sends clients elsewhere before
    /// the listeners close; a second signal ends it.
    pub(super) async fn leave(&mut self, ended: &mut Ended, patience: Duration) -> End {
        self.leaving = true;
        self.app.leave();
        self.report();
        let text = format!(
            "leaving: /health and /readyz answer 503, and everything else is still served for {} (http.lame_duck)",
            span(patience)
        );
        logging::record(Level::Info, Kind::Stopping, &text);
        tokio::select! {
            end = self.until_told(ended) => end,
            () = sleep(patience) => End::Signal,
        }
    }

    /// Waits for open requests, at most `patience`; a second signal ends the wait.
    pub(super) async fn drain(&mut self, serving: JoinHandle<()>, patience: Duration) {
        let why = tokio::select! {
            _ = serving => return,
            () = sleep(patience) => format!("after {} (http.drain)", span(patience)),
            _ = self.terminate.recv() => "at a second signal to stop".to_owned(),
            _ = self.interrupt.recv() => "at a second signal to stop".to_owned(),
        };
        let open = self.app.connections();
        let text = format!("closing the connections that are still open ({open}), {why}");
        logging::record(Level::Warn, Kind::Stopping, &text);
    }

    /// Tells the service manager how the shard stands, if that has changed.
    fn report(&mut self) {
        let health = self.app.health();
        let started = !matches!(
            health
                .refusal
                .as_ref()
                .map(shardflake::issuer::Refusal::code),
            Some("starting" | "lock_held")
        );
        let status = status_line(self.issuer.machines(), self.rate, &health);
        if !started {
            systemd::starting(&status, START_PATIENCE);
            return;
        }
        self.warn_of_sync(&health);
        let told = if self.ready {
            status == self.status || systemd::status(&status)
        } else {
            self.ready = systemd::ready(&status);
            self.ready
        };
        // A status that could not be sent is sent with the next report.
        if told {
            self.status = status;
        }
    }

    fn measure(&mut self) {
        let (then, before) = self.measured;
        let total = self.issuer.stats().ids_issued.total();
        let millis = u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.rate = (total - before).saturating_mul(1000) / millis.max(1);
        self.measured = (Instant::now(), total);
    }

    fn warn_of_sync(&mut self, health: &Health) {
        if health.clock_synchronised == Some(false) && !self.warned_of_sync {
            self.warned_of_sync = true;
            logging::record(
                Level::Warn,
                Kind::ClockUnsynchronised,
                "the kernel says that the clock is not synchronised: IDs are unique all the same, but their timestamps may be wrong; start time synchronisation (clock.require_sync makes a start wait for it)",
            );
        }
    }

    /// Reads the configuration again, and applies what can change while running.
    fn reload(&mut self) {
        systemd::reloading();
        match (self.reload)() {
            Ok(new) => self.apply(&new),
            Err(errors) => {
                let text = format!("not reloaded, the configuration in force stays: {errors}");
                logging::record(Level::Error, Kind::Reloaded, &text);
            }
        }
        self.ready = false;
        self.report();
    }

    fn apply(&mut self, new: &Config) {
        for warning in &new.warnings {
            logging::record(Level::Warn, Kind::ConfigWarning, warning);
        }
        let difference = reload_difference(&self.config, new);
        if !difference.needs_restart.is_empty() {
            let changes = listed(&difference.needs_restart);
            let text = format!("changed, but in force only after a restart: {changes}");
            logging::record(Level::Warn, Kind::Reloaded, &text);
        }
        let changes = listed(&difference.applicable);
        let text = if changes.is_empty() {
            "reloaded: nothing to change".to_owned()
        } else {
            format!("reloaded: {changes}")
        };
        log::set_max_level(new.log_level);
        self.app.set_limits(limits(new));
        // Changes that need a restart are not noted, so that the next reload tells of them again.
        self.config.sources.apply(&difference.applicable);
        logging::record(Level::Info, Kind::Reloaded, &text);
    }
}

fn status_line(shard: MachineRange, rate: u64, health: &Health) -> String {
    let mut parts = if let Some(refusal) = &health.refusal {
        vec![format!("shard {shard}: {}: {refusal}", health.state)]
    } else {
        let window = span(health.window_remaining);
        let serving = format!("shard {shard}: serving, {rate} IDs/s, window {window}");
        let ahead = health.clock_ahead;
        let ahead = (!ahead.is_zero()).then(|| format!("{} ahead of the clock", span(ahead)));
        [Some(serving), ahead].into_iter().flatten().collect()
    };
    parts.extend(health.warning.clone());
    parts.join(", ")
}

fn listed(changes: &[Change]) -> String {
    let texts: Vec<_> = changes.iter().map(Change::to_string).collect();
    texts.join(", ")
}

fn every(duration: Duration) -> Interval {
    let mut interval = interval(duration);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardflake::issuer::Refusal;

    #[test]
    fn the_status_tells_what_wants_an_operator_whether_ids_are_issued_or_not() {
        let mut health = Health {
            state: "serving",
            refusal: None,
            warning: Some("the clock was set forward".to_owned()),
            clock_ahead: Duration::from_secs(2),
            clock_doubted: Duration::ZERO,
            clock_synchronised: Some(true),
            window_remaining: Duration::from_secs(1),
            time_field_remaining: Duration::from_secs(1),
        };
        let line = |health: &Health| status_line("7".parse().unwrap(), 5, health);
        assert_eq!(
            line(&health),
            "shard 7: serving, 5 IDs/s, window 1s, 2s ahead of the clock, the clock was set forward"
        );
        health.state = "refusing";
        health.refusal = Some(Refusal::Starting);
        assert_eq!(
            line(&health),
            "shard 7: refusing: the shard is starting: try again in a second, the clock was set forward"
        );
        health.warning = None;
        assert!(line(&health).ends_with("in a second"));
    }
}
