//! `/health`, `/livez` and `/readyz`: how the shard stands.

use serde::Serialize;

use crate::http::App;
use crate::http::error::Error;
use crate::http::head::Head;
use crate::http::negotiation::{self, Format};
use crate::http::response::Answer;
use shardflake::issuer::{Health, Refusal};

/// All that an operator may want to know.
#[derive(Serialize)]
struct Standing<'a> {
    state: &'a str,
    /// Why no ID is issued, or null.
    reason: Option<String>,
    code: Option<&'a str>,
    clock: Clock,
    window_remaining_seconds: f64,
    time_field_remaining_seconds: f64,
    warning: Option<&'a str>,
}

#[derive(Serialize)]
struct Clock {
    ahead_seconds: f64,
    /// By how much it was set forward without being followed yet.
    doubted_seconds: f64,
    /// Null where the kernel may not be asked.
    synchronised: Option<bool>,
}

/// Whether the shard may issue, in a word.
pub(in crate::http) fn health(app: &App, request: &Head<'_>) -> Answer {
    let replies = app.replies;
    let format = negotiation::preferred(request, &replies.health);
    let json = format == Format::Json;
    match app.health().refusal.map(Error::from) {
        None if json => {
            let first = app.issuer().machines().first();
            Answer::new(format, (replies.healthy_json)(first))
        }
        None => Answer::new(format, replies.healthy),
        Some(error) if json => error.answer(replies),
        Some(error) => error.answer_as_text(),
    }
}

/// Whether the process makes progress; waiting for the clock is no reason to restart it.
pub(in crate::http) fn livez(app: &App) -> Answer {
    if app.issuer().alive() {
        return Answer::new(Format::Text, "OK");
    }
    Error::Stuck.answer_as_text()
}

/// Whether the shard may issue, with all that an operator may want to know.
pub(in crate::http) fn readyz(app: &App) -> Answer {
    let health = app.health();
    let body = serde_json::to_vec(&standing(&health)).expect("numbers and texts make JSON");
    let answer = Answer::new(Format::Json, body);
    match health.refusal.map(Error::from) {
        None => answer,
        Some(error) => error.finish(answer),
    }
}

fn standing(health: &Health) -> Standing<'_> {
    Standing {
        state: health.state,
        reason: health.refusal.as_ref().map(ToString::to_string),
        code: health.refusal.as_ref().map(Refusal::code),
        clock: Clock {
            ahead_seconds: health.clock_ahead.as_secs_f64(),
            doubted_seconds: health.clock_doubted.as_secs_f64(),
            synchronised: health.clock_synchronised,
        },
        window_remaining_seconds: health.window_remaining.as_secs_f64(),
        time_field_remaining_seconds: health.time_field_remaining.as_secs_f64(),
        warning: health.warning.as_deref(),
    }
}
