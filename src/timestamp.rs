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

/// Reads a moment into milliseconds since 1970, rounded down; `None` if the text is none,
/// or lies before 1970.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let time: SystemTime = humantime::parse_rfc3339(text).ok()?;
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
