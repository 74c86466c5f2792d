//! Power cuts while IDs flow to a receiver outside.

use std::thread;
use std::time::Duration;

use crate::Fallible;
use crate::checker::{Checker, tick};
use crate::disk::{FileSystem, durable_bound};
use crate::machine::{DATA_DISK, Lab, Machine, last_words};
use crate::random::Random;

const SECOND: i64 = 1_000_000_000;
/// A short window: more writes of the mark to cut into.
const SHORT: &str = "SHARDFLAKE_STATE__WINDOW=200ms SHARDFLAKE_HTTP__DEADLINE=100ms";

/// Cuts the power `cuts` times.
pub(crate) fn run(lab: &Lab, system: FileSystem, cuts: usize, random: &mut Random) -> Fallible<()> {
    system.make(DATA_DISK)?;
    let mut checker = Checker::default();
    let mut barren = 0;
    for cut in 0..cuts {
        let before = checker.received();
        let result = live_and_die(lab, system, cut, random, &mut checker);
        result.map_err(|error| format!("cut {cut}: {error}\n{}", last_words()))?;
        barren += usize::from(checker.received() == before);
        checker.within(durable_bound(DATA_DISK)?);
    }
    let result = live_and_rest(lab, system, random, &mut checker);
    result.map_err(|error| format!("{error}\n{}", last_words()))?;
    println!(
        "{cuts} power cuts on {}, {barren} of them before the first ID",
        system.name()
    );
    checker.finish()
}

/// One life of the machine, from power to no power.
fn live_and_die(
    lab: &Lab,
    system: FileSystem,
    cut: usize,
    random: &mut Random,
    checker: &mut Checker,
) -> Fallible<()> {
    // A clock that was off when the power went, and is more or less right again.
    let skew = match random.within(0..6) {
        0 => random.within(-3 * SECOND..0),
        1 => random.within(0..3 * SECOND),
        _ => 0,
    };
    let settings = if random.once_in(2) { SHORT } else { "" };
    let mut machine = lab.power_on(random, skew)?;
    begin(&mut machine, system, settings)?;
    if cut == 0 || !random.once_in(5) {
        // Anywhere between the first ID and the third extension of the bound or so.
        for _ in 0..random.within(1..400) {
            await_id(&mut machine, checker)?;
        }
    }
    let pause = random.within(0..SECOND / 2).unsigned_abs();
    thread::park_timeout(Duration::from_nanos(pause));
    for reply in machine.cut()?.replies() {
        checker.take(&reply);
    }
    Ok(())
}

/// The last life, with an orderly end: the mark says exactly what was issued.
fn live_and_rest(
    lab: &Lab,
    system: FileSystem,
    random: &mut Random,
    checker: &mut Checker,
) -> Fallible<()> {
    let mut machine = lab.power_on(random, 0)?;
    begin(&mut machine, system, "")?;
    await_id(&mut machine, checker)?;
    machine.guest.tell("quiet")?;
    let status = machine.guest.tell("stop SIGTERM")?;
    for reply in machine.cut()?.replies() {
        checker.take(&reply);
    }
    let (bound, last) = (durable_bound(DATA_DISK)?, checker.last().map(tick));
    checker.within(bound);
    if status != "exit status: 0" {
        return Err(format!("the server ended with {status}").into());
    }
    if bound != last {
        return Err(format!("the exact mark is {bound:?}, the last tick {last:?}").into());
    }
    Ok(())
}

fn begin(machine: &mut Machine, system: FileSystem, settings: &str) -> Fallible<()> {
    let guest = &mut machine.guest;
    guest.shell(&format!("mount -t {} /dev/vda /data", system.name()))?;
    guest.tell(&format!(
        "start SHARD_ID=1 {settings} --state-dir /data/state"
    ))?;
    guest.tell("flow 8")?;
    Ok(())
}

/// Takes in replies up to the next ID.
fn await_id(machine: &mut Machine, checker: &mut Checker) -> Fallible<()> {
    loop {
        let reply = machine.guest.reply()?;
        checker.take(&reply);
        if reply.outcome.is_ok() {
            return Ok(());
        }
    }
}
