//! Takes typed values out of the merged layers, and keeps every problem for one report.

use std::ops::RangeInclusive;
use std::time::Duration;

use config::ValueKind;

use super::Setting;
use super::error::{ConfigError, ConfigErrors, ValueError};
use super::keys::KEYS;
use super::layers::{DEFAULT, Layer};
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

/// How a type of value is read, and how a value of it is shown.
type Reading<'a, T> = &'a dyn Fn(&ValueKind) -> Result<T, ValueError>;
type Showing<'a, T> = &'a dyn Fn(&T) -> String;

impl Reader {
    pub(super) fn new(merged: Layer) -> Self {
        Self {
            merged,
            problems: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// Reads on from other layers; `earlier` problems stand in the report before those that there are.
    pub(super) fn go_on(self, merged: Layer, mut earlier: Vec<ConfigError>) -> Self {
        earlier.extend(self.problems);
        Self {
            merged,
            problems: earlier,
            ..self
        }
    }

    /// Keeps a problem for the report.
    #[cold]
    pub(super) fn report(&mut self, problem: ConfigError) -> Refused {
        self.problems.push(problem);
        Refused
    }

    /// Keeps the problem of a value that its key does not take.
    #[cold]
    pub(super) fn refuse(&mut self, key: &str, origin: &str, problem: ValueError) -> Refused {
        self.report(ConfigError::value(key, origin, problem))
    }

    /// Notes what a key is.
    pub(super) fn note(&mut self, key: &'static str, value: String, origin: &str) {
        self.settings.push(Setting {
            key,
            value,
            origin: origin.to_owned(),
        });
    }

    /// The value of a key that may be unset.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: Reading<'_, T>,
        show: Showing<'_, T>,
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
            Err(problem) => Err(self.refuse(key, &origin, problem)),
        }
    }

    /// The value of a key, or what it is if it is unset, and why.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        (unset, origin): (T, &str),
        read: Reading<'_, T>,
        show: Showing<'_, T>,
    ) -> Result<T, Refused> {
        if let Some(set) = self.optional(key, read, show)? {
            return Ok(set);
        }
        self.note(key, show(&unset), origin);
        Ok(unset)
    }

    /// The value of a key that has a default, for whoever has to know whether it was refused.
    pub(super) fn checked<T>(
        &mut self,
        key: &'static str,
        read: Reading<'_, T>,
        show: Showing<'_, T>,
    ) -> Result<T, Refused> {
        let value = self.optional(key, read, show)?;
        Ok(value.expect("the table of keys gives it a default"))
    }

    /// The value of a key that has a default. One that was refused is nothing: whatever holds it is not
    /// handed out.
    pub(super) fn required<T: Default>(
        &mut self,
        key: &'static str,
        read: Reading<'_, T>,
        show: Showing<'_, T>,
    ) -> T {
        self.checked(key, read, show).unwrap_or_default()
    }

    pub(super) fn span(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Duration, Refused> {
        self.checked(
            key,
            &|kind| value::duration(kind, &range),
            &value::show_duration,
        )
    }

    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.span(key, range).unwrap_or_default()
    }

    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> usize {
        let size = self.required(key, &|kind| value::integer(kind, &range), &u64::to_string);
        as_size(size)
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> bool {
        self.required(key, &value::boolean, &bool::to_string)
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
            long: Box::new(self.setting(long_key)),
            short: Box::new(self.setting(short_key)),
            least: value::show_duration(&(short * 2)),
            most: value::show_duration(&(long / 2)),
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
            tick: Box::new(self.setting("layout.tick")),
            long: Box::new(self.setting(long_key)),
            short: Box::new(self.setting(short_key)),
            ticks,
            least: value::show_duration(&least),
        };
        self.report(problem);
    }

    /// A value that was read.
    fn setting(&self, key: &str) -> Setting {
        let setting = self.noted(key).expect("what is read is noted");
        setting.clone()
    }

    fn noted(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The settings, in the order of the table of keys.
    ///
    /// # Errors
    /// All problems, if there are any.
    pub(super) fn finish(self) -> Result<Vec<Setting>, ConfigErrors> {
        if !self.problems.is_empty() {
            return Err(ConfigErrors(self.problems));
        }
        let settings = KEYS.iter().filter_map(|key| self.noted(key.name));
        Ok(settings.cloned().collect())
    }

    /// All problems.
    pub(super) fn problems(self) -> Vec<ConfigError> {
        self.problems
    }
}

/// Ranges of sizes end far below the platform's.
pub(super) fn as_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
