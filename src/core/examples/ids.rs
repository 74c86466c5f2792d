//! Prints IDs: `ids STATE_DIRECTORY COUNT`.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use shardflake::shard::{MachineId, Options, Shard};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let state = arguments.next().ok_or("name a state directory")?;
    let count: NonZeroU32 = arguments.next().ok_or("say how many IDs")?.parse()?;

    let shard = Shard::open(Options::new(state, MachineId::any_of(0..=63)))?;
    // A new mark takes six seconds, a known one milliseconds.
    shard.await_ready(Duration::from_secs(10))?;
    for run in shard.ids(count) {
        for id in run?.ids() {
            println!("{id}");
        }
    }
    // Without this the next start would skip up to a second of IDs.
    shard.close()?;
    Ok(())
}
