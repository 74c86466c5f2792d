//! Whole command lines against streams in memory.

mod forms;
mod messages;

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

struct Answer {
    code: u8,
    out: String,
    err: String,
}

fn ask_with(line: &[&str], variables: &[(&str, &str)], input: &str) -> Answer {
    let environment = Environment::new(variables.iter().copied());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        input: &mut input.as_bytes(),
        out: &mut out,
        err: &mut err,
        colour: false,
    };
    let words = ["shardflake"].iter().chain(line).map(OsString::from);
    let exit = answer(words, &environment, &mut streams);
    Answer {
        code: exit.code(),
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

fn ask(line: &[&str]) -> Answer {
    ask_with(line, &[], "")
}

#[test]
fn decode_prints_fields() {
    let answer = ask(&["decode", "547205677072777215"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let mut lines = answer.out.lines();
    let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        heading,
        ["ID", "TIME", "SEQUENCE", "MACHINE_ID", "DATETIME"]
    );
    let cells: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "547205677072777215",
            "32616000000",
            "255",
            "65535",
            "2025-01-01T00:00:00.000Z"
        ]
    );
}

#[test]
fn decode_reads_lines_and_other_encodings_as_json() {
    let input = "079810aa00000001\n\n  079810AA00000001\r\n";
    let answer = ask_with(&["decode", "--encoding", "hex", "--json", "-"], &[], input);
    let object = "{\"id\":\"547205677056000001\",\"time\":32616000000,\"sequence\":0,\
        \"machine_id\":1,\"datetime\":\"2025-01-01T00:00:00.000Z\"}\n";
    assert_eq!(answer.out, format!("[{object},{object}]\n"));
    assert_eq!(answer.code, 0);
}

/// Gives one ID a line, and asks before the second whether the first was printed.
struct Typist {
    lines: Vec<&'static [u8]>,
    printed: Rc<RefCell<Vec<u8>>>,
}

impl io::Read for Typist {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(line) = self.lines.pop() else {
            return Ok(0);
        };
        if self.lines.is_empty() {
            assert_eq!(
                self.printed.borrow().split(|byte| *byte == b'\n').count(),
                2
            );
        }
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

struct Screen(Rc<RefCell<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn decode_answers_each_line_before_it_reads_the_next() {
    let printed = Rc::new(RefCell::new(Vec::new()));
    let typist = Typist {
        lines: vec![b"2\n", b"1\n"],
        printed: Rc::clone(&printed),
    };
    let mut streams = Streams {
        input: &mut io::BufReader::new(typist),
        out: &mut BufWriter::new(Screen(Rc::clone(&printed))),
        err: &mut io::sink(),
        colour: false,
    };
    let words = ["shardflake", "decode", "--json", "-"].map(OsString::from);
    let exit = answer(words, &Environment::default(), &mut streams);
    assert_eq!(exit, Exit::Ok);
    // The two, and the end of the array.
    assert_eq!(printed.borrow().split(|byte| *byte == b'\n').count(), 4);
}

#[test]
fn decode_prints_no_heading_without_a_row() {
    let answer = ask(&["decode", "x", "y"]);
    assert_eq!((answer.code, answer.out.as_str()), (64, ""));
    let answer = ask(&["decode", "x", "1", "2"]);
    assert_eq!(answer.out.lines().count(), 3, "{}", answer.out);
    assert_eq!(answer.out.matches("DATETIME").count(), 1);
}

#[test]
fn decode_reports_bad_ids_and_goes_on() {
    let answer = ask(&["decode", "x", "-5", "9223372036854775808", "--json", "1"]);
    let decoded: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.code, &decoded[0]["id"]), (64, &"1".into()));
    assert_eq!(decoded.as_array().unwrap().len(), 1);
    assert_eq!(answer.err.lines().count(), 3);
    for text in [
        "\"x\"",
        "\"-5\"",
        "\"9223372036854775808\"",
        "at most 9223372036854775807",
    ] {
        assert!(answer.err.contains(text), "{}", answer.err);
    }
}

#[test]
fn the_epoch_comes_from_flag_or_environment() {
    let epoch = "2025-01-01T00:00:00Z";
    let flag = ask(&["decode", "0", "--epoch", epoch]);
    assert!(
        flag.out.contains("2025-01-01T00:00:00.000Z"),
        "{}",
        flag.out
    );
    let variable = ask_with(&["decode", "0"], &[("SHARDFLAKE_EPOCH", epoch)], "");
    assert_eq!(variable.out, flag.out);
    let wrong = ask(&["decode", "0", "--epoch", "2025"]);
    assert!(
        wrong.code == 78 && wrong.err.contains("epoch (from --epoch)"),
        "{}",
        wrong.err
    );
}

#[test]
fn bounds_prints_both_ends() {
    let span = [
        "--from",
        "2025-01-01T00:00:00Z",
        "--to",
        "2025-01-01T00:00:00.010Z",
    ];
    let json = ask(&[&["bounds", "--json"], &span[..]].concat());
    assert_eq!(
        json.out,
        "{\"smallest\":\"547205677056000000\",\"largest\":\"547205677072777215\"}\n"
    );
    let backwards = ask(&["bounds", "--from", span[3], "--to", span[1]]);
    assert!(
        backwards.code == 64 && backwards.err.contains("is not before"),
        "{}",
        backwards.err
    );
    let wrong = ask(&["bounds", "--from", "yesterday", "--to", span[1]]);
    assert!(
        wrong.code == 64 && wrong.err.contains("RFC 3339"),
        "{}",
        wrong.err
    );
}

#[test]
fn layouts_show_lifetime_and_capacity() {
    let answer = ask(&["layouts"]);
    let sonyflake = answer.out.lines().nth(1).unwrap();
    for part in [
        "sonyflake",
        "10ms",
        "2014-09-01T00:00:00Z",
        "2188-11-16",
        "65,536",
        "25,600",
    ] {
        assert!(sonyflake.contains(part), "{sonyflake}");
    }
    assert_eq!(answer.out.lines().count(), 6);
    let own = ask(&["layouts", "--json", "--epoch", "2020-01-01T00:00:00Z"]);
    let entries: serde_json::Value = serde_json::from_str(&own.out).unwrap();
    assert_eq!(entries[5]["epoch"], "2020-01-01T00:00:00Z");
    assert_eq!(entries[2]["ids_per_second"], 4_096_000);
    let long = [
        ("SHARDFLAKE_LAYOUT__TIME_BITS", "45"),
        ("SHARDFLAKE_LAYOUT__SEQUENCE_BITS", "8"),
        ("SHARDFLAKE_LAYOUT__MACHINE_BITS", "10"),
    ];
    let answer = ask_with(&["layouts"], &long, "");
    assert!(answer.out.contains("  after 9999  "), "{}", answer.out);
}

#[test]
fn check_config_shows_values_and_origins() {
    let variables = [("SHARD_ID", "1"), ("HOME", "/home/u"), ("WORKERS", "4")];
    let answer = ask_with(&["check-config"], &variables, "");
    assert_eq!(answer.code, 0);
    assert!(answer.out.contains("shard.id"), "{}", answer.out);
    assert!(answer.out.lines().any(|line| line.ends_with("SHARD_ID")));
    assert!(
        answer.err.starts_with("shardflake: warning: WORKERS=4"),
        "{}",
        answer.err
    );
    let json = ask_with(&["check-config", "--json"], &variables, "");
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["valid"], true);
    let settings = report["settings"].as_array().unwrap();
    assert!(
        settings
            .iter()
            .any(|set| set["key"] == "shard.id" && set["value"] == "1")
    );
    assert_eq!(json.err, "");
}

#[test]
fn check_config_reports_every_problem() {
    let variables = [("HOME", "/home/u"), ("SHARDFLAKE_LOG__LEVEL", "loud")];
    let answer = ask_with(&["check-config"], &variables, "");
    assert_eq!((answer.code, answer.out.as_str()), (78, ""));
    assert_eq!(answer.err.lines().count(), 2);
    assert!(
        answer
            .err
            .lines()
            .all(|line| line.starts_with("shardflake: "))
    );
    let json = ask_with(&["check-config", "--json"], &variables, "");
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &report["valid"]), (78, &false.into()));
    assert_eq!(report["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn usage_is_64_and_help_is_0() {
    for line in [
        &["frobnicate"][..],
        &["--frob"],
        &["decode"],
        &["state"],
        &["man", "frob"],
    ] {
        let answer = ask(line);
        assert_eq!((answer.code, answer.out.as_str()), (64, ""), "{line:?}");
        assert!(!answer.err.is_empty(), "{line:?}");
    }
    let version = ask(&["--version"]);
    let expected = concat!("shardflake ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((version.code, version.out.as_str()), (0, expected));
    let help = ask(&["--help"]);
    assert!(help.code == 0 && help.out.contains("check-config") && help.err.is_empty());
}

#[test]
fn serving_without_a_shard_number_is_a_configuration_error() {
    for line in [&[][..], &["serve"]] {
        let answer = ask_with(line, &[("HOME", "/home/u")], "");
        assert!(
            answer.code == 78 && answer.err.contains("SHARD_ID=1"),
            "{}",
            answer.err
        );
    }
}

#[test]
fn pages_and_completions_are_made() {
    let page = ask(&["man"]).out;
    for part in [
        ".TH SHARDFLAKE 8",
        "check\\-config",
        "EXIT STATUS",
        "shardflake.toml (5)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        page.contains("\nshardflake\\-check\\-config(1)\n"),
        "{page}"
    );
    assert!(!page.contains("(8)"), "{page}");
    let decode = ask(&["man", "decode"]).out;
    assert!(decode.contains(".TH shardflake-decode 1"));
    // These have no pages of their own.
    let state = ask(&["man", "state"]).out;
    assert!(state.contains("\naccept\\-clock\n"), "{state}");
    assert!(!state.contains("(1)"), "{state}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            ask(&["completions", shell]).out.contains("accept-clock"),
            "{shell}"
        );
    }
    assert_eq!(ask(&["completions", "csh"]).code, 64);
}

/// A pipe whose reader has left, or a full disk.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
    let environment = Environment::new([("", ""); 0]);
    for (kind, code) in [
        (io::ErrorKind::BrokenPipe, 0),
        (io::ErrorKind::StorageFull, 74),
    ] {
        for line in [
            &["layouts"][..],
            &["completions", "zsh"],
            &["man"],
            &["--help"],
            &["decode", "1"],
        ] {
            let mut err = Vec::new();
            let mut streams = Streams {
                input: &mut io::empty(),
                out: &mut Broken(kind),
                err: &mut err,
                colour: false,
            };
            let words = ["shardflake"].iter().chain(line).map(OsString::from);
            assert_eq!(
                answer(words, &environment, &mut streams).code(),
                code,
                "{line:?}"
            );
            assert_eq!(err.is_empty(), code == 0, "{line:?}");
        }
    }
}
