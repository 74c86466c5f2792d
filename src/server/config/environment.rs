//! The environment that the process was started in: the one place that reads it.
//!
//! Everything else takes an [`Environment`] as a value, so that tests never touch the process's own.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bare;
use super::error::ConfigError;
use super::keys::{self, PREFIX};
use super::layers::Layer;
use super::profile::Profile;

/// Where the configuration lies unless `--config` names another file.
pub const DEFAULT_FILE: &str = "/etc/shardflake/shardflake.toml";

/// A variable that some expect to do as `--config` does; it is not read.
const CONFIG: &str = "SHARDFLAKE_CONFIG";

/// Environment variables and the places that a start depends on.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
    current_dir: PathBuf,
    default_file: PathBuf,
}

impl Environment {
    /// The environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            // Without one, relative paths stay relative and are refused where they matter.
            current_dir: std::env::current_dir().unwrap_or_default(),
            default_file: PathBuf::from(DEFAULT_FILE),
        }
    }

    /// An environment of these variables, with `/` as its directory and no file in /etc.
    pub fn new<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        Self {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            current_dir: PathBuf::from("/"),
            default_file: PathBuf::from("/nonexistent/shardflake.toml"),
        }
    }

    /// This environment with another place for the file that is read without `--config`.
    #[must_use]
    pub fn with_default_file(self, default_file: PathBuf) -> Self {
        Self {
            default_file,
            ..self
        }
    }

    /// This environment with another current directory.
    #[must_use]
    pub fn with_current_dir(self, current_dir: PathBuf) -> Self {
        Self {
            current_dir,
            ..self
        }
    }

    /// The file that is read without `--config`.
    #[must_use]
    pub fn default_file(&self) -> &Path {
        &self.default_file
    }

    /// The directory that relative paths on the command line start from.
    #[must_use]
    pub fn current_dir(&self) -> &Path {
        &self.current_dir
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// The value of a variable as text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        let Some(value) = self.variable(name) else {
            return Ok(None);
        };
        value
            .to_str()
            .map(Some)
            .ok_or_else(|| ConfigError::NotUtf8 {
                name: name.to_owned(),
                value: value.to_string_lossy().into_owned(),
            })
    }

    /// The values of the `SHARDFLAKE_*` variables, and problems with them.
    pub(super) fn layer(&self) -> (Layer, Vec<ConfigError>) {
        let mut layer = Layer::default();
        let mut problems = Vec::new();
        for key in keys::KEYS {
            let variable = key.variable();
            match self.text(&variable) {
                // Text it stays: 1.9 must not become a number before anyone can refuse it.
                Ok(Some(text)) => layer.set(key.name, text.into(), &variable),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        (layer, problems)
    }

    /// Warnings about variables that look as if they were meant for this program.
    pub(super) fn warnings(&self, profile: Profile) -> Vec<String> {
        let unknown = self.unknown().map(|(name, nearest)| {
            if name == CONFIG {
                return format!(
                    "the environment variable {name} is not read; name the file with --config"
                );
            }
            format!("the environment variable {name} is not read; the nearest is {nearest}: rename or unset it")
        });
        let foreign = bare::foreign(self, profile).map(|(_, hint)| hint);
        unknown.chain(foreign).collect()
    }

    /// Hints at variables that look like a misspelt `SHARDFLAKE_SHARD__ID`.
    pub(super) fn misspelt_shards(&self) -> Vec<String> {
        let shard = keys::named("shard.id").map(keys::Key::variable);
        self.unknown()
            .filter(|(name, nearest)| name != CONFIG && Some(nearest) == shard.as_ref())
            .map(|(name, nearest)| format!("{name} is set, but is not read: rename it {nearest}"))
            .collect()
    }

    /// The state directory where none is configured, and the variable that it comes from.
    ///
    /// systemd may name several directories; the first is the service's own.
    pub(super) fn state_dir(&self) -> Result<Option<(String, &'static str)>, ConfigError> {
        let set = |name| Ok(self.text(name)?.filter(|text| !text.is_empty()));
        if let Some(dirs) = set("STATE_DIRECTORY")? {
            let first = dirs.split(':').next().unwrap_or(dirs);
            return Ok(Some((first.to_owned(), "STATE_DIRECTORY")));
        }
        for (name, below) in [
            ("XDG_STATE_HOME", "shardflake"),
            ("HOME", ".local/state/shardflake"),
        ] {
            // The XDG specification has relative paths ignored.
            if let Some(base) = set(name)?.filter(|text| text.starts_with('/')) {
                return Ok(Some((
                    format!("{}/{below}", base.trim_end_matches('/')),
                    name,
                )));
            }
        }
        Ok(None)
    }

    /// Directories for files that last as long as the machine is up: the service's own, or else the system's
    /// and the user's. Paths that are not absolute are passed over, as those that cannot be used.
    pub(super) fn runtime_dirs(&self) -> Vec<PathBuf> {
        let set = |name| self.text(name).ok().flatten();
        let found: Vec<PathBuf> = if let Some(list) = set("RUNTIME_DIRECTORY") {
            list.split(':').take(1).map(PathBuf::from).collect()
        } else {
            let user = set("XDG_RUNTIME_DIR").map(|user| Path::new(user).join("shardflake"));
            let system = PathBuf::from("/run/shardflake");
            std::iter::once(system).chain(user).collect()
        };
        found
            .into_iter()
            .filter(|path| path.is_absolute())
            .collect()
    }

    fn unknown(&self) -> impl Iterator<Item = (String, String)> {
        let ours = self
            .variables
            .iter()
            .filter(|(name, _)| name.as_bytes().starts_with(PREFIX.as_bytes()));
        ours.filter_map(|(name, value)| {
            let name = name.to_string_lossy();
            let rest = &name[PREFIX.len()..];
            if keys::set_by(&name).is_some() || is_service_link(rest, value) {
                return None;
            }
            let nearest = keys::nearest(&rest.replace("__", ".")).variable();
            Some((name.into_owned(), nearest))
        })
    }
}

/// Whether Kubernetes sets such a variable by itself, for a Service whose name begins with
/// `shardflake`: `…SERVICE_HOST`, `…SERVICE_PORT`, `…PORT=tcp://…`, `…PORT_7001_TCP_ADDR` and so on.
fn is_service_link(rest: &str, value: &OsStr) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.as_bytes().starts_with(scheme.as_bytes()));
    let parts: Vec<&str> = rest.split('_').collect();
    let service = parts
        .windows(2)
        .any(|pair| pair == ["SERVICE", "HOST"] || pair == ["SERVICE", "PORT"]);
    let port = parts.windows(3).any(|three| {
        three[0] == "PORT"
            && !three[1].is_empty()
            && three[1].bytes().all(|byte| byte.is_ascii_digit())
            && ["TCP", "UDP", "SCTP"].contains(&three[2])
    });
    service || port || (is_url && parts.last() == Some(&"PORT"))
}
