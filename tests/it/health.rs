//! `shardflake health` beside a server, as a container's health check calls it.

use std::fs;
use std::process::Command;

use crate::server::{BINARY, Home, Server, undisturbed};

/// What makes a PID namespace, in which only its own processes are seen.
const CONTAINER: [&str; 5] = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// A server in a PID namespace, its first process, and that one's number outside; none where nobody may
/// make such a namespace.
fn contained(home: &Home) -> Option<(Server, String)> {
    let mut probe = Command::new(CONTAINER[0]);
    if !probe
        .args(&CONTAINER[1..])
        .arg("true")
        .status()
        .unwrap()
        .success()
    {
        println!("skipped: this host lets nobody make a PID namespace");
        return None;
    }
    let server = Server::start(home.wrapped(&CONTAINER, "1"), home.address());
    let outer = server.pid();
    let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    Some((server, children.trim().to_owned()))
}

/// The health that is told in the container of that process: the exit code, and the words.
fn health(process: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("nsenter");
    let output = undisturbed(&mut command)
        .args(["--target", process, "--pid", "--mount", BINARY, "health"])
        .args(arguments)
        .env("SHARD_ID", "1")
        .env("SHARDFLAKE_HTTP__LISTEN", "/nonexistent/default.sock")
        .output()
        .unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}

#[test]
fn health_knows_the_listener_that_the_server_was_given() {
    let home = Home::with_mark("1");
    let Some((mut server, inner)) = contained(&home) else {
        return;
    };
    server.await_serving();
    assert_eq!(health(&inner, &[]), (Some(0), "OK\n".to_owned()));
    // Whoever names one means it.
    let elsewhere = home.path("none.sock");
    let (code, told) = health(&inner, &["--listen", elsewhere.to_str().unwrap()]);
    assert_eq!(code, Some(69), "{told}");
    assert!(told.contains("none.sock"), "{told}");
}

#[test]
fn health_takes_none_of_two_servers_for_its_own() {
    let home = Home::with_mark("1");
    let Some((mut server, inner)) = contained(&home) else {
        return;
    };
    server.await_serving();
    let other = Home::with_mark("2");
    let mut command = Command::new("nsenter");
    undisturbed(&mut command)
        .args(["--target", &inner, "--pid", "--mount", BINARY])
        .args(["--shard-id", "2", "--listen", &other.address().to_string()])
        .arg("--state-dir")
        .arg(other.state())
        .stderr(std::process::Stdio::piped());
    let mut beside = Server::start(command, other.address());
    beside.await_serving();
    let (_, told) = health(&inner, &["--port", &home.port.to_string()]);
    assert_eq!(told, "OK\n");
    let (code, told) = health(&inner, &[]);
    assert_eq!(code, Some(69), "{told}");
    assert!(
        told.contains("no server answers at unix:/nonexistent/default.sock"),
        "{told}"
    );
}
