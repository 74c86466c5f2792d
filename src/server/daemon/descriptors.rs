//! How many connections the limit on open files leaves room for.
//!
//! Raising the bound opens the mark and the lock anew: a server whose connections took every file that
//! it may open would soon issue no more IDs to any of them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files beside connections: marks and locks, listeners, event queues, the journal, and some room.
const OTHERS: u64 = 64;

/// Raises the limit as far as this process may.
pub(super) fn raise_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it is refused, `fitting` counts by the lower limit.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// As many of the `wanted` connections as fit, at least one. The second value is a warning if not all
/// do.
pub(super) fn fitting(wanted: usize) -> (usize, Option<String>) {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    fitting_into(limit.map_or(u64::MAX, |(soft, _)| soft), wanted)
}

fn fitting_into(files: u64, wanted: usize) -> (usize, Option<String>) {
    let room = usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    let fitting = wanted.min(room).max(1);
    let warning = (fitting < wanted).then(|| {
        format!(
            "http.connections is {wanted}, but this process may open {files} files, and needs {OTHERS} for other things: {fitting} connections are served at a time; raise LimitNOFILE= of the unit (or `ulimit -n`), or lower http.connections"
        )
    });
    (fitting, warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        for (files, wanted, fitting) in [
            (u64::MAX, 16_384, 16_384),
            (1064, 1000, 1000),
            (1063, 1000, 999),
            (65, 1000, 1),
            (10, 1000, 1),
            (10, 1, 1),
        ] {
            let (found, warning) = fitting_into(files, wanted);
            assert_eq!(found, fitting, "{wanted} of {files}");
            assert_eq!(warning.is_some(), fitting < wanted);
        }
        let (_, warning) = fitting_into(1024, 16_384);
        let warning = warning.unwrap();
        for part in ["16384", "1024", "960", "LimitNOFILE="] {
            assert!(warning.contains(part), "{part:?} is not in: {warning}");
        }
    }
}
