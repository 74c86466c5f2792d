//! One slot of a mark: 4 KiB that say how far IDs may have been issued.

use std::fmt;

use nix::errno::Errno;

use super::storage::Identity;
use crate::id::layout::{Bits, Layout, Order};
use crate::id::range::MachineRange;
use crate::time::{BootTime, WallTime};

/// Length of a slot in bytes: a page, and the unit that disks write.
pub const SLOT_LEN: usize = 4096;
/// Length of a mark: two slots that mirror each other.
pub const MARK_LEN: u64 = 2 * SLOT_LEN as u64;

/// Where slot 0 or 1 begins in a mark.
pub(super) const fn offset(index: usize) -> u64 {
    (index * SLOT_LEN) as u64
}

const MAGIC: [u8; 8] = *b"shflmark";
const VERSION: u32 = 2;
/// Marks of this version are read, and written anew as the present one.
const FIRST_VERSION: u32 = 1;
const CHECKSUM_AT: usize = SLOT_LEN - 4;
const HOST_LEN: usize = 64;

/// The content of one slot: a bound, and who wrote it when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The machine IDs that the mark is for.
    pub range: MachineRange,
    /// Bits, tick and epoch of the IDs that it bounds.
    pub layout: Layout,
    /// No ID with a tick above it has been issued.
    pub bound: u64,
    /// When it was written, by the clock that IDs follow.
    pub written: Moment,
    /// The kernel's wall clock just before it was written. That clock also stamps changes of the file: a
    /// later stamp is somebody else's doing.
    pub clock: WallTime,
    /// Q in ticks, by the writer's settings: it raises no bound further ahead of the wall clock.
    pub furthest: u64,
    /// Which file it was written to.
    pub identity: Identity,
    /// Who wrote it.
    pub holder: Holder,
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The wall clock.
    pub wall: WallTime,
    /// The boot clock.
    pub boot: BootTime,
    /// The boot that the boot clock belongs to: boot times of another boot mean nothing.
    pub boot_id: BootId,
}

/// A boot, and the time namespace within it.
pub type BootId = ([u8; 16], u64);

/// The process that writes a mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// Name of the host or container.
    pub host: String,
    /// Process ID, as the process sees it itself.
    pub pid: u32,
    /// Number of its PID namespace.
    pub pid_namespace: u64,
    /// When it started.
    pub started: WallTime,
}

/// Why bytes are not a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// The file ends before the slot does.
    #[error("it is cut off after {0} of 4096 bytes")]
    Truncated(usize),
    /// It does not begin as a slot does.
    #[error("it does not begin with the mark's magic number")]
    Magic,
    /// Its checksum does not match its bytes.
    #[error("its checksum does not match")]
    Checksum,
    /// The checksum is right, but the format version is one that this program does not read.
    #[error("its format version is {0}, but this program reads only versions 1 and 2")]
    Version(u32),
    /// The checksum is right, but a field is out of its range.
    #[error("its {0} is out of range")]
    Field(&'static str),
    /// The device cannot read it.
    #[error("it cannot be read: {}", .0.desc())]
    Unreadable(Errno),
}

impl Slot {
    /// The slot's bytes.
    ///
    /// # Panics
    /// Never: the fields take far less than a slot.
    #[must_use]
    pub fn encode(&self) -> Box<[u8; SLOT_LEN]> {
        let mut bytes = Box::new([0; SLOT_LEN]);
        let mut out = Cursor(&mut bytes[..]);
        out.put(&MAGIC);
        out.put(&VERSION.to_le_bytes());
        out.put(&self.range.first().to_le_bytes());
        out.put(&self.range.last().to_le_bytes());
        out.put(&[
            u8::from(self.layout.order() == Order::MachineSequence),
            self.layout.time_bits(),
            self.layout.sequence_bits(),
            self.layout.machine_bits(),
            self.layout.datacenter_bits(),
        ]);
        let tick_ms = self.layout.tick_nanos() / 1_000_000;
        out.put(&tick_ms.to_le_bytes());
        out.put(&self.layout.epoch_ms().to_le_bytes());
        out.put(&self.bound.to_le_bytes());
        out.put(&self.written.wall.as_nanos().to_le_bytes());
        out.put(&self.written.boot.as_nanos().to_le_bytes());
        out.put(&self.written.boot_id.0);
        out.put(&self.written.boot_id.1.to_le_bytes());
        out.put(&self.identity.inode.to_le_bytes());
        out.put(&self.identity.born.as_nanos().to_le_bytes());
        out.put(&self.identity.subvolume);
        out.put(&self.identity.generation.to_le_bytes());
        out.put(&self.clock.as_nanos().to_le_bytes());
        out.put(&self.furthest.to_le_bytes());
        out.put(&self.holder.pid.to_le_bytes());
        out.put(&self.holder.pid_namespace.to_le_bytes());
        out.put(&self.holder.started.as_nanos().to_le_bytes());
        let host = clip(&self.holder.host, HOST_LEN);
        out.put(&[u8::try_from(host.len()).expect("clipped to 64 bytes")]);
        out.put(host.as_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Whether it was written after `other`. The boot clock does not step; where the two are of
    /// different boots, the kernel's clock has to do.
    #[must_use]
    pub fn is_later_than(&self, other: &Self) -> bool {
        let (mine, others) = (&self.written, &other.written);
        if mine.boot_id == others.boot_id && mine.boot_id.0 != [0; 16] {
            return mine.boot > others.boot;
        }
        self.clock > other.clock
    }

    /// Reads a slot.
    ///
    /// # Errors
    /// [`SlotError`] if the bytes are not a whole slot of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, SlotError> {
        if bytes.len() < SLOT_LEN {
            return Err(SlotError::Truncated(bytes.len()));
        }
        let (body, checksum) = bytes[..SLOT_LEN].split_at(CHECKSUM_AT);
        let mut input = Reader(body);
        if input.take() != MAGIC {
            return Err(SlotError::Magic);
        }
        if crc32c::crc32c(body).to_le_bytes() != checksum {
            return Err(SlotError::Checksum);
        }
        let version = input.u32();
        if !(FIRST_VERSION..=VERSION).contains(&version) {
            return Err(SlotError::Version(version));
        }
        Self::decode_fields(input, version > FIRST_VERSION)
    }

    /// Reads the fields behind the version. Version 1 knew the followed clock alone, and wrote the same
    /// reading to both slots.
    fn decode_fields(mut input: Reader<'_>, has_clock: bool) -> Result<Self, SlotError> {
        let range = MachineRange::new(input.u32(), input.u32());
        let layout = input.layout()?;
        let bound = input.u64();
        if bound > layout.max_tick() {
            return Err(SlotError::Field("bound"));
        }
        let written = Moment {
            wall: input.wall_time(),
            boot: BootTime::from_nanos(input.i64()),
            boot_id: (input.take(), input.u64()),
        };
        let mut identity = Identity {
            inode: input.u64(),
            born: input.wall_time(),
            generation: 0,
            subvolume: input.take(),
        };
        let (mut clock, mut furthest) = (written.wall, 0);
        if has_clock {
            identity.generation = input.u32();
            (clock, furthest) = (input.wall_time(), input.u64());
        }
        Ok(Self {
            range: range.ok_or(SlotError::Field("machine range"))?,
            layout,
            bound,
            written,
            clock,
            furthest,
            identity,
            holder: Holder {
                pid: input.u32(),
                pid_namespace: input.u64(),
                started: input.wall_time(),
                host: input.text(),
            },
        })
    }
}

/// The longest beginning of `text` that takes at most `len` bytes.
fn clip(text: &str, len: usize) -> &str {
    let end = (0..=len.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            pid,
            pid_namespace,
            started,
        } = self;
        write!(f, "host {host}, pid {pid}")?;
        // A container's process has another number outside of it.
        if *pid_namespace != 0 {
            write!(f, " in namespace {pid_namespace}")?;
        }
        write!(f, ", started {started}")
    }
}

struct Cursor<'a>(&'a mut [u8]);

impl Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let (head, tail) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        self.0 = tail;
    }
}

/// Reads fields off a slot's body, which is longer than all of them together.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, tail) = self
            .0
            .split_first_chunk()
            .expect("a slot is longer than its fields");
        self.0 = tail;
        *head
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    fn wall_time(&mut self) -> WallTime {
        WallTime::from_nanos(self.i64())
    }

    fn layout(&mut self) -> Result<Layout, SlotError> {
        let [order, time, sequence, machine, datacenter] = self.take();
        let order = match order {
            0 => Order::SequenceMachine,
            1 => Order::MachineSequence,
            _ => return Err(SlotError::Field("field order")),
        };
        let bits = Bits {
            order,
            time,
            sequence,
            machine,
            datacenter,
        };
        let layout = Layout::new(bits, self.u64(), self.u64());
        layout.map_err(|_| SlotError::Field("bit layout"))
    }

    fn text(&mut self) -> String {
        let [len] = self.take();
        let end = usize::from(len).min(self.0.len());
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> Slot {
        Slot {
            range: "16-31".parse().unwrap(),
            layout: Layout::SONYFLAKE,
            bound: 123_456_789,
            written: Moment {
                wall: WallTime::from_nanos(1_800_000_000_000_000_000),
                boot: BootTime::from_nanos(77),
                boot_id: ([9; 16], 4_026_531_834),
            },
            clock: WallTime::from_nanos(1_800_000_000_000_000_001),
            furthest: 625,
            identity: Identity {
                inode: 42,
                born: WallTime::from_nanos(1_700_000_000_000_000_000),
                generation: 3,
                subvolume: [7; 16],
            },
            holder: Holder {
                host: "shardflake-shard1".into(),
                pid: 4711,
                pid_namespace: 4_026_531_836,
                started: WallTime::from_nanos(1_799_999_999_000_000_000),
            },
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for layout in [sample().layout, Layout::SONYFLAKE, Layout::SNOWFLAKE] {
            let slot = Slot { layout, ..sample() };
            assert_eq!(Slot::decode(&slot.encode()[..]), Ok(slot));
        }
        assert_eq!(MARK_LEN, 2 * 4096);
    }

    #[test]
    fn a_slot_of_the_first_version_reads_without_what_it_did_not_know() {
        let whole = sample().encode();
        // Where the fields stand that the first version did not have.
        let (before, after) = (121, 141);
        let mut old = Box::new([0; SLOT_LEN]);
        old[..before].copy_from_slice(&whole[..before]);
        let holder = &whole[after..CHECKSUM_AT];
        old[before..before + holder.len()].copy_from_slice(holder);
        old[8..12].copy_from_slice(&1u32.to_le_bytes());
        let checksum = crc32c::crc32c(&old[..CHECKSUM_AT]);
        old[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        let slot = sample();
        let wanted = Slot {
            clock: slot.written.wall,
            furthest: 0,
            identity: Identity {
                generation: 0,
                ..slot.identity
            },
            ..slot
        };
        assert_eq!(Slot::decode(&old[..]), Ok(wanted));
    }

    #[test]
    fn every_bit_flip_and_every_cut_is_seen() {
        let whole = sample().encode();
        for bit in 0..SLOT_LEN * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Slot::decode(&bytes[..]).is_err(), "bit {bit}");
        }
        for len in 0..SLOT_LEN {
            assert_eq!(Slot::decode(&whole[..len]), Err(SlotError::Truncated(len)));
        }
        assert_eq!(Slot::decode(&[0; SLOT_LEN]), Err(SlotError::Magic));
    }

    #[test]
    fn sound_bytes_with_senseless_values_are_refused() {
        let with = |at: usize, bytes: &[u8]| {
            let mut slot = sample().encode();
            slot[at..at + bytes.len()].copy_from_slice(bytes);
            let checksum = crc32c::crc32c(&slot[..CHECKSUM_AT]);
            slot[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
            Slot::decode(&slot[..])
        };
        assert_eq!(with(8, &3u32.to_le_bytes()), Err(SlotError::Version(3)));
        assert_eq!(with(8, &0u32.to_le_bytes()), Err(SlotError::Version(0)));
        assert_eq!(
            with(12, &32u32.to_le_bytes()),
            Err(SlotError::Field("machine range"))
        );
        assert_eq!(with(20, &[2]), Err(SlotError::Field("field order")));
        assert_eq!(with(21, &[40]), Err(SlotError::Field("bit layout")));
        assert_eq!(
            with(41, &u64::MAX.to_le_bytes()),
            Err(SlotError::Field("bound"))
        );
    }

    #[test]
    fn a_long_host_name_is_clipped_between_characters() {
        let mut slot = sample();
        slot.holder.host = "ü".repeat(40);
        let read = Slot::decode(&slot.encode()[..]).unwrap();
        assert_eq!(read.holder.host, "ü".repeat(32));
        assert_eq!(clip("aü", 2), "a");
    }

    #[test]
    fn a_holder_is_told_by_host_pid_namespace_and_start() {
        assert_eq!(
            sample().holder.to_string(),
            "host shardflake-shard1, pid 4711 in namespace 4026531836, started 2027-01-15T07:59:59.000Z"
        );
        let unknown = Holder {
            pid_namespace: 0,
            ..sample().holder
        };
        assert_eq!(
            unknown.to_string(),
            "host shardflake-shard1, pid 4711, started 2027-01-15T07:59:59.000Z"
        );
    }
}
