//! What people see on a terminal, and programs in a pipe.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::thread;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::server::{BINARY, Home, undisturbed};

const COMMANDS: [&[&str]; 4] = [
    &["decode", "547205677072777215", "1"],
    &[
        "bounds",
        "--from=2025-01-01T00:00:00Z",
        "--to=2025-01-02T00:00:00Z",
    ],
    &["layouts"],
    &["check-config", "--shard-id=1"],
];

const BOLD: &str = "\x1b[1m";

fn command(home: &Home, line: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    undisturbed(&mut command)
        .env_remove("NO_COLOR")
        .env_remove("TERM")
        .env("STATE_DIRECTORY", home.state())
        .envs(variables.iter().copied())
        .args(line)
        .stdin(Stdio::null());
    command
}

/// What the command writes to a terminal, with the terminal's line ends as they were written.
fn on_a_terminal(mut command: Command) -> String {
    // Neither end is for the children of other tests, or this one would wait for their ends.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let mut master = posix_openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let terminal = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&master).unwrap())
        .unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // Where nobody has the other end open any more, a terminal reports an error.
        let _ = master.read_to_end(&mut text);
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    });
    let mut child = command.stdout(terminal).spawn().unwrap();
    // It holds its own copy of that end.
    drop(command);
    assert!(child.wait().unwrap().success());
    reader.join().unwrap()
}

fn in_a_pipe(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn without_colour(text: &str) -> String {
    ["\x1b[0m", BOLD, "\x1b[2m"]
        .iter()
        .fold(text.to_owned(), |text, code| text.replace(code, ""))
}

#[test]
fn a_terminal_gets_colour_and_a_pipe_does_not() {
    let home = Home::empty();
    for line in COMMANDS {
        let seen = on_a_terminal(command(&home, line, &[("TERM", "xterm")]));
        let piped = in_a_pipe(command(&home, line, &[("TERM", "xterm")]));
        assert!(seen.starts_with(BOLD), "{seen:?}");
        assert!(!piped.contains('\x1b'), "{piped:?}");
        assert_eq!(without_colour(&seen), piped);
    }
}

#[test]
fn no_colour_where_it_is_not_wanted_or_not_understood() {
    let home = Home::empty();
    for line in COMMANDS {
        for variables in [
            &[("TERM", "xterm"), ("NO_COLOR", "1")][..],
            &[("TERM", "dumb")],
            &[],
        ] {
            let seen = on_a_terminal(command(&home, line, variables));
            assert!(!seen.contains('\x1b'), "{variables:?}: {seen:?}");
        }
        // An empty value says nothing.
        let empty = [("TERM", "xterm"), ("NO_COLOR", "")];
        assert!(on_a_terminal(command(&home, line, &empty)).starts_with(BOLD));
        let json = [line, &["--json"]].concat();
        let seen = on_a_terminal(command(&home, &json, &[("TERM", "xterm")]));
        assert!(!seen.contains('\x1b'), "{seen:?}");
    }
}

#[test]
fn what_is_set_stands_out_among_defaults() {
    let home = Home::empty();
    let line = ["check-config", "--shard-id=1"];
    let seen = on_a_terminal(command(&home, &line, &[("TERM", "xterm")]));
    for row in seen.lines().skip(1) {
        let default = without_colour(row).ends_with(" default");
        assert_eq!(row.starts_with("\x1b[2m"), default, "{row:?}");
    }
    assert!(seen.contains("\nshard.id "), "{seen:?}");
}
