//! Times as GNU date writes them, wherever the program reads one.

use std::process::Command;

use crate::server::{BINARY, Home, undisturbed};

const BEGIN: &str = "2025-01-01T00:00:00Z";
const END: &str = "2025-01-01T00:00:01Z";

/// What date makes of `time` with `arguments`, in a zone east of UTC or west of it.
fn date(zone: &str, arguments: &[&str], time: &str) -> String {
    let output = Command::new("date")
        .env("TZ", zone)
        .args(arguments)
        .args(["--date", time])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `time` in every form that date has for one with an offset.
fn forms(time: &str) -> Vec<String> {
    let options = [
        "-Iseconds",
        "-Ins",
        "--rfc-3339=seconds",
        "--rfc-3339=ns",
        "+%Y-%m-%dt%H:%M:%S%:z",
        "+%Y-%m-%d %H:%M:%S.%3N%:::z",
    ];
    let zones = ["UTC0", "XXX-5:45", "XXX+9:30", "XXX-23:59", "XXX+23:59"];
    let all = zones.iter().flat_map(|zone| {
        let one = |option: &&str| date(zone, &[option], time);
        options.iter().map(one).collect::<Vec<_>>()
    });
    all.collect()
}

#[test]
fn a_span_is_the_same_however_its_ends_are_written() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let expected = server.get(&format!("/bounds?from={BEGIN}&to={END}"));
    assert_eq!(expected.status, 200);
    for (from, to) in forms(BEGIN).into_iter().zip(forms(END)) {
        let encoded = |text: &str| text.replace('+', "%2B").replace(' ', "%20");
        let target = format!("/bounds?from={}&to={}", encoded(&from), encoded(&to));
        assert_eq!(server.get(&target).body, expected.body, "{from}");
        let raw = format!(
            "/bounds?from={}&to={}",
            from.replace(' ', "+"),
            to.replace(' ', "+")
        );
        assert_eq!(server.get(&raw).body, expected.body, "{from}");
        let mut command = Command::new(BINARY);
        command.args(["bounds", "--json", "--from", &from, "--to", &to]);
        let told = undisturbed(&mut command).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        for id in expected
            .body
            .split('"')
            .filter(|part| part.starts_with('5'))
        {
            assert!(told.contains(id), "{from}: {told}");
        }
    }
}

#[test]
fn an_epoch_and_a_clock_to_believe_may_have_an_offset() {
    let home = Home::with_mark("1");
    for epoch in forms("2014-09-01T00:00:00Z") {
        let variables = [("SHARD_ID", "1"), ("SHARDFLAKE_EPOCH", &*epoch)];
        let shown = home.run_with(&variables, &["check-config"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("2014-09-01T00:00:00Z"), "{epoch}: {shown}");
    }
    for until in forms("tomorrow") {
        let accepted = home.run(&["state", "accept-clock", "--until", &until]);
        assert!(accepted.status.success(), "{until}: {accepted:?}");
    }
}
