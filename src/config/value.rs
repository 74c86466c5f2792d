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
use crate::id::{Layout, MachineRange};
use crate::timestamp;

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
    within(duration, range, |end| {
        humantime::format_duration(*end).to_string()
    })
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
    const YEAR_10000: u64 = 253_402_300_800_000;
    if unix_ms >= YEAR_10000 {
        return "after 9999".to_owned();
    }
    let time = UNIX_EPOCH + Duration::from_millis(unix_ms);
    if unix_ms.is_multiple_of(1000) {
        return humantime::format_rfc3339_seconds(time).to_string();
    }
    humantime::format_rfc3339_millis(time).to_string()
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

/// Where the shard number comes from: it is a static one.
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
mod tests {
    use super::*;
    use crate::id::range::RangeError;

    fn text_value(text: &str) -> ValueKind {
        ValueKind::String(text.to_owned())
    }

    #[test]
    fn shard_numbers_come_as_integers_or_text() {
        let shard = |kind: ValueKind| shard(&kind, &Layout::SONYFLAKE);
        assert_eq!(shard(1i64.into()), Ok(MachineRange::new(1, 1).unwrap()));
        assert_eq!(
            shard("16-31".into()),
            Ok(MachineRange::new(16, 31).unwrap())
        );
        for (kind, seen) in [
            (ValueKind::Float(1.0), "1.0"),
            (ValueKind::Float(1.9), "1.9"),
            (ValueKind::Boolean(true), "true"),
            (ValueKind::I64(-1), "-1"),
            (ValueKind::Array(vec![1i64.into()]), "[1]"),
            (text_value(" 1"), " 1"),
            (text_value("01"), "01"),
        ] {
            let malformed = RangeError::Malformed(seen.to_owned());
            assert_eq!(shard(kind), Err(malformed.into()));
        }
        let error = shard(65_536i64.into()).unwrap_err().to_string();
        assert!(
            error.contains("65536") && error.contains("0 to 65535"),
            "{error}"
        );
    }

    #[test]
    fn durations_need_a_unit() {
        let range = Duration::from_millis(1)..=Duration::from_secs(10);
        let duration = |kind: ValueKind| duration(&kind, &range);
        assert_eq!(duration("250ms".into()), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1s 500ms".into()), Ok(Duration::from_millis(1500)));
        for kind in [
            250i64.into(),
            text_value("250"),
            text_value("0"),
            text_value("-1"),
            ValueKind::I64(-1),
        ] {
            let error = duration(kind.clone()).unwrap_err();
            assert_eq!(error, ValueError::NoUnit(seen(&kind)));
            assert!(error.to_string().contains("\"250ms\""), "{error}");
        }
        for kind in [
            text_value(""),
            text_value("fast"),
            text_value("-5s"),
            true.into(),
            0.25.into(),
        ] {
            let error = duration(kind.clone()).unwrap_err();
            assert_eq!(error, ValueError::Duration(seen(&kind)));
        }
        let error = duration("11s".into()).unwrap_err().to_string();
        assert!(
            error.contains("11s is out of range; it may be 1ms to 10s"),
            "{error}"
        );
    }

    #[test]
    fn integers_are_whole_and_in_range() {
        let integer = |kind: ValueKind| integer(&kind, &(1..=1024));
        assert_eq!(integer(4i64.into()), Ok(4));
        assert_eq!(integer("1024".into()), Ok(1024));
        for kind in [
            text_value(""),
            text_value("+1"),
            text_value("01"),
            text_value("-1"),
            text_value("1e2"),
            text_value(" 1"),
            1.0.into(),
            true.into(),
        ] {
            let error = integer(kind.clone()).unwrap_err();
            assert_eq!(error, ValueError::Integer(seen(&kind), 1024));
        }
        for (kind, seen) in [
            (0i64.into(), "0"),
            (ValueKind::I64(-3), "-3"),
            (text_value("1025"), "1025"),
            (
                text_value("99999999999999999999999"),
                "18446744073709551615",
            ),
        ] {
            let error = integer(kind).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{seen} is out of range; it may be 1 to 1024")),
                "{error}"
            );
        }
    }

    #[test]
    fn booleans_are_true_or_false() {
        assert_eq!(boolean(&true.into()), Ok(true));
        assert_eq!(boolean(&"false".into()), Ok(false));
        for kind in [
            text_value("yes"),
            text_value("1"),
            text_value("True"),
            text_value(""),
            1i64.into(),
        ] {
            assert_eq!(boolean(&kind), Err(ValueError::Boolean(seen(&kind))));
        }
    }

    #[test]
    fn epochs_are_whole_milliseconds() {
        for text in ["2014-09-01T00:00:00Z", "2014-09-01T02:00:00+02:00"] {
            assert_eq!(epoch(&text_value(text)), Ok(1_409_529_600_000));
        }
        assert_eq!(epoch(&"1970-01-01T00:00:00.001Z".into()), Ok(1));
        for text in [
            "",
            "2014-09-01",
            "2014-09-01T00:00:00+0200",
            "1970-01-01T00:00:00+02:00",
            "1969-12-31T23:59:59Z",
            "1409529600",
        ] {
            let error = epoch(&text_value(text)).unwrap_err();
            assert_eq!(error, ValueError::Time(format!("{text:?}")));
        }
        for text in [
            "2014-09-01T00:00:00.0001Z",
            "2200-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let error = epoch(&text_value(text)).unwrap_err();
            assert_eq!(error, ValueError::Epoch(format!("{text:?}")));
        }
        assert!(matches!(epoch(&2014i64.into()), Err(ValueError::Text(_))));
        assert_eq!(show_time(1_705_065_354_064), "2024-01-12T13:15:54.064Z");
        assert_eq!(show_time(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn words_are_spelt_as_they_are() {
        assert_eq!(level(&"debug".into()), Ok(LevelFilter::Debug));
        for text in ["off", "INFO", "", "verbose"] {
            let error = level(&text_value(text)).unwrap_err().to_string();
            assert!(
                error.contains("error, warn, info, debug or trace"),
                "{error}"
            );
        }
        assert!(
            source(&"lease".into())
                .unwrap_err()
                .to_string()
                .contains("\"static\"")
        );
        for known in Profile::ALL {
            assert_eq!(profile(&text_value(known.name())), Ok(known));
        }
        assert!(matches!(
            profile(&"Sonyflake".into()),
            Err(ValueError::Word { .. })
        ));
    }

    #[test]
    fn lists_are_arrays_or_have_commas() {
        let listen = |kind: &ValueKind, shard| listen(kind, shard, 80);
        let both = [Listen::All(1), Listen::Unix("/s".into())];
        assert_eq!(listen(&"*:1, unix:/s".into(), 0).unwrap(), both);
        let array = ValueKind::Array(vec!["*:1".into(), "/s".into()]);
        assert_eq!(listen(&array, 0).unwrap(), both);
        assert!(listen(&"127.0.0.1:0,127.0.0.1:0".into(), 0).is_ok());
        assert!(matches!(
            listen(&7001i64.into(), 0),
            Err(ValueError::List(_))
        ));
        let mixed = ValueKind::Array(vec!["/s".into(), 1i64.into()]);
        assert_eq!(
            listen(&mixed, 0),
            Err(ValueError::List("[\"/s\", 1]".into()))
        );
        for kind in [ValueKind::Array(Vec::new()), text_value("/s,unix:/s")] {
            assert_eq!(listen(&kind, 0), Err(ValueError::Addresses(seen(&kind))));
        }
        assert_eq!(
            listen(&"/s,".into(), 0),
            Err(ValueError::Address(String::new()))
        );
        for (kind, wide, narrow) in [
            ("127.0.0.1:1,0.0.0.0:1", "0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1,[::1]:1", "[::]:1", "[::1]:1"),
            ("*:1,[::1]:1", "*:1", "[::1]:1"),
            ("0.0.0.0:1,*:1", "*:1", "0.0.0.0:1"),
        ] {
            let (wide, narrow) = (wide.to_owned(), narrow.to_owned());
            assert_eq!(
                listen(&kind.into(), 0),
                Err(ValueError::Covered { wide, narrow })
            );
        }
        for kind in [
            "0.0.0.0:1,[::]:1",
            "[::]:1,127.0.0.1:1",
            "0.0.0.0:1,127.0.0.1:2",
            "0.0.0.0:0,127.0.0.1:0",
            "0.0.0.0:1,/s",
            "*:1,127.0.0.1:2",
            "*:0,*:0,127.0.0.1:0",
        ] {
            assert!(listen(&kind.into(), 0).is_ok(), "{kind}");
        }
        let same = text_value("[::1]:2,[::1]:1+N");
        assert!(listen(&same, 0).is_ok());
        assert_eq!(listen(&same, 1), Err(ValueError::Addresses(seen(&same))));
    }

    #[test]
    fn ports_are_digits() {
        assert_eq!(port("7001"), Ok(7001));
        for text in [
            "",
            "0",
            "07001",
            "65536",
            "+80",
            "http",
            "tcp://10.0.0.1:80",
            "7001 ",
        ] {
            assert_eq!(port(text), Err(ValueError::Port(text.to_owned())));
        }
    }
}
