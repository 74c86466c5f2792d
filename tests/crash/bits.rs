//! Marks that rot: every bit, every length.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use shardflake::clock::{Clock, SystemClock};
use shardflake::id::Layout;
use shardflake::issuer::Settings;
use shardflake::mark::rules::{Now, Policy, Refused, Verdict, decide};
use shardflake::mark::slot::{MARK_LEN, SLOT_LEN};
use shardflake::mark::{Claim, Directory};
use shardflake::time::SECOND;

use crate::checker::slots;
use crate::moments::Random;
use crate::server::{Home, ends, fields};
use crate::setting::{Outcome, Setting};

/// A mark on the disk and what the start rules make of it.
struct Patient {
    claim: Claim<Directory>,
    policy: Policy,
    file: File,
    whole: Vec<u8>,
    bound: u64,
}

/// What the rules said, each so often.
#[derive(Default)]
struct Counts {
    opened: u64,
    refused: u64,
}

impl Patient {
    fn new(home: &Home) -> Self {
        let directory = home.state();
        let path = directory.join("1.mark");
        let settings = settings();
        let claim = Claim::take(
            Directory::new(&directory),
            directory.display().to_string(),
            settings.machines,
        );
        Self {
            claim: claim.unwrap(),
            policy: settings.policy(directory.display().to_string()),
            file: OpenOptions::new().write(true).open(&path).unwrap(),
            whole: fs::read(&path).unwrap(),
            bound: slots(&path)[0].bound,
        }
    }

    fn write(&self, bytes: &[u8]) {
        self.file.set_len(bytes.len() as u64).unwrap();
        self.file.write_all_at(bytes, 0).unwrap();
    }

    fn flip(&self, bit: usize) {
        let byte = self.whole[bit / 8] ^ (1 << (bit % 8));
        self.file.write_all_at(&[byte], bit as u64 / 8).unwrap();
    }

    fn mend(&self, bit: usize) {
        let byte = self.whole[bit / 8];
        self.file.write_all_at(&[byte], bit as u64 / 8).unwrap();
    }

    /// Asks the rules as a start does; what they open must lie above the bound.
    fn examine(&mut self, counts: &mut Counts) -> Verdict {
        let now = Now {
            // A disk that ages leaves no stamp, writing the bit here does: late enough to cost nothing.
            wall: SystemClock.realtime() + 10 * SECOND,
            doubted: None,
            synchronised: None,
            accept_until: None,
        };
        let view = self.claim.look().unwrap();
        let verdict = decide(&view, &self.policy, &now, None);
        match &verdict {
            Verdict::Open { first } => {
                assert!(*first > self.bound, "{first} after {}", self.bound);
                counts.opened += 1;
            }
            Verdict::Refuse(_) => counts.refused += 1,
            other => panic!("a rotten mark led to {other:?}"),
        }
        verdict
    }
}

fn settings() -> Settings {
    Settings {
        layout: Layout::SONYFLAKE,
        machines: "1".parse().unwrap(),
        max_ahead: Settings::MAX_AHEAD,
        window: Settings::WINDOW,
        deadline: Settings::DEADLINE,
        continue_ahead: None,
    }
}

/// One flip never costs anything, two in different slots are refused, nor is a cut mark ever read
/// as a lower one.
pub(crate) fn every_bit_and_length(setting: &Setting) -> Outcome {
    let home = Home::with_mark("1");
    let mut patient = Patient::new(&home);
    let mut flips = Counts::default();
    let bits = patient.whole.len() * 8;
    for bit in 0..bits {
        patient.flip(bit);
        let verdict = patient.examine(&mut flips);
        assert!(
            matches!(verdict, Verdict::Open { .. }),
            "bit {bit}: {verdict:?}"
        );
        patient.mend(bit);
    }
    assert_eq!(flips.opened, MARK_LEN * 8);
    let mut random = Random::new(setting.seed);
    let mut pairs = Counts::default();
    for _ in 0..if setting.campaign { 1_000_000 } else { 20_000 } {
        let [first, second] = [0, 1].map(|_| random.within(0..SLOT_LEN as u64 * 8));
        let first = usize::try_from(first).unwrap();
        let second = usize::try_from(second).unwrap();
        both(&mut patient, first, SLOT_LEN * 8 + second, &mut pairs);
    }
    let mut cuts = Counts::default();
    for length in 0..patient.whole.len() {
        patient.write(&patient.whole[..length]);
        let verdict = patient.examine(&mut cuts);
        let opened = matches!(verdict, Verdict::Open { .. });
        assert_eq!(opened, length >= SLOT_LEN, "{length} bytes: {verdict:?}");
    }
    Outcome::Passed(format!(
        "{bits} flips of one bit: {} opened above the bound; {} flips in both slots: all refused; {} lengths: {} opened above the bound, {} refused; 0 lower bounds",
        flips.opened,
        pairs.refused,
        cuts.opened + cuts.refused,
        cuts.opened,
        cuts.refused
    ))
}

fn both(patient: &mut Patient, first: usize, second: usize, counts: &mut Counts) {
    patient.flip(first);
    patient.flip(second);
    let verdict = patient.examine(counts);
    assert!(
        matches!(verdict, Verdict::Refuse(Refused::Damaged { .. })),
        "bits {first} and {second}: {verdict:?}"
    );
    patient.mend(first);
    patient.mend(second);
}

/// Damages slots between runs of a server: it repairs one at its start, and ends with 78 over two.
pub(crate) fn damaged_starts(setting: &Setting) -> Outcome {
    let mut random = Random::new(setting.seed);
    let home = Home::with_mark("1");
    let mark = home.state().join("1.mark");
    let rounds = if setting.campaign { 100 } else { 5 };
    let mut last = 0;
    for _ in 0..rounds {
        let server = home.serve("1");
        let id = server.id();
        assert!(id > last, "{id} after {last}");
        server.kill();
        let whole = fs::read(&mark).unwrap();
        let bound = slots(&mark)[0].bound;
        let slot = random.within(0..2);
        damage(&mark, slot, &mut random);
        let server = home.serve("1");
        let id = server.id();
        assert!(fields(id).0 > bound, "{id} after the bound {bound}");
        assert_eq!(slots(&mark).len(), 2, "slot {slot} was not repaired");
        server.kill();
        fs::write(&mark, &whole).unwrap();
        damage(&mark, 0, &mut random);
        damage(&mark, 1, &mut random);
        let (code, log) = ends(home.command("1"));
        assert_eq!(code, 78, "{log}");
        assert!(log.contains("is damaged in both slots"), "{log}");
        assert!(log.contains("shardflake state adopt --state-dir"), "{log}");
        let adopt = home.run(&["state", "adopt", "--shard-id", "1"]);
        assert!(adopt.status.success(), "{adopt:?}");
        last = id;
    }
    Outcome::Passed(format!(
        "{rounds} rounds: one slot damaged, repaired at the start; both damaged, refused with 78 and adopted; IDs up to {last}, always above"
    ))
}

/// Flips a bit of what a slot says, or cuts the file, where that leaves the other slot whole.
fn damage(mark: &Path, slot: u64, random: &mut Random) {
    if slot == 1 && random.chance(20) {
        let file = OpenOptions::new().write(true).open(mark).unwrap();
        file.set_len(random.within(4096..8192)).unwrap();
        return;
    }
    let mut bytes = fs::read(mark).unwrap();
    let at = usize::try_from(slot * 4096 + random.within(0..150)).unwrap();
    bytes[at] ^= 1 << random.within(0..8);
    let file = OpenOptions::new().write(true).open(mark).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
}
