//! `decode`: the fields of IDs.

use std::io::{self, BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Streams;
use super::arguments::Decode;
use super::exit::{Exit, Failure};
use super::table;
use crate::id::Layout;

/// One ID, taken apart. The names are Sonyflake's.
#[derive(Debug, Serialize)]
struct Fields {
    /// As text: many JSON readers round numbers of this size.
    id: String,
    time: u64,
    sequence: u64,
    machine_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacenter_id: Option<u64>,
    datetime: String,
}

/// Prints one line an ID as they come. A bad ID is reported, and the rest are still decoded.
pub(super) fn run(
    arguments: &Decode,
    layout: &Layout,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let mut printer = Printer {
        arguments,
        layout,
        widths: widths(layout),
        exit: Exit::Ok,
    };
    printer.heading(streams.out)?;
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
    Ok(printer.exit)
}

struct Printer<'a> {
    arguments: &'a Decode,
    layout: &'a Layout,
    widths: Vec<usize>,
    exit: Exit,
}

impl Printer<'_> {
    fn heading(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.arguments.json.json {
            return Ok(());
        }
        let mut titles = vec!["ID", "TIME", "SEQUENCE", "MACHINE_ID"];
        if self.layout.datacenter_bits() > 0 {
            titles.push("DATACENTER_ID");
        }
        titles.push("DATETIME");
        let titles: Vec<String> = titles.into_iter().map(str::to_owned).collect();
        table::row(out, &self.widths, &titles)
    }

    fn print(&mut self, text: &str, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        match self.fields(text) {
            Ok(fields) if self.arguments.json.json => {
                let line = serde_json::to_string(&fields).map_err(io::Error::from)?;
                writeln!(out, "{line}")
            }
            Ok(fields) => table::row(out, &self.widths, &fields.cells()),
            Err(problem) => {
                self.exit = Exit::Usage;
                // What was decoded so far belongs before its complaint.
                out.flush()?;
                writeln!(err, "shardflake: {problem}")
            }
        }
    }

    fn fields(&self, text: &str) -> Result<Fields, String> {
        let encoding = self.arguments.encoding;
        let id = encoding.decode(text).map_err(|error| error.to_string())?;
        let fields = self
            .layout
            .decompose(id)
            .map_err(|error| error.to_string())?;
        Ok(Fields {
            id: id.to_string(),
            time: fields.time,
            sequence: fields.sequence,
            machine_id: fields.machine_id,
            datacenter_id: fields.datacenter_id,
            datetime: datetime(self.layout, fields.time),
        })
    }
}

impl Fields {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.id.clone(),
            self.time.to_string(),
            self.sequence.to_string(),
            self.machine_id.to_string(),
        ];
        cells.extend(self.datacenter_id.map(|id| id.to_string()));
        cells.push(self.datetime.clone());
        cells
    }
}

/// Fixed by the layout, so that rows can be printed before the last ID is read.
fn widths(layout: &Layout) -> Vec<usize> {
    let digits = |max: u64, title: &str| max.to_string().len().max(title.len());
    let mut widths = vec![
        digits(i64::MAX.unsigned_abs(), "ID"),
        digits(layout.max_tick(), "TIME"),
        digits(u64::from(layout.sequences()), "SEQUENCE"),
        digits(u64::from(layout.max_machine()), "MACHINE_ID"),
    ];
    if layout.datacenter_bits() > 0 {
        widths.push("DATACENTER_ID".len());
    }
    widths.push(0);
    widths
}

/// Reads the next line into `line`; false at the end.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(input.read_until(b'\n', line)? > 0)
}

/// The beginning of `tick`.
pub(super) fn begin(layout: &Layout, tick: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(layout.unix_ms(tick))
}

fn datetime(layout: &Layout, tick: u64) -> String {
    humantime::format_rfc3339_millis(begin(layout, tick)).to_string()
}
