//! The guest as the host sees it: commands go in, answers and what the server replied come out.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::Fallible;
use crate::machine::PATIENCE;

/// One reply of the server, as the guest's client got it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// The guest's wall clock just after, in nanoseconds since 1970.
    pub(crate) wall: i64,
    /// The guest's boot clock just after, in nanoseconds.
    pub(crate) boot: i64,
    /// An ID, or the code of the refusal.
    pub(crate) outcome: Result<u64, String>,
}

enum Line {
    Reply(Reply),
    Answer(Result<String, String>),
}

/// A running guest.
pub(crate) struct Guest {
    commands: UnixStream,
    lines: Receiver<Line>,
    /// Replies that nobody has looked at yet.
    replies: VecDeque<Reply>,
}

impl Guest {
    pub(crate) fn new(out: UnixStream, commands: UnixStream) -> Fallible<Self> {
        let (sender, lines) = channel();
        thread::Builder::new().spawn(move || read(out, &sender))?;
        Ok(Self {
            commands,
            lines,
            replies: VecDeque::new(),
        })
    }

    /// Has the guest obey `command`, and returns what it answers.
    pub(crate) fn tell(&mut self, command: &str) -> Fallible<String> {
        self.send(command)?;
        self.answer()
    }

    /// Sends a command without awaiting the answer.
    pub(crate) fn send(&mut self, command: &str) -> Fallible<()> {
        writeln!(self.commands, "{command}")?;
        Ok(())
    }

    /// Has the guest's shell run `line`.
    pub(crate) fn shell(&mut self, line: &str) -> Fallible<String> {
        self.tell(&format!("sh {line}"))
    }

    /// Waits for the answer to a command that was sent.
    pub(crate) fn answer(&mut self) -> Fallible<String> {
        loop {
            match self.line()? {
                Line::Reply(reply) => self.replies.push_back(reply),
                Line::Answer(answer) => return Ok(answer?),
            }
        }
    }

    /// The next reply of the server.
    pub(crate) fn reply(&mut self) -> Fallible<Reply> {
        if let Some(reply) = self.replies.pop_front() {
            return Ok(reply);
        }
        match self.line()? {
            Line::Reply(reply) => Ok(reply),
            Line::Answer(answer) => Err(format!("an answer to nothing: {answer:?}").into()),
        }
    }

    /// The replies that have come and that nobody has looked at.
    pub(crate) fn replies(&mut self) -> impl Iterator<Item = Reply> {
        self.replies.drain(..)
    }

    /// Hears all that a machine without power has said.
    pub(crate) fn hear_out(&mut self) -> Fallible<()> {
        for line in &self.lines {
            match line {
                Line::Reply(reply) => self.replies.push_back(reply),
                // To a command that the power cut has overtaken.
                Line::Answer(answer) => drop(answer?),
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Fallible<Line> {
        let line = self.lines.recv_timeout(PATIENCE);
        line.map_err(|error| format!("the guest says nothing: {error}").into())
    }
}

/// Reads lines until there are no more; one that is cut off was not received.
fn read(out: UnixStream, sender: &Sender<Line>) {
    let mut out = BufReader::new(out);
    let mut moment = (0, 0);
    let mut line = String::new();
    while out.read_line(&mut line).is_ok_and(|length| length > 0) && line.ends_with('\n') {
        if let Some(line) = parse(line.trim_end(), &mut moment)
            && sender.send(line).is_err()
        {
            return;
        }
        line.clear();
    }
}

fn parse(line: &str, moment: &mut (i64, i64)) -> Option<Line> {
    let (kind, rest) = line.split_once(' ')?;
    let outcome = match kind {
        "t" => {
            let (wall, boot) = rest.split_once(' ')?;
            *moment = (wall.parse().ok()?, boot.parse().ok()?);
            return None;
        }
        "i" => Ok(rest.parse().ok()?),
        "r" => Err(rest.to_owned()),
        _ => {
            let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let done = word == "ok";
            let answer = if done { Ok(text) } else { Err(text) };
            return Some(Line::Answer(
                answer.map(str::to_owned).map_err(str::to_owned),
            ));
        }
    };
    let (wall, boot) = *moment;
    Some(Line::Reply(Reply {
        wall,
        boot,
        outcome,
    }))
}
