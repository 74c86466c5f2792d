//! The author of marks: this process, as a start that finds its machine IDs taken will name it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::gethostname;

use super::Settings;
use crate::clock::{Clock, SystemClock, boot_id};
use crate::mark::Author;
use crate::mark::slot::{Holder, Moment};
use crate::time::WallTime;

impl Settings {
    /// This process as the author of a mark, now by the machine's own clocks.
    #[must_use]
    pub fn author(&self) -> Author {
        let clock = SystemClock;
        Author {
            layout: self.layout,
            furthest: self.furthest(),
            holder: this_process(clock.realtime()),
            moment: Moment {
                wall: clock.realtime(),
                boot: clock.boottime(),
                boot_id: boot_id(),
            },
        }
    }
}

fn this_process(started: WallTime) -> Holder {
    let host = gethostname().map_or_else(
        |_| "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino());
    Holder {
        host,
        pid: std::process::id(),
        pid_namespace: namespace,
        started,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::layout::Layout;
    use crate::time::TimeDelta;

    #[test]
    fn an_author_is_this_process_by_the_clocks_of_this_boot() {
        let settings = Settings {
            layout: Layout::SNOWFLAKE,
            machines: "4-7".parse().unwrap(),
            max_ahead: 2 * Settings::MAX_AHEAD,
            window: Settings::WINDOW,
            deadline: Settings::DEADLINE,
            continue_ahead: None,
        };
        let before = SystemClock.boottime();
        let Author {
            layout,
            furthest,
            holder,
            moment,
        } = settings.author();
        assert_eq!((layout, furthest), (Layout::SNOWFLAKE, settings.furthest()));
        assert_eq!(holder.pid, std::process::id());
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(holder.host, name.trim_end());
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
        assert_eq!(
            namespace.to_string_lossy(),
            format!("pid:[{}]", holder.pid_namespace)
        );
        assert!((before..=SystemClock.boottime()).contains(&moment.boot));
        assert_eq!(moment.boot_id, boot_id());
        assert!((moment.wall - holder.started).abs() < TimeDelta::from_secs(60));
    }
}
