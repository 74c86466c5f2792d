//! One file system of each kind, and many things that are tried on every one of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::disks::no_file_system;
use crate::setting::{Outcome, Setting};

/// The kinds that `tests/crash/mounted` mounts. `ext4-128` has inodes of 128 bytes, without a birth time.
pub(crate) const KINDS: [&str; 6] = ["ext4", "ext4-128", "xfs", "btrfs", "tmpfs", "overlay"];
pub(crate) const ALL: &[&str] = &KINDS;
/// Most of the time goes by in waiting.
const AT_ONCE: usize = 8;

/// A mounted file system.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    pub(crate) top: PathBuf,
}

/// Something to try on a file system; it panics if that fails.
pub(crate) struct Try<'a> {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// Whether it concerns the whole file system, so that nothing else may be tried there meanwhile.
    pub(crate) alone: bool,
    pub(crate) run: Box<dyn Fn(&Place) -> Told + Sync + 'a>,
}

/// What one try comes to.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) ids: usize,
    /// Whether a start called the mark a copy.
    pub(crate) copied: bool,
    /// Whether IDs were ahead of the clock when older state had come back.
    pub(crate) ahead: bool,
    /// The longest time for which a server was up and did not issue.
    pub(crate) waited: Duration,
}

/// What all tries come to.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many there were, by kind of file system.
    tries: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
    pub(crate) ids: usize,
    pub(crate) copied: usize,
    pub(crate) ahead: usize,
    waited: Duration,
}

impl Place {
    /// From `KIND=DIR`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let (kind, top) = word.split_once('=')?;
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        Some(Self {
            kind,
            top: top.into(),
        })
    }
}

/// Tries everything, and tells `told` of it and on how many file systems of which kind.
pub(crate) fn try_all(
    setting: &Setting,
    tries: Vec<Try<'_>>,
    told: impl Fn(&Tally) -> String,
) -> Outcome {
    let places = setting.places();
    if places.is_empty() {
        return no_file_system();
    }
    let tally = Mutex::default();
    let (alone, together): (Vec<_>, Vec<_>) = tries.into_iter().partition(|one| one.alone);
    run(&together, AT_ONCE, &tally);
    thread::scope(|scope| {
        for place in &places {
            let here = alone.iter().filter(|one| one.place.kind == place.kind);
            let here: Vec<_> = here.collect();
            let tally = &tally;
            scope.spawn(move || run(&here, 1, tally));
        }
    });
    let tally = tally.into_inner().unwrap();
    assert!(tally.failures.is_empty(), "{}", tally.failures());
    let text = format!("{}; {}", told(&tally), tally.counts());
    let missing = KINDS.into_iter().filter(|kind| setting.top(kind).is_none());
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Outcome::Passed(text);
    }
    Outcome::Skipped(format!("not mounted: {}; {text}", missing.join(", ")))
}

fn run<'a, T: AsRef<Try<'a>> + Sync>(tries: &[T], at_once: usize, tally: &Mutex<Tally>) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(one) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = one.as_ref();
            let told = catch_unwind(AssertUnwindSafe(|| (one.run)(&one.place)));
            tally.lock().unwrap().enter(one, told);
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
}

impl<'a> AsRef<Try<'a>> for Try<'a> {
    fn as_ref(&self) -> &Try<'a> {
        self
    }
}

impl Tally {
    fn enter(&mut self, one: &Try<'_>, told: Result<Told, Box<dyn Any + Send>>) {
        let kind = one.place.kind;
        *self.tries.entry(kind).or_default() += 1;
        match told {
            Ok(told) => {
                self.ids += told.ids;
                self.copied += usize::from(told.copied);
                self.ahead += usize::from(told.ahead);
                self.waited = self.waited.max(told.waited);
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref().copied());
                let text = text.unwrap_or("no text");
                self.failures.push(format!("{kind}: {}: {text}", one.name));
            }
        }
    }

    fn failures(&self) -> String {
        let mut failures = self.failures.clone();
        failures.sort();
        let all: usize = self.tries.values().sum();
        format!("{} of {all}:\n{}", failures.len(), failures.join("\n"))
    }

    fn counts(&self) -> String {
        let kinds = KINDS
            .iter()
            .filter_map(|kind| Some((kind, self.tries.get(kind)?)));
        let kinds: Vec<_> = kinds
            .map(|(kind, tries)| format!("{tries} on {kind}"))
            .collect();
        format!(
            "{}; the longest wait of a server that was up {:.1} s",
            kinds.join(", "),
            self.waited.as_secs_f64()
        )
    }
}
