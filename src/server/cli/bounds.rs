//! `bounds`: the smallest and the largest ID of a time span.

use super::Streams;
use super::arguments::Bounds;
use super::exit::Failure;
use super::table::{self, Column};
use crate::json;
use shardflake::id::{Layout, TimeSpan};

pub(super) fn run(
    arguments: &Bounds,
    layout: &Layout,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let bounds = TimeSpan::new(layout, arguments.from, arguments.to)
        .map(json::Bounds::from)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if arguments.json.json {
        let line = serde_json::to_string(&bounds).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{line}")?;
        return Ok(());
    }
    Ok(table::write(
        streams.out,
        &[Column::Number("SMALLEST"), Column::Number("LARGEST")],
        &[vec![bounds.smallest, bounds.largest]],
        streams.colour,
    )?)
}
