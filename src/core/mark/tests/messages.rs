//! Every refusal and wait says what was seen, what the limit is, and what to do about it.

use std::io::{self, ErrorKind};

use nix::errno::Errno;

use super::*;

#[test]
fn a_lock_that_is_refused_is_neither_the_devices_fault_nor_that_of_permissions() {
    for errno in [Errno::EACCES, Errno::EPERM, Errno::ENOLCK, Errno::EINVAL] {
        let error = io::Error::from(errno);
        let error = MarkError::io(super::super::LOCKING, "/state", "lock", error).to_string();
        assert!(error.contains("cannot lock /state/lock"), "{error}");
        assert!(error.contains("F_OFD_SETLK"), "{error}");
        assert!(!error.contains("permission on the directory"), "{error}");
        assert!(!error.contains("kernel log"), "{error}");
    }
}
use crate::mark::slot::SlotError;
use crate::mark::storage::Difference;

const OPERATIONS: &str = include_str!("../../../../packaging/doc/operations.md");

/// What a message must say: what was seen, then the limit and the way out.
type Said = &'static [&'static str];

/// One of each refusal. A new variant does not compile until it is told of here.
fn said_of_refused(refused: &Refused) -> Said {
    match refused {
        Refused::Layout { .. } => &[
            "/state/1.mark",
            "39 bits",
            "set the profile and epoch",
            "state directory of its own",
        ],
        Refused::Misnamed { .. } => &[
            "/state/1.mark",
            "mark of machine ID 2",
            "rename it to 2.mark",
        ],
        Refused::Damaged { .. } => &[
            "/state/1.mark",
            "magic",
            "checksum",
            "run `SHARDFLAKE_EPOCH=2025-01-01T00:00:00Z shardflake state adopt --state-dir /state --shard-id 1`",
        ],
        Refused::Newer { .. } => &[
            "/state/1.mark",
            "version 9",
            "versions 1 and 2",
            "start the version of shardflake that wrote it",
        ],
        Refused::Copied { .. } => &[
            "/state/1.mark",
            "its inode was 7",
            "is 8 now",
            "another machine ID",
            "run `SHARDFLAKE_EPOCH=2025-01-01T00:00:00Z shardflake state adopt --state-dir /state --shard-id 1`",
        ],
        Refused::FloorDamaged { .. } => &[
            "/state/1.floor",
            "damaged in both slots",
            "run `SHARDFLAKE_EPOCH=2025-01-01T00:00:00Z shardflake state adopt --above ID --state-dir /state --shard-id 1`",
            "the largest ID",
        ],
        Refused::Missing { .. } => &[
            "machine ID 1",
            "/state",
            "state.create is false",
            "run `SHARDFLAKE_EPOCH=2025-01-01T00:00:00Z shardflake state init --state-dir /state --shard-id 1`",
        ],
    }
}

fn refusals() -> [Refused; 7] {
    let (directory, file) = (|| "/state".to_owned(), || "1.mark".to_owned());
    let invocation = Invocation {
        variables: vec!["SHARDFLAKE_EPOCH=2025-01-01T00:00:00Z".to_owned()],
        options: ["--state-dir /state", "--shard-id 1"]
            .map(str::to_owned)
            .into(),
    };
    let command = |command| invocation.of(command);
    [
        Refused::Layout {
            directory: directory(),
            file: file(),
            found: Layout::SONYFLAKE.to_string(),
            configured: Layout::SNOWFLAKE.to_string(),
        },
        Refused::Misnamed {
            directory: directory(),
            file: file(),
            found: "2".parse().unwrap(),
        },
        Refused::Damaged {
            directory: directory(),
            file: file(),
            first: SlotError::Magic,
            second: SlotError::Checksum,
            command: command("state adopt"),
        },
        Refused::Newer {
            directory: directory(),
            file: file(),
            version: 9,
        },
        Refused::Copied {
            directory: directory(),
            file: file(),
            difference: Box::new(Difference {
                what: "inode",
                written: "7".to_owned(),
                found: "8".to_owned(),
            }),
            command: command("state adopt"),
        },
        Refused::FloorDamaged {
            directory: directory(),
            file: "1.floor".to_owned(),
            command: command("state adopt --above ID"),
        },
        Refused::Missing {
            directory: directory(),
            missing: "1".parse().unwrap(),
            command: command("state init"),
        },
    ]
}

fn said_of_wait(wait: &Wait) -> Said {
    match wait {
        Wait::Fresh { .. } => &["6s 250ms", "`shardflake state init --shard-id 1`"],
        Wait::Young { .. } => &["begin in 1s 250ms", "Nothing needs to be done"],
        Wait::Behind { .. } => &[
            "2027-01-15T08:00:00",
            "2027-01-15T08:10:00",
            "10m",
            "5s",
            "9m 55s",
            "another machine ID",
            "`shardflake serve --continue-ahead=UNTIL`",
        ],
        Wait::TouchedAhead { .. } => &[
            "/state was changed at 2027-01-15T09:00:00",
            "2027-01-15T08:00:00",
            "1h",
            "set it right",
            "`shardflake state adopt --shard-id 1`",
        ],
        Wait::BeforeEpoch { .. } => &["1990-01-01", "2014-09-01", "set the clock right", "`epoch`"],
        Wait::BeforeBuild { .. } => &[
            "2019-01-01",
            "2026-01-01",
            "set the clock right",
            "shardflake state accept-clock --until TIME",
        ],
        Wait::TooLate { .. } => &[
            "2099-01-01",
            "365 days",
            "the mark (2026-01-01)",
            "set the clock right",
            "shardflake state accept-clock --until TIME",
        ],
        Wait::Stepped { .. } => &[
            "1h",
            "more than 1s",
            "36s",
            "shardflake state accept-clock --until TIME",
        ],
        Wait::SteppedFar { .. } => &[
            "3days",
            "more than a day",
            "set it right",
            "shardflake state accept-clock --until TIME",
        ],
        Wait::Unsynchronised { .. } => &[
            "the kernel says so",
            "clock.require_sync is true",
            "start time synchronisation",
            "false",
        ],
        Wait::TimeFieldOver { .. } => &["2189-01-01", "more time bits or a later epoch"],
    }
}

fn waits() -> [Wait; 11] {
    let text = |text: &str| text.to_owned();
    let seconds = Duration::from_secs;
    [
        Wait::Fresh {
            left: Duration::from_millis(6250),
            command: text("shardflake state init --shard-id 1"),
        },
        Wait::Young {
            left: Duration::from_millis(1250),
        },
        Wait::Behind {
            clock: text("2027-01-15T08:00:00.000Z"),
            bound: text("2027-01-15T08:10:00.000Z"),
            behind: seconds(600),
            limit: seconds(5),
            left: seconds(595),
        },
        Wait::TouchedAhead {
            directory: text("/state"),
            clock: text("2027-01-15T08:00:00.000Z"),
            touched: text("2027-01-15T09:00:00.000Z"),
            left: seconds(3600),
            command: text("shardflake state adopt --shard-id 1"),
        },
        Wait::BeforeEpoch {
            clock: text("1990-01-01"),
            epoch: text("2014-09-01"),
        },
        Wait::BeforeBuild {
            clock: text("2019-01-01"),
            built: text("2026-01-01"),
        },
        Wait::TooLate {
            clock: text("2099-01-01"),
            limit: "365 days",
            what: text("the mark (2026-01-01)"),
        },
        Wait::Stepped {
            step: seconds(3600),
            left: seconds(36),
        },
        Wait::SteppedFar {
            step: seconds(3 * 86_400),
        },
        Wait::Unsynchronised {
            seen: "the kernel says so",
        },
        Wait::TimeFieldOver {
            end: text("2189-01-01"),
        },
    ]
}

fn said_of_error(error: &MarkError) -> Said {
    match error {
        MarkError::Held { .. } => &[
            "machine ID 1",
            "/state",
            "pid 7",
            "stop that process",
            "another machine ID",
        ],
        MarkError::Busy { .. } => &["/state", "try again in a moment"],
        MarkError::Name { .. } => &[
            "/state/01.mark",
            "such as 1.mark or 16-31.mark",
            "move it out",
        ],
        MarkError::Replaced { .. } => &["/state/1.mark", "restart this shard"],
        MarkError::Io { .. } => &["cannot ", "/state/1.mark", ": "],
        // Told of above.
        MarkError::Refused(_) | MarkError::Wait(_) => &[],
    }
}

fn errors() -> Vec<MarkError> {
    let path = || "/state/1.mark".to_owned();
    let failures = [
        ErrorKind::PermissionDenied,
        ErrorKind::NotFound,
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::IsADirectory,
        ErrorKind::Other,
    ];
    let failures = failures.map(|kind| MarkError::Io {
        action: "write",
        path: path(),
        source: kind.into(),
    });
    let numbered = [nix::libc::EMFILE, nix::libc::ELOOP].map(|number| MarkError::Io {
        action: "open",
        path: path(),
        source: std::io::Error::from_raw_os_error(number),
    });
    let mut all = vec![
        MarkError::Held {
            directory: "/state".into(),
            range: "1".parse().unwrap(),
            holder: "its mark was last written by host here, pid 7".into(),
        },
        MarkError::Busy {
            directory: "/state".into(),
        },
        MarkError::Name {
            path: "/state/01.mark".into(),
        },
        MarkError::Replaced { path: path() },
    ];
    all.extend(failures);
    all.extend(numbered);
    all
}

fn check(message: &str, said: Said) {
    for part in said {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn every_message_says_what_was_seen_the_limit_and_the_way_out() {
    for refused in refusals() {
        check(&refused.to_string(), said_of_refused(&refused));
    }
    for wait in waits() {
        check(&wait.to_string(), said_of_wait(&wait));
    }
    for error in errors() {
        check(&error.to_string(), said_of_error(&error));
    }
    // A cause that the system names has a way out of its own.
    let ways: Vec<_> = errors()[4..].iter().map(ToString::to_string).collect();
    let ways: std::collections::BTreeSet<_> = ways
        .iter()
        .map(|text| text.rsplit(": ").next().unwrap())
        .collect();
    assert_eq!(ways.len(), 9, "{ways:?}");
}

#[test]
fn every_refusal_and_wait_has_a_row_in_the_document() {
    let row = |words: &str| {
        let rows = OPERATIONS.lines().filter(|line| line.starts_with("| "));
        let found = rows.filter(|line| line.contains(words)).count();
        assert_eq!(found, 1, "rows with {words:?}");
    };
    for refused in refusals() {
        row(match refused {
            Refused::Layout { .. } => "is for IDs of another layout",
            Refused::Misnamed { .. } => "under a wrong name",
            Refused::Damaged { .. } => "N.mark is damaged in both slots",
            Refused::FloorDamaged { .. } => "N.floor is damaged in both slots",
            Refused::Newer { .. } => "has format version",
            Refused::Copied { .. } => "is a copy or was restored",
            Refused::Missing { .. } => "there is no mark for machine ID",
        });
    }
    for wait in waits() {
        row(&format!("| `{}` |", wait.code()));
    }
    for words in ["is not the name of a mark", "is in use in"] {
        row(words);
    }
}
