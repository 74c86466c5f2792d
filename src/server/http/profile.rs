//! The replies that differ by profile: each profile's are those of the system that it stands in for.

use super::line::Line;
use super::negotiation::Format;
use crate::config::Profile;
use shardflake::id::{Encoding, Layout};
use shardflake::issuer::Issued;

/// The replies of one profile.
pub(super) struct Replies {
    pub(super) profile: Profile,
    /// The JSON of `/generate`.
    pub(super) generate: WriteId,
    /// The JSON of `/id`.
    pub(super) id: WriteId,
    /// The forms of `/health`; the first is the default.
    pub(super) health: [Format; 2],
    /// The body of `/health` while the shard may issue, as text,
    pub(super) healthy: &'static str,
    /// and as JSON, by the first of the server's machine IDs.
    pub(super) healthy_json: fn(u32) -> String,
    /// Whether an error has a word for programs beside its text.
    pub(super) error_has_code: bool,
}

/// Writes a new ID as JSON.
pub(super) type WriteId = fn(&mut Line, &Layout, &Issued, Encoding);

static SONYFLAKE: Replies = Replies {
    profile: Profile::Sonyflake,
    generate: number_and_text,
    id: text_and_machine,
    health: [Format::Text, Format::Json],
    healthy: "OK",
    healthy_json: |_| r#"{"status":"ok"}"#.to_owned(),
    error_has_code: true,
};

static SNOWFLAKE: Replies = Replies {
    profile: Profile::Snowflake,
    id: text,
    health: [Format::Json, Format::Text],
    healthy_json: |worker| format!(r#"{{"status":"healthy","worker_id":{worker}}}"#),
    error_has_code: false,
    ..SONYFLAKE
};

static SNOWFLAKE_NODE: Replies = Replies {
    profile: Profile::SnowflakeNode,
    id: number_and_machine,
    healthy: "ok",
    ..SONYFLAKE
};

static SNOWFLAKE_DC: Replies = Replies {
    profile: Profile::SnowflakeDc,
    generate: number,
    id: number,
    ..SONYFLAKE
};

impl Replies {
    /// The replies of `profile`.
    pub(super) const fn of(profile: Profile) -> &'static Self {
        match profile {
            Profile::Sonyflake => &SONYFLAKE,
            Profile::Snowflake => &SNOWFLAKE,
            Profile::SnowflakeNode => &SNOWFLAKE_NODE,
            Profile::SnowflakeDc => &SNOWFLAKE_DC,
        }
    }
}

/// A new ID as a number and as a text, and when its tick began.
fn number_and_text(line: &mut Line, layout: &Layout, issued: &Issued, encoding: Encoding) {
    let number = Encoding::Decimal.encode(issued.id);
    let text = match encoding {
        Encoding::Decimal => number,
        other => other.encode(issued.id),
    };
    line.part(b"{\"id\":")
        .text(&number)
        .part(b",\"id_str\":\"")
        .text(&text)
        .part(b"\",\"timestamp\":")
        .text(&Encoding::Decimal.encode(layout.unix_ms(issued.tick) / 1000))
        .part(b"}");
}

/// A new ID as a text, and the machine ID in it.
fn text_and_machine(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":\"")
        .text(&encoding.encode(issued.id))
        .part(b"\",\"machine_id\":")
        .text(&Encoding::Decimal.encode(issued.machine.into()))
        .part(b"}");
}

/// A new ID as a text.
fn text(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    let text = encoding.encode(issued.id);
    line.part(b"{\"id\":\"").text(&text).part(b"\"}");
}

/// A new ID as a number.
fn number(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":")
        .number(issued.id, encoding)
        .part(b"}");
}

/// A new ID as a number, and the machine ID in it.
fn number_and_machine(line: &mut Line, _: &Layout, issued: &Issued, encoding: Encoding) {
    line.part(b"{\"id\":")
        .number(issued.id, encoding)
        .part(b",\"machine_id\":")
        .text(&Encoding::Decimal.encode(issued.machine.into()))
        .part(b"}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    const ISSUED: Issued = Issued {
        id: 547_205_677_056_000_001,
        tick: 32_616_000_000,
        machine: 1,
    };

    fn written(write: WriteId, issued: &Issued, encoding: Encoding) -> String {
        let mut line = Line::new();
        write(&mut line, &Layout::SONYFLAKE, issued, encoding);
        String::from_utf8(line.chunk().to_vec()).unwrap()
    }

    #[test]
    fn carries_exactly_the_documented_keys() {
        assert_eq!(
            written(number_and_text, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001,"id_str":"547205677056000001","timestamp":1735689600}"#
        );
        assert_eq!(
            written(number_and_text, &ISSUED, Encoding::Hex),
            r#"{"id":547205677056000001,"id_str":"079810aa00000001","timestamp":1735689600}"#
        );
        assert_eq!(
            written(text_and_machine, &ISSUED, Encoding::Base32),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
        assert_eq!(
            written(text, &ISSUED, Encoding::Decimal),
            r#"{"id":"547205677056000001"}"#
        );
        assert_eq!(
            written(number, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001}"#
        );
        assert_eq!(
            written(number_and_machine, &ISSUED, Encoding::Decimal),
            r#"{"id":547205677056000001,"machine_id":1}"#
        );
        assert_eq!(
            written(number_and_machine, &ISSUED, Encoding::Base32),
            r#"{"id":"0F60GN8000001","machine_id":1}"#
        );
    }

    #[test]
    fn the_longest_of_all_fits() {
        let last = Issued {
            id: i64::MAX.unsigned_abs(),
            tick: Layout::SONYFLAKE.max_tick(),
            machine: u32::MAX,
        };
        let all: [WriteId; 5] = [
            number_and_text,
            text_and_machine,
            text,
            number,
            number_and_machine,
        ];
        for write in all {
            for (_, encoding) in Encoding::ALL {
                let text = written(write, &last, encoding);
                assert!(
                    text.starts_with("{\"id\":") && text.ends_with('}'),
                    "{text}"
                );
            }
        }
    }
}
