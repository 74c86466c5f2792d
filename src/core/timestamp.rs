//! Moments as people write them: RFC 3339, written in UTC to the millisecond.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::WallTime;

/// The last millisecond that has a four-digit year.
const LAST_MS: i64 = 253_402_300_799_999;
/// Days from the first of March of the year 0 to 1970.
const DAYS_TO_1970: i64 = 719_468;

/// Writes milliseconds since 1970. RFC 3339 has no years beyond 9999, for which this writes `after 9999`;
/// moments before 1970 are written as 1970.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    if unix_ms > LAST_MS {
        return "after 9999".to_owned();
    }
    let unix_ms = unix_ms.max(0).unsigned_abs();
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

/// As RFC 3339, in UTC to the millisecond.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.as_nanos().div_euclid(1_000_000)))
    }
}

/// Reads a moment in RFC 3339, with any offset from UTC; `None` if the text is none, or the moment lies
/// before 1970 or after 9999. Leap seconds are refused: the wall clock that IDs follow has no number for
/// them.
///
/// Taken too are a space before the time (GNU date, `PostgreSQL`), a comma before the fraction (GNU date),
/// and an offset of hours alone (`PostgreSQL`).
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    let (local, rest) = text.split_at_checked("2025-01-01T00:00:00".len())?;
    let is_fraction = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let zone = rest.trim_start_matches(is_fraction);
    let nanos = fraction(&rest[..rest.len() - zone.len()])?;
    let seconds = local_seconds(local.as_bytes())?.checked_sub(offset(zone)?)?;
    let seconds = u64::try_from(seconds).ok()?;
    // With an offset the year may have five digits in UTC.
    (seconds <= LAST_MS.unsigned_abs() / 1000).then(|| UNIX_EPOCH + Duration::new(seconds, nanos))
}

/// The seconds since 1970 of a date and a time of day, without an offset.
fn local_seconds(text: &[u8]) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| digits(&text[range]);
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => 31,
    };
    let separated = [text[4], text[7], text[13], text[16]] == *b"--::"
        && matches!(text[10], b'T' | b't' | b' ');
    let fits = (1..=12).contains(&month)
        && (1..=last).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !separated || !fits {
        return None;
    }
    // Years begin in March here, so that the leap day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - DAYS_TO_1970;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// A fraction of a second in nanoseconds; further digits are cut off.
fn fraction(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(['.', ','])?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| format!("{digits:0<9}")[..9].parse().ok())?
}

/// How many seconds a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, clock) = match zone.as_bytes() {
        [b'+', clock @ ..] => (1, clock),
        [b'-', clock @ ..] => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = match clock {
        [a, b] => (digits(&[*a, *b])?, 0),
        [a, b, b':', c, d] => (digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, digit| {
        let value = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(number * 10 + i64::from(value))
    })
}

/// A span to the second, or to the millisecond below a minute.
#[must_use]
pub fn span(duration: Duration) -> String {
    let whole = if duration < Duration::from_secs(60) {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(duration.as_secs())
    };
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads() {
        let text = rfc3339(1_735_689_600_123);
        assert_eq!(text, "2025-01-01T00:00:00.123Z");
        let moment = UNIX_EPOCH + Duration::from_millis(1_735_689_600_123);
        assert_eq!(parse(&text), Some(moment));
        let time = WallTime::from_nanos(1_735_689_600_123_999_999);
        assert_eq!(time.to_string(), text);
    }

    #[test]
    fn reads_what_others_write_for_the_same_moment() {
        let second = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
        for (text, nanos) in [
            ("2025-01-01T00:00:00Z", 0),
            ("2025-01-01T00:00:00.5Z", 500_000_000),
            ("2025-01-01T00:00:00.123Z", 123_000_000),
            // In lower case, as RFC 3339 has it too.
            ("2025-01-01t00:00:00z", 0),
            ("2025-01-01T00:00:00.25z", 250_000_000),
            // Python, PHP and chrono.
            ("2025-01-01T00:00:00+00:00", 0),
            ("2025-01-01T00:00:00.000001+00:00", 1000),
            ("2025-01-01T00:00:00.123456789+00:00", 123_456_789),
            ("2025-01-01T00:00:00.1234567899Z", 123_456_789),
            ("2025-01-01T00:00:00-00:00", 0),
            ("2025-01-01T01:00:00+01:00", 0),
            ("2025-01-01T05:45:00+05:45", 0),
            ("2024-12-31T19:00:00-05:00", 0),
            ("2024-12-31T00:01:00.5-23:59", 500_000_000),
            ("2025-01-01T23:59:00+23:59", 0),
            // GNU date, by --rfc-3339=seconds and by -Ins.
            ("2025-01-01 00:00:00+00:00", 0),
            ("2025-01-01T02:00:00,123456789+02:00", 123_456_789),
            // PostgreSQL.
            ("2025-01-01 00:00:00+00", 0),
            ("2024-12-31 16:00:00.25-08", 250_000_000),
        ] {
            let moment = second + Duration::from_nanos(nanos);
            assert_eq!(parse(text), Some(moment), "{text}");
        }
    }

    #[test]
    fn reads_nothing_else() {
        for text in [
            "",
            "2025-01-01",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00.5",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00.+00:00",
            "2025-01-01T00:00:00.5.5Z",
            "2025-01-01T00:00:00ZxxxZ",
            "2025-01-01T00:00:005Z",
            "2025-01-01T00:00:00.5ZZ",
            "2025-01-01T00:00:00.-5Z",
            "2025-01-01T00:00:00 Z",
            "2025-01-01T00:00:00Z ",
            "2025-01-01T00:00:00UTC",
            "2025-01-01T00:00:00+0000",
            "2025-01-01T00:00:00+0:00",
            "2025-01-01T00:00:00+00:0",
            "2025-01-01T00:00:00+24:00",
            "2025-01-01T00:00:00+00:60",
            "2025-01-01T00:00:00+-1:00",
            "2025-01-01T00:00:00+00:00Z",
            "2025-01-01T00:00:00Z+00:00",
            "2025-01-01_00:00:00Z",
            "2025/01/01T00:00:00Z",
            "2025-01-01T00-00-00Z",
            "2025-1-01T00:00:000Z",
            "+025-01-01T00:00:00Z",
            "2016-12-31T23:59:60Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:60:00Z",
            "2025-00-01T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-04-31T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2025-01-01T00:00:0\u{e9}Z",
            "2025-01-01T00:00:00.5\u{e9}",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:59:59+01:00",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_is_read_as_it_is_written() {
        let last = LAST_MS.unsigned_abs() / 1000 / 86_400;
        for day in 0..=last {
            let moment = UNIX_EPOCH + Duration::from_secs(day * 86_400 + 86_399);
            let text = humantime::format_rfc3339_seconds(moment).to_string();
            assert_eq!(parse(&text), Some(moment), "{text}");
        }
        for text in ["1969-12-31T23:59:59-00:01", "1970-01-01T00:00:59Z"] {
            assert_eq!(parse(text), Some(UNIX_EPOCH + Duration::from_secs(59)));
        }
        assert!(parse("2024-02-29T00:00:00Z").is_some());
        assert!(parse("2000-02-29T00:00:00Z").is_some());
        assert!(parse("9999-12-31T23:59:59.999Z").is_some());
    }

    #[test]
    fn clamps_what_has_no_four_digit_year() {
        assert_eq!(rfc3339(i64::MIN), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(LAST_MS), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(LAST_MS + 1), "after 9999");
        assert_eq!(rfc3339(i64::MAX), "after 9999");
        assert_eq!(parse("tomorrow"), None);
    }

    #[test]
    fn spans_read_well() {
        assert_eq!(span(Duration::from_micros(6_250_400)), "6s 250ms");
        assert_eq!(span(Duration::from_millis(3_600_900)), "1h");
    }
}
