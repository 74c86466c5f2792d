//! The state directory of a configuration: where it is, whether it will do, and under which rules.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::{Clock, SECOND, SystemClock, boot_id};
use crate::config::{Config, State, Upkeep};
use crate::id::layout::Layout;
use crate::id::range::MachineRange;
use crate::issuer::Settings;
use crate::mark::rules::Policy;
use crate::mark::slot::{Holder, Moment};
use crate::mark::{Author, Directory, FileSystem, is_full};

/// Seconds since 1970, from the build script.
const BUILD_DATE: &str = env!("BUILD_DATE");

/// Why a state directory will not do (exit code 78 unless said otherwise).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It does not exist, and is not to be made.
    #[error(
        "the state directory {0} does not exist, and state.create is false: mount the volume that holds it, or create it"
    )]
    Missing(String),
    /// It cannot be made or reached.
    #[error(
        "cannot use the state directory {path}: {source}: create it, owned by the service's user, and under systemd let the unit write there (ReadWritePaths=), or set state.dir (--state-dir) to one that is"
    )]
    Unusable {
        /// Where it is.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// There is no room to make it, which may change by itself (exit code 75).
    #[error(
        "cannot make the state directory {path}: {source}: free some space on that file system"
    )]
    Full {
        /// Where it is to be.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// Its locks may not hold for other hosts.
    #[error(
        "the state directory {path} is on {kind}, whose locks may not hold on every host: use a local file system, or set state.allow_network_fs if the locks are known to hold"
    )]
    Network {
        /// Where it is.
        path: String,
        /// The file system's name.
        kind: &'static str,
    },
}

/// Opens the state directory, making it if that is allowed. The second value is a warning.
///
/// # Errors
/// [`StateError`] if it will not do.
pub fn directory(state: &State) -> Result<(Directory, Option<String>), StateError> {
    let path = state.dir.display().to_string();
    let unusable = |source| StateError::Unusable {
        path: path.clone(),
        source,
    };
    match fs::metadata(&state.dir) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(unusable(ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == ErrorKind::NotFound && !state.create => {
            return Err(StateError::Missing(path));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match create(state) {
            Err(source) if is_full(&source) => return Err(StateError::Full { path, source }),
            made => made.map_err(unusable)?,
        },
        Err(error) => return Err(unusable(error)),
    }
    let directory = Directory::new(&state.dir);
    let warning = match directory.file_system().map_err(unusable)? {
        FileSystem::Local => None,
        FileSystem::Network(kind) if state.allow_network_fs => Some(format!(
            "the state directory {path} is on {kind}: IDs are unique only if its locks hold on every host that mounts it"
        )),
        FileSystem::Network(kind) => return Err(StateError::Network { path, kind }),
        FileSystem::Volatile(kind) => Some(format!(
            "the state directory {path} is on {kind} and will be lost with the host or container: a restart then relies on the clock alone; use a disk or a volume"
        )),
    };
    Ok((directory, warning))
}

/// Makes the directory and its parents durably: a mark in a directory that a power cut takes away
/// would be lost.
fn create(state: &State) -> io::Result<()> {
    let path = &state.dir;
    DirBuilder::new().recursive(true).mode(0o750).create(path)?;
    for parent in path.ancestors().skip(1) {
        if !parent.as_os_str().is_empty() {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// What a server needs of its configuration to keep up its state.
#[must_use]
pub fn upkeep(config: &Config) -> Upkeep {
    Upkeep {
        layout: config.layout,
        shard: Some(config.shard),
        state: config.state.clone(),
        clock: config.clock,
        deadline: config.http.deadline,
        warnings: Vec::new(),
    }
}

/// What the issuer of `shard` is to keep to; an operator may let it go on ahead of the clock
/// until `continue_ahead`.
#[must_use]
pub fn settings(
    upkeep: &Upkeep,
    shard: MachineRange,
    continue_ahead: Option<SystemTime>,
) -> Settings {
    let tick = |until: SystemTime| {
        let since = until.duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        upkeep.layout.tick_at(nanos).unwrap_or(0)
    };
    Settings {
        layout: upkeep.layout,
        machines: shard,
        max_ahead: upkeep.clock.max_ahead,
        window: upkeep.state.window,
        deadline: upkeep.deadline,
        continue_ahead: continue_ahead.map(tick),
    }
}

/// What a start with these settings is to follow.
#[must_use]
pub fn policy(upkeep: &Upkeep, settings: &Settings) -> Policy {
    Policy {
        directory: upkeep.state.dir.display().to_string(),
        layout: settings.layout,
        range: settings.machines,
        max_ahead: settings.layout.ticks(settings.max_ahead),
        furthest: settings.furthest(),
        create: upkeep.state.create,
        require_sync: upkeep.clock.require_sync,
        build_date: BUILD_DATE
            .parse::<i64>()
            .map_or(0, |seconds| seconds.saturating_mul(SECOND)),
        continue_ahead: settings.continue_ahead,
    }
}

/// This process, writing now.
#[must_use]
pub fn author(layout: Layout) -> Author {
    let clock = SystemClock;
    let host = nix::unistd::gethostname().map_or_else(
        |_| "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino());
    Author {
        layout,
        holder: Holder {
            host,
            pid: std::process::id(),
            pid_namespace: namespace,
            started: clock.realtime(),
        },
        moment: Moment {
            wall: clock.realtime(),
            boot: clock.boottime(),
            boot_id: boot_id(),
        },
    }
}
