//! The counters of the HTTP server, and all metrics as Prometheus reads them: text format 0.0.4.

#[cfg(test)]
mod tests;

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Profile;
use crate::logging;
use shardflake::issuer::Refusal;
use shardflake::issuer::SystemIssuer;
use shardflake::issuer::stats::{Counter, Histogram};
use shardflake::wide;

/// The type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The status codes that a router answers with, each a series; the last place is for any other.
const CODES: [&str; 11] = [
    "200", "204", "400", "404", "405", "408", "413", "429", "503", "505", "other",
];

/// The codes of refusals, each a series; the last place is for any other.
const REASONS: [&str; Refusal::CODES.len() + 1] = {
    let mut all = ["other"; Refusal::CODES.len() + 1];
    let (codes, _) = all.split_at_mut(Refusal::CODES.len());
    codes.copy_from_slice(&Refusal::CODES);
    all
};

/// The counters of one route.
#[derive(Debug)]
struct Route {
    label: &'static str,
    requests: [Counter; CODES.len()],
    durations: Histogram,
}

/// The counters of the HTTP server. Every request touches a few atomics, and no lock.
#[derive(Debug)]
pub struct Http {
    routes: Box<[Route]>,
    refused: [Counter; REASONS.len()],
    identifiers: [Counter; wide::Kind::ALL.len()],
    connections: AtomicUsize,
    parked: AtomicUsize,
}

impl Http {
    /// Counters for routes with these labels; series are listed in the order of the labels.
    pub fn new(labels: impl IntoIterator<Item = &'static str>) -> Self {
        let route = |label| Route {
            label,
            requests: Default::default(),
            durations: Histogram::default(),
        };
        Self {
            routes: labels.into_iter().map(route).collect(),
            refused: Default::default(),
            identifiers: Default::default(),
            connections: AtomicUsize::default(),
            parked: AtomicUsize::default(),
        }
    }

    /// Counts an answered request to the route whose label is at this place, which took that many
    /// nanoseconds.
    ///
    /// # Panics
    /// If there are fewer labels.
    pub fn answered(&self, place: usize, status: u16, took: u64) {
        let code = match status {
            200 => 0,
            204 => 1,
            400 => 2,
            404 => 3,
            405 => 4,
            408 => 5,
            413 => 6,
            429 => 7,
            503 => 8,
            505 => 9,
            _ => CODES.len() - 1,
        };
        let route = &self.routes[place];
        route.requests[code].add(1);
        route.durations.record_nanos(took);
    }

    /// Counts a request for an ID that got none, by the refusal's code.
    pub fn refused(&self, code: &str) {
        let known = REASONS.iter().position(|reason| *reason == code);
        self.refused[known.unwrap_or(REASONS.len() - 1)].add(1);
    }

    /// Counts UUIDs or ULIDs that were handed out.
    pub fn identifiers_issued(&self, kind: wide::Kind, count: u32) {
        for ((_, known), counter) in wide::Kind::ALL.iter().zip(&self.identifiers) {
            if *known == kind {
                counter.add(count.into());
            }
        }
    }

    /// Counts a connection that opened.
    pub fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a connection that closed.
    pub fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Counts a connection that has given up its buffers.
    pub fn connection_parked(&self) {
        self.parked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a parked connection on which something comes, or that closes.
    pub fn connection_woken(&self) {
        self.parked.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many connections are parked.
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// How many connections have buffers.
    #[must_use]
    pub fn awake(&self) -> usize {
        self.connections().saturating_sub(self.parked())
    }
}

/// All metrics, as Prometheus reads them.
#[must_use]
pub fn render(issuer: &SystemIssuer, http: &Http, profile: Profile) -> String {
    let mut text = Text::default();
    if profile == Profile::Snowflake {
        id_generator(&mut text, issuer);
    }
    issued(&mut text, issuer);
    served(&mut text, http);
    standing(&mut text, issuer);
    text.family(
        "log_records_dropped_total",
        Kind::Counter,
        "Log records that nobody got, as the reader of the log took none or had gone.",
    );
    text.sample("", &[], logging::dropped());
    text.family(
        "build_info",
        Kind::Gauge,
        "Always 1; version and profile of this server.",
    );
    let version = env!("CARGO_PKG_VERSION");
    text.sample("", &[("version", version), ("profile", profile.name())], 1);
    text.out
}

/// The metrics under the names of the system that the profile `snowflake` stands in for.
fn id_generator(text: &mut Text, issuer: &SystemIssuer) {
    let stats = issuer.stats();
    text.prefix = "id_generator_";
    text.counter(
        "ids_generated_total",
        "Total IDs generated",
        stats.ids_issued.total(),
    );
    text.counter(
        "sequence_exhausted_total",
        "Times sequence was exhausted within a millisecond",
        stats.sequence_exhausted.total(),
    );
    let help = "Worker ID of this instance";
    text.family("worker_id", Kind::Gauge, help);
    text.sample("", &[], issuer.machines().first());
    text.prefix = OURS;
}

fn issued(text: &mut Text, issuer: &SystemIssuer) {
    let stats = issuer.stats();
    text.counter(
        "ids_issued_total",
        "IDs handed out.",
        stats.ids_issued.total(),
    );
    text.counter(
        "sequence_exhausted_total",
        "Ticks of which IDs were taken before they began, as the one before was used up.",
        stats.sequence_exhausted.total(),
    );
    text.family(
        "issue_wait_seconds",
        Kind::Histogram,
        "How long requests that could not be served at once waited for their tick.",
    );
    text.histogram(&[], &stats.issue_wait);
    text.family(
        "mark_fsync_seconds",
        Kind::Histogram,
        "How long raising the high-water mark took, with a flush for each of its two slots.",
    );
    text.histogram(&[], &stats.mark_fsync);
    text.counter(
        "mark_failures_total",
        "Writes or flushes of the high-water mark that failed.",
        stats.mark_failures.total(),
    );
    text.family(
        "clock_steps_total",
        Kind::Counter,
        "Steps of the wall clock.",
    );
    for (direction, steps) in [
        ("forward", &stats.steps_forward),
        ("back", &stats.steps_back),
    ] {
        text.sample("", &[("direction", direction)], steps.total());
    }
}

fn served(text: &mut Text, http: &Http) {
    text.family(
        "http_requests_total",
        Kind::Counter,
        "Requests by route and status; without those that are no HTTP.",
    );
    for route in &http.routes {
        for (code, counter) in CODES.iter().zip(&route.requests) {
            // A success counts from zero, so that a rate can be had from the first one on.
            if *code == "200" || counter.total() > 0 {
                let labels = [("route", route.label), ("code", code)];
                text.sample("", &labels, counter.total());
            }
        }
    }
    text.family(
        "http_request_duration_seconds",
        Kind::Histogram,
        "From a request's head read to its answer made, or begun if it is streamed; its wait for a tick included.",
    );
    for route in &http.routes {
        text.histogram(&[("route", route.label)], &route.durations);
    }
    text.family(
        "identifiers_issued_total",
        Kind::Counter,
        "UUIDs and ULIDs handed out, by kind.",
    );
    for ((kind, _), counter) in wide::Kind::ALL.iter().zip(&http.identifiers) {
        text.sample("", &[("kind", kind)], counter.total());
    }
    text.family("http_connections", Kind::Gauge, "Open connections.");
    text.sample("", &[], http.connections());
    text.family(
        "connections_parked",
        Kind::Gauge,
        "Open connections that wait for a request and hold no buffers.",
    );
    text.sample("", &[], http.parked());
    text.family(
        "refused_total",
        Kind::Counter,
        "Requests for an ID that got none, by reason.",
    );
    for (reason, counter) in REASONS.iter().zip(&http.refused) {
        text.sample("", &[("reason", reason)], counter.total());
    }
}

fn standing(text: &mut Text, issuer: &SystemIssuer) {
    let health = issuer.health();
    for (name, help, span) in [
        (
            "clock_ahead_seconds",
            "How far IDs are ahead of the wall clock.",
            health.clock_ahead,
        ),
        (
            "clock_doubted_seconds",
            "How far the wall clock was set forward without being followed yet.",
            health.clock_doubted,
        ),
        (
            "window_remaining_seconds",
            "How far ahead of use the durable bound is.",
            health.window_remaining,
        ),
        (
            "time_field_remaining_seconds",
            "What is left until the layout's time field ends.",
            health.time_field_remaining,
        ),
    ] {
        text.family(name, Kind::Gauge, help);
        text.sample("", &[], span.as_secs_f64());
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The prefix of our own families' names.
const OURS: &str = "shardflake_";

/// The text as it grows: families one after the other, each with its samples.
struct Text {
    out: String,
    prefix: &'static str,
    family: &'static str,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            out: String::new(),
            prefix: OURS,
            family: "",
        }
    }
}

impl Text {
    /// Begins a family; the samples that follow are its own.
    fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        let prefix = self.prefix;
        self.put(format_args!(
            "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}\n"
        ));
    }

    /// A sample of the present family. Label values are our own words and need no escaping.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        let (prefix, family) = (self.prefix, self.family);
        self.put(format_args!("{prefix}{family}{suffix}"));
        let mut before = '{';
        for (name, value) in labels {
            self.put(format_args!("{before}{name}=\"{value}\""));
            before = ',';
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.put(format_args!("{after} {value}\n"));
    }

    fn counter(&mut self, name: &'static str, help: &str, total: u64) {
        self.family(name, Kind::Counter, help);
        self.sample("", &[], total);
    }

    /// The samples of a histogram with at most one label. Its count is its last bucket, so that
    /// the two agree though others go on counting meanwhile.
    fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut below = 0;
        let bounds = Histogram::BOUNDS.map(Some).into_iter().chain([None]);
        for (bound, count) in bounds.zip(histogram.counts()) {
            below += count;
            let bound = bound.map_or_else(
                || "+Inf".to_owned(),
                |nanos| Duration::from_nanos(nanos).as_secs_f64().to_string(),
            );
            let with_bound: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
            self.sample("_bucket", &with_bound, below);
        }
        self.sample("_sum", labels, histogram.sum().as_secs_f64());
        self.sample("_count", labels, below);
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a String takes any text");
    }
}
