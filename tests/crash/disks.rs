//! Disks that are full, and quotas that are used up.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::checker::Ledger;
use crate::load::{Load, Plan};
use crate::server::{Home, Server, ends, fields};
use crate::setting::{Outcome, Setting};

/// What a refusal is to advise.
const FREE: &str = "free some space on that file system";
const LIFT: &str = "lift the quota of that file system";
const WENT_ON: &str = "IDs went on";
const SERVED: &str = "served";
/// More than any window lasts for.
const TICKS: u64 = 300;

/// BTRFS without a quota.
pub(crate) fn full_btrfs(setting: &Setting) -> Outcome {
    match setting.top("btrfs") {
        Some(top) => Outcome::Passed(full(top)),
        None => no_file_system(),
    }
}

/// ext4.
pub(crate) fn full_ext4(setting: &Setting) -> Outcome {
    match setting.top("ext4") {
        Some(top) => Outcome::Passed(full(top)),
        None => no_file_system(),
    }
}

pub(crate) fn no_file_system() -> Outcome {
    Outcome::Skipped(
        "needs a file system of its own: run tests/crash/run as root, where disks may be mounted"
            .to_owned(),
    )
}

/// There is no room for the state directory itself: whoever restarts the server may try again. Only
/// ext4 is that full; BTRFS keeps some room for names.
pub(crate) fn no_room(setting: &Setting) -> Outcome {
    let Some(top) = setting.top("ext4") else {
        return no_file_system();
    };
    let home = Home::under(top);
    let filler = Filler::new(top);
    filler.fill();
    let (code, told) = ends(home.command("1"));
    assert_eq!((code, told.contains(FREE)), (75, true), "{told}");
    filler.remove();
    let mut server = home.start("1");
    server.await_serving();
    assert_eq!(server.stop(), 0);
    Outcome::Passed("exit 75; with room it starts".to_owned())
}

/// The disk fills while a server runs, stays full over a kill and a restart, and empties.
fn full(top: &Path) -> String {
    let home = Home::under(top);
    home.make_mark("1");
    let other = Home::under(top);
    fs::create_dir(other.state()).unwrap();
    let filler = Filler::new(top);
    let mut ledger = Ledger::default();
    let mut server = home.serve("1");
    let load = load_on(&server, &home, &ledger);
    load.await_count(1000);
    filler.fill();
    // The mark has its space, and is overwritten in place.
    let running = goes_on_or_tells(&load, &mut server, FREE);
    assert_eq!(running, WENT_ON);
    server.kill();
    ledger.enter(&load.end());
    let mut server = home.start("1");
    let started = issues_or_tells(&mut server, FREE);
    assert_eq!(started, SERVED);
    let mut newcomer = other.start("1");
    let fresh = issues_or_tells(&mut newcomer, FREE);
    filler.remove();
    server.await_serving();
    newcomer.await_serving();
    let load = load_on(&server, &home, &ledger);
    load.await_count(1000);
    assert_eq!(server.stop(), 0);
    ledger.enter(&load.end());
    assert_eq!(newcomer.stop(), 0);
    format!(
        "{} IDs, 0 duplicates, 0 order violations; full while running: {running}; full at a start: {started}; full at a shard's first start: {fresh}; recovered",
        ledger.close()
    )
}

fn load_on(server: &Server, home: &Home, ledger: &Ledger) -> Load {
    Load::begin(&Plan {
        address: server.address,
        connections: 2,
        batch: 4,
        floor: ledger.highest("1"),
        mark: Some(home.state().join("1.mark")),
    })
}

/// Whether IDs go on for longer than any window, or requests are refused for a reason.
fn goes_on_or_tells(load: &Load, server: &mut Server, advice: &str) -> &'static str {
    let (from, _) = fields(load.highest());
    let refused = load.refusals();
    load.until("going on or refused", |load| {
        fields(load.highest()).0 > from + TICKS || load.refusals() > refused
    });
    if load.refusals() == refused {
        return WENT_ON;
    }
    server.await_line(advice);
    refused_for(server, "window_used_up", advice)
}

fn issues_or_tells(server: &mut Server, advice: &str) -> &'static str {
    server.until("serving or telling why not", |server| {
        let ready = server.get("/readyz");
        ready.status == 200 || ready.json()["code"] == "mark_unwritable"
    });
    if server.get("/readyz").status == 200 {
        return SERVED;
    }
    refused_for(server, "mark_unwritable", advice)
}

fn refused_for(server: &Server, code: &str, advice: &str) -> &'static str {
    let ready = server.get("/readyz");
    assert_eq!(ready.code(), code);
    assert!(ready.body.contains(advice), "{}", ready.body);
    assert_eq!(server.get("/generate").status, 503);
    assert_eq!(server.get("/livez").status, 200);
    "503 with the reason"
}

/// Takes all of the space.
pub(crate) struct Filler {
    folder: PathBuf,
}

impl Filler {
    pub(crate) fn new(top: &Path) -> Self {
        let folder = top.join("filler");
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    /// Until neither a byte nor a name fits; what a flush sets free is taken as well.
    pub(crate) fn fill(&self) {
        // Where the number of files is limited, all but one are used up first.
        let names = (0..2000).map(|number| self.folder.join(format!("empty-{number}")));
        let last = names.take_while(|name| File::create(name).is_ok()).last();
        fs::remove_file(last.expect("one fits")).unwrap();
        let mut big = File::create(self.folder.join("big")).unwrap();
        for size in [1 << 20, 64 << 10, 4096, 512].into_iter().cycle().take(12) {
            let bytes = vec![0x5a; size];
            while big.write_all(&bytes).is_ok() {}
            nix::unistd::sync();
        }
        for round in 0..3 {
            let names = (0..).map(|number| self.folder.join(format!("small-{round}-{number}")));
            names
                .take_while(|name| fs::write(name, [0x5a; 1024]).is_ok())
                .count();
            nix::unistd::sync();
        }
    }

    pub(crate) fn remove(&self) {
        fs::remove_dir_all(&self.folder).unwrap();
        nix::unistd::sync();
    }
}

/// BTRFS with a limit on the subvolume.
pub(crate) fn used_up_quota(setting: &Setting) -> Outcome {
    let Some(top) = setting.top("btrfs") else {
        return no_file_system();
    };
    let volume = top.join("limited");
    btrfs(&["subvolume", "create"], &[&volume]);
    btrfs(&["quota", "enable"], &[top]);
    let home = Home::under(&volume);
    home.make_mark("1");
    let mut ledger = Ledger::default();
    let mut server = home.serve("1");
    let load = load_on(&server, &home, &ledger);
    load.await_count(1000);
    btrfs(&["qgroup", "limit", "1M"], &[&volume]);
    let filler = Filler::new(&volume);
    filler.fill();
    let running = goes_on_or_tells(&load, &mut server, LIFT);
    server.kill();
    ledger.enter(&load.end());
    let mut server = home.start("1");
    let started = issues_or_tells(&mut server, LIFT);
    let felt = (running, started) != (WENT_ON, SERVED);
    assert!(felt, "the limit had no effect");
    btrfs(&["qgroup", "limit", "none"], &[&volume]);
    server.await_serving();
    assert!(server.id() > ledger.highest("1"));
    assert_eq!(server.stop(), 0);
    filler.remove();
    btrfs(&["quota", "disable"], &[top]);
    Outcome::Passed(format!(
        "{} IDs, 0 duplicates; used up while running: {running}; at a start: {started}; recovered",
        ledger.close()
    ))
}

/// Runs btrfs-progs.
pub(crate) fn btrfs(command: &[&str], paths: &[&Path]) {
    let output = Command::new("btrfs").args(command).args(paths).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
