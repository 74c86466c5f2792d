//! Copies of a state directory, in every way that BTRFS knows.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disks::{btrfs, no_file_system};
use crate::server::{Home, ends};
use crate::setting::{Outcome, Setting};

/// A subvolume that holds a state directory.
struct Volume {
    path: PathBuf,
    home: Home,
}

type Copying = fn(&Volume) -> u64;

const WAYS: [(&str, Copying); 5] = [
    ("snapshot", snapshot),
    ("clone", clone),
    ("restore in place", restore),
    ("send and receive", send),
    ("copy", copy),
];

/// A copy is refused until it is adopted, and then goes on above all that was issued.
pub(crate) fn copies(setting: &Setting) -> Outcome {
    let Some(top) = setting.top("btrfs") else {
        return no_file_system();
    };
    for (number, (name, way)) in WAYS.into_iter().enumerate() {
        let path = top.join(format!("volume-{number}"));
        btrfs(&["subvolume", "create"], &[&path]);
        let volume = Volume {
            home: Home::under(&path),
            path,
        };
        volume.home.make_mark("1");
        let last = way(&volume);
        adopted(&volume.home, name, last);
    }
    let names = WAYS.map(|(name, _)| name).join(", ");
    Outcome::Passed(format!("refused with 78 and adopted: {names}"))
}

fn adopted(home: &Home, name: &str, last: u64) {
    let mark = home.state().join("1.mark");
    let before = fs::read(&mark).unwrap();
    let (code, log) = ends(home.command("1"));
    assert_eq!(code, 78, "{name}: {log}");
    let advice = format!(
        "shardflake state adopt --state-dir {} --shard-id 1",
        home.state().display()
    );
    assert!(log.contains(&advice), "{name}: {log}");
    assert!(log.contains("is a copy or was restored"), "{name}: {log}");
    assert!(fs::read(&mark).unwrap() == before, "{name}: it was written");
    let adopt = home.run(&["state", "adopt", "--shard-id", "1"]);
    assert!(adopt.status.success(), "{name}: {adopt:?}");
    let server = home.serve("1");
    assert!(server.id() > last, "{name}");
    assert_eq!(server.stop(), 0);
}

/// The last ID of a life that is killed.
fn live(home: &Home) -> u64 {
    let server = home.serve("1");
    let last = (0..300).fold(0, |_, _| server.id());
    server.kill();
    last
}

impl Volume {
    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(what);
        name.into()
    }

    /// Puts what lies at `copy` where the subvolume was; the original goes on living until then.
    fn replace_by(&self, copy: &Path) -> u64 {
        let last = live(&self.home);
        fs::rename(&self.path, self.beside("-original")).unwrap();
        fs::rename(copy, &self.path).unwrap();
        last
    }
}

fn snapshot(volume: &Volume) -> u64 {
    live(&volume.home);
    let copy = volume.beside("-copy");
    btrfs(&["subvolume", "snapshot"], &[&volume.path, &copy]);
    volume.replace_by(&copy)
}

fn restore(volume: &Volume) -> u64 {
    live(&volume.home);
    let backup = volume.beside("-backup");
    btrfs(&["subvolume", "snapshot", "-r"], &[&volume.path, &backup]);
    let last = live(&volume.home);
    btrfs(&["subvolume", "delete"], &[&volume.path]);
    btrfs(&["subvolume", "snapshot"], &[&backup, &volume.path]);
    last
}

fn send(volume: &Volume) -> u64 {
    live(&volume.home);
    let frozen = volume.beside("-frozen");
    btrfs(&["subvolume", "snapshot", "-r"], &[&volume.path, &frozen]);
    let stream = volume.beside("-stream");
    btrfs(&["send", "-f"], &[&stream, &frozen]);
    let received = volume.beside("-received");
    fs::create_dir(&received).unwrap();
    btrfs(&["receive", "-f"], &[&stream, &received]);
    let name = frozen.file_name().unwrap();
    let copy = volume.beside("-copy");
    btrfs(&["subvolume", "snapshot"], &[&received.join(name), &copy]);
    volume.replace_by(&copy)
}

fn clone(volume: &Volume) -> u64 {
    live(&volume.home);
    let copy = volume.beside("-copy");
    cp(volume, &["-a", "--reflink=never"], &copy);
    let mark = volume.home.state().join("1.mark");
    let twin = copy.join(mark.strip_prefix(&volume.path).unwrap());
    // Extents are only shared between files that agree on copy-on-write, which is set while empty.
    fs::remove_file(&twin).unwrap();
    File::create(&twin).unwrap();
    run(Command::new("chattr").arg("+C").arg(&twin));
    run(Command::new("cp")
        .arg("--reflink=always")
        .args([&mark, &twin]));
    volume.replace_by(&copy)
}

fn copy(volume: &Volume) -> u64 {
    live(&volume.home);
    let copy = volume.beside("-copy");
    cp(volume, &["-a", "--reflink=never"], &copy);
    volume.replace_by(&copy)
}

fn cp(volume: &Volume, flags: &[&str], to: &Path) {
    run(Command::new("cp").args(flags).arg(&volume.path).arg(to));
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
