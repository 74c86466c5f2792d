//! Systems that allow few threads, or none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;

use crate::client::Client;
use crate::server::{Home, Server, ends};

/// That of the process, the log's, the keeper's, the clock's, and one that serves.
const FEWEST: usize = 5;

/// A server with `workers` threads to serve wanted, `limit` threads of all kinds allowed; none if this
/// user cannot be limited. Limits are for users without rights, and count all that a user runs: one that
/// runs nothing else.
fn limited(home: &Home, user: usize, limit: usize, workers: usize) -> Option<Command> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: needs root, to be somebody else");
        return None;
    }
    let (user, limit) = (
        format!(
            "--reuid={}",
            1_000_000 + user + 100 * std::process::id() as usize
        ),
        format!("--nproc={limit}"),
    );
    let wrapper = [
        "setpriv",
        &user,
        "--regid=0",
        "--clear-groups",
        // Rights to files alone.
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "prlimit",
        &limit,
    ];
    let mut command = home.wrapped(&wrapper, "1");
    command.env("SHARDFLAKE_HTTP__WORKERS", workers.to_string());
    Some(command)
}

#[test]
fn too_few_threads_exit_75_and_say_why() {
    for limit in 1..FEWEST {
        for workers in [1, 2, 8] {
            let home = Home::with_mark("1");
            let Some(command) = limited(&home, limit, limit, workers) else {
                return;
            };
            let (code, text) = ends(command);
            assert_eq!(code, 75, "{limit}, {workers}: {text}");
            let why = "cannot start: Resource temporarily unavailable";
            assert!(text.contains(why), "{limit}, {workers}: {text}");
        }
    }
}

#[test]
fn fewer_threads_than_wanted_serve_and_it_is_told() {
    for (limit, workers, serving) in [(FEWEST, 8, 1), (FEWEST + 1, 2, 2), (20, 64, 16)] {
        let home = Home::with_mark("1");
        let Some(command) = limited(&home, 10 + limit, limit, workers) else {
            return;
        };
        let mut server = Server::start(command, home.address());
        server.await_serving();
        if serving < workers {
            let told = server.await_line("http.workers is ");
            assert!(
                told.contains(&format!(": {serving} serve; raise TasksMax=")),
                "{told}"
            );
        }
        let names = running(&mut server);
        let of = |name: &str| names.iter().filter(|(_, found)| found == name).count();
        assert_eq!(of("http"), serving, "{names:?}");
        assert_eq!(names.len(), FEWEST - 1 + serving, "{names:?}");
        server.id();
        assert_eq!(server.stop(), 0);
    }
}

/// The threads once all of them run: until then they bear the process's name.
fn running(server: &mut Server) -> Vec<(String, String)> {
    server.until("all threads running", |server| {
        let threads = threads(server);
        let unnamed = threads.iter().filter(|(_, name)| name == "shardflake");
        unnamed.count() == 1
    });
    threads(server)
}

/// Number and name of each thread.
fn threads(server: &Server) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let mut threads: Vec<_> = tasks
        .map(|task| {
            let task = task.unwrap();
            let name = fs::read_to_string(task.path().join("comm")).unwrap();
            let number = task.file_name().into_string().unwrap();
            (number, name.trim_end().to_owned())
        })
        .collect();
    threads.sort();
    threads
}

#[test]
fn no_thread_is_started_later() {
    let home = Home::with_mark("1");
    let mut server = home.serve("1");
    let before = running(&mut server);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let mut client = Client::new(server.address).unwrap();
                for target in ["/generate", "/ids/2000", "/metrics", "/readyz"] {
                    client.get(target).unwrap();
                }
            });
        }
    });
    server.signal(Signal::SIGHUP);
    server.await_line("reloaded: ");
    assert_eq!(threads(&server), before);
}

/// Has calls that start a thread fail, from the given one of the first thread on.
fn refusing(home: &Home, error: &str, from: usize) -> Command {
    let inject = format!("inject=clone,clone3:error={error}:when={from}+");
    let wrapper = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=clone,clone3",
        "-e",
        &inject,
    ];
    let mut command = home.wrapped(&wrapper, "1");
    command.env("SHARDFLAKE_HTTP__WORKERS", "2");
    command
}

#[test]
fn threads_that_are_refused_at_any_moment_of_a_start_exit_75() {
    let home = Home::with_mark("1");
    // The log's, four for a trial, two that serve, the keeper's and the clock's.
    for from in 1..=9 {
        for (error, said) in [
            ("EAGAIN", "Resource temporarily"),
            ("EPERM", "Operation not permitted"),
        ] {
            let (code, text) = ends(refusing(&home, error, from));
            assert_eq!(code, 75, "{from}: {text}");
            assert!(
                text.contains("cannot start: ") && text.contains(said),
                "{from}: {text}"
            );
            assert!(!text.contains("panicked"), "{from}: {text}");
        }
    }
    let mut server = Server::start(refusing(&home, "EPERM", 10), home.address());
    server.await_serving();
    assert_eq!(server.stop(), 0);
}
