//! Moments as people write them: RFC 3339, in UTC, to the millisecond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last millisecond that has a four-digit year.
const LAST_MS: i64 = 253_402_300_799_999;

/// Writes milliseconds since 1970; what lies outside the years 1970 to 9999 is clamped to them.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    let unix_ms = unix_ms.clamp(0, LAST_MS).unsigned_abs();
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string()
}

/// Writes nanoseconds since 1970, to the millisecond.
#[must_use]
pub fn rfc3339_nanos(unix_nanos: i64) -> String {
    rfc3339(unix_nanos.div_euclid(1_000_000))
}

/// Reads a moment in UTC; `None` if the text is none. Leap seconds are refused: the wall clock that IDs
/// follow has no number for them.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    // The library passes over what stands between the seconds and a closing Z, and takes :60 for :59.
    let (seconds, rest) = text.split_at_checked("2025-01-01T00:00:00".len())?;
    let fraction = rest.strip_suffix('Z')?;
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_plain = is_number && (fraction.is_empty() || fraction.starts_with('.'));
    if !is_plain || seconds.ends_with(":60") {
        return None;
    }
    humantime::parse_rfc3339(text).ok()
}

/// Reads a moment into milliseconds since 1970, rounded down; `None` if the text is none,
/// or lies before 1970.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let time = parse(text)?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// A duration in nanoseconds; what does not fit is as long as can be.
#[must_use]
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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
        assert_eq!(parse_rfc3339(&text), Some(1_735_689_600_123));
        assert_eq!(rfc3339_nanos(1_735_689_600_123_999_999), text);
    }

    #[test]
    fn reads_what_is_written_and_nothing_else() {
        let second = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
        for (text, millis) in [
            ("2025-01-01T00:00:00Z", 0),
            ("2025-01-01T00:00:00.5Z", 500),
            ("2025-01-01T00:00:00.123Z", 123),
        ] {
            assert_eq!(parse(text), Some(second + Duration::from_millis(millis)));
        }
        for text in [
            "",
            "2025-01-01",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00+00:00",
            "2025-01-01T00:00:00ZxxxZ",
            "2025-01-01T00:00:005Z",
            "2025-01-01T00:00:00.5ZZ",
            "2025-01-01T00:00:00.-5Z",
            "2016-12-31T23:59:60Z",
            "2025-02-30T00:00:00Z",
            "2025-01-01T00:00:0\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn clamps_what_has_no_four_digit_year() {
        assert_eq!(rfc3339(i64::MIN), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(parse_rfc3339("tomorrow"), None);
    }

    #[test]
    fn spans_read_well() {
        assert_eq!(span(Duration::from_micros(6_250_400)), "6s 250ms");
        assert_eq!(span(Duration::from_millis(3_600_900)), "1h");
    }
}
