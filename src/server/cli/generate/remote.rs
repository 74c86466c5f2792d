//! Identifiers of a running server.

use super::{Identifier, Take};
use crate::cli::arguments::Generate;
use crate::cli::client::{Answer, Server};
use crate::cli::exit::Failure;
use crate::config::{Environment, Flags};
use crate::http::MOST_IDS;
use shardflake::wide::{Kind, Ulid, Uuid};

/// Has `take` take as many as asked for.
pub(super) fn fetch(
    wanted: &Generate,
    flags: &Flags,
    environment: &Environment,
    take: &mut Take<'_>,
) -> Result<(), Failure> {
    let server = Server::find(flags, environment)?;
    let mut left = wanted.count.get();
    while left > 0 {
        let count = left.min(MOST_IDS.into());
        fetch_some(&server, wanted.kind, count, take)?;
        left -= count;
    }
    Ok(())
}

/// Has `take` take `count`, as many as one request may ask for.
fn fetch_some(
    server: &Server,
    kind: Option<Kind>,
    count: u64,
    take: &mut Take<'_>,
) -> Result<(), Failure> {
    let (route, width) = match kind {
        None => ("ids", 8),
        Some(Kind::Ulid) => ("ulids", 16),
        Some(Kind::Uuid4 | Kind::Uuid7) => ("uuids", 16),
    };
    let path = format!("/{route}/{count}?format=binary");
    let mut answer = server.get(&path, "application/octet-stream")?;
    if answer.status != 200 {
        return Err(Failure::Declined {
            status: answer.status,
            error: server.text(&mut answer)?.trim_end().to_owned(),
        });
    }
    if answer.length != Some(count * width) {
        return Err(Failure::Declined {
            status: answer.status,
            error: "its answer has another length than what was asked for: is it another program?"
                .to_owned(),
        });
    }
    for _ in 0..count {
        take(read(server, kind, &mut answer)?)?;
    }
    Ok(())
}

fn read(server: &Server, kind: Option<Kind>, answer: &mut Answer) -> Result<Identifier, Failure> {
    let Some(kind) = kind else {
        let mut id = [0; 8];
        server.fill(answer, &mut id)?;
        return Ok(Identifier::Id(u64::from_be_bytes(id)));
    };
    let mut bytes = [0; 16];
    server.fill(answer, &mut bytes)?;
    Ok(match kind {
        Kind::Ulid => Identifier::Ulid(Ulid::from_bytes(bytes)),
        Kind::Uuid4 | Kind::Uuid7 => Identifier::Uuid(Uuid::from_bytes(bytes)),
    })
}
