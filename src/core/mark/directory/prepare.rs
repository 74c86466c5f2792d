//! Whether a state directory will do, before anything is looked for in it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::Directory;
use super::file_system::FileSystem;
use crate::mark::{is_full, is_short};

/// Why a state directory will not do. Exhaustive, so that the compiler names each place that has to
/// explain a new variant.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It does not exist, and is not to be made.
    #[error(
        "the state directory {0} does not exist, and state.create is false: mount the volume that holds it, or create it"
    )]
    Missing(String),
    /// It cannot be made or reached.
    #[error(
        "cannot use the state directory {path}: {source}: create it, owned by the service's user, and under systemd let the unit write there (ReadWritePaths=), or set state.dir (--state-dir) to another directory"
    )]
    Unusable {
        /// Where it is.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// This process may open no more files, or have no more memory, which may change by itself.
    #[error(
        "cannot look at the state directory {path}: {source}: raise the limit on open files (LimitNOFILE=, ulimit -n), or free memory"
    )]
    Short {
        /// Where it is.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// There is no room to make it, which may change by itself.
    #[error(
        "cannot make the state directory {path}: {source}: free some space on that file system"
    )]
    Full {
        /// Where it is to be.
        path: String,
        /// The system's error.
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

impl DirectoryError {
    fn unmade(path: String, source: io::Error) -> Self {
        if is_full(&source) {
            Self::Full { path, source }
        } else {
            Self::unseen(path, source)
        }
    }

    fn unseen(path: String, source: io::Error) -> Self {
        if is_short(&source) {
            Self::Short { path, source }
        } else {
            Self::Unusable { path, source }
        }
    }
}

impl Directory {
    /// R1: the state directory at `path`, made first if it is missing and `create` allows that. The second
    /// value is a warning.
    ///
    /// # Errors
    /// [`DirectoryError`] if it will not do.
    pub fn prepare(
        path: &Path,
        create: bool,
        allow_network_fs: bool,
    ) -> Result<(Self, Option<String>), DirectoryError> {
        let shown = path.display().to_string();
        let unusable = |source| DirectoryError::unseen(shown.clone(), source);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(unusable(ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == ErrorKind::NotFound && !create => {
                return Err(DirectoryError::Missing(shown));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path).map_err(|source| DirectoryError::unmade(shown.clone(), source))?;
            }
            Err(error) => return Err(unusable(error)),
        }
        let directory = Self::new(path);
        let file_system = directory.file_system().map_err(unusable)?;
        let warning = suitable(file_system, shown, allow_network_fs)?;
        Ok((directory, warning))
    }
}

/// Whether marks may lie on that kind of file system, and what to warn of if they do.
fn suitable(
    file_system: FileSystem,
    path: String,
    allow_network_fs: bool,
) -> Result<Option<String>, DirectoryError> {
    match file_system {
        FileSystem::Local => Ok(None),
        FileSystem::Network(kind) if allow_network_fs => Ok(Some(format!(
            "the state directory {path} is on {kind}: IDs are unique only if its locks hold on every host that mounts it"
        ))),
        FileSystem::Network(kind) => Err(DirectoryError::Network { path, kind }),
        FileSystem::Volatile(kind) => Ok(Some(format!(
            "the state directory {path} is on {kind} and will be lost with the host or container: a restart then relies on the clock alone; use a disk or a volume"
        ))),
    }
}

/// Makes the directory and its parents durably: a mark in a directory that a power cut takes away
/// would be lost.
fn make(path: &Path) -> io::Result<()> {
    let named_in = to_be_named_in(path);
    DirBuilder::new().recursive(true).mode(0o750).create(path)?;
    for parent in named_in {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// The parents of the directories that are missing for `path`. Those above may belong to others, who need
/// not let this user open them.
fn to_be_named_in(path: &Path) -> Vec<&Path> {
    let missing = path.ancestors().take_while(|one| !one.exists());
    missing.filter_map(Path::parent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R1.
    #[test]
    fn marks_lie_where_locks_hold_or_an_operator_says_that_they_do() {
        let told = |file_system, allowed| {
            suitable(file_system, "/state".to_owned(), allowed).map_err(|error| error.to_string())
        };
        for allowed in [false, true] {
            assert_eq!(told(FileSystem::Local, allowed), Ok(None));
            let warning = told(FileSystem::Volatile("tmpfs"), allowed)
                .unwrap()
                .unwrap();
            for part in ["/state", "tmpfs", "will be lost", "use a disk or a volume"] {
                assert!(warning.contains(part), "{part} in {warning}");
            }
        }
        let refused = told(FileSystem::Network("nfs"), false).unwrap_err();
        let warning = told(FileSystem::Network("nfs"), true).unwrap().unwrap();
        for (text, part) in [
            (&refused, "set state.allow_network_fs"),
            (&warning, "unique only if its locks hold"),
        ] {
            assert!(text.contains("/state is on nfs"), "{text}");
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn only_the_parents_of_what_is_made_are_opened_and_flushed() {
        let home = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "a/b", "a/b/c"].map(|name| home.path().join(name));
        assert_eq!(to_be_named_in(&c), [&b, &a, home.path()]);
        fs::create_dir(&a).unwrap();
        assert_eq!(to_be_named_in(&c), [&b, &a]);
    }

    /// R1.
    #[test]
    fn a_directory_is_made_only_where_that_is_allowed() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/b");
        let missing = Directory::prepare(&dir, false, true).unwrap_err();
        assert!(matches!(missing, DirectoryError::Missing(_)), "{missing}");
        assert!(!home.path().join("a").exists());
        Directory::prepare(&dir, true, true).unwrap();
        assert!(dir.is_dir());
        assert_eq!(to_be_named_in(&dir), [""; 0].map(Path::new));
        // One that is there is taken without leave to make it.
        let (directory, _) = Directory::prepare(&dir, false, true).unwrap();
        assert_eq!(directory.path(), dir);
    }

    #[test]
    fn what_is_no_directory_or_cannot_be_reached_or_made_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let [file, circle] = ["file", "circle"].map(|name| home.path().join(name));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("circle", &circle).unwrap();
        for (path, seen) in [
            (file.clone(), "Not a directory"),
            (file.join("below"), "Not a directory"),
            (circle, "Too many levels of symbolic links"),
            ("/proc/none/at/all".into(), "No such file or directory"),
        ] {
            let refused = Directory::prepare(&path, true, true).unwrap_err();
            let DirectoryError::Unusable { source, .. } = &refused else {
                panic!("{refused}");
            };
            let source = source.to_string().to_lowercase();
            assert!(source.contains(&seen.to_lowercase()), "{refused}");
        }
        let below = Directory::prepare(&file.join("below"), false, true).unwrap_err();
        assert!(matches!(below, DirectoryError::Unusable { .. }), "{below}");
    }

    #[test]
    fn want_of_room_is_told_from_what_only_an_operator_changes() {
        let unmade = |kind: ErrorKind| DirectoryError::unmade("/state".to_owned(), kind.into());
        let full = unmade(ErrorKind::StorageFull);
        assert!(matches!(full, DirectoryError::Full { .. }), "{full}");
        let denied = unmade(ErrorKind::PermissionDenied);
        assert!(
            matches!(denied, DirectoryError::Unusable { .. }),
            "{denied}"
        );
    }
}
