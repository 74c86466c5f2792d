//! An operator's word that the clock is right: one file in the state directory, which
//! `shardflake state accept-clock` writes and each shard of that directory reads while it doubts the clock.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use super::MarkError;
use super::directory::Directory;
use super::storage::{File, Storage};
use crate::time::WallTime;
use crate::timestamp::parse;

/// The file: one moment in RFC 3339.
pub const ACCEPT_CLOCK: &str = "accept-clock";
/// The file's name while it is written.
const TEMPORARY: &str = "accept-clock.new";

/// Why the file with an operator's word cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The file cannot be read.
    #[error(
        "cannot read accept-clock in the state directory: {0}: let the service's user read it, or run `shardflake state accept-clock` again"
    )]
    Io(String),
    /// The file does not hold a moment.
    #[error(
        "accept-clock in the state directory holds {0:?}, which is not a time: run `shardflake state accept-clock` again, or delete it"
    )]
    Text(String),
}

/// The moment up to which an operator takes the clock for right; `None` if nobody has said so.
///
/// # Errors
/// [`AcceptError`] if what was said cannot be read.
pub fn accepted_until(storage: &impl Storage) -> Result<Option<WallTime>, AcceptError> {
    let failed = |error: io::Error| AcceptError::Io(error.to_string());
    let Some(file) = storage.open_to_read(ACCEPT_CLOCK).map_err(failed)? else {
        return Ok(None);
    };
    let mut bytes = [0; 64];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes[..read]);
    let text = text.trim();
    let moment = parse(text).ok_or_else(|| AcceptError::Text(text.to_owned()))?;
    Ok(Some(moment.into()))
}

/// Writes down, for [`accepted_until`] to read, that an operator takes the clock for right up to `until`, to
/// the millisecond.
///
/// # Errors
/// [`MarkError::Io`] if it cannot be written.
pub fn accept_until(directory: &Directory, until: WallTime) -> Result<(), MarkError> {
    let path = directory.path().join(ACCEPT_CLOCK);
    let write = || {
        // Root may run this where the service's user may leave a link to any file: none is opened.
        directory.remove(TEMPORARY)?;
        let temporary = directory.path().join(TEMPORARY);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        // Root may write it, and the service's user has to read it; the directory keeps out others.
        file.set_permissions(Permissions::from_mode(0o644))?;
        writeln!(file, "{until}")?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        directory.sync()
    };
    write().map_err(|source| MarkError::Io {
        action: "write",
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeDelta;

    const MOMENT: WallTime = WallTime::from_nanos(3_062_304_000_000_000_000);
    const MILLI: TimeDelta = TimeDelta::from_nanos(1_000_000);

    fn state() -> (tempfile::TempDir, Directory) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(temporary.path());
        (temporary, directory)
    }

    #[test]
    fn the_file_holds_one_moment() {
        let (temporary, directory) = state();
        assert_eq!(accepted_until(&directory), Ok(None));
        let path = temporary.path().join(ACCEPT_CLOCK);
        for (text, until) in [
            ("2067-01-15T08:00:00Z\n", Some(MOMENT)),
            ("2067-01-15T08:00:00.5Z", Some(MOMENT + 500 * MILLI)),
            ("tomorrow\n", None),
            ("", None),
        ] {
            fs::write(&path, text).unwrap();
            let expected = until
                .map(Some)
                .ok_or_else(|| AcceptError::Text(text.trim().to_owned()));
            assert_eq!(accepted_until(&directory), expected, "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            accepted_until(&directory),
            Err(AcceptError::Io(_))
        ));
    }

    #[test]
    fn what_is_written_is_read_and_replaces_what_was_said_before() {
        let (temporary, directory) = state();
        // What an interrupted command left behind.
        fs::write(temporary.path().join(TEMPORARY), "unfinished").unwrap();
        for moment in [MOMENT, MOMENT - MILLI] {
            accept_until(&directory, moment).unwrap();
            assert_eq!(accepted_until(&directory), Ok(Some(moment)));
        }
        assert_eq!(directory.names().unwrap(), [ACCEPT_CLOCK]);
        let file = fs::metadata(temporary.path().join(ACCEPT_CLOCK)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o644);
        let nowhere = accept_until(&Directory::new("/nowhere/at/all"), MOMENT).unwrap_err();
        assert!(
            nowhere
                .to_string()
                .starts_with("cannot write /nowhere/at/all/accept-clock: "),
            "{nowhere}"
        );
    }

    #[test]
    fn what_nobody_can_read_is_told() {
        for (error, parts) in [
            (
                AcceptError::Io("Permission denied".into()),
                ["Permission denied", "let the service's user read it"],
            ),
            (
                AcceptError::Text("tomorrow".into()),
                ["\"tomorrow\"", "run `shardflake state accept-clock` again"],
            ),
        ] {
            let message = error.to_string();
            for part in parts {
                assert!(message.contains(part), "{part:?} is not in: {message}");
            }
        }
    }
}
