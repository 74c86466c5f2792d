//! The server that runs beside a command, in one container or on one host.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
        let line = is_ours.then(|| fs::read(path.join("cmdline")).ok())??;
        Some((line, fs::read_link(path.join("cwd")).unwrap_or_default()))
    });
    only(&mut servers)
}

/// The flags of the only command line that serves, with the folder that it was given in; each word of these
/// lines ends with a zero.
fn only(lines: &mut dyn Iterator<Item = (Vec<u8>, PathBuf)>) -> Option<Flags> {
    let mut servers = lines.filter_map(|(line, folder)| {
        let line = line.strip_suffix(b"\0")?;
        let words = line.split(|byte| *byte == 0);
        let words = words.map(|word| OsString::from_vec(word.to_vec()));
        let arguments = Arguments::try_parse_from(words).ok()?;
        arguments.serves().then(|| {
            let mut flags = arguments.common.flags();
            flags.config = flags.config.map(|path| folder.join(path));
            flags
        })
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
            let line = |line: &&str| (line.as_bytes().to_vec(), PathBuf::from("/srv"));
            only(&mut lines.iter().map(line))
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
        for (given, found) in [
            ("own.toml", "/srv/own.toml"),
            ("/etc/own.toml", "/etc/own.toml"),
        ] {
            let line = format!("shardflake\0serve\0--config\0{given}\0");
            assert_eq!(of(&[&line]).unwrap().config, Some(found.into()));
        }
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
