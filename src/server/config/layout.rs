//! The layout: the profile's own, with what is configured otherwise.

use std::ops::RangeInclusive;
use std::time::Duration;

use config::ValueKind;

use super::error::{ConfigError, ValueError};
use super::layers::PROFILE;
use super::profile::Profile;
use super::reader::{Reader, Refused};
use super::value;
use shardflake::id::Layout;
use shardflake::id::layout::Bits;

/// Reads epoch, bits and tick, which are those of `profile` unless they are set.
pub(super) fn read(reader: &mut Reader, profile: Profile) -> Result<Layout, Refused> {
    let own = profile.layout();
    let show_time = |ms: &u64| value::show_time(*ms);
    let epoch = reader.or(
        "epoch",
        (own.epoch_ms(), PROFILE),
        &value::epoch,
        &show_time,
    );
    let mut width = |key, own: u8| reader.or(key, (own, PROFILE), &bits, &u8::to_string);
    let time = width("layout.time_bits", own.time_bits());
    let sequence = width("layout.sequence_bits", own.sequence_bits());
    let machine = width("layout.machine_bits", own.machine_bits());
    let range = Duration::from_millis(1)..=Duration::from_secs(60);
    let tick = reader.or(
        "layout.tick",
        (own.tick(), PROFILE),
        &|kind| milliseconds(kind, &range),
        &value::show_duration,
    );
    let bits = Bits {
        time: time?,
        sequence: sequence?,
        machine: machine?,
        datacenter: own.datacenter_bits(),
        order: own.order(),
    };
    let tick_ms = u64::try_from(tick?.as_millis()).unwrap_or(u64::MAX);
    Layout::new(bits, tick_ms, epoch?).map_err(|error| reader.report(ConfigError::Layout(error)))
}

/// Whether the layout depends on the key.
pub(super) fn has_part(key: &str) -> bool {
    key == "profile" || key == "epoch" || key.starts_with("layout.")
}

/// A width in bits; the layout knows which widths go together.
fn bits(kind: &ValueKind) -> Result<u8, ValueError> {
    value::integer(kind, &(0..=63)).map(|bits| u8::try_from(bits).unwrap_or(u8::MAX))
}

/// A duration in whole milliseconds.
fn milliseconds(
    kind: &ValueKind,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, ValueError> {
    let duration = value::duration(kind, range)?;
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        return Ok(duration);
    }
    Err(ValueError::Fraction(value::seen(kind)))
}
