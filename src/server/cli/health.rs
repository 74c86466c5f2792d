//! `health`: asks the server of this configuration whether it may issue, for supervisors without a
//! shell or an HTTP client.

use std::io::Write;

use super::client::Server;
use super::exit::{Exit, Failure};
use crate::config::{Environment, Flags};

/// Prints what `/health` says; the exit code tells whether the shard may issue.
pub(super) fn run(
    flags: &Flags,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let server = Server::find(flags, environment)?;
    let mut answer = server.get("/health", "text/plain")?;
    let text = server.text(&mut answer)?;
    writeln!(out, "{}", text.trim_end())?;
    let well = answer.status == 200;
    Ok(if well { Exit::Ok } else { Exit::Unavailable })
}
