//! The flags of the command line, the highest layer.

use std::path::PathBuf;
use std::time::SystemTime;

use super::bare;
use super::environment::Environment;
use super::error::ConfigError;
use super::layers::Layer;
use super::listen::Listen;

/// The flags of the command line; those that are text are checked with all other values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--epoch`, of the commands that only calculate.
    pub epoch: Option<String>,
    /// `--shard-id`.
    pub shard_id: Option<String>,
    /// `--listen`, as often as given.
    pub listen: Vec<String>,
    /// `--port`: one more address, the port of all addresses.
    pub port: Option<String>,
    /// `--state-dir`; a relative path starts from the current directory.
    pub state_dir: Option<String>,
    /// `--continue-ahead`.
    pub continue_ahead: Option<SystemTime>,
}

impl Flags {
    /// The file that is read if it is there: the one that they name, or else the one in /etc.
    pub(super) fn file(&self, environment: &Environment) -> PathBuf {
        let named = self.config.as_deref();
        named.unwrap_or(environment.default_file()).to_path_buf()
    }

    /// Their values, each with its flag as its origin, and problems with them.
    pub(super) fn layer(&self, environment: &Environment) -> (Layer, Option<ConfigError>) {
        let mut layer = Layer::default();
        for (key, flag, value) in [
            ("profile", "--profile", &self.profile),
            ("epoch", "--epoch", &self.epoch),
            ("shard.id", "--shard-id", &self.shard_id),
        ] {
            if let Some(value) = value {
                layer.set(key, value.as_str().into(), flag);
            }
        }
        if let Some(dir) = &self.state_dir {
            // A current directory that is not UTF-8 leaves the path relative, and it is refused.
            let absolute = environment.current_dir().join(dir);
            let text = absolute.to_str().filter(|_| !dir.is_empty());
            layer.set("state.dir", text.unwrap_or(dir).into(), "--state-dir");
        }
        let mut listen = self.listen.clone();
        let port = self.port.as_deref().map(|text| bare::port(text, "--port"));
        let problem = match port.transpose() {
            Ok(port) => {
                listen.extend(port.map(|port| Listen::All(port).to_string()));
                None
            }
            Err(problem) => Some(problem),
        };
        let origin = if self.listen.is_empty() {
            "--port"
        } else {
            "--listen"
        };
        if !listen.is_empty() {
            layer.set("http.listen", listen.into(), origin);
        }
        (layer, problem)
    }
}
