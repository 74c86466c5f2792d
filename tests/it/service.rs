//! What a service manager sees: readiness, status, watchdog, reload, passed sockets.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::server::{BINARY, Home, PATIENCE, Server};

/// The service manager's end of the notification socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(home: &Home) -> Self {
        let path = home.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// Reads messages until one has a line that begins with `text`; that message.
    fn await_message(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let length = self
                .socket
                .recv(&mut buffer)
                .unwrap_or_else(|_| panic!("no {text} in {seen:#?}"));
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line.starts_with(text)) {
                return message;
            }
            seen.push(message);
        }
    }
}

#[test]
fn a_service_manager_is_told_of_every_stage() {
    let home = Home::with_mark("3");
    let manager = Manager::new(&home);
    let mut command = home.command("3");
    command
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "200000");
    let server = Server::start(command, home.address());
    let ready = manager.await_message("READY=1");
    assert!(ready.contains("STATUS=shard 3: "), "{ready}");
    manager.await_message("STATUS=shard 3: serving");
    manager.await_message("WATCHDOG=1");
    server.signal(Signal::SIGHUP);
    let reloading = manager.await_message("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.await_message("READY=1");
    server.signal(Signal::SIGTERM);
    let stopping = manager.await_message("STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
}

#[test]
fn a_service_manager_gives_a_lame_duck_its_time() {
    let home = Home::with_mark("3");
    let manager = Manager::new(&home);
    let mut command = home.command("3");
    command
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "200000")
        .env("SHARDFLAKE_HTTP__LAME_DUCK", "60s");
    let server = Server::start(command, home.address());
    manager.await_message("STATUS=shard 3: serving");
    server.signal(Signal::SIGTERM);
    let stopping = manager.await_message("STOPPING=1");
    // The drain and the mark may take five seconds each, after that, and the log one.
    let extension = stopping
        .lines()
        .any(|line| line == "EXTEND_TIMEOUT_USEC=71000000");
    assert!(extension, "{stopping}");
    manager.await_message("STATUS=shard 3: draining: ");
    manager.await_message("WATCHDOG=1");
    server.signal(Signal::SIGTERM);
    let stopping = manager.await_message("STOPPING=1");
    let extension = stopping
        .lines()
        .any(|line| line == "EXTEND_TIMEOUT_USEC=11000000");
    assert!(extension, "{stopping}");
}

#[test]
fn a_waiting_shard_is_ready_and_alive() {
    let home = Home::empty();
    let manager = Manager::new(&home);
    let mut command = home.command("3");
    command
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "100000");
    let server = Server::start(command, home.address());
    let ready = manager.await_message("READY=1");
    assert!(ready.contains("waiting: the mark is new"), "{ready}");
    manager.await_message("WATCHDOG=1");
    assert_eq!(server.get("/health").status, 503);
}

#[test]
fn hangup_reloads_what_it_can_and_says_what_it_cannot() {
    let home = Home::with_mark("3");
    let file = home.path("shardflake.toml");
    fs::write(&file, "[log]\nlevel = \"info\"\n").unwrap();
    let mut command = home.command("3");
    command.arg("--config").arg(&file);
    let mut server = Server::start(command, home.address());
    server.await_serving();
    fs::write(
        &file,
        "[log]\nlevel = \"debug\"\n[state]\nwindow = \"2s\"\n",
    )
    .unwrap();
    server.signal(Signal::SIGHUP);
    let kept = server.await_line("only after a restart");
    assert!(kept.contains("state.window"), "{kept}");
    let applied = server.await_line("reloaded: ");
    assert!(applied.contains("log.level"), "{applied}");
    fs::write(&file, "[log]\nlevle = \"debug\"\n").unwrap();
    server.signal(Signal::SIGHUP);
    let refused = server.await_line("not reloaded");
    assert!(
        refused.contains("log.level"),
        "names the nearest key: {refused}"
    );
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn passed_sockets_override_the_configured_address() {
    let home = Home::with_mark("3");
    let passed = Home::empty();
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg("--listen")
        .arg(passed.address().to_string())
        .args([
            "--setenv=SHARD_ID=3",
            BINARY,
            "--listen",
            &home.address().to_string(),
        ])
        .arg("--state-dir")
        .arg(home.state())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    // The activator starts the server at the first connection.
    let mut server = Server::start(command, passed.address());
    server.await_line("sockets that the service manager passed");
    server.await_serving();
    assert!(std::net::TcpStream::connect(home.address()).is_err());
}
