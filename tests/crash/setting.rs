//! What a run is told, and what a case tells.

use std::path::Path;

use crate::CASES;
use crate::places::{KINDS, Place};

const USAGE: &str =
    "usage: crash [--campaign] [--trials N] [--seed N] [--on KIND=DIR]… [CASE…], KIND one of";
/// Kills of a run that is not told how many.
const TRIALS: u64 = 60;
const CAMPAIGN_TRIALS: u64 = 2000;

/// How a case went; one that failed has panicked.
pub(crate) enum Outcome {
    /// What it counted.
    Passed(String),
    /// Why it cannot run here.
    Skipped(String),
}

/// What a run is told.
#[derive(Default)]
pub(crate) struct Setting {
    /// Whether to take the time that the full numbers take.
    pub(crate) campaign: bool,
    pub(crate) seed: u64,
    trials: Option<u64>,
    /// Small file systems that may be filled.
    places: Vec<Place>,
    cases: Vec<String>,
}

impl Setting {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut setting = Self {
            seed: 1,
            ..Self::default()
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(usage);
            match *word {
                "--campaign" => setting.campaign = true,
                "--trials" => setting.trials = Some(number(value()?)?),
                "--seed" => setting.seed = number(value()?)?,
                "--on" => setting
                    .places
                    .push(Place::parse(value()?).ok_or_else(usage)?),
                case if CASES.iter().any(|(name, _)| *name == case) => {
                    setting.cases.push(case.to_owned());
                }
                other => {
                    return Err(format!(
                        "there is no case {other}\n{}\n{}",
                        usage(),
                        names()
                    ));
                }
            }
        }
        Ok(setting)
    }

    /// The top of the file system of this kind, where one is mounted.
    pub(crate) fn top(&self, kind: &str) -> Option<&Path> {
        let place = self.places.iter().find(|place| place.kind == kind)?;
        Some(&place.top)
    }

    /// Every file system that is mounted, in the order of [`KINDS`].
    pub(crate) fn places(&self) -> Vec<Place> {
        let of = |kind| self.places.iter().find(|place| place.kind == kind);
        KINDS.into_iter().filter_map(of).cloned().collect()
    }

    /// Whether the case `name` is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|case| case == name)
    }

    /// How many servers to kill.
    pub(crate) fn trials(&self) -> u64 {
        let usual = if self.campaign {
            CAMPAIGN_TRIALS
        } else {
            TRIALS
        };
        self.trials.unwrap_or(usual)
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| usage())
}

fn usage() -> String {
    format!("{USAGE} {}", KINDS.join(" "))
}

fn names() -> String {
    let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
    format!("cases: {}", names.join(" "))
}
