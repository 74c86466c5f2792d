//! The mark: whatever happens to its bytes, a start never takes it for a lower bound than was
//! published, and never panics.
//!
//! A mark is written with a bound that is known, at rest or in the middle of being raised. The
//! input then flips, cuts, overwrites and copies bytes, and a shard starts over what is left, as
//! the keeper does it. Bytes of *older* slots are not put back: a checksum cannot tell them.
//! Neither can it tell a slot that was forged with its checksum; such a one must not cause a panic.

use std::collections::BTreeMap;
use std::time::Duration;

use shardflake::id::{Layout, MachineRange};
use shardflake::mark::rules::{self, Invocation, Now, Policy, Verdict, View};
use shardflake::mark::slot::{Holder, Moment, SLOT_LEN, Slot};
use shardflake::mark::storage::Identity;
use shardflake::mark::{Author, Claim, MarkError, survey};
use shardflake::time::{SECOND, WallTime};

use super::input::Input;
use super::memory::Memory;

const NOW: WallTime = WallTime::from_nanos(1_800_000_000_000_000_000);
const LAYOUT: Layout = Layout::SONYFLAKE;
const MAX_AHEAD: u64 = 500;
const FURTHEST: u64 = 625;
const WRITTEN: [&str; 4] = ["16-31", "16", "20-23", "0-65535"];
const CLAIMED: [&str; 6] = ["16-31", "16", "20-23", "8-40", "31-32", "0-65535"];
/// More steps than any start takes.
const STEPS: usize = 8;

/// What was written, and what the input did to it.
struct Case {
    storage: Memory,
    written: MachineRange,
    /// Issued IDs lie at or below it.
    published: u64,
    policy: Policy,
    now: Now,
    forged: bool,
    copied: bool,
}

/// How a start ended.
enum Outcome {
    Opened {
        first: u64,
        claim: Box<Claim<Memory>>,
    },
    Refused,
    Waits,
}

/// Takes the input as a history of a mark.
///
/// # Panics
/// If a promise is broken.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let mut case = Case::write(&mut input);
    while !input.is_empty() {
        case.damage(&mut input);
    }
    let before = case.marks();
    let (outcome, settled) = case.start();
    let untouched = case.marks() == before;
    assert!(
        settled || untouched,
        "written before the start rules passed"
    );
    case.check_marks();
    match outcome {
        Outcome::Opened { first, claim } => {
            case.check_first(first);
            raise(*claim, first);
        }
        Outcome::Refused => case.adopt(),
        Outcome::Waits => {}
    }
}

impl Case {
    /// Writes a mark as a shard that was running left it.
    fn write(input: &mut Input<'_>) -> Self {
        let written: MachineRange = input.one(&WRITTEN).parse().expect("a range");
        let claimed: MachineRange = input.one(&CLAIMED).parse().expect("a range");
        let now = LAYOUT.tick_at(NOW).expect("after the epoch");
        let published = now - 1000 + u64::from(input.short() % 4096);
        // One slot may have been raised already, to a bound that is not published.
        let raised = published + u64::from(input.byte());
        let bounds = input.one(&[
            [published, published],
            [raised, published],
            [published, raised],
        ]);
        let storage = Memory::default();
        storage.put(&rules::mark_name(written), |identity| {
            bounds
                .map(|bound| slot(written, bound, identity).encode().to_vec())
                .concat()
        });
        Self {
            storage,
            written,
            published,
            policy: policy(claimed, input),
            now: moment(input),
            forged: false,
            copied: false,
        }
    }

    fn name(&self) -> String {
        rules::mark_name(self.written)
    }

    /// One thing that happens to the files while the shard is down.
    fn damage(&mut self, input: &mut Input<'_>) {
        let kind = input.byte() % 10;
        let at = usize::from(input.short());
        let value = input.byte();
        let (storage, name) = (&self.storage, self.name());
        let change = |change: fn(&mut Vec<u8>, usize, u8)| {
            storage.change(&name, |bytes| change(bytes, at, value));
        };
        match kind {
            0 => change(|bytes, at, value| flip(bytes, at, value)),
            1 => change(|bytes, at, _| bytes.truncate(at)),
            2 => change(|bytes, at, value| fill(bytes, at, 1, value)),
            3 => change(|bytes, at, value| fill(bytes, at, 512, value)),
            4 => change(|bytes, at, value| bytes.resize(at.min(5 * SLOT_LEN), value)),
            5 => change(|bytes, at, value| move_block(bytes, at, value)),
            6 => {
                self.forged = true;
                change(|bytes, at, _| seal(bytes, at));
            }
            7 => {
                self.copied = true;
                storage.copy(&name);
            }
            // Somebody had the mark in hand, at any time.
            8 => storage.touch(NOW + (i64::from(value) - 128) * SECOND),
            // A start that was interrupted leaves half of a mark under its temporary name.
            _ => storage.put(&format!("{name}.new"), |_| vec![value; at % 9000]),
        }
    }

    /// All files but the lock file, which every start makes.
    fn marks(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.storage.contents();
        files.remove("lock");
        files
    }

    /// Starts as the server does, and says whether marks were written on the way.
    fn start(&self) -> (Outcome, bool) {
        let directory = self.policy.directory.clone();
        let mut claim = Claim::take(self.storage.clone(), directory, self.policy.range)
            .expect("nobody holds a lock");
        let (mut now, mut fresh, mut settled) = (self.now, None, false);
        for _ in 0..STEPS {
            let view = claim.look().expect("memory can be read");
            match rules::decide(&view, &self.policy, &now, fresh) {
                Verdict::Refuse(refused) => {
                    assert!(!refused.to_string().is_empty());
                    assert!(!settled, "refused what it has written itself");
                    return (Outcome::Refused, settled);
                }
                // The first wait of a new mark is waited for.
                Verdict::Wait(rules::Wait::Fresh { left, .. }) => now.wall = now.wall + left,
                Verdict::Wait(wait) => {
                    assert!(!wait.to_string().is_empty());
                    // Past a new mark's bound the clock may be one that was not accepted that far.
                    assert!(!settled || fresh.is_some(), "written before its time");
                    return (Outcome::Waits, settled);
                }
                Verdict::Raise(floor) => {
                    let raised = claim.raise_floor(&author(), floor);
                    raised.expect("memory can be written");
                    settled = true;
                }
                Verdict::Open { first } => {
                    let claim = Box::new(claim);
                    return (Outcome::Opened { first, claim }, settled);
                }
                Verdict::Settle(_) => {
                    let done = claim.settle(&author(), |view| self.settlement(view, &now, fresh));
                    let done = done
                        .expect("memory can be written")
                        .expect("still to settle");
                    fresh = fresh.or(done.fresh.then_some(done.own_bound));
                    settled = true;
                }
            }
        }
        panic!("the start rules go round in circles");
    }

    fn settlement(&self, view: &View, now: &Now, fresh: Option<u64>) -> Option<rules::Settlement> {
        match rules::decide(view, &self.policy, now, fresh) {
            Verdict::Settle(settlement) => Some(settlement),
            _ => None,
        }
    }

    /// No ID that may have been issued comes again.
    fn check_first(&self, first: u64) {
        let shared = self.policy.range.overlaps(&self.written);
        assert!(
            !shared || self.forged || first > self.published,
            "opened at {first}, {} is published",
            self.published
        );
        assert!(
            !shared || self.forged || !self.copied,
            "a copy was taken for the original"
        );
    }

    /// Every mark for a machine ID that was in use has its bound, or cannot be read.
    fn check_marks(&self) {
        let (marks, strangers) = survey(&self.storage, "memory").expect("memory can be read");
        assert!(strangers.is_empty());
        if self.forged {
            return;
        }
        let ours = marks
            .iter()
            .filter(|seen| seen.range.overlaps(&self.written));
        for seen in ours.clone() {
            let bound = seen.bound().unwrap_or(u64::MAX);
            assert!(
                bound >= self.published,
                "{} says {bound}, {} is published",
                seen.range,
                self.published
            );
        }
        let covered: u32 = ours
            .clone()
            .map(|seen| shared(seen.range, self.written))
            .sum();
        assert!(
            covered >= self.written.count(),
            "a machine ID has lost its mark"
        );
    }

    /// What an operator does about a mark that is refused: afterwards it is not, and it bounds all
    /// that was issued, if no bound was further ahead of the clock than bounds may be.
    fn adopt(&self) {
        let directory = self.policy.directory.clone();
        let mut claim = Claim::take(self.storage.clone(), directory, self.policy.range)
            .expect("the start has let go of its locks");
        let adopted = claim.adopt(&author(), None, |view| {
            rules::adoptable(view, &self.policy, None)?;
            Ok(rules::adopted_bound(view, &self.policy, &self.now)?)
        });
        drop(claim);
        let bound = match adopted {
            Ok(bound) => bound,
            Err(MarkError::Refused(_) | MarkError::Wait(_)) => return,
            Err(error) => panic!("{error}"),
        };
        let now = LAYOUT.tick_at(self.now.wall).unwrap_or(0);
        let sound = !self.forged && self.published <= now + FURTHEST;
        assert!(!sound || bound >= self.published, "adopted {bound}");
        let (marks, _) = survey(&self.storage, "memory").expect("memory can be read");
        for seen in marks {
            let ours =
                seen.range.overlaps(&self.policy.range) && shared(seen.range, self.written) > 0;
            assert!(!sound || !ours || seen.bound() >= Some(self.published));
        }
        let (outcome, _) = self.start();
        assert!(
            !matches!(outcome, Outcome::Refused) || !self.policy.create,
            "refused after it was adopted"
        );
    }
}

/// Raises the mark, as every run does before its first ID.
fn raise(claim: Claim<Memory>, first: u64) {
    let mut record = claim.into_record(author()).expect("the mark is there");
    let read = record.bound();
    assert!(read < first, "opened at {first}, {read} is in the mark");
    let target = first.saturating_add(100).min(LAYOUT.max_tick());
    let raised = record.raise(target, Moment::default());
    raised.expect("memory can be written");
    assert_eq!(record.bound(), target.max(read));
}

/// How many machine IDs two ranges share.
fn shared(one: MachineRange, other: MachineRange) -> u32 {
    one.count() - one.without(other).map(|part| part.count()).sum::<u32>()
}

fn slot(range: MachineRange, bound: u64, identity: Identity) -> Slot {
    let author = author();
    Slot {
        range,
        layout: author.layout,
        bound,
        written: author.moment,
        clock: NOW,
        furthest: author.furthest,
        identity,
        holder: author.holder,
    }
}

fn author() -> Author {
    Author {
        layout: LAYOUT,
        furthest: 0,
        holder: Holder {
            host: "fuzz".to_owned(),
            ..Holder::default()
        },
        moment: Moment {
            wall: NOW,
            ..Moment::default()
        },
    }
}

fn policy(range: MachineRange, input: &mut Input<'_>) -> Policy {
    let choices = input.byte();
    let told = LAYOUT.tick_at(NOW).map(|now| now + 3000);
    Policy {
        directory: "memory".to_owned(),
        invocation: Invocation::default(),
        layout: LAYOUT,
        range,
        max_ahead: MAX_AHEAD,
        furthest: FURTHEST,
        usual: FURTHEST,
        create: choices & 1 == 0,
        require_sync: choices & 2 == 2,
        build_date: NOW - 1000 * SECOND,
        continue_ahead: told.filter(|_| choices & 4 == 4),
    }
}

/// A time near that of the mark, or far from it.
fn moment(input: &mut Input<'_>) -> Now {
    let choices = input.byte();
    let unit = input.one(&[SECOND / 100, SECOND, 3600 * SECOND, 30 * 24 * 3600 * SECOND]);
    let steps = i64::from(input.short()) - i64::from(u16::MAX / 2);
    let step = Duration::from_secs(u64::from(choices));
    Now {
        wall: NOW + (steps / 16) * unit,
        doubted: match choices & 3 {
            0 => Some((step, None)),
            1 => Some((step, Some(step))),
            _ => None,
        },
        synchronised: [None, Some(true), Some(false)][usize::from(choices >> 2) % 3],
        accept_until: (choices & 128 == 128).then_some(NOW + SECOND),
    }
}

fn flip(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at % (2 * SLOT_LEN)) {
        *byte ^= 1 << (value % 8);
    }
}

fn fill(bytes: &mut [u8], at: usize, len: usize, value: u8) {
    let len = bytes.len().min(at.saturating_add(len));
    if let Some(block) = bytes.get_mut(at..len) {
        block.fill(value);
    }
}

/// Copies a block of the file to another place in it.
fn move_block(bytes: &mut [u8], at: usize, value: u8) {
    let len = 256.min(bytes.len());
    let last = bytes.len() - len;
    bytes.copy_within(
        (at.min(last))..(at.min(last) + len),
        (usize::from(value) * 64).min(last),
    );
}

/// Makes the checksum of a slot right.
fn seal(bytes: &mut [u8], at: usize) {
    let begin = (at % 2) * SLOT_LEN;
    let Some(slot) = bytes.get_mut(begin..begin + SLOT_LEN) else {
        return;
    };
    let (body, checksum) = slot.split_at_mut(SLOT_LEN - 4);
    checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
}
