//! `bounds`: the smallest and the largest ID of a time span.

use super::Streams;
use super::arguments::Bounds;
use super::exit::Failure;
use super::table::{self, Column};
use crate::id::{Layout, Span};

pub(super) fn run(
    arguments: &Bounds,
    layout: &Layout,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let span = Span::new(layout, arguments.from, arguments.to)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if arguments.json.json {
        let line = serde_json::to_string(&span).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{line}")?;
        return Ok(());
    }
    Ok(table::write(
        streams.out,
        &[Column::Number("SMALLEST"), Column::Number("LARGEST")],
        &[vec![span.smallest, span.largest]],
        streams.colour,
    )?)
}
