//! Real faults against the real binary, on real file systems.
//!
//! `tests/crash/run` builds this program, makes the file systems and starts it. Each case prints
//! one line with what it counted; the program fails if a case did.

mod bits;
mod checker;
#[allow(dead_code, reason = "tests/it uses the rest")]
#[path = "../it/client.rs"]
mod client;
mod clocks;
mod copies;
mod disks;
mod failing;
#[path = "../it/faketime.rs"]
mod faketime;
mod faults;
mod harmless;
mod issued;
mod kill;
mod lives;
mod load;
mod moments;
mod places;
mod restores;
mod served;
#[allow(dead_code, reason = "tests/it uses the rest")]
#[path = "../it/server.rs"]
mod server;
mod setting;
mod starts;
mod stops;
mod trace;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

use setting::{Outcome, Setting};

type Case = fn(&Setting) -> Outcome;

/// Every case, in the order in which they run.
const CASES: [(&str, Case); 25] = [
    ("kill", kill::servers),
    ("issued", issued::received_is_a_part_of_issued),
    ("one-failure", faults::one_failure),
    ("many-failures", faults::many_failures),
    ("failing-changes", failing::failing_changes),
    ("failing-end", failing::failing_end),
    ("slow-flushes", served::slow_flushes),
    ("no-disk", served::requests_touch_no_disk),
    ("standstill", stops::standstill),
    ("races", starts::races),
    ("splits", starts::splits),
    ("crowd", starts::crowd),
    ("replaced", starts::replaced),
    ("new-directory", starts::new_directory),
    ("full-btrfs", disks::full_btrfs),
    ("full-ext4", disks::full_ext4),
    ("no-room-for-state", disks::no_room),
    ("quota", disks::used_up_quota),
    ("bits", bits::every_bit_and_length),
    ("damage", bits::damaged_starts),
    ("copies", copies::copies),
    ("restores", restores::restores),
    ("harmless", harmless::harmless),
    ("namespaces", clocks::namespaces),
    ("jumps", clocks::jumps),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["issue", directory, shard, log] => issued::issue(directory, shard, log),
        _ => match Setting::parse(&words) {
            Ok(setting) => run(&setting),
            Err(problem) => {
                eprintln!("{problem}");
                ExitCode::from(64)
            }
        },
    }
}

fn run(setting: &Setting) -> ExitCode {
    let [mut passed, mut failed, mut skipped] = [0; 3];
    for (name, case) in CASES {
        if !setting.wants(name) {
            continue;
        }
        let begin = Instant::now();
        let outcome = catch_unwind(|| case(setting));
        let took = begin.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed(counts)) => {
                println!("passed: {name}: {counts} ({took:.1} s)");
                passed += 1;
            }
            Ok(Outcome::Skipped(why)) => {
                println!("SKIPPED: {name}: {why}");
                skipped += 1;
            }
            Err(_) => {
                println!("FAILED: {name} (seed {}, {took:.1} s)", setting.seed);
                failed += 1;
            }
        }
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0 || passed + skipped == 0))
}
