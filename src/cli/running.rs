//! The server that runs beside a command, in one container or on one host.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::Parser;

use super::arguments::Arguments;
use crate::config::Flags;

/// The flags that the server was started with, if there is one of this program, and no other, among the
/// processes that this one can see and whose network is its own.
pub(super) fn flags() -> Option<Flags> {
    let own = program_and_network(Path::new("/proc/self"))?;
    let processes = fs::read_dir("/proc").ok()?;
    let mut servers = processes.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_ours = program_and_network(&path) == Some(own);
        is_ours.then(|| fs::read(path.join("cmdline")).ok())?
    });
    only(&mut servers)
}

/// The flags of the only command line that serves; each word of these ends with a zero.
fn only(lines: &mut dyn Iterator<Item = Vec<u8>>) -> Option<Flags> {
    let mut servers = lines.filter_map(|line| {
        let line = line.strip_suffix(b"\0")?;
        let words = line.split(|byte| *byte == 0);
        let words = words.map(|word| OsString::from_vec(word.to_vec()));
        let arguments = Arguments::try_parse_from(words).ok()?;
        arguments.serves().then(|| arguments.common.flags())
    });
    let flags = servers.next()?;
    servers.next().is_none().then_some(flags)
}

/// Device and inode of a process's program, and of its network namespace; none if it is another user's.
fn program_and_network(process: &Path) -> Option<[(u64, u64); 2]> {
    let of = |name| {
        let file = fs::metadata(process.join(name)).ok()?;
        Some((file.dev(), file.ino()))
    };
    Some([of("exe")?, of("ns/net")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_told_from_none_and_from_several() {
        let of = |lines: &[&str]| {
            let mut lines = lines.iter().map(|line| line.as_bytes().to_vec());
            only(&mut lines)
        };
        let serving = "shardflake\0serve\0--listen\0/s\0";
        let health = "/shardflake\0health\0--listen\0/t\0";
        for lines in [&[serving][..], &[health, serving, ""]] {
            assert_eq!(of(lines).unwrap().listen, ["/s"], "{lines:?}");
        }
        assert_eq!(
            of(&["shardflake\0--port\080\0"]).unwrap().port.as_deref(),
            Some("80")
        );
        for lines in [
            &[][..],
            &[health],
            &[serving, "shardflake\0"],
            &["x\0--no\0"],
        ] {
            assert_eq!(of(lines), None, "{lines:?}");
        }
    }
}
