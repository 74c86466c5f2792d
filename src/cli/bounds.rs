//! `bounds`: the smallest and the largest ID of a time span.

use std::io::Write;

use super::arguments::Bounds;
use super::exit::Failure;
use super::table;
use crate::id::{Layout, Span};

pub(super) fn run(arguments: &Bounds, layout: &Layout, out: &mut dyn Write) -> Result<(), Failure> {
    let span = Span::new(layout, arguments.from, arguments.to)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if arguments.json.json {
        let line = serde_json::to_string(&span).map_err(std::io::Error::from)?;
        writeln!(out, "{line}")?;
        return Ok(());
    }
    Ok(table::write(
        out,
        &["SMALLEST", "LARGEST"],
        &[vec![span.smallest, span.largest]],
    )?)
}
