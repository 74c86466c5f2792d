//! Tells the program when it was built: a clock before that is wrong.
//!
//! `SOURCE_DATE_EPOCH` (seconds since 1970) makes the build reproducible; packages set it.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads its environment and the date"
)]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let told = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    let seconds = told.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs())
    });
    println!("cargo::rustc-env=BUILD_DATE={seconds}");
}
