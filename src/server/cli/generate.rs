//! `generate`: new identifiers for scripts, of the server of this configuration or, without a server, of the
//! state directory itself.

mod local;
mod remote;

use std::io::{self, Write};

use super::Streams;
use super::arguments::{Form, Generate};
use super::exit::{Exit, Failure};
use crate::config::{Environment, Flags};
use shardflake::id::Encoding;
use shardflake::random;
use shardflake::wide::{Kind, Ulid, Uuid};

/// An identifier of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identifier {
    Id(u64),
    Uuid(Uuid),
    Ulid(Ulid),
}

/// Takes identifiers as they come.
type Take<'a> = dyn FnMut(Identifier) -> Result<(), Failure> + 'a;

/// Prints as many identifiers as asked for.
pub(super) fn run(
    wanted: &Generate,
    flags: &Flags,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    if wanted.encoding != Encoding::Decimal && wanted.kind.is_some() {
        return Err(Failure::Usage(
            "--encoding is for IDs; a UUID or a ULID has one text form".to_owned(),
        ));
    }
    let mut printer = Printer {
        form: wanted.format,
        encoding: wanted.encoding,
        out: streams.out,
        begun: false,
    };
    let mut take = |identifier| Ok(printer.print(identifier)?);
    match wanted.kind {
        // Nobody else has to be asked for these.
        Some(Kind::Uuid4) => random_uuids(wanted.count.get(), &mut take)?,
        _ if wanted.local => local::make(wanted, flags, environment, streams.err, &mut take)?,
        _ => remote::fetch(wanted, flags, environment, &mut take)?,
    }
    printer.end()?;
    Ok(Exit::Ok)
}

fn random_uuids(count: u64, take: &mut Take<'_>) -> Result<(), Failure> {
    for _ in 0..count {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        take(Identifier::Uuid(Uuid::v4(u128::from_be_bytes(bytes))))?;
    }
    Ok(())
}

struct Printer<'a> {
    form: Form,
    encoding: Encoding,
    out: &'a mut dyn Write,
    begun: bool,
}

impl Printer<'_> {
    fn print(&mut self, identifier: Identifier) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.begun, true);
        match self.form {
            Form::Binary => match identifier {
                Identifier::Id(id) => self.out.write_all(&id.to_be_bytes()),
                Identifier::Uuid(uuid) => self.out.write_all(&uuid.to_bytes()),
                Identifier::Ulid(ulid) => self.out.write_all(&ulid.to_bytes()),
            },
            Form::Text => {
                self.text(identifier)?;
                self.out.write_all(b"\n")
            }
            Form::Json => {
                self.out.write_all(if first { b"[\"" } else { b",\"" })?;
                self.text(identifier)?;
                self.out.write_all(b"\"")
            }
        }
    }

    fn text(&mut self, identifier: Identifier) -> io::Result<()> {
        match identifier {
            Identifier::Id(id) => self.out.write_all(self.encoding.encode(id).as_bytes()),
            Identifier::Uuid(uuid) => self.out.write_all(&uuid.text()),
            Identifier::Ulid(ulid) => self.out.write_all(&ulid.text()),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.form == Form::Json {
            self.out.write_all(b"]\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(form: Form, all: &[Identifier]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut printer = Printer {
            form,
            encoding: Encoding::Hex,
            out: &mut out,
            begun: false,
        };
        for identifier in all {
            printer.print(*identifier).unwrap();
        }
        printer.end().unwrap();
        out
    }

    #[test]
    fn every_form_holds_all_of_them() {
        let ids = [Identifier::Id(1), Identifier::Id(0x7f << 56)];
        assert_eq!(
            printed(Form::Text, &ids),
            b"0000000000000001\n7f00000000000000\n"
        );
        assert_eq!(
            printed(Form::Json, &ids),
            b"[\"0000000000000001\",\"7f00000000000000\"]\n"
        );
        let binary = printed(Form::Binary, &ids);
        assert_eq!(binary, [1_u64, 0x7f << 56].map(u64::to_be_bytes).concat());
        let wide = [
            Identifier::Uuid(Uuid::from_bytes([0xab; 16])),
            Identifier::Ulid(Ulid::from_bytes([0; 16])),
        ];
        assert_eq!(
            printed(Form::Text, &wide),
            b"abababab-abab-abab-abab-abababababab\n00000000000000000000000000\n"
        );
        assert_eq!(printed(Form::Binary, &wide), [[0xab; 16], [0; 16]].concat());
    }
}
