//! Several processes on one host, none of which is told a machine ID: `workers STATE_DIRECTORY`.
//!
//! Each opens a shard of its own, after it was started. In a child that is forked off, a shard that was open
//! before gives no IDs.

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use shardflake::shard::{MachineId, Options, Shard};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let state = arguments.next().ok_or("name a state directory")?;
    if arguments.next().as_deref() == Some("worker") {
        return work(&state);
    }
    let program = std::env::current_exe()?;
    let start = |_| Command::new(&program).args([&state, "worker"]).spawn();
    let workers: Vec<_> = (0..4).map(start).collect::<Result<_, _>>()?;
    for mut worker in workers {
        worker.wait()?;
    }
    Ok(())
}

fn work(state: &str) -> Result<(), Box<dyn Error>> {
    let shard = Shard::open(Options::new(state, MachineId::any_of(0..=63)))?;
    shard.await_ready(Duration::from_secs(10))?;
    let machine = shard.issuer().machines();
    println!("machine ID {machine}: {}", shard.id()?);
    shard.close()?;
    Ok(())
}
