//! `shardflake state`: marks, for operators.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::arguments::{AcceptClock, Adopt, Init, StateCommand};
use super::{Exit, Failure, Streams, invocation, warn};
use crate::config::{ConfigError, Environment, Flags, Upkeep};
use crate::daemon::shard;
use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Layout;
use shardflake::id::range::MachineRange;
use shardflake::mark::rules::{Now, Policy, Seen, mark_name};
use shardflake::mark::slot::Slot;
use shardflake::mark::{
    AcceptError, Claim, Directory, DirectoryError, MarkError, Operator, Witness, accept_until,
    accepted_until, survey,
};
use shardflake::time::WallTime;
use shardflake::timestamp::rfc3339;

/// The longest that an operator's word on the clock may hold: ten years.
const TRUST: Duration = Duration::from_secs((10 * 365 + 3) * 24 * 3600);

/// Why a state command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state directory will not do.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The mark cannot be had, or the rules refuse.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// An operator's earlier word on the clock cannot be read.
    #[error(transparent)]
    Clock(#[from] AcceptError),
    /// `init` and `adopt` are for one shard.
    #[error(transparent)]
    NoShard(Box<ConfigError>),
    /// There is no mark to adopt.
    #[error(
        "there is no mark of machine ID {shard} in {directory} to adopt: check --state-dir and --shard-id, or for a new shard run `{command}`"
    )]
    NothingToAdopt {
        /// The state directory.
        directory: String,
        /// The machine IDs.
        shard: MachineRange,
        /// How to make a mark.
        command: String,
    },
    /// The ID for `init --above` is not of the past.
    #[error(
        "ID {id} would have been issued at {time}, but the clock reads {clock}: check that profile, epoch and layout are those of the server that issued it, and that the clock is right"
    )]
    Ahead {
        /// The ID.
        id: u64,
        /// The time in it.
        time: String,
        /// The wall clock's present time.
        clock: String,
    },
    /// The moment for `accept-clock` is too far on.
    #[error(
        "--until {until} is more than 10 years after {clock}, which the clock reads, and every clock up to then would be believed: give a time soon after the present, such as tomorrow"
    )]
    TooFar {
        /// The moment.
        until: String,
        /// The wall clock's present time.
        clock: String,
    },
    /// The moment for `accept-clock` is over.
    #[error("--until {until} is past, as the clock reads {clock}: give a time to come")]
    Past {
        /// The moment.
        until: String,
        /// The wall clock's present time.
        clock: String,
    },
}

/// One mark, as `state show` tells it.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    shard: String,
    /// The last tick that may have been issued.
    bound: Option<u64>,
    bound_time: Option<String>,
    layout: Option<String>,
    written: Option<String>,
    holder: Option<String>,
    /// Why a slot cannot be read, by slot.
    damage: Vec<String>,
    /// Whether the file is the one that was written, not a copy.
    original: bool,
}

/// Does what `command` says.
///
/// # Errors
/// [`Failure`] says what stands in the way, and what to do.
pub(super) fn run(
    command: &StateCommand,
    flags: &Flags,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let upkeep = Upkeep::load(flags, environment)?;
    warn(&upkeep.warnings, streams.err)?;
    match command {
        StateCommand::Init(Init { above, json }) => {
            init(&upkeep, *above, json.json, streams)?;
        }
        StateCommand::Show(json) => show(&upkeep, json.json, streams.out)?,
        StateCommand::Adopt(Adopt { above, json }) => {
            adopt(&upkeep, *above, json.json, streams)?;
        }
        StateCommand::AcceptClock(AcceptClock { until, json }) => {
            accept_clock(&upkeep, *until, json.json, streams.out)?;
        }
    }
    Ok(Exit::Ok)
}

fn init(
    upkeep: &Upkeep,
    above: Option<u64>,
    json: bool,
    Streams { out, err, .. }: &mut Streams<'_>,
) -> Result<(), Failure> {
    let above = above.map(|id| tick_of(&upkeep.layout, id)).transpose()?;
    let mut upkeep = upkeep.clone();
    // The command itself says that a mark may be made.
    upkeep.state.create = true;
    let mut operator = operator(&upkeep)?;
    let created = operator.init().map_err(Error::from)?;
    if created.is_some() {
        warn(unsynchronised(&operator.now).as_slice(), *err)?;
    }
    warn(unlikely(&upkeep.layout, above).as_slice(), *err)?;
    let policy = operator.policy.clone();
    let name = format!("{}/{}", policy.directory, mark_name(policy.range));
    let raised = above.map(|tick| operator.raise(tick)).transpose();
    let raised = raised.map_err(Error::from)?;
    match (created, raised) {
        (Some(created), raised) => {
            let bound = raised.map_or(created, |(bound, _)| bound);
            done(&policy, &name, ("created", true), bound, json, out)
        }
        (None, Some((bound, raised))) => done(&policy, &name, ("raised", raised), bound, json, out),
        (None, None) if json => Ok(writeln!(
            out,
            "{}",
            serde_json::json!({"mark": name, "created": false})
        )?),
        (None, None) => Ok(writeln!(
            out,
            "{name} is there already; nothing was changed"
        )?),
    }
}

/// Locks the shard as a start does.
fn operator(upkeep: &Upkeep) -> Result<Operator<Directory>, Error> {
    let settings = upkeep.shard.clone().map_err(Error::NoShard)?;
    let machines = settings.machines;
    let state = &upkeep.state;
    let (directory, _) = Directory::prepare(&state.dir, state.create, state.allow_network_fs)?;
    let called = invocation(&state.dir, &upkeep.sources, machines);
    let policy = shard::policy(&settings, state, called);
    let now = Now {
        wall: SystemClock.realtime(),
        doubted: None,
        synchronised: SystemClock.synchronised(),
        accept_until: accepted_until(&directory)?,
    };
    let witness = Witness::find(&state.runtime, false, &state.dir);
    let claim = Claim::take(directory, policy.directory.clone(), machines)?;
    Ok(Operator {
        claim: claim.witnessed(witness.as_ref())?,
        author: settings.author(),
        policy,
        now,
    })
}

/// A warning if the kernel calls the clock unsynchronised: only by a right clock is a new mark surely above
/// one that was lost.
fn unsynchronised(now: &Now) -> Option<String> {
    (now.synchronised == Some(false)).then(|| {
        format!(
            "the kernel says that the clock is not synchronised, and the new mark is made by it: check that it is {} now, and start time synchronisation",
            now.wall
        )
    })
}

/// The tick of an ID that another server has issued. Any machine's: what counts is its time.
fn tick_of(layout: &Layout, id: u64) -> Result<u64, Error> {
    // The most that a server's clock may have been ahead of this one's.
    const TOLERANCE: Duration = Duration::from_secs(24 * 3600);
    let tick = id >> (layout.sequence_bits() + layout.machine_bits());
    let clock = SystemClock.realtime();
    if layout
        .tick_at(clock + TOLERANCE)
        .is_none_or(|last| tick > last)
    {
        return Err(Error::Ahead {
            id,
            time: bound_time(layout.unix_ms(tick)),
            clock: clock.to_string(),
        });
    }
    Ok(tick)
}

/// A warning if the tick to begin above is more than a day old: a server that is to be replaced has issued
/// IDs until now.
fn unlikely(layout: &Layout, above: Option<u64>) -> Option<String> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let tick = above?;
    let now = layout.tick_at(SystemClock.realtime() - DAY).unwrap_or(0);
    (tick < now).then(|| {
        format!(
            "the ID for --above was issued at {} by the layout {}, more than a day ago: if it is newer than that, its layout is another one, and profile, epoch and layout have to be set as in the server that issued it",
            bound_time(layout.unix_ms(tick)),
            layout_name(layout)
        )
    })
}

fn adopt(
    upkeep: &Upkeep,
    above: Option<u64>,
    json: bool,
    Streams { out, err, .. }: &mut Streams<'_>,
) -> Result<(), Failure> {
    there_is_a_mark(upkeep)?;
    let above = above.map(|id| tick_of(&upkeep.layout, id)).transpose()?;
    warn(unlikely(&upkeep.layout, above).as_slice(), *err)?;
    let mut operator = operator(upkeep)?;
    let (bound, names) = operator.adopt(above).map_err(Error::from)?;
    let policy = &operator.policy;
    let path = |name: String| format!("{}/{name}", policy.directory);
    let names: Vec<_> = names.into_iter().map(path).collect();
    done(
        policy,
        &names.join(", "),
        ("adopted", true),
        bound,
        json,
        out,
    )
}

/// Checks that there is a mark, without locks, so that nothing is made in a directory that is not the one
/// meant.
fn there_is_a_mark(upkeep: &Upkeep) -> Result<(), Error> {
    let shard = upkeep.shard.clone().map_err(Error::NoShard)?.machines;
    let directory = upkeep.state.dir.display().to_string();
    let marks = match survey(&Directory::new(&upkeep.state.dir), &directory) {
        Ok((marks, _)) => marks,
        Err(MarkError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if marks.iter().any(|mark| mark.range.overlaps(&shard)) {
        return Ok(());
    }
    let command = invocation(&upkeep.state.dir, &upkeep.sources, shard).of("state init");
    Err(Error::NothingToAdopt {
        directory,
        shard,
        command,
    })
}

fn done(
    policy: &Policy,
    name: &str,
    (what, changed): (&str, bool),
    bound: u64,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let time = bound_time(policy.layout.unix_ms(bound));
    let layout = layout_name(&policy.layout);
    if json {
        let reply = serde_json::json!({
            "mark": name,
            what: changed,
            "bound": bound,
            "bound_time": time,
            "layout": layout,
        });
        return Ok(writeln!(out, "{reply}")?);
    }
    let what = if changed { what } else { "unchanged" };
    Ok(writeln!(
        out,
        "{what} {name}: IDs begin after {time}, in the layout {layout}"
    )?)
}

fn show(upkeep: &Upkeep, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = Directory::new(&upkeep.state.dir);
    let path = upkeep.state.dir.display().to_string();
    let (marks, strangers) = survey(&directory, &path).map_err(Error::from)?;
    let marks: Vec<_> = marks.iter().map(shown).collect();
    if json {
        let reply = serde_json::json!({"directory": path, "marks": marks, "not_marks": strangers});
        return Ok(writeln!(out, "{reply}")?);
    }
    writeln!(out, "state directory: {path}")?;
    if marks.is_empty() {
        writeln!(out, "no marks")?;
    }
    for mark in marks {
        write_mark(&mark, out)?;
    }
    for name in strangers {
        writeln!(out, "{name}: not the name of a mark")?;
    }
    Ok(())
}

fn shown(seen: &Seen) -> Shown {
    let newest: Option<&Slot> = seen.valid().max_by_key(|slot| slot.bound);
    let damage = seen
        .slots
        .iter()
        .zip(["first slot", "second slot"])
        .filter_map(|(slot, name)| Some(format!("{name}: {}", slot.as_ref().err()?)))
        .collect();
    Shown {
        file: mark_name(seen.range),
        shard: seen.range.to_string(),
        bound: seen.bound(),
        bound_time: newest.map(|slot| bound_time(slot.layout.unix_ms(slot.bound))),
        layout: newest.map(|slot| layout_name(&slot.layout)),
        written: newest.map(|slot| slot.written.wall.to_string()),
        holder: newest.map(|slot| slot.holder.to_string()),
        damage,
        original: seen
            .valid()
            .all(|slot| slot.identity.is_same_file(&seen.identity)),
    }
}

fn write_mark(mark: &Shown, out: &mut dyn Write) -> io::Result<()> {
    let unknown = || "unknown".to_owned();
    writeln!(out, "{}", mark.file)?;
    let bound = mark.bound.map_or_else(unknown, |bound| bound.to_string());
    let rows = [
        (
            "bound",
            format!(
                "{bound} ({})",
                mark.bound_time.clone().unwrap_or_else(unknown)
            ),
        ),
        ("layout", mark.layout.clone().unwrap_or_else(unknown)),
        ("written", mark.written.clone().unwrap_or_else(unknown)),
        ("last holder", mark.holder.clone().unwrap_or_else(unknown)),
    ];
    for (name, value) in rows {
        writeln!(out, "  {name:12} {value}")?;
    }
    for damage in &mark.damage {
        writeln!(out, "  {:12} {damage}", "damaged")?;
    }
    if !mark.original {
        writeln!(
            out,
            "  {:12} a copy or restored; a start refuses it until `shardflake state adopt` is run",
            "file"
        )?;
    }
    Ok(())
}

/// Writes down the operator's word where a waiting or running shard reads it.
fn accept_clock(
    upkeep: &Upkeep,
    until: SystemTime,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let until = WallTime::from(until);
    let now = SystemClock.realtime();
    let (text, clock) = (until.to_string(), now.to_string());
    if until < now {
        return Err(Error::Past { until: text, clock }.into());
    }
    if until.since(now) > TRUST {
        return Err(Error::TooFar { until: text, clock }.into());
    }
    accept_until(&Directory::new(&upkeep.state.dir), until).map_err(Error::from)?;
    if json {
        return Ok(writeln!(
            out,
            "{}",
            serde_json::json!({"accepted_until": text})
        )?);
    }
    Ok(writeln!(
        out,
        "the clock is accepted up to {text}; shards that wait for that go on within a second"
    )?)
}

fn layout_name(layout: &Layout) -> String {
    let name = layout.preset_name();
    name.map_or_else(|| layout.to_string(), str::to_owned)
}

fn bound_time(unix_ms: u64) -> String {
    rfc3339(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}
