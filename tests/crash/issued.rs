//! Received is a part of issued: a small program that wires the library as the server does, logs
//! every ID before it hands it on, and is killed.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use shardflake::id::Layout;
use shardflake::issuer::Settings;
use shardflake::mark::Directory;
use shardflake::shard::{Opening, Shard};

use crate::checker::{distinct, look};
use crate::moments::Random;
use crate::server::{Home, PATIENCE};
use crate::setting::{Outcome, Setting};

/// Tasks that issue at the same time.
const THREADS: usize = 8;
const SHARD: &str = "0-15";

/// The program: issues until it is killed.
pub(crate) fn issue(directory: &str, shard: &str, log: &str) -> ExitCode {
    let settings = Settings {
        layout: Layout::SONYFLAKE,
        machines: shard.parse().unwrap(),
        max_ahead: Settings::MAX_AHEAD,
        window: Duration::from_millis(40),
        deadline: Duration::from_millis(20),
        continue_ahead: None,
    };
    let storage = Directory::new(directory);
    let mut opening = Opening::here(settings, storage, directory.to_owned());
    opening.policy.create = false;
    let shard = Shard::open_with(opening, |_| {}).unwrap();
    let log = OpenOptions::new().append(true).open(log).unwrap();
    let out = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (log, out) = (log.try_clone().unwrap(), out.try_clone().unwrap());
            scope.spawn(|| hand_on(&shard, log, out));
        }
    });
    ExitCode::SUCCESS
}

fn hand_on(shard: &Shard, mut log: File, mut out: File) {
    loop {
        let Ok(issued) = shard.id() else {
            std::thread::park_timeout(Duration::from_millis(1));
            continue;
        };
        let bytes = issued.as_u64().to_be_bytes();
        // One write each, so that none is torn.
        log.write_all(&bytes).unwrap();
        out.write_all(&bytes).unwrap();
    }
}

/// The case: kills it again and again, and compares what came with what was logged.
pub(crate) fn received_is_a_part_of_issued(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let home = Home::empty();
    home.make_mark(SHARD);
    let log = home.path("issued");
    File::create(&log).unwrap();
    let (mut issued, mut received) = (Vec::new(), 0);
    let trials = setting.trials() / 5;
    for _ in 0..trials {
        let taken = live(&home, &log, &mut random);
        let bytes = fs::read(&log).unwrap();
        assert_eq!(bytes.len() % 8, 0);
        let new = ids(&bytes[issued.len() * 8..]);
        let last = issued.iter().max().copied().unwrap_or(0);
        assert!(new.iter().all(|id| *id > last), "not above an earlier life");
        let known: HashSet<_> = new.iter().collect();
        let stranger = taken.iter().find(|id| !known.contains(id));
        assert!(stranger.is_none(), "{stranger:?} was never issued");
        received += distinct(taken);
        issued.extend(new);
    }
    assert!(received > 0);
    let lost = issued.len() - received;
    Outcome::Passed(format!(
        "{trials} kills, {} IDs issued, {received} received, {lost} on the way when killed, 0 duplicates, 0 order violations",
        distinct(issued),
    ))
}

/// One life: what came before it was killed at a random moment.
fn live(home: &Home, log: &Path, random: &mut Random) -> Vec<u64> {
    let mut child = spawn(home, log);
    let mut pipe = child.stdout.take().unwrap();
    let mark = home.state().join(format!("{SHARD}.mark"));
    let (sender, first) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        let mut fault = None;
        loop {
            let read = pipe.read(&mut chunk).unwrap();
            if read == 0 {
                return (bytes, fault);
            }
            bytes.extend_from_slice(&chunk[..read]);
            let largest = ids(&chunk[..read / 8 * 8]).into_iter().max().unwrap_or(0);
            fault = fault.or(look(&mark, largest).err());
            let _ = sender.send(Instant::now());
        }
    });
    first.recv_timeout(PATIENCE).expect("an ID");
    random.moment(1..200);
    child.kill().unwrap();
    child.wait().unwrap();
    let (bytes, fault) = reader.join().unwrap();
    assert_eq!(fault, None);
    ids(&bytes)
}

fn spawn(home: &Home, log: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg("issue")
        .arg(home.state())
        .arg(SHARD)
        .arg(log)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn ids(bytes: &[u8]) -> Vec<u64> {
    let (whole, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty(), "an ID was torn");
    whole.iter().map(|id| u64::from_be_bytes(*id)).collect()
}
