//! `decode`: the fields of IDs.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use super::Streams;
use super::arguments::Decode;
use super::exit::{Exit, Failure};
use super::table::{Column, Table};
use crate::json::{Decoded, Wide, WideDecoded};
use shardflake::clock::{Clock, SystemClock};
use shardflake::id::{Encoding, Layout};
use shardflake::wide::Uuid;

const COLUMNS: [Column; 5] = [
    Column::Number("ID"),
    Column::Number("TIME"),
    Column::Number("SEQUENCE"),
    Column::Number("MACHINE_ID"),
    Column::Text("DATETIME"),
];
const WITH_DATACENTER: [Column; 6] = [
    COLUMNS[0],
    COLUMNS[1],
    COLUMNS[2],
    COLUMNS[3],
    Column::Number("DATACENTER_ID"),
    COLUMNS[4],
];

const WIDE: [Column; 6] = [
    Column::Text("UUID_OR_ULID"),
    Column::Number("VERSION"),
    Column::Number("COUNTER"),
    Column::Number("MACHINE_ID"),
    Column::Text("RANDOM"),
    COLUMNS[4],
];

/// The longest of each.
const WIDE_WIDTHS: [usize; 5] = [Uuid::TEXT, 0, 7, 7, 10];

/// Prints one line an ID as they come; as JSON these make one array. A bad ID is reported, and the
/// rest are still decoded.
pub(super) fn run(
    arguments: &Decode,
    layout: &Layout,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let mut printer = Printer {
        arguments,
        layout,
        ids: table(layout, streams.colour),
        wide: Table::new(&WIDE, &WIDE_WIDTHS, streams.colour),
        last: None,
        exit: Exit::Ok,
    };
    if arguments.json.json {
        write!(streams.out, "[")?;
    }
    for text in &arguments.ids {
        if text != "-" {
            printer.print(text, streams.out, streams.err)?;
            continue;
        }
        let mut line = Vec::new();
        while next_line(streams.input, &mut line)? {
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                printer.print(text.trim(), streams.out, streams.err)?;
                // Whoever types IDs, or follows a log, waits for this line.
                streams.out.flush()?;
            }
        }
    }
    printer.end(streams.out)?;
    Ok(printer.exit)
}

struct Printer<'a> {
    arguments: &'a Decode,
    layout: &'a Layout,
    ids: Table<'a>,
    wide: Table<'a>,
    /// Whether the last one that was decoded is an ID; `None` before the first.
    last: Option<bool>,
    exit: Exit,
}

impl Printer<'_> {
    fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.arguments.json.json {
            writeln!(out, "]")?;
        }
        Ok(())
    }

    fn print(&mut self, text: &str, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        match self.decoded(text) {
            Ok(decoded) if self.arguments.json.json => {
                let object = serde_json::to_string(&decoded).map_err(io::Error::from)?;
                let first = self.last.replace(decoded.is_id()).is_none();
                let comma = if first { "" } else { "," };
                // The comma is written before the next one, so that a reader of lines need not wait for that.
                writeln!(out, "{comma}{object}")
            }
            Ok(decoded) => {
                let is_id = decoded.is_id();
                let table = if is_id { &self.ids } else { &self.wide };
                // The heading, once there is a row below it.
                if self.last.replace(is_id) != Some(is_id) {
                    table.heading(out)?;
                }
                if let Shown::Wide(wide) = &decoded
                    && let Some(warning) = &wide.warning
                {
                    out.flush()?;
                    writeln!(err, "shardflake: warning: {text}: {warning}")?;
                }
                table.row(out, &decoded.cells())
            }
            Err(problem) => {
                self.exit = Exit::Usage;
                // Rows that were decoded before come before the complaint.
                out.flush()?;
                writeln!(err, "shardflake: {problem}")
            }
        }
    }

    fn decoded(&self, text: &str) -> Result<Shown, String> {
        let encoding = self.arguments.encoding;
        if encoding == Encoding::Decimal
            && let Some(wide) = Wide::read(text)
        {
            return wide.map(|wide| Shown::Wide(WideDecoded::new(wide, SystemClock.realtime())));
        }
        let id = encoding.decode(text).map_err(|error| error.to_string())?;
        let decoded = Decoded::new(self.layout, id).map_err(|error| error.to_string())?;
        Ok(Shown::Id(decoded))
    }
}

/// What is shown of one text.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Id(Decoded),
    Wide(WideDecoded),
}

impl Shown {
    const fn is_id(&self) -> bool {
        matches!(self, Self::Id(_))
    }

    /// The cells of its row.
    fn cells(self) -> Vec<String> {
        match self {
            Self::Id(decoded) => {
                let mut cells = vec![
                    decoded.id,
                    decoded.time.to_string(),
                    decoded.sequence.to_string(),
                    decoded.machine_id.to_string(),
                ];
                cells.extend(decoded.datacenter_id.map(|id| id.to_string()));
                cells.push(decoded.datetime);
                cells
            }
            Self::Wide(decoded) => {
                let version = decoded.version.map(|version| version.to_string());
                let mut cells = vec![
                    decoded.uuid.or(decoded.ulid).unwrap_or_default(),
                    version.unwrap_or_default(),
                ];
                if let Some(fields) = decoded.fields {
                    cells.extend([
                        fields.counter.to_string(),
                        fields.machine_id.to_string(),
                        fields.random,
                        fields.datetime,
                    ]);
                }
                cells
            }
        }
    }
}

/// Its widths are fixed by the layout, so that rows can be printed before the last ID is read.
fn table(layout: &Layout, colour: bool) -> Table<'static> {
    let widths = [
        i64::MAX.unsigned_abs(),
        layout.max_tick(),
        u64::from(layout.sequences() - 1),
        u64::from(layout.max_machine()),
    ]
    .map(|most| most.to_string().len());
    match layout.datacenter_bits() {
        0 => Table::new(&COLUMNS, &widths, colour),
        _ => Table::new(&WITH_DATACENTER, &widths, colour),
    }
}

/// Reads the next line into `line`; false at the end.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(input.read_until(b'\n', line)? > 0)
}
