//! Identifiers of the state directory itself: a shard that lives for one command.

use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Identifier, Take};
use crate::cli::arguments::Generate;
use crate::cli::exit::Failure;
use crate::cli::invocation::invocation;
use crate::cli::warn;
use crate::config::{Config, Environment, Flags};
use crate::daemon::{self, ServerError};
use shardflake::mark::Directory;
use shardflake::shard::{IdError, Shard};
use shardflake::wide::Kind;

/// How long a start may take: that of a new mark lasts some seconds, and so may a lock that is about to be
/// released.
const PATIENCE: Duration = Duration::from_secs(15);
/// IDs that are taken at a time: when the reader of the output leaves, no more are made.
const BATCH: u32 = 4096;

/// Opens the shard, has `take` take as many as asked for, and closes it.
pub(super) fn make(
    wanted: &Generate,
    flags: &Flags,
    environment: &Environment,
    err: &mut dyn Write,
    take: &mut Take<'_>,
) -> Result<(), Failure> {
    let config = Config::load(flags, environment)?;
    warn(&config.warnings, err)?;
    let invocation = invocation(&config.state.dir, &config.sources, config.shard.machines);
    let state = &config.state;
    let prepared = Directory::prepare(&state.dir, state.create, state.allow_network_fs);
    let (directory, warning) = prepared.map_err(ServerError::from)?;
    warn(warning.as_slice(), err)?;
    let opening = daemon::shard::opening(config.shard, state, directory, invocation);
    let shard = Shard::open_with(opening, |_| {}).map_err(ServerError::System)?;
    let ready = shard.await_ready(PATIENCE).map_err(Failure::from);
    let made = ready.and_then(|()| give(&shard, wanted, take));
    match (made, shard.close()) {
        (Err(Failure::NoId(no)), Err(error)) if *no == IdError::Ended => {
            Err(ServerError::unstarted(error).into())
        }
        (Ok(()), Err(error)) => Err(ServerError::unfinished(error).into()),
        (made, _) => made,
    }
}

fn give(shard: &Shard, wanted: &Generate, take: &mut Take<'_>) -> Result<(), Failure> {
    let mut left = wanted.count.get();
    match wanted.kind {
        None => {
            while left > 0 {
                let batch = u32::try_from(left).map_or(BATCH, |left| left.min(BATCH));
                give_ids(shard, batch, take)?;
                left -= u64::from(batch);
            }
        }
        Some(Kind::Ulid) => {
            for _ in 0..left {
                take(Identifier::Ulid(shard.ulid()?))?;
            }
        }
        Some(Kind::Uuid4 | Kind::Uuid7) => {
            for _ in 0..left {
                take(Identifier::Uuid(shard.uuid7()?))?;
            }
        }
    }
    Ok(())
}

fn give_ids(shard: &Shard, count: u32, take: &mut Take<'_>) -> Result<(), Failure> {
    let count = NonZeroU32::new(count).expect("there is one left at least");
    for run in shard.ids(count) {
        for id in run?.ids() {
            take(Identifier::Id(id))?;
        }
    }
    Ok(())
}
