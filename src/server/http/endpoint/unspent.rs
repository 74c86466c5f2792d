//! Answers to HEAD for routes that issue IDs: no ID is spent on them.

use std::time::Duration;

use crate::http::App;
use crate::http::error::Error;
use crate::http::negotiation::Format;
use crate::http::response::Answer;
use shardflake::clock::{Clock, SystemClock};
use shardflake::issuer::{Health, Issued};

/// The longest from now until the IDs may be asked for.
const SOON: Duration = Duration::from_secs(3600);

/// How the shard stands, if it may issue.
pub(super) fn check(app: &App) -> Result<Health, Error> {
    let health = app.issuer().health();
    match health.refusal {
        Some(refusal) => Err(refusal.into()),
        None => Ok(health),
    }
}

/// The head of an answer in `format`. It tells the length of the body, if `length` is the same for all IDs
/// that may come next.
pub(super) fn head(
    app: &App,
    format: Format,
    length: impl Fn(&Issued) -> Option<usize>,
) -> Result<Answer, Error> {
    let health = check(app)?;
    let layout = app.issuer().layout();
    let machines = app.issuer().machines();
    let now = layout.tick_at(SystemClock.realtime()).unwrap_or(0);
    let soon = now + layout.ticks(health.clock_ahead) + layout.ticks(SOON);
    let last = u64::from(layout.sequences() - 1);
    let issued = |tick: u64, sequence, machine: u32| {
        let id = layout.compose(tick, sequence, machine.into()).ok()?;
        length(&Issued { id, tick, machine })
    };
    let shortest = issued(now, 0, machines.first());
    let longest = issued(soon, last, machines.last());
    Ok(Answer::head(
        format,
        shortest.filter(|_| shortest == longest),
    ))
}
