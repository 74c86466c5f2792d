//! Strict readings of single values.
//!
//! A value from a file has TOML's type; one from the environment or a flag is text. Nothing is
//! rounded, cast or guessed: `1.9` is not 1, and 250 is not 250 milliseconds.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::ValueKind;
use log::LevelFilter;

use super::error::ValueError;
use super::listen::Listen;
use super::profile::Profile;
use shardflake::id::{Layout, MachineRange};
use shardflake::timestamp;

/// Epochs stay below 2200-01-01, so that nanoseconds since 1970 fit every sum with them.
const MAX_EPOCH_MS: u64 = 7_258_118_400_000;

type Read<T> = Result<T, ValueError>;

/// The value as its owner would recognise it.
pub(super) fn seen(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| seen(&value.kind)).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

/// Digits as they are: a string's own, or an integer's.
fn digits(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::String(text) => Some(text.clone()),
        ValueKind::I64(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn shard(kind: &ValueKind, layout: &Layout) -> Read<MachineRange> {
    let text = digits(kind).unwrap_or_else(|| seen(kind));
    Ok(MachineRange::parse_below(&text, layout.max_machine())?)
}

pub(super) fn duration(kind: &ValueKind, range: &RangeInclusive<Duration>) -> Read<Duration> {
    let text = digits(kind).unwrap_or_else(|| seen(kind));
    if is_number(text.trim_start_matches('-')) {
        return Err(ValueError::NoUnit(seen(kind)));
    }
    let duration =
        humantime::parse_duration(&text).map_err(|_| ValueError::Duration(seen(kind)))?;
    within(duration, range, show_duration)
}

/// A duration as it is written in a configuration.
pub(super) fn show_duration(duration: &Duration) -> String {
    humantime::format_duration(*duration).to_string()
}

pub(super) fn integer(kind: &ValueKind, range: &RangeInclusive<u64>) -> Read<u64> {
    let refuse = || ValueError::Integer(seen(kind), *range.end());
    let text = digits(kind).ok_or_else(refuse)?;
    if text.starts_with('-') && matches!(kind, ValueKind::I64(_)) {
        return Err(out_of_range(text, range, u64::to_string));
    }
    if !is_number(&text) || (text.len() > 1 && text.starts_with('0')) {
        return Err(refuse());
    }
    // Too many digits for the type are too many for every range.
    let number = text.parse().unwrap_or(u64::MAX);
    within(number, range, u64::to_string)
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Read<T> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(out_of_range(show(&value), range, show))
}

fn out_of_range<T>(
    seen: String,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> ValueError {
    ValueError::OutOfRange {
        seen,
        min: show(range.start()),
        max: show(range.end()),
    }
}

pub(super) fn boolean(kind: &ValueKind) -> Read<bool> {
    match kind {
        ValueKind::Boolean(value) => Ok(*value),
        ValueKind::String(text) if text == "true" => Ok(true),
        ValueKind::String(text) if text == "false" => Ok(false),
        other => Err(ValueError::Boolean(seen(other))),
    }
}

pub(super) fn text(kind: &ValueKind) -> Read<&str> {
    match kind {
        ValueKind::String(text) => Ok(text),
        other => Err(ValueError::Text(seen(other))),
    }
}

/// Reads an RFC 3339 time, such as `2025-01-01T00:00:00.250Z`.
///
/// # Errors
/// [`ValueError::Time`] if it is none, or lies before 1970.
pub fn rfc3339(text: &str) -> Result<SystemTime, ValueError> {
    timestamp::parse(text).ok_or_else(|| ValueError::Time(format!("{text:?}")))
}

/// Writes a time in milliseconds since 1970 as RFC 3339, with milliseconds only where there are some.
/// A year of more than four digits cannot be written so.
#[must_use]
pub fn show_time(unix_ms: u64) -> String {
    let time = timestamp::rfc3339(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    match time.strip_suffix(".000Z") {
        Some(seconds) => format!("{seconds}Z"),
        None => time,
    }
}

/// The epoch in milliseconds since 1970.
pub(super) fn epoch(kind: &ValueKind) -> Read<u64> {
    let time = rfc3339(text(kind)?)?
        .duration_since(UNIX_EPOCH)
        .map_err(|_| ValueError::Epoch(seen(kind)))?;
    u64::try_from(time.as_millis())
        .ok()
        .filter(|ms| *ms < MAX_EPOCH_MS && Duration::from_millis(*ms) == time)
        .ok_or_else(|| ValueError::Epoch(seen(kind)))
}

pub(super) fn profile(kind: &ValueKind) -> Read<Profile> {
    text(kind)?.parse()
}

/// The source of the shard number; there is only the static one.
pub(super) fn source(kind: &ValueKind) -> Read<&'static str> {
    match text(kind)? {
        "static" => Ok("static"),
        _ => Err(ValueError::Word {
            seen: seen(kind),
            allowed: "\"static\"",
        }),
    }
}

pub(super) fn level(kind: &ValueKind) -> Read<LevelFilter> {
    // Spelt out: the type's own parser also takes "off" and capitals.
    match text(kind)? {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err(ValueError::Word {
            seen: seen(kind),
            allowed: "error, warn, info, debug or trace",
        }),
    }
}

pub(super) fn absolute(kind: &ValueKind) -> Read<PathBuf> {
    let path = PathBuf::from(text(kind)?);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(ValueError::RelativePath(path.display().to_string()))
}

/// A TOML array of strings, or a string with commas between its parts.
pub(super) fn list(kind: &ValueKind) -> Read<Vec<&str>> {
    let refuse = |_| ValueError::List(seen(kind));
    match kind {
        ValueKind::String(text) => Ok(text.split(',').map(str::trim).collect()),
        ValueKind::Array(values) => values
            .iter()
            .map(|value| text(&value.kind))
            .collect::<Read<_>>()
            .map_err(refuse),
        other => Err(ValueError::List(seen(other))),
    }
}

/// Addresses to listen on, for the server that owns the machine IDs from `shard` on; `port` is for
/// those that have none.
pub(super) fn listen(kind: &ValueKind, shard: u32, port: u16) -> Read<Vec<Listen>> {
    let addresses: Vec<Listen> = list(kind)?
        .into_iter()
        .map(|text| Listen::of_server(text, shard, port))
        .collect::<Read<_>>()?;
    let fixed = |address: &Listen| match address {
        Listen::Tcp(tcp) => tcp.port() != 0,
        Listen::All(port) => *port != 0,
        Listen::Unix(_) => true,
    };
    let twice = addresses
        .iter()
        .enumerate()
        .any(|(i, address)| fixed(address) && addresses[..i].contains(address));
    if addresses.is_empty() || twice {
        return Err(ValueError::Addresses(seen(kind)));
    }
    for wide in &addresses {
        if let Some(narrow) = addresses.iter().find(|narrow| wide.covers(narrow)) {
            return Err(ValueError::Covered {
                wide: wide.to_string(),
                narrow: narrow.to_string(),
            });
        }
    }
    Ok(addresses)
}

/// Who may connect to a Unix socket, as a text of octal digits: a number of TOML does not tell its base.
pub(super) fn mode(kind: &ValueKind) -> Read<u32> {
    let refuse = || ValueError::Mode(seen(kind));
    let text = text(kind).map_err(|_| refuse())?;
    if !is_number(text) || text.len() > 4 {
        return Err(refuse());
    }
    let mode = u32::from_str_radix(text, 8).map_err(|_| refuse())?;
    Some(mode).filter(|mode| *mode <= 0o777).ok_or_else(refuse)
}

/// The group that a process has by itself; no group has such a name.
pub(super) const OWN_GROUP: &str = "-";

/// A group, by name or number, or `None` for the process's own. Whether there is such a group is seen when
/// a socket is opened.
pub(super) fn group(kind: &ValueKind) -> Read<Option<String>> {
    // To the system this number means that the group stays as it is.
    let is_none = |name: &str| name.parse() == Ok(u32::MAX);
    let name = digits(kind).filter(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    let name = name.filter(|name| !is_none(name));
    let name = name.ok_or_else(|| ValueError::Group(seen(kind)))?;
    Ok(Some(name).filter(|name| name != OWN_GROUP))
}

/// A bare port from 1 to 65535, in decimal digits.
pub(super) fn port(text: &str) -> Read<u16> {
    let refuse = || ValueError::Port(text.to_owned());
    if !is_number(text) || text.starts_with('0') {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

/// A list as it is written in a configuration file.
pub(super) fn show_list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests;
