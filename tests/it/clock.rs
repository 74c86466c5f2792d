//! Clocks that are wrong, and clocks that step, by faketime.

use std::process::Command;

use shardflake::id::Layout;
use shardflake::timestamp::rfc3339;

use crate::faketime::Clock;
use crate::server::{Home, Server, fields, now_ms, tick_now};

fn start(home: &Home, clock: &Clock) -> Server {
    let mut command = home.command("1");
    clock.rule(&mut command);
    Server::start(command, home.address())
}

fn await_code(server: &mut Server, code: &str) {
    server.until(code, |server| server.get("/readyz").json()["code"] == code);
}

#[test]
fn a_clock_before_the_build_is_waited_for_and_mends() {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "-3650d");
    let mut server = start(&home, &clock);
    await_code(&mut server, "clock_implausible");
    let reply = server.get("/generate");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("state accept-clock"), "{}", reply.body);
    assert_eq!(server.get("/livez").status, 200);
    clock.set("+0s");
    server.await_serving();
    server.id();
}

#[test]
fn a_clock_a_year_past_the_mark_is_waited_for_until_accepted() {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+400d");
    let mut server = start(&home, &clock);
    await_code(&mut server, "clock_implausible");
    let until = rfc3339(i64::try_from(now_ms()).unwrap() + 500 * 24 * 3600 * 1000);
    let mut accept = Command::new(crate::server::BINARY);
    accept
        .args(["state", "accept-clock", "--until", &until, "--state-dir"])
        .arg(home.state());
    assert!(accept.status().unwrap().success());
    server.await_serving();
    server.id();
}

#[test]
fn a_small_step_back_costs_nothing_and_a_large_one_is_refused_until_mended() {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+0s");
    let mut server = start(&home, &clock);
    server.await_serving();
    let mut last = server.id();
    clock.set("-3s");
    server.await_line("set back by ");
    for _ in 0..600 {
        let id = server.id();
        assert!(id > last);
        last = id;
    }
    assert!(
        server.get("/readyz").json()["clock"]["ahead_seconds"]
            .as_f64()
            .unwrap()
            > 1.0
    );
    clock.set("-1h");
    await_code(&mut server, "clock_ahead");
    let reply = server.get("/generate");
    assert_eq!(reply.status, 503);
    assert!(reply.head.contains("retry-after: 35"), "{}", reply.head);
    clock.set("+0s");
    server.await_serving();
    assert!(server.id() > last);
}

#[test]
fn a_step_forward_of_an_hour_is_not_followed_at_once() {
    let home = Home::with_mark("1");
    let clock = Clock::new(&home, "+0s");
    let mut server = start(&home, &clock);
    server.await_serving();
    let (before, _) = fields(server.id());
    clock.set("+1h");
    server.await_line("set forward by ");
    let (after, _) = fields(server.id());
    assert!(
        after < before + 100_000,
        "followed a step that may be false"
    );
    let warning = server.get("/readyz").json()["warning"].to_string();
    assert!(warning.contains("set forward by"), "{warning}");
    // Half a second is followed at once.
    clock.set("+0.5s");
    server.await_line("and is followed");
}

#[test]
fn a_mark_ahead_of_the_clock_is_waited_for() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let before = server.id();
    assert_eq!(server.stop(), 0);
    let clock = Clock::new(&home, "-2d");
    let mut waiting = start(&home, &clock);
    waiting.until("waiting", |server| {
        server.get("/readyz").json()["state"] == "waiting"
    });
    assert_eq!(waiting.get("/generate").status, 503);
    clock.set("+0s");
    waiting.await_serving();
    assert!(waiting.id() > before);
}

#[test]
fn a_mark_ahead_of_the_clock_is_continued_from_up_to_the_moment_that_is_told() {
    // In ticks of 10 ms: longer than a test waits.
    const HOUR: u64 = 360_000;
    let home = Home::empty();
    let bound = tick_now() + HOUR;
    home.make_mark_at(Layout::SONYFLAKE, "1", bound);
    let told = |seconds: u64| {
        let until = rfc3339((now_ms() + seconds * 1000).try_into().unwrap());
        let mut command = home.command("1");
        command.args(["serve", &format!("--continue-ahead={until}")]);
        Server::start(command, home.address())
    };
    let mut too_early = told(1800);
    await_code(&mut too_early, "clock_behind_mark");
    assert_eq!(too_early.stop(), 0);
    let mut server = told(7200);
    server.await_serving();
    assert_eq!(fields(server.id()).0, bound + 1);
}
