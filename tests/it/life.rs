//! Starting, serving, ending, and starting again.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::{Home, PATIENCE, Server, fields, tick_now};

#[test]
fn an_id_decodes_to_now_and_this_machine() {
    let home = Home::with_mark("7");
    let mut server = home.serve("7");
    let before = tick_now();
    let begun = server.await_line("state directory ");
    assert!(begun.contains("shard 7, "), "{begun}");
    assert!(begun.contains(&home.address().to_string()), "{begun}");
    let reply = server.get("/generate");
    let id = reply.id();
    let (tick, machine) = fields(id);
    assert_eq!(machine, 7);
    assert!((before..=tick_now()).contains(&tick));
    let body = reply.json();
    assert_eq!(body["id"].as_u64(), Some(id));
    assert_eq!(
        body["timestamp"].as_u64(),
        Some((1_409_529_600_000 + tick * 10) / 1000)
    );
    assert_eq!(body.as_object().unwrap().len(), 3);
    let decoded = server.get(&format!("/decode/{id}")).json();
    assert_eq!(
        (decoded["time"].as_u64(), decoded["machine_id"].as_u64()),
        (Some(tick), Some(7))
    );
    assert_eq!(server.get("/health").body, "OK");
}

#[test]
fn the_first_start_waits_once_and_says_so() {
    let home = Home::empty();
    let mut server = home.start("1");
    server.until("waiting", |server| {
        server.get("/readyz").json()["state"] == "waiting"
    });
    let reply = server.get("/generate");
    assert_eq!((reply.status, reply.code().as_str()), (503, "fresh_mark"));
    assert!(reply.head.contains("retry-after: "), "{}", reply.head);
    assert_eq!(server.get("/livez").status, 200);
    let health = server.get("/health");
    assert_eq!(health.status, 503);
    assert!(health.body.contains("the mark is new"), "{}", health.body);
    server.await_serving();
    let bound = server.await_line("created the mark, with bound ");
    let bound: u64 = bound.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(fields(server.id()).0 > bound);
}

#[test]
fn after_kill_9_ids_are_larger_at_once() {
    let home = Home::with_mark("1");
    let mut last = 0;
    for _ in 0..5 {
        let server = home.serve("1");
        for _ in 0..3 {
            let id = server.id();
            assert!(id > last);
            last = id;
        }
        server.kill();
    }
}

#[test]
fn a_stop_finishes_writes_the_exact_mark_and_exits_0() {
    let home = Home::with_mark("1");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = home.serve("1");
        let (tick, _) = fields(server.id());
        server.signal(signal);
        assert_eq!(server.wait(), 0, "{:#?}", server.log);
        assert_eq!(home.mark()["bound"].as_u64(), Some(tick));
        assert!(
            server
                .log
                .iter()
                .any(|line| line.contains("wrote the exact mark"))
        );
    }
}

#[test]
fn a_stop_while_waiting_leaves_the_mark_alone() {
    let home = Home::empty();
    let mut server = home.start("1");
    server.await_line("created the mark");
    let before = home.mark();
    assert_eq!(server.stop(), 0);
    assert_eq!(home.mark(), before);
}

#[test]
fn two_hundred_clients_never_get_an_id_twice_over_five_kills() {
    let home = Home::with_mark("1");
    let mut all = HashSet::new();
    let mut highest = 0;
    for _ in 0..6 {
        let server = home.serve("1");
        let runs = clients(server, 200);
        let lowest = runs.iter().filter_map(|run| run.first()).min();
        assert!(*lowest.unwrap() > highest, "below an earlier run's");
        for run in runs {
            assert!(
                run.is_sorted_by(|a, b| a < b),
                "out of order on one connection"
            );
            highest = highest.max(run.last().copied().unwrap_or(0));
            for id in run {
                assert!(all.insert(id), "{id} came twice");
            }
        }
    }
    assert!(all.len() >= 6 * 20_000, "{} IDs", all.len());
}

/// Lets `count` clients ask until 20,000 IDs have come, then kills the server under them.
fn clients(server: Server, count: usize) -> Vec<Vec<u64>> {
    let (come, begin) = (AtomicUsize::new(0), Instant::now());
    let address = server.address;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(|| {
                    let mut ids = Vec::new();
                    let Ok(mut client) = Client::new(address) else {
                        return ids;
                    };
                    while let Ok(reply) = client.get("/generate") {
                        if reply.status == 200 {
                            ids.push(reply.id());
                            come.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    ids
                })
            })
            .collect();
        while come.load(Ordering::Relaxed) < 20_000 && begin.elapsed() < PATIENCE {
            thread::yield_now();
        }
        server.kill();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn a_range_issues_over_all_its_machine_ids_in_order() {
    let home = Home::with_mark("16-31");
    let server = home.serve("16-31");
    let mut client = Client::new(server.address).unwrap();
    let ids: Vec<_> = (0..2000)
        .map(|_| client.get("/generate").unwrap().id())
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let machines: HashSet<_> = ids.iter().map(|id| fields(*id).1).collect();
    assert_eq!(machines, (16..32).collect());
}

#[test]
fn another_range_goes_on_above_the_one_before() {
    let home = Home::with_mark("16-31");
    let first = home.serve("16-31");
    let before = first.id();
    assert_eq!(first.stop(), 0);
    let narrow = home.serve("20-23");
    let between = narrow.id();
    assert!(fields(between).0 > fields(before).0);
    assert_eq!(narrow.stop(), 0);
    let wide = home.serve("16-31");
    assert!(fields(wide.id()).0 > fields(between).0);
}

#[test]
fn many_shards_of_a_host_start_at_once() {
    const COUNT: usize = 120;
    let home = Home::empty();
    let mut servers: Vec<_> = (0..COUNT)
        .map(|number| {
            let (mut command, address) = home.beside(&number.to_string());
            command.env("SHARDFLAKE_HTTP__WORKERS", "1");
            Server::of(command.spawn().unwrap(), address)
        })
        .collect();
    for server in &mut servers {
        server.await_listening();
        server.await_serving();
    }
    let ids: HashSet<_> = servers.iter().map(Server::id).collect();
    assert_eq!(ids.len(), COUNT);
    for server in servers {
        assert_eq!(server.stop(), 0);
    }
}

#[test]
fn unix_sockets_serve_owner_and_group() {
    let home = Home::with_mark("1");
    let path = home.path("shard.sock");
    for _ in 0..2 {
        let mut command = home.command("1");
        command.arg("--listen").arg(&path);
        let mut server = Server::start(command, home.address());
        server.await_serving();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let mut client = Client::over(UnixStream::connect(&path).unwrap());
        assert_eq!(client.get("/health").unwrap().body, "OK");
        // A killed server leaves its socket behind; the next one takes the path over.
        server.kill();
    }
}
