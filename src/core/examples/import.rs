//! Gives each line of its input an ID, in order: `import STATE_DIRECTORY < lines`. Its shard owns sixteen
//! machine IDs, so that it gives out sixteen times as many as with one.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use shardflake::shard::{MachineId, Options, Shard};

fn main() -> Result<(), Box<dyn Error>> {
    let state = std::env::args().nth(1).ok_or("name a state directory")?;
    let machines = MachineId::all_of("16-31".parse()?);
    let shard = Shard::open(Options::new(state, machines))?;
    shard.await_ready(Duration::from_secs(10))?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lines() {
        // Sleeps where all are taken until the next tick.
        let id = shard.id()?;
        writeln!(out, "{}\t{}", id.hex(), line?)?;
    }
    out.flush()?;
    shard.close()?;
    Ok(())
}
