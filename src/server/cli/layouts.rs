//! `layouts`: the capacity of each layout, and how long it lasts.

use std::io;
use std::time::Duration;

use serde::Serialize;

use super::Streams;
use super::arguments::Layouts;
use super::table::{self, Column, thousands};
use crate::config::value::show_time;
use shardflake::id::Layout;
use shardflake::id::layout::PRESETS;

const COLUMNS: [Column; 7] = [
    Column::Text("NAME"),
    Column::Text("BITS"),
    Column::Number("TICK"),
    Column::Text("EPOCH"),
    Column::Text("ENDS"),
    Column::Number("MACHINES"),
    Column::Number("IDS/S/MACHINE"),
];

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    time_bits: u8,
    sequence_bits: u8,
    machine_bits: u8,
    datacenter_bits: u8,
    tick_ms: u64,
    epoch: String,
    end: String,
    machines: u64,
    /// A whole number, unless it is less than one.
    ids_per_second: serde_json::Number,
}

/// Prints the presets, and the configured layout where it is none of them.
pub(super) fn run(
    arguments: &Layouts,
    configured: &Layout,
    streams: &mut Streams<'_>,
) -> io::Result<()> {
    let mut entries: Vec<Entry> = PRESETS
        .iter()
        .map(|(name, layout)| Entry::new(name, layout))
        .collect();
    if configured.preset_name().is_none() {
        entries.push(Entry::new("configured", configured));
    }
    if arguments.json.json {
        return writeln!(streams.out, "{}", serde_json::to_string(&entries)?);
    }
    let rows: Vec<Vec<String>> = entries.iter().map(Entry::cells).collect();
    table::write(streams.out, &COLUMNS, &rows, streams.colour)
}

impl Entry {
    fn new(name: &str, layout: &Layout) -> Self {
        let tick_ms = u64::try_from(layout.tick().as_millis()).unwrap_or(u64::MAX);
        Self {
            name: name.to_owned(),
            time_bits: layout.time_bits(),
            sequence_bits: layout.sequence_bits(),
            machine_bits: layout.machine_bits(),
            datacenter_bits: layout.datacenter_bits(),
            tick_ms,
            epoch: show_time(layout.epoch_ms()),
            end: show_time(layout.unix_ms(layout.max_tick() + 1)),
            machines: u64::from(layout.max_machine()) + 1,
            ids_per_second: per_second(layout.sequences(), tick_ms),
        }
    }

    fn cells(&self) -> Vec<String> {
        let machine = match self.datacenter_bits {
            0 => format!("{} machine", self.machine_bits),
            datacenter => format!(
                "{datacenter} datacenter + {} machine",
                self.machine_bits - datacenter
            ),
        };
        let tick = Duration::from_millis(self.tick_ms);
        vec![
            self.name.clone(),
            format!(
                "{} time, {} sequence, {machine}",
                self.time_bits, self.sequence_bits
            ),
            humantime::format_duration(tick).to_string(),
            self.epoch.clone(),
            // The day is what an operator plans with.
            self.end.chars().take("2188-11-12".len()).collect(),
            thousands(self.machines),
            self.ids_per_second
                .as_u64()
                .map_or_else(|| self.ids_per_second.to_string(), thousands),
        ]
    }
}

/// IDs a second, at `ids` in each tick of `tick_ms` milliseconds.
fn per_second(ids: u32, tick_ms: u64) -> serde_json::Number {
    match u64::from(ids) * 1000 / tick_ms {
        0 => {
            let tick = Duration::from_millis(tick_ms).as_secs_f64();
            let rate = (f64::from(ids) / tick * 1e6).round() / 1e6;
            serde_json::Number::from_f64(rate).unwrap_or_else(|| 0.into())
        }
        whole => whole.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_whole_but_where_it_is_less_than_one() {
        for (ids, tick_ms, rate) in [
            (256, 10, "25600"),
            (3, 2000, "1"),
            (1, 1000, "1"),
            (1, 4000, "0.25"),
            (2, 60_000, "0.033333"),
        ] {
            assert_eq!(per_second(ids, tick_ms).to_string(), rate);
        }
    }
}
