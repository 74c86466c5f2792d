//! `decode`: the fields of IDs.

use std::io::{self, BufRead, Write};

use super::Streams;
use super::arguments::Decode;
use super::exit::{Exit, Failure};
use super::table;
use crate::id::{Decoded, Layout};

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
        match self.decoded(text) {
            Ok(decoded) if self.arguments.json.json => {
                let line = serde_json::to_string(&decoded).map_err(io::Error::from)?;
                writeln!(out, "{line}")
            }
            Ok(decoded) => table::row(out, &self.widths, &cells(decoded)),
            Err(problem) => {
                self.exit = Exit::Usage;
                // What was decoded so far belongs before its complaint.
                out.flush()?;
                writeln!(err, "shardflake: {problem}")
            }
        }
    }

    fn decoded(&self, text: &str) -> Result<Decoded, String> {
        let encoding = self.arguments.encoding;
        let id = encoding.decode(text).map_err(|error| error.to_string())?;
        Decoded::new(self.layout, id).map_err(|error| error.to_string())
    }
}

fn cells(decoded: Decoded) -> Vec<String> {
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
