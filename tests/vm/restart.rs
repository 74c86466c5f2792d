//! A start on a crash image, by the program's own rules.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use shardflake::id::layout::Layout;
use shardflake::id::range::MachineRange;
use shardflake::issuer::Settings;
use shardflake::mark::rules::{Now, Policy, Verdict, View, decide};
use shardflake::mark::slot::{Holder, Moment};
use shardflake::mark::{Author, Claim, Directory};
use shardflake::time::WallTime;

use crate::Fallible;
use crate::crash::Image;
use crate::disk::{FileSystem, SIZE};

/// More looks than any start takes.
const LOOKS: usize = 20;

/// Where crash images are mounted.
pub(crate) struct Bench {
    system: FileSystem,
    file: File,
    path: PathBuf,
    place: PathBuf,
}

/// How a start went.
pub(crate) enum Start {
    /// It would issue from this tick on, and found marks of these machine IDs.
    At(u64, Vec<MachineRange>),
    /// It would not.
    Refused(String),
}

impl Bench {
    /// In `folder`, which is empty.
    pub(crate) fn new(folder: &Path, system: FileSystem) -> Fallible<Self> {
        fs::create_dir(folder)?;
        let none: Option<&str> = None;
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), none)?;
        let (path, place) = (folder.join("image"), folder.join("mounted"));
        fs::create_dir(&place)?;
        let file = File::create(&path)?;
        file.set_len(SIZE)?;
        Ok(Self {
            system,
            file,
            path,
            place,
        })
    }

    /// Mounts the image, as a reboot would, and starts a shard of `range` on it when the wall clock
    /// reads `wall`.
    pub(crate) fn start(
        &self,
        image: &Image,
        range: MachineRange,
        wall: WallTime,
    ) -> Fallible<Start> {
        self.file.set_len(0)?;
        self.file.set_len(SIZE)?;
        image.write(&self.file)?;
        // The loop device goes with the mount, however this program ends.
        let output = Command::new("mount")
            .args(["-t", self.system.name(), "-o", "loop"])
            .args([&self.path, &self.place])
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("mount ended with {}: {said}", output.status).into());
        }
        let started = start(&self.place.join("state"), range, wall);
        umount2(&self.place, MntFlags::empty())?;
        started
    }
}

/// Follows the start rules until they say from where on to issue.
fn start(directory: &Path, range: MachineRange, mut wall: WallTime) -> Fallible<Start> {
    fs::create_dir_all(directory)?;
    let policy = policy(directory, range, wall);
    let storage = Directory::new(directory);
    let mut claim = Claim::take(storage, policy.directory.clone(), range)?;
    let mut fresh = None;
    let mut found = None;
    for _ in 0..LOOKS {
        let view = claim.look()?;
        let found = found.get_or_insert_with(|| {
            let marks = view.overlapping.iter();
            marks.map(|seen| seen.range).collect::<Vec<_>>()
        });
        match decide(&view, &policy, &now(wall), fresh) {
            Verdict::Open { first } => return Ok(Start::At(first, std::mem::take(found))),
            Verdict::Refuse(refused) => return Ok(Start::Refused(refused.to_string())),
            Verdict::Wait(wait) => {
                let Some(left) = wait.left() else {
                    return Ok(Start::Refused(wait.to_string()));
                };
                wall = wall + left;
            }
            Verdict::Raise(floor) => claim.raise_floor(&author(wall), floor)?,
            Verdict::Settle(_) => {
                let settled = claim.settle(&author(wall), |view: &View| {
                    match decide(view, &policy, &now(wall), fresh) {
                        Verdict::Settle(settlement) => Some(settlement),
                        _ => None,
                    }
                })?;
                let made = settled.filter(|settled| settled.fresh);
                fresh = made.map(|settled| settled.own_bound).or(fresh);
            }
        }
    }
    Err("the start comes to no end".into())
}

fn policy(directory: &Path, range: MachineRange, wall: WallTime) -> Policy {
    let layout = Layout::SONYFLAKE;
    let settings = Settings {
        layout,
        machines: range,
        max_ahead: Settings::MAX_AHEAD,
        window: Settings::WINDOW,
        deadline: Settings::DEADLINE,
        continue_ahead: None,
    };
    Policy {
        // As if it had just been installed.
        build_date: wall,
        ..settings.policy(directory.display().to_string())
    }
}

const fn now(wall: WallTime) -> Now {
    Now {
        wall,
        doubted: None,
        synchronised: None,
        accept_until: None,
    }
}

fn author(wall: WallTime) -> Author {
    Author {
        layout: Layout::SONYFLAKE,
        furthest: 0,
        holder: Holder::default(),
        moment: Moment {
            wall,
            ..Moment::default()
        },
    }
}
