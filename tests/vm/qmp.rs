//! What is asked of qemu itself: to save the machine's state.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Fallible;

/// Between two looks at how the saving goes.
const LOOK: Duration = Duration::from_millis(20);

/// A connection to qemu's monitor.
pub(crate) struct Monitor(BufReader<UnixStream>);

impl Monitor {
    pub(crate) fn new(stream: UnixStream) -> Fallible<Self> {
        let mut monitor = Self(BufReader::new(stream));
        // The greeting.
        monitor.line()?;
        monitor.execute("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Saves the machine's state to `file`; the machine stands still from then on.
    pub(crate) fn save(&mut self, file: &Path) -> Fallible<()> {
        // Without a limit it would take seconds.
        let limits = json!({"max-bandwidth": 1u64 << 40, "downtime-limit": 2000});
        self.execute("migrate-set-parameters", &limits)?;
        let uri = format!("exec:cat >'{}'", file.display());
        self.execute("migrate", &json!({"uri": uri}))?;
        loop {
            let state = self.execute("query-migrate", &json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    return Err(format!("qemu did not save the machine: {state}").into());
                }
                _ => thread::park_timeout(LOOK),
            }
        }
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Fallible<Value> {
        let line = json!({"execute": command, "arguments": arguments});
        writeln!(self.0.get_mut(), "{line}")?;
        loop {
            let mut answer = self.line()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(format!("{command}: {error}").into());
            }
            // Anything else is news that nobody asked for.
        }
    }

    fn line(&mut self) -> Fallible<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}
