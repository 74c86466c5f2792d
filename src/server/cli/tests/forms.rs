//! Tables for people, and JSON for programs.

use super::{Environment, ask, ask_with, colour};

/// Where each column begins and ends, for columns of one word.
fn edges(line: &str) -> Vec<(usize, usize)> {
    let words = line.split(' ').scan(0, |at, word| {
        let begin = *at;
        *at += word.len() + 1;
        Some((begin, begin + word.len()))
    });
    words.filter(|(begin, end)| begin < end).collect()
}

#[test]
fn numbers_end_and_texts_begin_below_each_other() {
    let dc = ["--profile", "snowflake-dc"];
    let ids = ["decode", "9223372036854775807", "1", "9000000000000"];
    let span = ["--from=2025-01-01T00:00:00Z", "--to=2025-01-02T00:00:00Z"];
    for (line, texts) in [
        (ids.to_vec(), vec![4]),
        ([&dc[..], &ids].concat(), vec![5]),
        ([&["bounds"][..], &span].concat(), vec![]),
    ] {
        let out = ask(&line).out;
        let mut lines = out.lines().map(edges);
        let titles = lines.next().unwrap();
        for cells in lines {
            assert_eq!(cells.len(), titles.len(), "{out}");
            for (column, (cell, title)) in cells.iter().zip(&titles).enumerate() {
                let text = texts.contains(&column);
                assert_eq!(
                    if text { cell.0 } else { cell.1 },
                    if text { title.0 } else { title.1 },
                    "{out}"
                );
            }
        }
    }
    let out = ask(&["layouts"]).out;
    let ends = out.lines().map(|line| edges(line).pop().unwrap().1);
    assert!(
        ends.clone().all(|end| Some(end) == ends.clone().next()),
        "{out}"
    );
    let variables = [("SHARD_ID", "1"), ("HOME", "/home/u")];
    let out = ask_with(&["check-config"], &variables, "").out;
    let value = out.find("VALUE").unwrap();
    assert!(
        out.lines()
            .all(|line| &line[value - 2..value] == "  " && &line[value..=value] != " ")
    );
}

/// The keys of an object, in the order of the alphabet.
fn keys(value: &serde_json::Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn json_is_one_document_with_its_keys() {
    let json = |line: &[&str]| -> serde_json::Value {
        let answer = ask_with(line, &[("SHARD_ID", "1"), ("HOME", "/home/u")], "");
        assert_eq!((answer.code, answer.err.as_str()), (0, ""));
        serde_json::from_str(&answer.out).unwrap()
    };
    let plain = ["datetime", "id", "machine_id", "sequence", "time"];
    let decoded = json(&["decode", "--json", "9223372036854775807", "1"]);
    assert_eq!(decoded.as_array().unwrap().len(), 2);
    assert!(
        decoded
            .as_array()
            .unwrap()
            .iter()
            .all(|id| keys(id) == plain)
    );
    assert_eq!(decoded[0]["id"], "9223372036854775807");
    let decoded = json(&["decode", "--json", "1", "--epoch=2025-01-01T00:00:00Z"]);
    assert_eq!(keys(&decoded[0]), plain);
    let span = ["--from=2025-01-01T00:00:00Z", "--to=2025-01-02T00:00:00Z"];
    let bounds = json(&[&["bounds", "--json"], &span[..]].concat());
    assert_eq!(keys(&bounds), ["largest", "smallest"]);
    assert!(
        bounds
            .as_object()
            .unwrap()
            .values()
            .all(serde_json::Value::is_string)
    );
    let layouts = json(&["layouts", "--json"]);
    for layout in layouts.as_array().unwrap() {
        let expected = [
            "datacenter_bits",
            "end",
            "epoch",
            "ids_per_second",
            "machine_bits",
            "machines",
            "name",
            "sequence_bits",
            "tick_ms",
            "time_bits",
        ];
        assert_eq!(keys(layout), expected);
    }
    let report = json(&["check-config", "--json"]);
    assert_eq!(
        keys(&report),
        ["errors", "file", "settings", "valid", "warnings"]
    );
    for setting in report["settings"].as_array().unwrap() {
        assert_eq!(keys(setting), ["from", "key", "value"]);
    }
}

#[test]
fn colour_is_for_terminals_whose_user_wants_it() {
    for (variables, terminal, expected) in [
        (&[("TERM", "xterm")][..], true, true),
        (&[("TERM", "xterm")], false, false),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], true, false),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true, true),
        (&[("TERM", "dumb")], true, false),
        (&[("TERM", "")], true, false),
        (&[], true, false),
    ] {
        let environment = Environment::new(variables.iter().copied());
        assert_eq!(colour(&environment, terminal), expected, "{variables:?}");
    }
}
