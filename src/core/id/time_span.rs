//! The IDs of a time span, for range scans in a database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::layout::Layout;

/// The bounds of the IDs of a time span.
#[derive(Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// The smallest ID.
    pub smallest: u64,
    /// The largest ID.
    pub largest: u64,
}

/// Why a span has no bounds.
#[expect(missing_docs, reason = "each field is what its message names")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeSpanError {
    /// The span ends where it begins, or before.
    #[error("from {from} is not before to {to}; give the earlier time first")]
    Backwards { from: String, to: String },
    /// It begins before the epoch.
    #[error("from {from} is before the epoch {epoch}; begin at the epoch or later")]
    BeforeEpoch { from: String, epoch: String },
    /// It ends after the time field does.
    #[error("to {to} is beyond the end of the time field, {end}; end there or earlier")]
    BeyondEnd { to: String, end: String },
    /// It lies within a tick.
    #[error("no tick of {tick_ms} ms begins between {from} and {to}; widen the span")]
    NoTick {
        from: String,
        to: String,
        tick_ms: u128,
    },
}

impl TimeSpan {
    /// The bounds of the IDs whose tick begins in [`from`, `to`), on any machine. Spans that touch
    /// share no ID, whether or not they end where a tick does.
    ///
    /// # Errors
    /// [`TimeSpanError`] if the times are the wrong way round or outside the time field, or no tick
    /// begins between them.
    pub fn new(layout: &Layout, from: SystemTime, to: SystemTime) -> Result<Self, TimeSpanError> {
        let show = |time| humantime::format_rfc3339(time).to_string();
        let (shown_from, shown_to) = (show(from), show(to));
        if from >= to {
            return Err(TimeSpanError::Backwards {
                from: shown_from,
                to: shown_to,
            });
        }
        let epoch = begin(layout, 0);
        if from < epoch {
            return Err(TimeSpanError::BeforeEpoch {
                from: shown_from,
                epoch: show(epoch),
            });
        }
        let end = begin(layout, layout.max_tick() + 1);
        if to > end {
            return Err(TimeSpanError::BeyondEnd {
                to: shown_to,
                end: show(end),
            });
        }
        let first = ticks_before(layout, from);
        let behind = ticks_before(layout, to);
        if first == behind {
            return Err(TimeSpanError::NoTick {
                from: shown_from,
                to: shown_to,
                tick_ms: layout.tick().as_millis(),
            });
        }
        let machines = u64::from(layout.max_machine());
        let sequences = u64::from(layout.sequences() - 1);
        // The span lies within the time field.
        Ok(Self {
            smallest: layout.pack(first, 0, 0),
            largest: layout.pack(behind - 1, sequences, machines),
        })
    }
}

/// How many ticks begin before `time`, which is not before the epoch: the first tick not before it.
fn ticks_before(layout: &Layout, time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = u128::from(layout.epoch_ms()) * 1_000_000;
    let ticks = since_1970
        .as_nanos()
        .saturating_sub(epoch)
        .div_ceil(u128::from(layout.tick_nanos()));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// The beginning of `tick`.
fn begin(layout: &Layout, tick: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(layout.unix_ms(tick))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout::SONYFLAKE;

    fn of(from: &str, to: &str) -> Result<TimeSpan, TimeSpanError> {
        let time = |text| humantime::parse_rfc3339(text).unwrap();
        TimeSpan::new(&LAYOUT, time(from), time(to))
    }

    #[test]
    fn golden_span_of_one_tick() {
        let span = of("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.010Z").unwrap();
        assert_eq!(span.smallest, 547_205_677_056_000_000);
        assert_eq!(span.largest, 547_205_677_072_777_215);
    }

    #[test]
    fn spans_that_touch_share_no_id_and_leave_none_out() {
        for cut in [
            "2025-01-01T00:00:01Z",
            "2025-01-01T00:00:01.003Z",
            "2025-01-01T00:00:01.000000001Z",
        ] {
            let low = of("2025-01-01T00:00:00Z", cut).unwrap();
            let high = of(cut, "2025-01-01T00:00:02Z").unwrap();
            assert_eq!(low.largest + 1, high.smallest, "{cut}");
        }
    }

    #[test]
    fn the_whole_time_field_has_bounds() {
        let end = begin(&LAYOUT, LAYOUT.max_tick() + 1);
        let whole = TimeSpan::new(&LAYOUT, begin(&LAYOUT, 0), end).unwrap();
        assert_eq!(whole.smallest, 0);
        assert_eq!(whole.largest, i64::MAX.unsigned_abs());
    }

    #[test]
    fn refusals_name_the_limit() {
        let message = |from, to| of(from, to).unwrap_err().to_string();
        let same = message("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        assert!(
            same.contains("is not before to 2025-01-01T00:00:00Z"),
            "{same}"
        );
        let early = message("2014-08-31T23:59:59.999Z", "2025-01-01T00:00:00Z");
        assert!(
            early.contains("before the epoch 2014-09-01T00:00:00Z"),
            "{early}"
        );
        let late = message("2025-01-01T00:00:00Z", "2400-01-01T00:00:00Z");
        assert!(
            late.contains("beyond the end of the time field, 2188-11-"),
            "{late}"
        );
        let none = message("2025-01-01T00:00:00.001Z", "2025-01-01T00:00:00.009Z");
        assert!(none.contains("no tick of 10 ms"), "{none}");
    }
}
