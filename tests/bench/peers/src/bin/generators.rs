//! `generators PEER THREADS COUNT STATE`: lets each of the threads take that many IDs, and prints
//! nanoseconds per ID, of the clock on the wall and of the processor. Marks are kept in the directory
//! `STATE`.

use std::process::ExitCode;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What the process has used of the processor, in microseconds.
fn used() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process has a usage");
    (usage.user_time() + usage.system_time()).num_microseconds()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, peer, threads, count, state] = &arguments[..] else {
        eprintln!("usage: generators PEER THREADS COUNT STATE");
        return ExitCode::from(64);
    };
    let threads: usize = threads.parse().expect("a number of threads");
    let count: u64 = count.parse().expect("a number of IDs");
    let Some(peer) = shardflake_peers::named(peer, state.as_ref()) else {
        eprintln!("there is no peer {peer}");
        return ExitCode::from(64);
    };
    let before = used();
    let took = shardflake_peers::timed(&*peer, threads, count);
    let used = used() - before;
    #[expect(clippy::cast_precision_loss, reason = "near enough")]
    let [ids, used] = [threads as f64 * count as f64, used as f64];
    println!(
        "{:.2} {:.2}",
        took.as_secs_f64() * 1e9 / ids,
        used * 1e3 / ids
    );
    ExitCode::SUCCESS
}
