//! Connections that a balancer keeps: while the process stands still, and when it is about to end.

use std::fs;
use std::io::Read;
use std::net::TcpStream;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::{Home, PATIENCE, Server};

/// A server with these variables of `http`, that issues.
fn serve(home: &Home, shard: &str, variables: &[(&str, &str)]) -> Server {
    let mut command = home.command(shard);
    for (key, value) in variables {
        command.env(format!("SHARDFLAKE_HTTP__{key}"), value);
    }
    let mut server = Server::start(command, home.address());
    server.await_serving();
    server
}

fn clients(server: &Server, count: usize) -> Vec<Client<TcpStream>> {
    let client = |_| Client::new(server.address).unwrap();
    (0..count).map(client).collect()
}

/// What `/metrics` says of the connections, asked on one of them.
fn gauge(client: &mut Client<TcpStream>, name: &str) -> usize {
    let metrics = client.get("/metrics").unwrap().body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

/// Stops the process as a debugger or a hypervisor would, until every thread stands still.
fn pause(server: &mut Server) {
    server.signal(Signal::SIGSTOP);
    let tasks = format!("/proc/{}/task", server.pid());
    server.until("standing still", |_| {
        fs::read_dir(&tasks).unwrap().all(|task| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        })
    });
}

/// Waits until a server with this idle time-out has closed a connection for it: so long has passed.
fn idle_time_out_passes(idle_timeout: &str) {
    let home = Home::with_mark("2");
    let server = serve(&home, "2", &[("IDLE_TIMEOUT", idle_timeout)]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it has not asked");
}

#[test]
fn what_came_while_the_process_stood_still_is_answered() {
    const IDLE_TIMEOUT: &str = "4s";
    const COUNT: usize = 50;
    let home = Home::with_mark("1");
    let mut server = serve(&home, "1", &[("IDLE_TIMEOUT", IDLE_TIMEOUT)]);
    for parked in [false, true] {
        let mut all = clients(&server, COUNT);
        for client in &mut all {
            assert_eq!(client.get("/health").unwrap().status, 200);
        }
        if parked {
            let mut other = Client::new(server.address).unwrap();
            server.until("all parked", |_| {
                gauge(&mut other, "shardflake_connections_parked ") >= COUNT
            });
        }
        // Some of them with half a head already, some with half a body.
        let kinds = [
            ("GET /gen", "erate HTTP/1.1\r\nhost: a\r\n\r\n"),
            ("", "GET /generate HTTP/1.1\r\nhost: a\r\n\r\n"),
            (
                "POST /id HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n{}",
                "{}",
            ),
        ];
        for (client, (before, _)) in all.iter_mut().zip(kinds.iter().cycle()) {
            client.send(before);
        }
        pause(&mut server);
        for (client, (_, meanwhile)) in all.iter_mut().zip(kinds.iter().cycle()) {
            client.send(meanwhile);
        }
        idle_time_out_passes(IDLE_TIMEOUT);
        server.signal(Signal::SIGCONT);
        let answered = all
            .iter_mut()
            .filter_map(|client| client.reply().ok())
            .filter(|reply| reply.status == 200);
        assert_eq!(answered.count(), COUNT, "parked: {parked}");
        // And those that ask no more are closed.
        for client in &mut all {
            assert!(client.reply().is_err());
        }
    }
}

#[test]
fn what_came_before_a_stop_is_answered() {
    let home = Home::with_mark("1");
    let mut server = serve(&home, "1", &[]);
    for connection in ["kept", "parked"] {
        let mut all = clients(&server, 20);
        for client in &mut all {
            assert_eq!(client.get("/health").unwrap().status, 200);
        }
        if connection == "parked" {
            let mut other = Client::new(server.address).unwrap();
            server.until("all parked", |_| {
                gauge(&mut other, "shardflake_connections_parked ") >= 20
            });
        }
        pause(&mut server);
        // Also on connections that nobody has accepted yet.
        all.extend(clients(&server, 5));
        for client in &mut all {
            client.send("POST /generate HTTP/1.1\r\nhost: a\r\n\r\n");
        }
        server.signal(Signal::SIGTERM);
        server.signal(Signal::SIGCONT);
        for client in &mut all {
            assert_eq!(client.reply().unwrap().status, 200, "{connection}");
        }
        assert_eq!(server.wait(), 0);
        server = serve(&home, "1", &[]);
    }
}

#[test]
fn a_lame_duck_serves_on_while_it_says_that_it_is_not_ready() {
    let home = Home::with_mark("1");
    let mut server = serve(&home, "1", &[("LAME_DUCK", "5min")]);
    let mut kept = clients(&server, 3);
    for client in &mut kept {
        assert_eq!(client.get("/health").unwrap().header("connection"), None);
    }
    server.signal(Signal::SIGTERM);
    let told = server.await_line("leaving: ");
    assert!(told.contains("for 5m (http.lame_duck)"), "{told}");
    for route in ["/readyz", "/health"] {
        let mut client = Client::new(server.address).unwrap();
        let reply = client.ask("GET", route, "accept: application/json\r\n");
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (503, "draining"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    assert_eq!(server.get("/readyz").json()["state"], "draining");
    kept.extend(clients(&server, 3));
    for (client, route) in kept.iter_mut().zip(["/generate", "/livez"].repeat(3)) {
        let reply = client.get(route).unwrap();
        assert_eq!(
            (reply.status, reply.header("connection")),
            (200, Some("close"))
        );
        assert!(client.get(route).is_err());
    }
    // A reload would say that it is ready.
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), 0);
    assert!(!server.log.iter().any(|line| line.contains("reloaded")));
    server.await_line("stopping: finishing open requests");
}

#[test]
fn a_lame_duck_ends_by_itself() {
    let home = Home::with_mark("1");
    let mut server = serve(&home, "1", &[("LAME_DUCK", "100ms")]);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), 0);
    server.await_line("leaving: ");
    server.await_line("stopping: finishing open requests");
}

#[test]
fn a_shard_that_only_waits_is_no_lame_duck() {
    let home = Home::empty();
    let mut command = home.command("1");
    command.env("SHARDFLAKE_HTTP__LAME_DUCK", "5min");
    let mut server = Server::start(command, home.address());
    server.await_line("waiting: ");
    assert_eq!(server.get("/health").status, 503);
    assert_eq!(server.stop(), 0);
}

#[test]
fn an_old_connection_gets_a_last_reply() {
    let home = Home::with_mark("1");
    let mut server = serve(&home, "1", &[("CONNECTION_AGE", "500ms")]);
    let mut all = clients(&server, 5);
    server.until("told to close", |_| {
        all.retain_mut(|client| {
            let reply = client.get("/generate").unwrap();
            let last = reply.header("connection") == Some("close");
            assert_eq!(reply.status, 200);
            assert!(!last || client.get("/generate").is_err());
            !last
        });
        all.is_empty()
    });
    let home = Home::with_mark("2");
    let server = serve(&home, "2", &[]);
    let mut client = Client::new(server.address).unwrap();
    for _ in 0..100 {
        assert_eq!(client.get("/generate").unwrap().header("connection"), None);
    }
}
