//! Every way to get an older mark back that we know, on every kind of file system: no ID comes twice.
//!
//! Left out, as neither the mark nor its directory tells of it: another directory mounted over the one
//! at hand, a directory further up that is moved away and back, and a whole disk that is set back.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::lives::Lives;
use crate::places::{ALL, Place, Told, Try, try_all};
use crate::server::Server;
use crate::setting::{Outcome, Setting};

/// When older state is laid by.
#[derive(Clone, Copy)]
enum When {
    /// While a server runs.
    Up,
    /// After one has stopped.
    Down,
}

use When::{Down, Up};

/// What is put back sooner after the mark was written passes for the shard's own doing: it may have been
/// held up between reading the clock and writing.
const TOLERANCE: Duration = Duration::from_millis(100);
const REFLINKS: &[&str] = &["btrfs", "xfs"];
const BTRFS: &[&str] = &["btrfs"];
/// Where an overlay's layers may lie.
const LAYERS: &[&str] = &["ext4", "xfs", "tmpfs"];
const COPY: &str = "cp --preserve=all state/1.mark old";
/// Copies until one has the number that the inode of the mark had, where numbers are given again.
const SAME_INODE: &str = r"
  number=$(stat -c %i state/1.mark)
  rm state/1.mark
  for try in $(seq 40); do
    cp -p old state/1.mark
    [ $(stat -c %i state/1.mark) != $number ] || exit 0
    mv state/1.mark other-$try
  done
  cp -p old state/1.mark";

/// Shell scripts that lay older state by and bring it back. IDs run ahead of the clock in between.
type Script = (
    &'static str,
    &'static [&'static str],
    When,
    &'static str,
    &'static str,
);

const SCRIPTS: &[Script] = &[
    ("cp over it", ALL, Up, COPY, "cp old state/1.mark"),
    (
        "cp over it, old times",
        ALL,
        Up,
        COPY,
        "cp -p old state/1.mark; touch -d 2000-01-01 state/1.mark state",
    ),
    (
        "cp over it, times of file and directory",
        ALL,
        Down,
        "cp -a state old",
        "cp -p old/1.mark state/1.mark; touch -r old/1.mark state/1.mark; touch -r old state",
    ),
    (
        "cp over it, lock removed",
        ALL,
        Down,
        COPY,
        "cp old state/1.mark; rm state/lock",
    ),
    (
        "dd over it",
        ALL,
        Up,
        COPY,
        "dd if=old of=state/1.mark conv=notrunc,fsync status=none",
    ),
    (
        "dd over it, byte by byte",
        ALL,
        Down,
        COPY,
        "dd if=old of=state/1.mark bs=1 conv=notrunc status=none",
    ),
    ("cat over it", ALL, Down, COPY, "cat old >state/1.mark"),
    (
        "truncated and written",
        ALL,
        Up,
        COPY,
        "truncate -s 0 state/1.mark; cat old >>state/1.mark",
    ),
    (
        "rsync in place",
        ALL,
        Up,
        COPY,
        "rsync --inplace --ignore-times --no-whole-file old state/1.mark",
    ),
    (
        "rsync",
        ALL,
        Up,
        COPY,
        "rsync -a --ignore-times old state/1.mark",
    ),
    (
        "first slot",
        ALL,
        Up,
        COPY,
        "dd if=old of=state/1.mark bs=4096 count=1 conv=notrunc status=none",
    ),
    (
        "second slot",
        ALL,
        Up,
        COPY,
        "dd if=old of=state/1.mark bs=4096 skip=1 seek=1 count=1 conv=notrunc status=none",
    ),
    (
        "first slot, the second damaged",
        ALL,
        Down,
        COPY,
        "head -c 4096 old >state/1.mark; head -c 4096 /dev/urandom >>state/1.mark",
    ),
    (
        "rm, cp",
        ALL,
        Up,
        COPY,
        "rm state/1.mark; cp old state/1.mark",
    ),
    ("rm, cp -p, the same inode", ALL, Down, COPY, SAME_INODE),
    (
        "rm, cp -p, times set back",
        ALL,
        Up,
        COPY,
        "rm state/1.mark; cp -p old state/1.mark; touch -d 2000-01-01 state/1.mark state",
    ),
    (
        "install",
        ALL,
        Down,
        COPY,
        "install -p -m 640 old state/1.mark",
    ),
    (
        "renamed over",
        ALL,
        Up,
        COPY,
        "cp -p old state/new; mv state/new state/1.mark",
    ),
    (
        "moved away and back",
        ALL,
        Down,
        "mv state/1.mark old",
        "mv old state/1.mark",
    ),
    (
        "moved away and back, linked",
        ALL,
        Down,
        "mv state/1.mark old",
        "ln -f old state/1.mark",
    ),
    (
        "moved aside and back",
        ALL,
        Down,
        "mv state/1.mark state/1.mark.old",
        "rm state/1.mark; mv state/1.mark.old state/1.mark",
    ),
    (
        "moved to another directory and back",
        ALL,
        Down,
        "mkdir -p other/state; mv state/* other/state",
        "mv -f other/state/* state",
    ),
    (
        "hard link",
        ALL,
        Down,
        "ln state/1.mark old; rm state/1.mark",
        "mv -f old state/1.mark",
    ),
    (
        "hard link beside",
        ALL,
        Down,
        "ln state/1.mark state/1.mark~; rm state/1.mark",
        "mv -f state/1.mark~ state/1.mark",
    ),
    (
        "directory moved away and back",
        ALL,
        Down,
        "mv state old",
        "mv state new; mv old state",
    ),
    (
        "directory copied and moved back",
        ALL,
        Up,
        "cp -a state old",
        "mv state new; mv old state",
    ),
    (
        "directory copied and copied back",
        ALL,
        Up,
        "cp -a state old",
        "rm -r state; cp -a old state",
    ),
    (
        "directory copied over",
        ALL,
        Up,
        "cp -a state old",
        "cp -a old/. state",
    ),
    (
        "directory by rsync",
        ALL,
        Up,
        "rsync -a state/ old/",
        "rsync -a --ignore-times --delete old/ state/",
    ),
    ("tar", ALL, Up, "tar -cf old.tar state", "tar -xf old.tar"),
    (
        "tar over it",
        ALL,
        Up,
        "tar -cf old.tar state",
        "tar --overwrite -xpf old.tar",
    ),
    (
        "tar into a new directory",
        ALL,
        Down,
        "tar -cf old.tar state",
        "rm -r state; tar -xpf old.tar",
    ),
    (
        "reflink over it",
        REFLINKS,
        Up,
        "touch old; chattr +C old || true; cp --reflink=always state/1.mark old",
        "cp --reflink=always old state/1.mark",
    ),
    (
        "file of a snapshot",
        BTRFS,
        Up,
        "btrfs subvolume snapshot -r $TOP snapshot",
        "cp --reflink=always snapshot/${PWD##*/}/state/1.mark state/1.mark; btrfs subvolume delete snapshot",
    ),
];

/// Ways that a script does not do.
type Program = (&'static str, &'static [&'static str], fn(&mut Lives));

const PROGRAMS: &[Program] = &[
    ("written backwards in pieces", ALL, backwards),
    ("exchanged", ALL, exchanged),
    ("beside another shard's server", ALL, beside_another),
    ("under its own server", ALL, under_its_own),
    ("mark of a wider range", ALL, wider_range),
    ("at once", ALL, at_once),
    ("upper layer thrown away", LAYERS, upper_layer),
];

/// Whatever comes back, and however: it is called a copy, or IDs go on above all that were given.
pub(crate) fn restores(setting: &Setting) -> Outcome {
    let mut tries = Vec::new();
    let rounds = if setting.campaign { 3 } else { 1 };
    let places = setting.places();
    for place in places.iter().cycle().take(rounds * places.len()) {
        let mut add = |name, kinds: &[_], run| {
            if kinds.contains(&place.kind) {
                let place = place.clone();
                tries.push(Try {
                    name,
                    place,
                    alone: false,
                    run,
                });
            }
        };
        for (name, kinds, when, back_up, bring_back) in SCRIPTS {
            let restore = |lives: &mut Lives| by_scripts(lives, *when, back_up, bring_back);
            add(name, kinds, Box::new(move |place| restored(place, restore)));
        }
        for (name, kinds, restore) in PROGRAMS {
            add(name, kinds, Box::new(move |place| restored(place, restore)));
        }
    }
    try_all(setting, tries, |tally| {
        format!(
            "{} called a copy and adopted; {} IDs, 0 duplicates, 0 order violations; {} restored while IDs were ahead of the clock",
            tally.copied, tally.ids, tally.ahead
        )
    })
}

fn restored(place: &Place, restore: impl Fn(&mut Lives)) -> Told {
    let mut lives = Lives::on(place);
    lives.live();
    restore(&mut lives);
    lives.go_on();
    lives.live();
    lives.is_original();
    lives.end()
}

fn by_scripts(lives: &mut Lives, when: When, back_up: &str, bring_back: &str) {
    let server = lives.serve();
    lives.take(&server);
    match when {
        Up => {
            lives.shell(back_up);
            lives.take(&server);
            server.kill();
        }
        Down => {
            assert_eq!(server.stop(), 0);
            lives.shell(back_up);
        }
    }
    lives.run_ahead();
    lives.shell(bring_back);
}

fn backwards(lives: &mut Lives) {
    let old = fs::read(lives.mark()).unwrap();
    lives.run_ahead();
    let mark = File::options().write(true).open(lives.mark()).unwrap();
    for (number, piece) in old
        .chunks(512)
        .enumerate()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        mark.write_all_at(piece, number as u64 * 512).unwrap();
    }
}

/// The mark itself, whose place was taken by a new one.
fn exchanged(lives: &mut Lives) {
    lives.shell("mv state/1.mark old");
    lives.run_ahead();
    let old = lives.folder().join("old");
    let exchange = RenameFlags::RENAME_EXCHANGE;
    renameat2(AT_FDCWD, &old, AT_FDCWD, &lives.mark(), exchange).unwrap();
}

fn beside_another(lives: &mut Lives) {
    let (command, address) = lives.home.beside("2");
    let mut other = Server::start(command, address);
    other.await_serving();
    lives.live();
    lives.shell(COPY);
    lives.run_ahead();
    lives.shell("cp old state/1.mark");
    let before = other.id();
    lives.go_on();
    assert!(other.id() > before);
    other.kill();
}

/// The server is killed before it writes again.
fn under_its_own(lives: &mut Lives) {
    lives.shell(COPY);
    lives.run_ahead();
    let server = lives.serve();
    lives.take(&server);
    lives.shell("cp old state/1.mark");
    server.kill();
}

/// The shard came out of a range, whose mark comes back in the place of its own.
fn wider_range(lives: &mut Lives) {
    lives.shard = "0-3";
    lives.live();
    lives.shell("ln state/0-3.mark old");
    lives.shard = "1";
    lives.run_ahead();
    lives.shell("rm state/1.mark; mv old state/0-3.mark");
}

/// As soon after the backup as can be told: mostly one life lies between.
fn at_once(lives: &mut Lives) {
    lives.run_ahead();
    let old = fs::read(lives.mark()).unwrap();
    let laid_by = Instant::now();
    while laid_by.elapsed() <= TOLERANCE {
        lives.live();
    }
    fs::write(lives.mark(), old).unwrap();
}

/// A container whose image holds a mark is made anew.
fn upper_layer(lives: &mut Lives) {
    lives.shell("mkdir image image/state work upper merged; cp -a state/. image/state");
    let mount = |lives: &Lives| {
        lives.shell("rm -rf work upper; mkdir work upper");
        lives
            .shell("mount -t overlay overlay -o lowerdir=image,upperdir=upper,workdir=work merged");
    };
    mount(lives);
    lives.state = lives.folder().join("merged/state");
    lives.go_on();
    lives.run_ahead();
    lives.shell("umount merged");
    mount(lives);
    lives.mounts.push(lives.folder().join("merged"));
}
