//! The command line, and which module answers each command.

pub mod arguments;
mod bounds;
mod check;
mod client;
mod decode;
pub mod exit;
mod generate;
mod health;
mod invocation;
mod layouts;
mod manual;
mod running;
pub mod state;
mod table;

use std::ffi::OsString;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use clap::error::ErrorKind;

use crate::config::{Calculation, Config, Environment, Flags};
use crate::daemon;
use crate::logging::{self, Stderr};
use arguments::{Arguments, Command, Serve};
pub use exit::{Exit, Failure};
use invocation::invocation;
use shardflake::clock::{Clock, SystemClock};
use shardflake::time::WallTime;

/// Where a command reads and writes.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Whether standard output takes colours.
    pub colour: bool,
}

/// Does what the process's command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let exit = exit::guarded(|| {
        let environment = Environment::of_process();
        let parsed = Arguments::try_parse_from(std::env::args_os());
        let serves = parsed.as_ref().map_or(true, Arguments::serves);
        let mut streams = Streams {
            input: &mut io::BufReader::new(io::stdin()),
            out: &mut BufWriter::new(io::stdout()),
            err: &mut standard_error(serves),
            colour: colour(&environment, io::stdout().is_terminal()),
        };
        answer_parsed(parsed, &environment, &mut streams)
    });
    logging::flush();
    exit.into()
}

/// Standard error: a server that cannot start does not wait for a reader of the reason; commands do.
const fn standard_error(serves: bool) -> Stderr {
    if serves {
        Stderr::impatient(logging::PATIENCE)
    } else {
        Stderr::patient()
    }
}

/// Whether to colour what people read: on terminals that can, unless their user wants none.
fn colour(environment: &Environment, terminal: bool) -> bool {
    let set = |name| environment.variable(name).filter(|value| !value.is_empty());
    terminal && set("NO_COLOR").is_none() && set("TERM").is_some_and(|kind| kind != "dumb")
}

/// Parses `line`, the program's name first, does what it says, and reports what went wrong.
pub fn answer(
    line: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Exit {
    answer_parsed(Arguments::try_parse_from(line), environment, streams)
}

fn answer_parsed(
    parsed: Result<Arguments, clap::Error>,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Exit {
    let done = match parsed {
        Ok(arguments) => dispatch(&arguments, environment, streams),
        Err(error) => explain(&error, streams),
    };
    let done = done.and_then(|exit| {
        streams.out.flush()?;
        Ok(exit)
    });
    done.unwrap_or_else(|failure| report(&failure, streams.err))
}

/// Prints help or version if these were asked for; anything else is a mistake in the command line.
fn explain(error: &clap::Error, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let text = error.render();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        write!(streams.out, "{text}")?;
        return Ok(Exit::Ok);
    }
    // Where standard error is closed, the exit code has to do.
    let _ = write!(streams.err, "{text}");
    Ok(Exit::Usage)
}

fn report(failure: &Failure, err: &mut dyn Write) -> Exit {
    if !failure.is_silent() {
        for line in failure.to_string().lines() {
            // Where standard error is closed too, the exit code has to do.
            let _ = writeln!(err, "shardflake: {line}");
        }
    }
    failure.into()
}

fn dispatch(
    arguments: &Arguments,
    environment: &Environment,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let flags = arguments.common.flags();
    match &arguments.command {
        None => serve(&Serve::default(), flags, environment),
        Some(Command::Serve(options)) => serve(options, flags, environment),
        Some(Command::Generate(wanted)) => generate::run(wanted, &flags, environment, streams),
        Some(Command::Decode(decode)) => {
            let calculation = calculation(flags, decode.epoch.as_ref(), environment, streams.err)?;
            decode::run(decode, &calculation.layout, streams)
        }
        Some(Command::Bounds(bounds)) => {
            let calculation = calculation(flags, bounds.epoch.as_ref(), environment, streams.err)?;
            bounds::run(bounds, &calculation.layout, streams)?;
            Ok(Exit::Ok)
        }
        Some(Command::Layouts(layouts)) => {
            let calculation = calculation(flags, layouts.epoch.as_ref(), environment, streams.err)?;
            layouts::run(layouts, &calculation.layout, streams)?;
            Ok(Exit::Ok)
        }
        Some(Command::CheckConfig(json)) => {
            let warnings = check::run(&flags, environment, json.json, streams)?;
            streams.out.flush()?;
            warn(&warnings, streams.err)?;
            Ok(Exit::Ok)
        }
        Some(Command::Health) => health::run(&flags, environment, streams.out),
        Some(Command::State(command)) => state::run(command, &flags, environment, streams),
        Some(Command::Completions { shell }) => {
            manual::completions(*shell, streams.out)?;
            Ok(Exit::Ok)
        }
        Some(Command::Man { command }) => {
            manual::man(command.as_deref(), streams.out)?;
            Ok(Exit::Ok)
        }
    }
}

fn serve(options: &Serve, flags: Flags, environment: &Environment) -> Result<Exit, Failure> {
    let flags = Flags {
        continue_ahead: options.continue_ahead,
        ..flags
    };
    let mut config = match Config::load(&flags, environment) {
        Ok(config) => config,
        // To the journal, where people search by priority or by MESSAGE_ID.
        Err(errors) if logging::fatal(&errors.0) => return Ok(Exit::Config),
        Err(errors) => return Err(errors.into()),
    };
    let now = SystemClock.realtime();
    let until = options.continue_ahead;
    config.warnings.extend(continues_in_vain(until, now));
    let invocation = invocation(&config.state.dir, &config.sources, config.shard.machines);
    let environment = environment.clone();
    // A server that fails has said why, in the log.
    let reload = Box::new(move || Config::load(&flags, &environment));
    let result = daemon::run(config, invocation, reload);
    Ok(result.map_or_else(|error| Exit::from(&error), |()| Exit::Ok))
}

/// A warning if `until`, which `--continue-ahead` names, is over at `now`.
fn continues_in_vain(until: Option<SystemTime>, now: WallTime) -> Option<String> {
    let until = WallTime::from(until?);
    (until <= now).then(|| {
        format!(
            "--continue-ahead={until} is past, the clock reads {now}, so it lets nothing be issued ahead: name a moment after the mark's bound, or leave it out"
        )
    })
}

fn calculation(
    flags: Flags,
    epoch: Option<&String>,
    environment: &Environment,
    err: &mut dyn Write,
) -> Result<Calculation, Failure> {
    let flags = Flags {
        epoch: epoch.cloned(),
        ..flags
    };
    let calculation = Calculation::load(&flags, environment)?;
    warn(&calculation.warnings, err)?;
    Ok(calculation)
}

/// Tells the operator what is odd, though not wrong.
fn warn(warnings: &[String], err: &mut dyn Write) -> io::Result<()> {
    warnings
        .iter()
        .try_for_each(|warning| writeln!(err, "shardflake: warning: {warning}"))
}

#[cfg(test)]
mod tests;
