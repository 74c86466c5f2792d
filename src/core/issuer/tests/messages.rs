//! Every refusal of a request says what was seen, what the limit is, and what to do about it.

use super::*;
use crate::mark::rules;

/// What a message must say, and after how many seconds to come back. A new variant does not compile
/// until it is told of here.
fn said(refusal: &Refusal) -> (&'static [&'static str], u64) {
    match refusal {
        Refusal::Starting => (&["starting", "try again in a second"], 1),
        Refusal::LockHeld { .. } => (&["machine ID 1 is in use", "waiting for it to end"], 1),
        Refusal::Waiting(_) => (&["is new", "6s", "shardflake state init"], 6),
        Refusal::Unwritable { .. } => (&["cannot be used", "free some space"], 1),
        Refusal::ClockAhead { .. } => (
            &["9s ahead", "at most 5s", "set the clock right", "wait 4s"],
            4,
        ),
        Refusal::WindowUsedUp { .. } => (&["window of the mark is used up", "free some space"], 1),
        Refusal::Saturated { .. } => (
            &[
                "next 250ms",
                "in 1s 1ms",
                "own a range of machine IDs (such as 16-31)",
            ],
            2,
        ),
        Refusal::TimeFieldOver { .. } => (
            &["ended at 2188-11-16", "more time bits or a later epoch"],
            3600,
        ),
        Refusal::Draining => (&["shutting down", "ask another one"], 1),
    }
}

fn refusals() -> [Refusal; 9] {
    let seconds = Duration::from_secs;
    [
        Refusal::Starting,
        Refusal::LockHeld {
            holder: "machine ID 1 is in use in /state: stop that process".into(),
        },
        Refusal::Waiting(rules::Wait::Fresh {
            left: seconds(6),
            command: "shardflake state init".into(),
        }),
        Refusal::Unwritable {
            error: "cannot create /state/1.mark: full: free some space".into(),
        },
        Refusal::ClockAhead {
            ahead: seconds(9),
            limit: seconds(5),
            left: seconds(4),
        },
        Refusal::WindowUsedUp {
            reason: "cannot write /state/1.mark: full: free some space".into(),
        },
        Refusal::Saturated {
            deadline: ms(250),
            left: ms(1001),
        },
        Refusal::TimeFieldOver {
            end: "2188-11-16T03:28:58.880Z".into(),
        },
        Refusal::Draining,
    ]
}

#[test]
fn every_refusal_says_what_was_seen_the_limit_and_the_way_out() {
    for refusal in refusals() {
        let (parts, seconds) = said(&refusal);
        let message = refusal.to_string();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        // To the second, as the header tells it.
        let after = refusal.retry_after();
        assert!(after > Duration::from_secs(seconds - 1) && after <= Duration::from_secs(seconds));
        assert!(Refusal::CODES.contains(&refusal.code()), "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_is_told_by_how_long_it_takes() {
    let state = tempfile::tempdir().unwrap();
    let shard = Shard::serving(state.path()).await;
    let limits = "requests wait 250ms at most (http.deadline)";
    let way_out = "raise state.window and http.deadline";
    for (in_step, seen) in [
        (true, "flushing the mark has taken 812ms so far"),
        (false, "the mark was not flushed in time"),
    ] {
        shard.keeper.seen(in_step);
        advance(ms(812)).await;
        let told = shard.issuer.slow_disk();
        for part in [seen, limits, way_out] {
            assert!(told.contains(part), "{part:?} is not in: {told}");
        }
    }
}
