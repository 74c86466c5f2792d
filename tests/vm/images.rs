//! The writes of a server, replayed as crash images.
//!
//! In the guest dm-log-writes records what reaches the disk, below it flushes are made slow, so that
//! whatever is done before a flush has ended can be seen. While IDs flow, the log is marked with the
//! last one that was received: on no crash image from there on may a start issue it again, or find that
//! its machine ID has no mark. (A mark that is lost is made anew above everything that the clock could
//! have given, so that a missing flush of a name would not show otherwise.)

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;

use shardflake::id::layout::Layout;
use shardflake::id::range::MachineRange;
use shardflake::time::WallTime;

use crate::Fallible;
use crate::crash::{self, Crash, Image};
use crate::disk::{FileSystem, SIZE};
use crate::guest::{Guest, Reply};
use crate::machine::{DATA_DISK, LOG_DISK, Lab, last_words};
use crate::random::Random;
use crate::restart::{Bench, Start};
use crate::writelog::{self, Entry};

const SECOND: i64 = 1_000_000_000;
/// The lives that are recorded: machine IDs, and how the life ends.
const LIVES: [(&str, &str); 5] = [
    ("1", "SIGTERM"),
    ("1", "SIGKILL"),
    ("0-3", "SIGTERM"),
    ("2-5", "SIGKILL"),
    ("2-5", "SIGTERM"),
];
/// What is started on an image.
const RANGES: [&str; 5] = ["1", "0-3", "2-5", "3", "0-5"];
/// How a recording goes.
struct Tempo {
    /// How long a flush takes, in milliseconds; raising the bound takes two.
    flush: u64,
    settings: &'static str,
    /// How often a life is held up, in seconds for longer than a window: the bound is used up then, and
    /// requests wait for a flush.
    stalls: usize,
    stall: &'static str,
    /// How many IDs flow between two stalls.
    burst: usize,
}

/// A flush takes so long that much can be marked before it ends.
const SLOW: Tempo = Tempo {
    flush: 100,
    settings: "SHARDFLAKE_STATE__WINDOW=600ms SHARDFLAKE_HTTP__DEADLINE=300ms",
    stalls: 2,
    stall: "0.8",
    burst: 100,
};
/// The bound is raised again and again.
const QUICK: Tempo = Tempo {
    flush: 20,
    settings: "SHARDFLAKE_STATE__WINDOW=200ms SHARDFLAKE_HTTP__DEADLINE=100ms",
    stalls: 8,
    stall: "0.3",
    burst: 400,
};
/// At most so many images of one recording, of which there are more: others have other timing.
const FROM_ONE: usize = 2500;

/// What a server did, seen from the disk and from outside.
struct Recording {
    base: Image,
    entries: Vec<Entry>,
    received: Vec<Reply>,
    /// The host's clock at the beginning.
    began: i64,
}

/// What had been handed out at some point of the log.
#[derive(Clone, Default)]
struct Issued {
    /// The highest tick of each machine ID.
    ticks: BTreeMap<u32, u64>,
    /// The guest's wall clock when the last ID was received.
    wall: i64,
}

#[derive(Default)]
struct Counts {
    images: HashSet<u64>,
    /// Images on which something had been handed out that must not come again.
    binding: usize,
    reissued: usize,
    /// Starts that did not find the mark of what had been handed out.
    lost: usize,
    refused: usize,
    seen: Vec<String>,
}

/// Replays `count` crash images.
pub(crate) fn run(
    lab: &Lab,
    system: FileSystem,
    count: usize,
    random: &mut Random,
) -> Fallible<()> {
    let bench = Bench::new(Path::new("images"), system)?;
    let mut counts = Counts::default();
    let mut recordings = 0;
    let mut writes = 0;
    while counts.images.len() < count {
        let tempo = if recordings % 2 == 0 { SLOW } else { QUICK };
        let recording = record(lab, system, &tempo, random)
            .map_err(|error| format!("{error}\n{}", last_words()))?;
        recordings += 1;
        writes += recording.writes();
        let until = count.min(counts.images.len() + FROM_ONE);
        replay(&recording, &bench, until, random, &mut counts)?;
    }
    let Counts {
        images,
        binding,
        reissued,
        lost,
        refused,
        seen,
    } = counts;
    println!(
        "{} different crash images on {} of {recordings} recordings with {writes} writes, {binding} of them binding: IDs of the range that starts had been handed out",
        images.len(),
        system.name()
    );
    println!(
        "{reissued} starts that would issue an ID again, {lost} that lost a mark, {refused} that would not issue at all"
    );
    for violation in seen.iter().take(10) {
        println!("violation: {violation}");
    }
    if reissued + lost + refused > 0 {
        return Err("the promise was broken".into());
    }
    if binding == 0 {
        return Err("nothing had been handed out on any image".into());
    }
    Ok(())
}

/// Lets a server live, and ends with its log.
fn record(
    lab: &Lab,
    system: FileSystem,
    tempo: &Tempo,
    random: &mut Random,
) -> Fallible<Recording> {
    system.make(DATA_DISK)?;
    let base = Image::read(DATA_DISK)?;
    File::create(LOG_DISK)?.set_len(SIZE)?;
    let mut machine = lab.power_on(random, 0)?;
    let guest = &mut machine.guest;
    let (sectors, kind, flush) = (SIZE / 512, system.name(), tempo.flush);
    let slow = format!("0 {sectors} delay /dev/vda 0 0 /dev/vda 0 0 /dev/vda 0 {flush}");
    guest.shell(&format!("dmsetup create slow --table '{slow}'"))?;
    let log = format!("0 {sectors} log-writes /dev/mapper/slow /dev/vdb");
    guest.shell(&format!("dmsetup create log --table '{log}'"))?;
    guest.shell(&format!("mount -t {kind} /dev/mapper/log /data"))?;
    guest.tell("flow 4")?;
    guest.tell("marks log")?;
    let mut received = Vec::new();
    for (range, end) in LIVES {
        live(guest, range, tempo, &mut received)?;
        guest.tell(&format!("stop {end}"))?;
    }
    guest.tell("quiet")?;
    guest.shell("umount /data && dmsetup remove log && sync")?;
    received.extend(machine.cut()?.replies());
    Ok(Recording {
        base,
        entries: writelog::read(LOG_DISK)?,
        began: received.first().map_or(0, |reply| reply.wall) - 10 * SECOND,
        received,
    })
}

/// Has a server of `range` issue IDs, now and then after a stall.
fn live(guest: &mut Guest, range: &str, tempo: &Tempo, received: &mut Vec<Reply>) -> Fallible<()> {
    let Tempo {
        settings, stall, ..
    } = tempo;
    let server = guest.tell(&format!(
        "start SHARD_ID={range} {settings} --state-dir /data/state"
    ))?;
    for time in 0..=tempo.stalls {
        let mut ids = 0;
        while ids < tempo.burst {
            let reply = guest.reply()?;
            ids += usize::from(reply.outcome.is_ok());
            received.push(reply);
        }
        if time < tempo.stalls {
            guest.shell(&format!(
                "kill -STOP {server} && sleep {stall} && kill -CONT {server}"
            ))?;
        }
    }
    Ok(())
}

impl Recording {
    fn writes(&self) -> usize {
        let writes = self.entries.iter();
        writes
            .filter(|entry| matches!(entry, Entry::Write(_)))
            .count()
    }

    /// What had been handed out, by the number of entries that were made until then.
    fn issued(&self) -> Fallible<Vec<Issued>> {
        let mut received = self.received.iter();
        let mut issued = vec![Issued {
            wall: self.began,
            ..Issued::default()
        }];
        for entry in &self.entries {
            let mut next = issued.last().cloned().unwrap_or_default();
            if let Entry::Mark(text) = entry
                && let Some(id) = text.strip_prefix("id:")
                && id.parse() != Ok(0)
            {
                next.add_up_to(id.parse()?, &mut received);
            }
            issued.push(next);
        }
        Ok(issued)
    }
}

impl Issued {
    /// Adds what was received up to and with `id`, unless that was added before.
    fn add_up_to<'a>(&mut self, id: u64, received: &mut (impl Iterator<Item = &'a Reply> + Clone)) {
        if !received.clone().any(|reply| reply.outcome == Ok(id)) {
            return;
        }
        for reply in received {
            let Ok(one) = reply.outcome else { continue };
            if let Ok(fields) = Layout::SONYFLAKE.decompose(one)
                && let Ok(machine) = u32::try_from(fields.machine_id)
            {
                self.ticks.insert(machine, fields.time);
            }
            self.wall = reply.wall;
            if one == id {
                return;
            }
        }
    }

    /// A machine ID of `range` that something was handed out of and that is in none of `marks`.
    fn lost(&self, range: MachineRange, marks: &[MachineRange]) -> Option<u32> {
        let covered = |id: u32| {
            marks
                .iter()
                .any(|mark| (mark.first()..=mark.last()).contains(&id))
        };
        let mut ids = self.ticks.range(range.first()..=range.last());
        ids.find(|(id, _)| !covered(**id)).map(|(id, _)| *id)
    }

    /// The highest tick of any machine ID in `range`.
    fn highest(&self, range: MachineRange) -> Option<u64> {
        let ids = range.first()..=range.last();
        self.ticks.range(ids).map(|(_, tick)| *tick).max()
    }
}

/// Starts a shard on crash images of the recording until there are `until` different ones.
fn replay(
    recording: &Recording,
    bench: &Bench,
    until: usize,
    random: &mut Random,
    counts: &mut Counts,
) -> Fallible<()> {
    let issued = recording.issued()?;
    let mut crashes = crash::crashes(&recording.entries, random);
    // Some are the same in content, so a few more are drawn.
    let mut wanted = (until - counts.images.len()) * 5 / 4;
    let mut left = crashes.len();
    crashes.retain(|_| {
        let drawn = random
            .within(0..i64::try_from(left).unwrap_or(i64::MAX))
            .unsigned_abs()
            < wanted as u64;
        left -= 1;
        wanted -= usize::from(drawn);
        drawn
    });
    let (base, entries) = (&recording.base, &recording.entries);
    crash::images(base, entries, &crashes, &mut |crash, image| {
        if counts.images.len() < until && counts.images.insert(image.fingerprint()) {
            examine(crash, image, &issued[crash.done], bench, random, counts)?;
        }
        Ok(())
    })
}

fn examine(
    crash: &Crash,
    image: &Image,
    issued: &Issued,
    bench: &Bench,
    random: &mut Random,
    counts: &mut Counts,
) -> Fallible<()> {
    let range = usize::try_from(random.within(0..5))?;
    let range: MachineRange = RANGES[range].parse()?;
    let wall = issued.wall + random.within(0..2 * SECOND);
    let started = bench.start(image, range, WallTime::from_nanos(wall));
    let started = started.map_err(|error| format!("{crash}: {error}"))?;
    let highest = issued.highest(range);
    counts.binding += usize::from(highest.is_some());
    match started {
        Start::At(first, _) if highest.is_some_and(|highest| first <= highest) => {
            counts.reissued += 1;
            let text = format!("{range} would begin at {first}, {highest:?} was handed out");
            counts.seen.push(format!("{text} ({crash})"));
        }
        Start::At(_, marks) => {
            if let Some(id) = issued.lost(range, &marks) {
                counts.lost += 1;
                let text = format!("{range} found no mark of {id}, which was handed out");
                counts.seen.push(format!("{text} ({crash})"));
            }
        }
        Start::Refused(why) => {
            counts.refused += 1;
            counts.seen.push(format!("{range}: {why} ({crash})"));
        }
    }
    Ok(())
}
