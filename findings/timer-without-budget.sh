#!/usr/bin/env bash
# A timer of Tokio that is polled when the task has used up its turn wakes the task at once and never again:
# what looks like a spurious wake-up is the only one.
#
#   findings/timer-without-budget.sh
#
# Versions:  tokio 1.54.1 (Rust)
# Behaviour: Tokio lets a task do 128 operations in a turn. After them `Sleep::poll` wakes the task for
#            another turn and returns Pending before it comes to its timer, so that neither the waker nor,
#            of a new one, the timer is registered. `Sleep::reset` registers a new time, but no waker either.
#            Whoever polls a timer once, for the wake-up, and then only looks at `is_elapsed`, sleeps for ever.
# Seen:      budget left: woken by the timer; budget used up: woken at once, then not within 2 s; used up, but
#            polled through `unconstrained`: woken by the timer
# Matters:   Idle time-outs are kept like this where polling a timer for each request is too dear. A connection
#            that was busy in the very turn in which its time-out was set, and fell silent then, is kept open
#            for as long as its client likes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/help.sh
help_of findings/timer-without-budget.sh "$@"
takes_no_arguments "$@"

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'EOF'
[package]
name = "timer-without-budget"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
tokio = { version = "=1.54.1", default-features = false, features = ["macros", "rt", "time"] }
EOF
cat >"$folder/src/main.rs" <<'EOF'
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::task::{coop::consume_budget, unconstrained};
use tokio::time::sleep;

/// How often the task is polled within 2 s after it has set a timer of 50 ms, and whether that is over then.
async fn polls(spends: bool, frees: bool) -> (u32, bool) {
    let mut timer = Box::pin(sleep(Duration::from_millis(50)));
    let mut turns = 0;
    let task = poll_fn(|cx| {
        turns += 1;
        if turns == 1 {
            while spends && pin!(consume_budget()).poll(cx).is_ready() {}
            let polled = if frees {
                Pin::new(&mut unconstrained(timer.as_mut())).poll(cx)
            } else {
                timer.as_mut().poll(cx)
            };
            assert!(polled.is_pending());
        }
        if timer.is_elapsed() { Poll::Ready(()) } else { Poll::Pending }
    });
    let woken = tokio::select! {
        // First: its end would poll the other.
        biased;
        () = sleep(Duration::from_secs(2)) => false,
        () = task => true,
    };
    (turns, woken)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seen = [
        ("budget left", polls(false, false).await),
        ("used up", polls(true, false).await),
        ("used up, unconstrained", polls(true, true).await),
    ];
    for (what, (turns, woken)) in seen {
        println!("{what}: {turns} turns, {}", if woken { "woken by the timer" } else { "not woken by it" });
    }
    let woken = seen.map(|(_, (_, woken))| woken);
    std::process::exit(i32::from(woken != [true, false, true]));
}
EOF
cd "$folder"
cargo build --quiet || exit 77
target/debug/timer-without-budget
