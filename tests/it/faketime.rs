//! A wall clock of one's own, by faketime.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::server::Home;

/// A clock that the test sets while the server runs.
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    pub(crate) fn new(home: &Home, offset: &str) -> Self {
        let clock = Self {
            file: home.path("clock"),
        };
        clock.set(offset);
        clock
    }

    pub(crate) fn set(&self, offset: &str) {
        // Replaced as a whole, or the server may read half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Lets `command` live by this clock: the wall clock alone is faked, time since boot runs on.
    pub(crate) fn rule(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            // The kernel's stamps on files do not move when the clock is set.
            .env("NO_FAKE_STAT", "1")
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

fn library() -> PathBuf {
    let found = ["x86_64", "aarch64"]
        .map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|path| fs::exists(path).unwrap());
    PathBuf::from(found.expect("faketime is installed"))
}
