//! UUIDs and ULIDs, over HTTP and by the command line.

use std::process::Output;

use crate::client::{Client, Reply};
use crate::server::{Home, Server, now_ms};

/// What makes a UUIDv7 unique: all above its machine ID, without version and variant.
fn stamp_of_uuid(text: &str) -> u128 {
    let value = u128::from_str_radix(&text.replace('-', ""), 16).unwrap();
    assert_eq!((value >> 76 & 0xf, value >> 62 & 0b11), (7, 0b10), "{text}");
    assert_eq!(
        value >> 32 & 0x3f_ffff,
        1,
        "{text} is of another machine ID"
    );
    value >> 80 << 20 | (value >> 64 & 0xfff) << 8 | (value >> 54 & 0xff)
}

/// The same of a ULID.
fn stamp_of_ulid(text: &str) -> u128 {
    const DIGITS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    assert_eq!(text.len(), 26, "{text}");
    let value = text.chars().fold(0, |value, digit| {
        value << 5 | DIGITS.find(digit).unwrap() as u128
    });
    assert_eq!(
        value >> 38 & 0x3f_ffff,
        1,
        "{text} is of another machine ID"
    );
    value >> 60
}

fn texts(reply: &Reply, key: &str) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
    let all = json[key].as_array().unwrap().iter();
    all.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn text(reply: &Reply, key: &str) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()[key].as_str().unwrap().to_owned()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn uuids_and_ulids_increase_strictly_whatever_their_route() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let mut client = Client::new(server.address).unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let before = u128::from(now_ms());
        let mut stamps = vec![
            stamp_of_uuid(&text(&client.get("/uuid").unwrap(), "uuid")),
            stamp_of_ulid(&text(&client.ask("POST", "/ulid", "").unwrap(), "ulid")),
        ];
        let uuids = texts(&client.get("/uuids/5000?version=7").unwrap(), "uuids");
        stamps.extend(uuids.iter().map(|text| stamp_of_uuid(text)));
        let reply = client.get("/ulids/5000?format=text").unwrap();
        stamps.extend(reply.body.lines().map(stamp_of_ulid));
        assert_eq!(stamps.len(), 10_002);
        for stamp in stamps {
            assert!(stamp > last, "{stamp:x} after {last:x}");
            assert!((before..=u128::from(now_ms())).contains(&(stamp >> 20)));
            last = stamp;
        }
    }
    let metrics = server.get("/metrics").body;
    for line in ["uuid4\"} 0", "uuid7\"} 15003", "ulid\"} 15003"] {
        let line = format!("shardflake_identifiers_issued_total{{kind=\"{line}");
        assert!(metrics.contains(&line), "{line}");
    }
}

#[test]
fn they_increase_over_kills_and_clean_ends() {
    let home = Home::with_mark("1");
    let mut last = 0;
    for round in 0..4 {
        let mut server = home.serve("1");
        server.await_serving();
        let uuids = texts(&server.get("/uuids/100"), "uuids");
        for uuid in uuids {
            let stamp = stamp_of_uuid(&uuid);
            assert!(stamp > last, "{stamp:x} after {last:x} in round {round}");
            last = stamp;
        }
        match round % 2 {
            0 => server.kill(),
            _ => assert_eq!(server.stop(), 0),
        }
    }
}

#[test]
fn every_form_has_its_length_and_type() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    for (target, kind, length) in [
        ("/uuid", "application/json", 47),
        ("/ulid", "application/json", 37),
        ("/uuid?format=text", "text/plain; charset=utf-8", 37),
        ("/uuid?format=binary", "application/octet-stream", 16),
        ("/uuids/1", "application/json", 50),
        ("/uuids/3", "application/json", 128),
        ("/ulids/3?format=text", "text/plain; charset=utf-8", 81),
        (
            "/ulids/10000?format=binary",
            "application/octet-stream",
            160_000,
        ),
        ("/uuids/10000?version=4", "application/json", 390_011),
        ("/uuids/10000", "application/json", 390_011),
    ] {
        let head = Client::new(server.address).unwrap().ask("HEAD", target, "");
        let length = length.to_string();
        for reply in [head.unwrap(), bytes(&server, target)] {
            assert_eq!(reply.status, 200, "{target}");
            assert_eq!(reply.header("content-type"), Some(kind), "{target}");
            assert_eq!(reply.header("content-length"), Some(&*length), "{target}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{target}");
        }
    }
}

/// The reply to a request whose body may be no text.
fn bytes(server: &Server, target: &str) -> Reply {
    Client::new(server.address).unwrap().get(target).unwrap()
}

#[test]
fn random_uuids_differ_in_all_their_bits() {
    let home = Home::empty();
    // Also before the shard may issue IDs.
    let server = home.start("1");
    let uuids = texts(&server.get("/uuids/2000?version=4"), "uuids");
    let values: Vec<u128> = uuids
        .iter()
        .map(|text| u128::from_str_radix(&text.replace('-', ""), 16).unwrap())
        .collect();
    let ones = values.iter().fold(0, |ones, value| ones | value);
    let zeros = values.iter().fold(0, |zeros, value| zeros | !value);
    let fixed = 0xf << 76 | 0b11 << 62;
    assert_eq!((ones & zeros) | fixed, u128::MAX);
    assert!(
        values
            .iter()
            .all(|value| value & fixed == 4 << 76 | 0b10 << 62)
    );
}

#[test]
fn decode_shows_what_was_made() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    for key in ["uuid", "ulid"] {
        let made = text(&server.get(&format!("/{key}")), key);
        let decoded = server.get(&format!("/decode/{made}")).json();
        assert_eq!(decoded[key], made.as_str());
        assert_eq!(decoded["machine_id"], 1);
        assert!(decoded.get("warning").is_none(), "{decoded}");
        assert!(now_ms() - decoded["unix_ms"].as_u64().unwrap() < 60_000);
        let shown = lines(&home.run(&["decode", &made]));
        assert!(shown[1].starts_with(&made), "{shown:?}");
        // A number among them has a heading of its own.
        let mixed = lines(&home.run(&["decode", "7", &made, "--json"]));
        assert_eq!(mixed.len(), 3, "{mixed:?}");
    }
    let odd = server.get("/decode/06b59f3c-1c00-7000-8000-000000000000");
    assert!(odd.json()["warning"].as_str().unwrap().contains("2203"));
    assert_eq!(odd.header("cache-control"), Some("no-store"));
    for text in ["01ARZ3NDEKTSV4RRFFQ69G5FAU", "019b76da-a87b-7001-8040"] {
        let reply = server.get(&format!("/decode/{text}"));
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_id"));
    }
}

#[test]
fn wrong_requests_are_told_what_there_is() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    for (target, part) in [
        ("/uuid?version=5", "use 4 or 7"),
        (
            "/ulid?version=7",
            "is not a parameter of this route; use format",
        ),
        ("/uuid?encoding=hex", "use format or version"),
        ("/uuids/0", "ask for 1 to 4096000"),
        ("/ulids/4096001", "ask for 1 to 4096000"),
    ] {
        let reply = server.get(target);
        assert_eq!(reply.status, 400, "{target}");
        assert!(reply.body.contains(part), "{target}: {}", reply.body);
    }
}

#[test]
fn generate_asks_the_server_of_its_configuration() {
    let home = Home::with_mark("1");
    let server = home.serve("1");
    let address = server.address.to_string();
    let generate = |arguments: &[&str]| {
        let all = [&["generate", "--listen", &address], arguments].concat();
        home.run(&all)
    };
    let first: u64 = lines(&generate(&[]))[0].parse().unwrap();
    let more = lines(&generate(&["--count", "3000", "--encoding", "hex"]));
    let more: Vec<u64> = more
        .iter()
        .map(|hex| u64::from_str_radix(hex, 16).unwrap())
        .collect();
    assert_eq!(more.len(), 3000);
    assert!(more.is_sorted() && more[0] > first);
    let uuids = lines(&generate(&["--kind", "uuid7", "--count", "3"]));
    assert!(uuids.iter().map(|uuid| stamp_of_uuid(uuid)).is_sorted());
    let json = generate(&["--kind", "ulid", "--format", "json", "--count", "2"]);
    let both: [String; 2] = serde_json::from_slice(&json.stdout).unwrap();
    assert!(stamp_of_ulid(&both[0]) < stamp_of_ulid(&both[1]));
    let binary = generate(&["--format", "binary", "--count", "5"]);
    assert_eq!(binary.stdout.len(), 40);
    let refused = generate(&["--kind", "ulid", "--encoding", "hex"]);
    assert_eq!(refused.status.code(), Some(64));
    server.signal(nix::sys::signal::Signal::SIGTERM);
    drop(server);
    assert_eq!(generate(&[]).status.code(), Some(69));
    assert_eq!(lines(&generate(&["--kind", "uuid4"])).len(), 1);
}

#[test]
fn generate_opens_the_state_itself() {
    let home = Home::with_mark("1");
    let local = |arguments: &[&str]| {
        home.run(&[&["generate", "--local", "--shard-id", "1"], arguments].concat())
    };
    let mut last = 0;
    for _ in 0..3 {
        for id in lines(&local(&["--count", "300"])) {
            let id: u64 = id.parse().unwrap();
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
    let mut last = 0;
    for _ in 0..3 {
        for uuid in lines(&local(&["--kind", "uuid7", "--count", "2"])) {
            let stamp = stamp_of_uuid(&uuid);
            assert!(stamp > last, "{uuid} after {last:x}");
            last = stamp;
        }
    }
    // The server has the lock.
    let server = home.serve("1");
    let held = local(&[]);
    assert_eq!(held.status.code(), Some(75), "{held:?}");
    let error = String::from_utf8(held.stderr).unwrap();
    assert!(error.contains("machine ID 1 is in use"), "{error}");
    assert_eq!(server.stop(), 0);
}
