//! The `state` commands: what they change, and what they leave alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use nix::sys::signal::Signal;
use shardflake::clock::{Clock, SystemClock};
use shardflake::time::SECOND;

use crate::server::Home;

fn tomorrow() -> String {
    (SystemClock.realtime() + 24 * 3600 * SECOND).to_string()
}

#[test]
fn nothing_is_adopted_under_another_epoch() {
    let home = Home::with_mark("1");
    let mark = home.state().join("1.mark");
    let before = fs::read(&mark).unwrap();
    let other = [("SHARDFLAKE_EPOCH", "2025-01-01T00:00:00Z")];
    let refused = home.run_with(&other, &["state", "adopt", "--shard-id", "1"]);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("Do not delete the mark"), "{text}");
    assert_eq!(fs::read(&mark).unwrap(), before);
}

#[test]
fn init_makes_a_mark_where_a_start_may_not_and_tells_of_a_clock_that_is_not_synchronised() {
    let home = Home::empty();
    let never = [("SHARDFLAKE_STATE__CREATE", "false")];
    let made = home.run_with(&never, &["state", "init", "--shard-id", "1"]);
    assert!(made.status.success(), "{made:?}");
    assert!(home.state().join("1.mark").exists());
    let text = String::from_utf8(made.stderr).unwrap();
    let warned = text.contains("the clock is not synchronised");
    assert_eq!(
        warned,
        SystemClock.synchronised() == Some(false),
        "stderr: {text}"
    );
}

#[test]
fn a_clock_is_accepted_for_the_time_to_come_alone() {
    let home = Home::with_mark("1");
    let until = |time| home.run(&["state", "accept-clock", "--until", time]);
    let past = until("2020-01-01T00:00:00Z");
    assert_eq!(past.status.code(), Some(64), "{past:?}");
    let text = String::from_utf8(past.stderr).unwrap();
    assert!(text.contains("--until 2020-01-01T00:00:00"), "{text}");
    assert!(!home.state().join("accept-clock").exists());
    // A word for ever would be one that there is no clock to doubt.
    let far = until("2150-01-01T00:00:00Z");
    assert_eq!(far.status.code(), Some(64), "{far:?}");
    let text = String::from_utf8(far.stderr).unwrap();
    assert!(text.contains("more than 10 years"), "{text}");
    assert!(!home.state().join("accept-clock").exists());
    let tomorrow = tomorrow();
    assert!(until(&tomorrow).status.success());
    let word = fs::read_to_string(home.state().join("accept-clock")).unwrap();
    assert_eq!(word.trim_end(), tomorrow);
}

#[test]
fn accepting_the_clock_writes_through_no_link() {
    let home = Home::with_mark("1");
    let victim = home.path("victim");
    fs::write(&victim, "theirs").unwrap();
    fs::set_permissions(&victim, Permissions::from_mode(0o600)).unwrap();
    for name in ["accept-clock.new", "accept-clock"] {
        symlink(&victim, home.state().join(name)).unwrap();
    }
    let accepted = home.run(&["state", "accept-clock", "--until", &tomorrow()]);
    assert!(accepted.status.success(), "{accepted:?}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    assert_eq!(fs::metadata(&victim).unwrap().mode() & 0o777, 0o600);
    let word = fs::symlink_metadata(home.state().join("accept-clock")).unwrap();
    assert!(word.is_file());
}

#[test]
fn a_start_right_after_init_does_not_blame_the_clock() {
    let home = Home::empty();
    let made = home.run(&["state", "init", "--shard-id", "1"]);
    assert!(made.status.success(), "{made:?}");
    let mut server = home.start("1");
    server.await_serving();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), 0);
    let told = |part: &str| server.log.iter().any(|line| line.contains(part));
    assert!(!told("If the clock is wrong"), "{:#?}", server.log);
    // Unless this machine took so long that there was nothing to wait for.
    if told("waiting: ") {
        let why = " INFO  waiting: the mark was written a moment ago";
        assert!(told(why), "{:#?}", server.log);
    }
}
