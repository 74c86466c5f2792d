//! What is done to a mark, its directory and its file system every day, on every kind of file system:
//! the shard goes on, and nothing is called a copy.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::disks::Filler;
use crate::lives::Lives;
use crate::load::{Load, Plan};
use crate::moments::pass;
use crate::places::{ALL, Place, Told, Try, try_all};
use crate::server::{Server, ends};
use crate::setting::{Outcome, Setting};

const EXT4: &[&str] = &["ext4", "ext4-128"];
const XFS: &[&str] = &["xfs"];
const BTRFS: &[&str] = &["btrfs"];
const OVERLAY: &[&str] = &["overlay"];
const TMPFS: &[&str] = &["tmpfs"];
/// What lies on a disk of its own.
const DISKS: &[&str] = &["ext4", "ext4-128", "xfs", "btrfs"];
const REFLINKS: &[&str] = &["xfs", "btrfs"];
/// Where a user's attributes may be set: on an overlay as on what is below it.
const ATTRIBUTES: &[&str] = &["ext4", "ext4-128", "xfs", "btrfs", "overlay"];

/// Shell scripts that are run while the shard is down.
type Script = (&'static str, &'static [&'static str], &'static str);

const SCRIPTS: &[Script] = &[
    ("chmod of the file", ALL, "chmod 600 state/1.mark"),
    ("chmod of the directory", ALL, "chmod 700 state"),
    ("chown of the file", ALL, "chown 1:1 state/1.mark"),
    ("chown of everything", ALL, "chown -R 1:1 state"),
    ("touch", ALL, "touch state/1.mark state"),
    ("touch of the access time", ALL, "touch -a state/1.mark"),
    (
        "an old time",
        ALL,
        "touch -m -d 2000-01-01 state/1.mark state",
    ),
    (
        "a time to come",
        ALL,
        "touch -m -d 2037-01-01 state/1.mark state",
    ),
    (
        "read",
        ALL,
        "cat state/* >/dev/null; grep -rc shflmark state >/dev/null",
    ),
    ("tar", ALL, "tar -cf backup.tar state"),
    (
        "tar with access times kept",
        ALL,
        "tar --atime-preserve=replace -cf backup.tar state",
    ),
    ("cp elsewhere", ALL, "cp state/1.mark backup"),
    ("cp -a elsewhere", ALL, "cp -a state backup"),
    ("rsync elsewhere", ALL, "rsync -a state/ backup/"),
    ("sync", ALL, "sync"),
    (
        "flushed by another",
        ALL,
        "sync state/1.mark state; sync -f state/1.mark",
    ),
    (
        "attribute",
        ATTRIBUTES,
        "setfattr -n user.backup -v done state/1.mark state",
    ),
    (
        "attribute made and removed",
        ATTRIBUTES,
        "setfattr -n user.a -v b state/1.mark; setfattr -x user.a state/1.mark",
    ),
    ("chattr +A", ALL, "chattr +A state/1.mark"),
    (
        "chattr +i and -i",
        ALL,
        "chattr +i state/1.mark; chattr -i state/1.mark",
    ),
    (
        "hard link made and removed",
        ALL,
        "ln state/1.mark link; rm link",
    ),
    ("hard link kept", ALL, "ln state/1.mark link"),
    (
        "file made and removed",
        ALL,
        "touch state/file; rm state/file",
    ),
    ("directory made beside it", ALL, "mkdir state/lost+found"),
    (
        "siblings moved",
        ALL,
        "touch one; mkdir two; mv one two; mv two three; rm -r three",
    ),
    ("lock removed", ALL, "rm state/lock"),
    (
        "renamed and named as before",
        ALL,
        "mv state/1.mark state/1.old; mv state/1.old state/1.mark",
    ),
    (
        "directory renamed and named as before",
        ALL,
        "mv state other; mv other state",
    ),
    (
        "parent renamed and named as before",
        ALL,
        "here=$PWD; cd /; mv $here $here-x; mv $here-x $here",
    ),
    (
        "accept-clock",
        ALL,
        "shardflake state accept-clock --state-dir state --until $(date -u -d '+1 hour' +%FT%TZ)",
    ),
    ("state show", ALL, "shardflake state show --state-dir state"),
    (
        "state init again",
        ALL,
        "shardflake state init --state-dir state --shard-id 1",
    ),
    (
        "state adopt for nothing",
        ALL,
        "shardflake state adopt --state-dir state --shard-id 1",
    ),
    (
        "check-config",
        ALL,
        "shardflake check-config --state-dir state --shard-id 1",
    ),
    (
        "reflink elsewhere",
        REFLINKS,
        "touch copy; chattr +C copy || true; cp --reflink=always state/1.mark copy",
    ),
    (
        "snapshot taken",
        BTRFS,
        "btrfs subvolume snapshot $TOP snapshot",
    ),
    (
        "snapshot taken and deleted",
        BTRFS,
        "btrfs subvolume snapshot -r $TOP snapshot; btrfs subvolume delete snapshot",
    ),
    (
        "property",
        BTRFS,
        "btrfs property set state compression zstd; btrfs property get state/1.mark",
    ),
    (
        "defragmented by btrfs",
        BTRFS,
        "btrfs filesystem defragment -f state/1.mark",
    ),
    (
        "defragmented by e4defrag",
        &["ext4"],
        "e4defrag state/1.mark",
    ),
    ("defragmented by xfs_fsr", XFS, "xfs_fsr state/1.mark"),
];

/// Unmounts the disk, does something to it, and mounts it again.
const UNMOUNTED: &str = r#"
  unmounted() {
    cd /
    image=$(losetup -nO BACK-FILE "$(findmnt -vno SOURCE $TOP)")
    umount $TOP
    "$@" "$image"
    mount -o loop "$image" $TOP
  }
"#;

/// Scripts that concern the whole file system.
const WHOLE: &[Script] = &[
    ("remount", ALL, "mount -o remount $TOP"),
    (
        "read-only and back",
        ALL,
        "mount -o remount,ro $TOP; mount -o remount,rw $TOP",
    ),
    ("unmounted and mounted", DISKS, "unmounted true"),
    (
        "unmounted and mounted",
        OVERLAY,
        "cd /; options=$(findmnt -no OPTIONS $TOP); umount $TOP; mount -t overlay overlay -o $options $TOP",
    ),
    (
        "other options",
        DISKS,
        "mount -o remount,noatime,nodiratime $TOP; mount -o remount,relatime $TOP",
    ),
    (
        "caches dropped",
        ALL,
        "sync; echo 3 >/proc/sys/vm/drop_caches",
    ),
    (
        "frozen and thawed",
        DISKS,
        "fsfreeze -f $TOP; fsfreeze -u $TOP",
    ),
    ("trimmed", DISKS, "fstrim $TOP"),
    ("checked", EXT4, "unmounted e2fsck -fn"),
    ("checked", XFS, "unmounted xfs_repair -n"),
    ("checked", BTRFS, "unmounted btrfs check"),
    ("larger", TMPFS, "mount -o remount,size=70M $TOP"),
    ("balanced", BTRFS, "btrfs balance start --full-balance $TOP"),
    ("scrubbed", BTRFS, "btrfs scrub start -B $TOP"),
    (
        "quota on and off",
        BTRFS,
        "btrfs quota enable $TOP; btrfs quota rescan -w $TOP; btrfs quota disable $TOP",
    ),
    ("label", BTRFS, "btrfs filesystem label $TOP other"),
];

/// What a script does not do, or what is done while a server is up.
type Program = (&'static str, fn(&mut Lives));

const PROGRAMS: &[Program] = &[
    ("directory renamed", renamed),
    ("parent renamed", parent_renamed),
    ("bind mount", bind_mount),
    ("another shard's first start", another_shard),
    ("range of two and back", range_of_two),
    ("second start refused", second_start),
    ("backup while it runs", backup),
    ("commands while it runs", commands),
    ("killed under load", killed_under_load),
    ("stopped for two seconds and killed", standing_still),
    ("slow flushes", slow_flushes),
    ("restarts in a row", in_a_row),
    ("umask", umask),
];

/// Whatever is done, the shard goes on, and its mark is the original.
pub(crate) fn harmless(setting: &Setting) -> Outcome {
    let mut tries = Vec::new();
    for place in setting.places() {
        let mut add = |name, alone, act: Box<dyn Fn(&mut Lives) + Sync>| {
            // Every other one after an orderly stop.
            let killed = tries.len() % 2 == 0;
            let run = Box::new(move |place: &Place| survived(place, killed, &act));
            tries.push(Try {
                name,
                place: place.clone(),
                alone,
                run,
            });
        };
        let here = |kinds: &[_]| kinds.contains(&place.kind);
        for (name, _, script) in SCRIPTS.iter().filter(|(_, kinds, _)| here(kinds)) {
            add(name, false, Box::new(|lives| lives.shell(script)));
        }
        for (name, act) in PROGRAMS {
            add(name, false, Box::new(act));
        }
        for (name, _, script) in WHOLE.iter().filter(|(_, kinds, _)| here(kinds)) {
            let script = format!("{UNMOUNTED}{script}");
            add(name, true, Box::new(move |lives| lives.shell(&script)));
        }
        add("full disk during a stop", true, Box::new(full_disk));
    }
    try_all(setting, tries, |tally| {
        format!(
            "none called a copy; {} IDs, 0 duplicates, 0 order violations",
            tally.ids
        )
    })
}

fn survived(place: &Place, killed: bool, act: impl Fn(&mut Lives)) -> Told {
    let mut lives = Lives::on(place);
    let server = lives.serve();
    lives.take(&server);
    if killed {
        server.kill();
    } else {
        assert_eq!(server.stop(), 0);
    }
    act(&mut lives);
    lives.live();
    lives.is_original();
    lives.end()
}

fn renamed(lives: &mut Lives) {
    lives.shell("mv state other");
    lives.state = lives.folder().join("other");
}

fn parent_renamed(lives: &mut Lives) {
    lives.shell("mkdir one; mv state one");
    lives.state = lives.folder().join("one/state");
    lives.live();
    lives.shell("mv one two");
    lives.state = lives.folder().join("two/state");
}

fn bind_mount(lives: &mut Lives) {
    lives.shell("mkdir view; mount --bind state view");
    lives.state = lives.folder().join("view");
    lives.mounts.push(lives.state.clone());
}

fn another_shard(lives: &mut Lives) {
    let (command, address) = lives.home.beside("2");
    let mut other = Server::start(command, address);
    let mark = lives.state.join("2.mark");
    other.until("making its mark", |_| mark.exists());
    lives.live();
    other.kill();
}

fn range_of_two(lives: &mut Lives) {
    for shard in ["0-1", "1"] {
        lives.shard = shard;
        lives.live();
    }
}

fn second_start(lives: &mut Lives) {
    let server = lives.serve();
    lives.take(&server);
    let (command, _) = lives.home.beside("1");
    let (code, log) = ends(command);
    assert_eq!(code, 75, "{log}");
    server.kill();
}

fn backup(lives: &mut Lives) {
    let server = lives.serve();
    lives.take(&server);
    lives.shell("cp -a state copy; tar -cf backup.tar state; sync state/1.mark");
    lives.take(&server);
    server.kill();
}

fn commands(lives: &mut Lives) {
    let server = lives.serve();
    lives.shell("shardflake state show --state-dir state");
    lives.shell(
        "shardflake state accept-clock --state-dir state --until $(date -u -d '+1 hour' +%FT%TZ)",
    );
    lives.shell("shardflake check-config --state-dir state --shard-id 1");
    lives.take(&server);
    server.kill();
}

/// In the middle of a write, as it happens.
fn killed_under_load(lives: &mut Lives) {
    let server = lives.serve();
    let load = Load::begin(&Plan {
        address: server.address,
        connections: 2,
        batch: 4,
        floor: lives.highest(),
        mark: Some(lives.mark()),
    });
    load.await_count(1000);
    server.kill();
    lives.received(&load.end().ids);
}

fn standing_still(lives: &mut Lives) {
    let server = lives.serve();
    lives.take(&server);
    server.signal(Signal::SIGSTOP);
    pass(Duration::from_secs(2));
    server.kill();
}

fn slow_flushes(lives: &mut Lives) {
    let trace = lives.folder().join("trace");
    let trace = trace.to_str().unwrap();
    let slowly = "inject=fdatasync:delay_enter=200000";
    let server = lives.serve_by(&["strace", "-D", "-f", "-o", trace, "-e", slowly]);
    lives.take(&server);
    server.kill();
}

/// All of them within a second or two.
fn in_a_row(lives: &mut Lives) {
    for _ in 0..3 {
        let server = lives.serve();
        lives.take(&server);
        assert_eq!(server.stop(), 0);
    }
}

fn umask(lives: &mut Lives) {
    lives.shell("rm state/lock");
    let server = lives.serve_by(&["sh", "-c", r#"umask 077; exec "$@""#, "sh"]);
    lives.take(&server);
    server.kill();
}

fn full_disk(lives: &mut Lives) {
    let server = lives.serve();
    lives.take(&server);
    let filler = Filler::new(&lives.top);
    filler.fill();
    // The mark has its space; what else an orderly end writes may fail.
    server.stop();
    filler.remove();
}
