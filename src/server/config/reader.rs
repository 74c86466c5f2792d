//! Takes typed values out of the merged layers, and keeps every problem for one report.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::ValueKind;

use super::Setting;
use super::error::{ConfigError, ValueError};
use super::keys::KEYS;
use super::layers::{DEFAULT, Layer, PROFILE};
use super::value;
use shardflake::id::Layout;

/// A value was refused; the reader has kept the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

#[derive(Debug)]
pub(super) struct Reader {
    merged: Layer,
    problems: Vec<ConfigError>,
    settings: Vec<Setting>,
}

impl Reader {
    pub(super) fn new(merged: Layer, problems: Vec<ConfigError>) -> Self {
        Self {
            merged,
            problems,
            settings: Vec::new(),
        }
    }

    /// Keeps a problem for the report.
    pub(super) fn report(&mut self, problem: ConfigError) -> Refused {
        self.problems.push(problem);
        Refused
    }

    /// Notes a value that no layer set.
    pub(super) fn note(&mut self, key: &'static str, value: impl Display, origin: &str) {
        self.settings.push(Setting {
            key,
            value: value.to_string(),
            origin: origin.to_owned(),
        });
    }

    /// The value of a key that may be unset.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&ValueKind) -> Result<T, ValueError>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<Option<T>, Refused> {
        let Some(found) = self.merged.find(key) else {
            return Ok(None);
        };
        let origin = found.origin().unwrap_or(DEFAULT).to_owned();
        match read(&found.kind) {
            Ok(value) => {
                self.note(key, show(&value), &origin);
                Ok(Some(value))
            }
            Err(problem) => Err(self.report(ConfigError::value(key, &origin, problem))),
        }
    }

    /// The value of a key whose default is the profile's, which is `own`.
    pub(super) fn of_profile<T>(
        &mut self,
        key: &'static str,
        own: T,
        read: impl FnOnce(&ValueKind) -> Result<T, ValueError>,
        show: impl Fn(&T) -> String,
    ) -> Result<T, Refused> {
        if let Some(set) = self.optional(key, read, &show)? {
            return Ok(set);
        }
        self.note(key, show(&own), PROFILE);
        Ok(own)
    }

    /// The value of a key that has a default.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&ValueKind) -> Result<T, ValueError>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T, Refused> {
        self.optional(key, read, show)
            .map(|value| value.expect("the table of keys gives it a default"))
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Duration, Refused> {
        self.required(
            key,
            |kind| value::duration(kind, &range),
            |duration| show(*duration),
        )
    }

    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<usize, Refused> {
        self.required(key, |kind| value::integer(kind, &range), u64::to_string)
            .map(as_size)
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Result<bool, Refused> {
        self.required(key, value::boolean, bool::to_string)
    }

    /// Checks that `long` is at least twice `short`.
    pub(super) fn twice(
        &mut self,
        (long_key, long): (&'static str, Result<Duration, Refused>),
        (short_key, short): (&'static str, Result<Duration, Refused>),
    ) {
        let (Ok(long), Ok(short)) = (long, short) else {
            return;
        };
        if long >= short * 2 {
            return;
        }
        let problem = ConfigError::TooClose {
            long: Box::new(self.setting(long_key, long)),
            short: Box::new(self.setting(short_key, short)),
            least: show(short * 2),
            most: show(long / 2),
        };
        self.report(problem);
    }

    /// Checks that `long` is more ticks of the layout than `short`. To ask for twice as many would refuse
    /// harmless layouts, as any time counts as two ticks at least.
    pub(super) fn more_ticks(
        &mut self,
        layout: Result<Layout, Refused>,
        (long_key, long): (&'static str, Result<Duration, Refused>),
        (short_key, short): (&'static str, Result<Duration, Refused>),
    ) {
        let (Ok(layout), Ok(long), Ok(short)) = (layout, long, short) else {
            return;
        };
        let ticks = layout.ticks(short);
        // One that is not twice as long was reported by `twice` already.
        if layout.ticks(long) > ticks || long < short * 2 {
            return;
        }
        let least = Duration::from_nanos(layout.tick_nanos().saturating_mul(ticks + 1));
        let problem = ConfigError::TooCoarse {
            tick: Box::new(self.setting("layout.tick", layout.tick())),
            long: Box::new(self.setting(long_key, long)),
            short: Box::new(self.setting(short_key, short)),
            ticks,
            least: show(least),
        };
        self.report(problem);
    }

    fn setting(&self, key: &'static str, value: Duration) -> Setting {
        let found = self.merged.find(key).and_then(|value| value.origin());
        Setting {
            key,
            value: show(value),
            origin: found.unwrap_or(DEFAULT).to_owned(),
        }
    }

    /// The settings in the order of the table of keys, and all problems.
    pub(super) fn finish(mut self) -> (Vec<Setting>, Vec<ConfigError>) {
        let mut settings = Vec::new();
        for key in KEYS {
            let of_key = |setting: &mut Setting| setting.key == key.name;
            settings.extend(self.settings.extract_if(.., of_key));
        }
        (settings, self.problems)
    }
}

fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Ranges of sizes end far below the platform's.
pub(super) fn as_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
