//! The client against real servers: kills, drains, slow replies and old IDs.

#[allow(dead_code, reason = "tests/it uses the rest")]
#[path = "../it/client.rs"]
mod client;
mod fleet;
mod proxy;
#[allow(dead_code, reason = "tests/it uses the rest")]
#[path = "../it/server.rs"]
mod server;

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shardflake::id::Layout;
use shardflake_client::{Client, Error};

use fleet::Fleet;
use proxy::Proxy;
use server::{Home, PATIENCE, fields, now_ms, tick_now};

const HOUR: Duration = Duration::from_secs(3600);
/// Milliseconds of a tick, and since 1970 of the epoch.
const TICK: u64 = 10;
const EPOCH: u64 = 1_409_529_600_000;

/// Asks again and again until `done`.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "not {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn ids_come_over_tcp_and_unix_sockets_in_order() {
    let home = Home::with_mark("16-18");
    let path = home.path("ids.sock");
    let mut command = home.command("16-18");
    command.args(["--listen", &format!("unix:{}", path.display())]);
    let mut server = server::Server::start(command, home.address());
    server.await_serving();
    let mut last = 0;
    for address in [home.address().to_string(), path.display().to_string()] {
        let client = Client::builder([address])
            .buffer(1000)
            .deadline(PATIENCE)
            .build()
            .unwrap();
        for _ in 0..5000 {
            let id = client.id().unwrap();
            assert!(id > last && (16..=18).contains(&fields(id).1));
            last = id;
        }
    }
}

/// The reply to the refill is held back until the buffer is empty: a call that waited for it while there were
/// IDs would wait for ever.
#[test]
fn no_call_waits_while_the_buffer_holds_an_id() {
    let home = Home::with_mark("1");
    let _server = home.serve("1");
    let proxy = Proxy::new(home.address());
    let client = Client::builder([proxy.address.to_string()])
        .buffer(100)
        .max_age(HOUR)
        .attempt(HOUR)
        .deadline(PATIENCE)
        .build()
        .unwrap();
    until("full", || client.buffered() == 200);
    proxy.hold();
    let mut ids: Vec<u64> = (0..200).map(|_| client.id().unwrap()).collect();
    until("asked for", || proxy.held() > 0);
    assert_eq!((client.buffered(), client.try_id()), (0, None));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.id().unwrap());
        proxy.release();
        ids.push(waiting.join().unwrap());
    });
    assert!(ids.is_sorted_by(|one, next| one < next));
}

/// Its time is told by an ID itself. When the call began, an ID that it got later cannot have been older than
/// when it was handed out.
#[test]
fn ids_are_never_older_than_the_maximum_age() {
    const MAX_AGE: u64 = 300;
    let home = Home::with_mark("1");
    let _server = home.serve("1");
    let client = Client::builder([home.address().to_string()])
        .max_age(Duration::from_millis(MAX_AGE))
        .deadline(PATIENCE)
        .build()
        .unwrap();
    let mut reused = 0;
    for turn in 0..60 {
        let begun = now_ms();
        let id = client.id().unwrap();
        let tick_over = EPOCH + (fields(id).0 + 1) * TICK;
        let age = begun.saturating_sub(tick_over);
        assert!(age <= MAX_AGE, "{age} ms");
        reused += u32::from(begun > tick_over);
        // Not a wait for anything: all ages up to more than the maximum.
        thread::park_timeout(Duration::from_millis(turn * 37 % (MAX_AGE + 100)));
    }
    assert!(reused > 0, "no ID came from the buffer");
}

/// It still serves, and says only that it wants no more requests.
#[test]
fn a_server_that_drains_is_left_within_the_call() {
    let fleet = Fleet::new(2, |command| {
        command.env("SHARDFLAKE_HTTP__LAME_DUCK", "5min");
    });
    let client = fleet.client().max_age(HOUR).buffer(20).build().unwrap();
    let first = fields(client.id().unwrap()).1;
    let drained = fleet.server(first);
    drained.signal(Signal::SIGTERM);
    let next = (0..1000)
        .map(|_| fields(client.id().unwrap()).1)
        .find(|machine| *machine != first);
    assert!(next.is_some());
    assert_eq!(drained.get("/readyz").code(), "draining");
    assert_eq!(drained.get("/id").status, 200);
}

/// A shard that refuses says why, and others are asked instead.
#[test]
fn a_server_that_refuses_is_left_and_its_reason_is_told() {
    let refuses = Home::empty();
    refuses.make_mark_at(Layout::SONYFLAKE, "9", tick_now() + 360_000);
    let server = refuses.start("9");
    until("refusing", || {
        server.get("/readyz").code() == "clock_behind_mark"
    });
    let address = refuses.address().to_string();
    let alone = Client::new([&address]).unwrap();
    until("refused", || {
        let troubles = alone.troubles();
        let trouble = troubles[0].trouble.as_ref();
        trouble.and_then(|trouble| trouble.code()) == Some("clock_behind_mark")
    });
    let error = alone.id_within(Duration::ZERO).unwrap_err().to_string();
    let reason = format!("{address}: status 503 (clock_behind_mark): ");
    assert!(error.contains(&reason), "{error}");
    let fleet = Fleet::new(1, |_| {});
    let both = fleet.addresses().chain([address]);
    let client = Client::builder(both).deadline(PATIENCE).build().unwrap();
    assert_eq!(fields(client.id().unwrap()).1, 1);
}

#[test]
fn with_all_servers_away_the_error_names_them() {
    let home = Home::empty();
    let tcp = home.address().to_string();
    let unix = home.path("none.sock").display().to_string();
    let client = Client::builder([&tcp, &unix]).build().unwrap();
    until("asked", || {
        client
            .troubles()
            .iter()
            .all(|wrong| wrong.trouble.is_some())
    });
    let error = client.id_within(Duration::from_millis(1)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Deadline { .. }));
    assert!(text.contains(&tcp) && text.contains(&unix), "{text}");
    assert!(text.contains("cannot connect"), "{text}");
}

/// `tests/client/soak` has it take longer, with more threads.
#[test]
#[expect(clippy::disallowed_methods, reason = "it is no setting of the product")]
fn three_servers_are_killed_in_turn_and_nobody_notices() {
    let (threads, seconds) = match env::var("SOAK_SECONDS") {
        Ok(seconds) => (1000, seconds.parse().unwrap()),
        Err(_) => (100, 0),
    };
    let told = fleet::killed_in_turn(threads, Duration::from_secs(seconds));
    println!("{told}");
    assert!(told.kills >= 9 && told.machines == 3, "{told}");
}
