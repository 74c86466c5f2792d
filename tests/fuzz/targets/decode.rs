//! Decoding: an ID that is read is written back the same, and the library, the command line and
//! the server read the same ones.

use std::io::Cursor;

use shardflake::id::{Encoding, Layout};
use shardflake_server::cli::{self, Exit, Streams};
use shardflake_server::config::Environment;
use shardflake_server::json::Decoded;

use super::http;
use super::input::Input;

const LAYOUTS: [Layout; 4] = [
    Layout::SONYFLAKE,
    Layout::SNOWFLAKE,
    Layout::SNOWFLAKE_NODE,
    Layout::SNOWFLAKE_DC,
];

/// Takes the input as an encoding and a text.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let (name, encoding) = input.one(&Encoding::ALL);
    let Ok(text) = str::from_utf8(input.rest()) else {
        return;
    };
    let id = encoding.decode(text).ok();
    if let Some(id) = id {
        round_trip(id);
        same_digits(text, encoding, id);
    }
    let expected = id.map(|id| {
        let decoded = Decoded::new(&Layout::SONYFLAKE, id).expect("an ID has 63 bits");
        serde_json::to_string(&decoded).expect("numbers and texts make JSON")
    });
    on_the_command_line(name, text, expected.as_deref());
    over_http(name, text, expected.as_deref());
}

/// The fields of an ID make the same ID, in every layout; and so do its texts.
fn round_trip(id: u64) {
    for layout in LAYOUTS {
        let fields = layout.decompose(id).expect("an ID has 63 bits");
        let plain = layout.machine_bits() - layout.datacenter_bits();
        let machine = fields.datacenter_id.unwrap_or(0) << plain | fields.machine_id;
        let composed = layout.compose(fields.time, fields.sequence, machine);
        assert_eq!(composed, Ok(id), "{layout}");
        let decoded = Decoded::new(&layout, id).expect("an ID has 63 bits");
        assert_eq!(decoded.id, id.to_string());
    }
    for (name, encoding) in Encoding::ALL {
        let text = encoding.encode(id);
        assert_eq!(encoding.decode(text.as_str()), Ok(id), "{name}");
    }
}

/// What was read is what would be written, but for leading zeros, case and look-alikes.
fn same_digits(text: &str, encoding: Encoding, id: u64) {
    let plain = |text: &str| {
        let mut text = text.to_ascii_uppercase();
        if encoding == Encoding::Base32 {
            text = text.replace(['I', 'L'], "1").replace('O', "0");
        }
        text.trim_start_matches('0').to_owned()
    };
    assert_eq!(plain(text), plain(encoding.encode(id).as_str()));
}

fn on_the_command_line(name: &str, text: &str, expected: Option<&str>) {
    let environment = Environment::new::<&str, &str>([]);
    let encoding = format!("--encoding={name}");
    let run = |argument: &str, input: &str| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            input: &mut Cursor::new(input),
            out: &mut out,
            err: &mut err,
            colour: false,
        };
        let line = ["shardflake", "decode", "--json", &encoding, "--", argument];
        let exit = cli::answer(line.map(Into::into), &environment, &mut streams);
        assert_eq!(exit == Exit::Ok, err.is_empty(), "{argument:?}");
        (exit, String::from_utf8(out).expect("JSON is text"))
    };
    let found = |expected: Option<&str>| match expected {
        Some(json) => (Exit::Ok, format!("[{json}\n]\n")),
        None => (Exit::Usage, "[]\n".to_owned()),
    };
    // A dash alone has the standard input read.
    if text != "-" {
        assert_eq!(run(text, ""), found(expected), "{text:?}");
    }
    // There the ends of lines are looked for, and space around an ID is none of it.
    if !text.contains('\n') && !text.is_empty() && text.trim() == text {
        assert_eq!(run("-", text), found(expected), "{text:?} as a line");
    }
}

fn over_http(name: &str, text: &str, expected: Option<&str>) {
    let ends = "host: fuzz\r\nconnection: close\r\n\r\n";
    let request = format!("GET /decode/{text}?encoding={name} HTTP/1.1\r\n{ends}");
    let replies = http::ask(request.as_bytes());
    // Other characters may end the path, or the request.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    let [reply] = &replies[..] else {
        panic!("{} replies to one request", replies.len());
    };
    match expected {
        Some(json) => assert_eq!((reply.status, &reply.body[..]), (200, json.as_bytes())),
        // A line that is too long has a status of its own.
        None => assert!([400, 431].contains(&reply.status), "{}", reply.status),
    }
}
