//! Feeds the fuzzers' committed inputs to the same code, without a fuzzer.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "the fuzzers compile the same files as a library"
)]
mod targets;

use std::fs;
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use targets::{config, decode, http, mark, shard};

/// Panics in this process, those among them that the server's runtime catches.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Tests go one at a time: a panic that is counted is then the test's own.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `target` over every input of the corpus of that name.
fn replay(name: &str, target: fn(&[u8])) {
    static HOOK: Once = Once::new();
    let _alone = alone();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            print(info);
        }));
    });
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut inputs: Vec<_> = fs::read_dir(corpus.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{name} has {} inputs", inputs.len());
    for path in inputs {
        let before = PANICS.load(Ordering::SeqCst);
        println!("{}", path.display());
        target(&fs::read(&path).unwrap());
        assert_eq!(PANICS.load(Ordering::SeqCst), before, "a task panicked");
    }
}

#[test]
fn config_corpus() {
    replay("config", config::run);
}

#[test]
fn decode_corpus() {
    replay("decode", decode::run);
}

#[test]
fn http_corpus() {
    replay("http", http::run);
}

#[test]
fn mark_corpus() {
    replay("mark", mark::run);
}

#[test]
fn shard_corpus() {
    replay("shard", shard::run);
}

#[test]
#[should_panic(expected = "cut off in a body")]
fn a_reply_that_is_cut_off_is_seen() {
    let _alone = alone();
    let _ = http::replies(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour", false);
}

#[test]
#[should_panic(expected = "a head ends")]
fn bytes_behind_a_reply_are_seen() {
    let _alone = alone();
    let _ = http::replies(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour!", false);
}

#[test]
fn the_heads_of_two_replies_are_told_apart() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    assert_eq!(http::replies(&[&head[..], head].concat(), true).len(), 2);
}
