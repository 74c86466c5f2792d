//! Bit layouts: which bits of an ID hold the time, the sequence and the machine ID.
//!
//! Bit 63 is always zero, so that an ID is positive in languages whose integers are signed.

use std::fmt;
use std::time::Duration;

use crate::time::WallTime;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Which of the two lower fields stands higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// time | sequence | machine ID, as Sonyflake has it.
    SequenceMachine,
    /// time | machine ID | sequence, as Snowflake has it.
    MachineSequence,
}

/// The bits of an ID, its tick and its epoch.
///
/// A datacenter, where a layout has one, is the upper part of the machine ID:
/// the machine ID counts as `datacenter << machine bits | machine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    order: Order,
    time_bits: u8,
    sequence_bits: u8,
    machine_bits: u8,
    datacenter_bits: u8,
    tick_ms: u64,
    epoch_ms: u64,
}

/// The widths of a layout's fields and their order, for [`Layout::new`].
#[derive(Debug, Clone, Copy)]
pub struct Bits {
    /// Which of sequence and machine ID stands higher.
    pub order: Order,
    /// Bits of the time field.
    pub time: u8,
    /// Bits of the sequence.
    pub sequence: u8,
    /// Bits of the machine ID, the datacenter's among them.
    pub machine: u8,
    /// How many of the machine bits, from the top, are the datacenter's.
    pub datacenter: u8,
}

/// Why bits, tick and epoch do not make a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The widths do not fill the 63 bits below the sign.
    #[error(
        "the fields take {0} bits; time, sequence and machine ID together must take 63: widen or narrow one of them"
    )]
    Sum(u32),
    /// A field is wider than the code, or any use, allows for.
    #[error(
        "{field} takes {bits} bits; it may take {min} to {max}: move bits to or from another field"
    )]
    Width {
        /// The field's name.
        field: &'static str,
        /// The width that was asked for.
        bits: u8,
        /// The smallest width.
        min: u8,
        /// The largest width.
        max: u8,
    },
    /// The tick is zero or longer than a minute.
    #[error("a tick of {0} ms; it may be 1 to 60000 ms: set one in that range")]
    Tick(u64),
}

/// A field value that does not fit its bits. It is never masked: a masked machine ID is another shard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}; this layout holds 0 to {max}: use a value in that range")]
pub struct Overflow {
    /// The field's name.
    pub field: &'static str,
    /// The value that was asked for.
    pub value: u64,
    /// The largest value that fits.
    pub max: u64,
}

/// The fields of an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Ticks since the layout's epoch.
    pub time: u64,
    /// The sequence within the tick.
    pub sequence: u64,
    /// The machine ID, without the datacenter's bits.
    pub machine_id: u64,
    /// The datacenter, where the layout has one.
    pub datacenter_id: Option<u64>,
}

impl Layout {
    /// Sonyflake v1: 39-bit time of 10 ms, 8-bit sequence, 16-bit machine ID, from 2014-09-01.
    pub const SONYFLAKE: Self = Self::preset(
        Bits {
            order: Order::SequenceMachine,
            time: 39,
            sequence: 8,
            machine: 16,
            datacenter: 0,
        },
        10,
        1_409_529_600_000,
    );
    /// Snowflake with 10 worker bits, from 2024-01-12T13:15:54.064Z.
    pub const SNOWFLAKE: Self = Self::preset(SNOWFLAKE_BITS, 1, 1_705_065_354_064);
    /// Snowflake with 10 machine bits, from 2024-01-01.
    pub const SNOWFLAKE_NODE: Self = Self::preset(SNOWFLAKE_BITS, 1, 1_704_067_200_000);
    /// Snowflake with 5 datacenter and 5 machine bits, from Twitter's epoch.
    pub const SNOWFLAKE_DC: Self = Self::preset(
        Bits {
            datacenter: 5,
            ..SNOWFLAKE_BITS
        },
        1,
        1_288_834_974_657,
    );

    /// Makes a layout of `bits`, a tick of `tick_ms` milliseconds (1 to 60,000)
    /// and an epoch in milliseconds since 1970.
    ///
    /// # Errors
    /// [`LayoutError`] if the widths do not add up to 63 bits or one is out of range.
    pub const fn new(bits: Bits, tick_ms: u64, epoch_ms: u64) -> Result<Self, LayoutError> {
        let sum = bits.time as u32 + bits.sequence as u32 + bits.machine as u32;
        if sum != 63 {
            return Err(LayoutError::Sum(sum));
        }
        // From 28 bits of seconds, which are eight years, to 53 of milliseconds: what generators in
        // use have, so that their IDs can be read. Marks lock one byte a machine ID, and the
        // generator counts the ordinals of a tick in one word: both want modest widths.
        let fields = [
            ("the time", bits.time, 28, 53),
            ("the sequence", bits.sequence, 1, 22),
            ("the machine ID", bits.machine, 1, 22),
            (
                "the datacenter",
                bits.datacenter,
                0,
                bits.machine.saturating_sub(1),
            ),
        ];
        let mut i = 0;
        while i < fields.len() {
            let (field, bits, min, max) = fields[i];
            if bits < min || bits > max {
                return Err(LayoutError::Width {
                    field,
                    bits,
                    min,
                    max,
                });
            }
            i += 1;
        }
        if tick_ms == 0 || tick_ms > 60_000 {
            return Err(LayoutError::Tick(tick_ms));
        }
        Ok(Self {
            order: bits.order,
            time_bits: bits.time,
            sequence_bits: bits.sequence,
            machine_bits: bits.machine,
            datacenter_bits: bits.datacenter,
            tick_ms,
            epoch_ms,
        })
    }

    /// A preset's widths are checked when the crate is compiled.
    const fn preset(bits: Bits, tick_ms: u64, epoch_ms: u64) -> Self {
        match Self::new(bits, tick_ms, epoch_ms) {
            Ok(layout) => layout,
            Err(_) => panic!("a preset's fields do not fit"),
        }
    }

    /// This layout with another epoch, in milliseconds since 1970.
    #[must_use]
    pub const fn with_epoch_ms(self, epoch_ms: u64) -> Self {
        Self { epoch_ms, ..self }
    }

    /// Which of sequence and machine ID stands higher.
    #[must_use]
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Width of the time field in bits.
    #[must_use]
    pub const fn time_bits(&self) -> u8 {
        self.time_bits
    }

    /// Width of the sequence in bits.
    #[must_use]
    pub const fn sequence_bits(&self) -> u8 {
        self.sequence_bits
    }

    /// Width of the machine ID in bits, the datacenter's among them.
    #[must_use]
    pub const fn machine_bits(&self) -> u8 {
        self.machine_bits
    }

    /// How many of the machine bits, from the top, are the datacenter's.
    #[must_use]
    pub const fn datacenter_bits(&self) -> u8 {
        self.datacenter_bits
    }

    /// Length of a tick.
    #[must_use]
    pub const fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms)
    }

    /// Length of a tick in nanoseconds.
    #[must_use]
    pub const fn tick_nanos(&self) -> u64 {
        self.tick_ms * NANOS_PER_MILLI
    }

    /// The epoch in milliseconds since 1970.
    #[must_use]
    pub const fn epoch_ms(&self) -> u64 {
        self.epoch_ms
    }

    /// The largest value of the time field.
    #[must_use]
    pub const fn max_tick(&self) -> u64 {
        (1 << self.time_bits) - 1
    }

    /// How many sequence numbers a tick has.
    #[must_use]
    pub const fn sequences(&self) -> u32 {
        1 << self.sequence_bits
    }

    /// The largest machine ID.
    #[must_use]
    pub const fn max_machine(&self) -> u32 {
        (1 << self.machine_bits) - 1
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> WallTime {
        WallTime::ZERO + Duration::from_millis(self.epoch_ms)
    }

    /// The tick at `time`, or `None` before the epoch. The result may lie beyond [`Layout::max_tick`]:
    /// whoever issues checks that.
    #[must_use]
    pub fn tick_at(&self, time: WallTime) -> Option<u64> {
        let since_1970 = u64::try_from(time.as_nanos()).ok()?;
        let since_epoch = since_1970.checked_sub(self.epoch_ms * NANOS_PER_MILLI)?;
        Some(since_epoch / self.tick_nanos())
    }

    /// The beginning of `tick` in milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(&self, tick: u64) -> u64 {
        self.epoch_ms
            .saturating_add(tick.saturating_mul(self.tick_ms))
    }

    /// `duration` in ticks, rounded up, and at least two: one tick may be all but over.
    #[must_use]
    pub fn ticks(&self, duration: Duration) -> u64 {
        let ticks = duration.as_nanos().div_ceil(u128::from(self.tick_nanos()));
        u64::try_from(ticks).unwrap_or(u64::MAX).max(2)
    }

    /// The ID of `tick`, `sequence` and `machine` (the datacenter in its upper bits).
    ///
    /// # Errors
    /// [`Overflow`] if a value does not fit its field.
    pub fn compose(&self, tick: u64, sequence: u64, machine: u64) -> Result<u64, Overflow> {
        let fits = |field, value, max| {
            if value > max {
                return Err(Overflow { field, value, max });
            }
            Ok(())
        };
        fits("time", tick, self.max_tick())?;
        fits("sequence", sequence, u64::from(self.sequences() - 1))?;
        fits("machine_id", machine, u64::from(self.max_machine()))?;
        Ok(self.pack(tick, sequence, machine))
    }

    /// [`Layout::compose`] for values that are known to fit.
    pub(crate) const fn pack(&self, tick: u64, sequence: u64, machine: u64) -> u64 {
        let low = match self.order {
            Order::SequenceMachine => sequence << self.machine_bits | machine,
            Order::MachineSequence => machine << self.sequence_bits | sequence,
        };
        tick << (self.sequence_bits + self.machine_bits) | low
    }

    /// The fields of `id`.
    ///
    /// # Errors
    /// [`Overflow`] if bit 63 is set: no layout has such IDs.
    pub fn decompose(&self, id: u64) -> Result<Fields, Overflow> {
        const MAX: u64 = i64::MAX as u64;
        if id > MAX {
            return Err(Overflow {
                field: "id",
                value: id,
                max: MAX,
            });
        }
        Ok(self.fields(id))
    }

    /// [`Layout::decompose`] for an ID whose bit 63 is known to be clear.
    pub(super) fn fields(&self, id: u64) -> Fields {
        let field = |shift: u8, bits: u8| id >> shift & ((1 << bits) - 1);
        let (sequence, machine) = match self.order {
            Order::SequenceMachine => (
                field(self.machine_bits, self.sequence_bits),
                field(0, self.machine_bits),
            ),
            Order::MachineSequence => (
                field(0, self.sequence_bits),
                field(self.sequence_bits, self.machine_bits),
            ),
        };
        let plain_bits = self.machine_bits - self.datacenter_bits;
        Fields {
            time: id >> (self.sequence_bits + self.machine_bits),
            sequence,
            machine_id: machine & ((1 << plain_bits) - 1),
            datacenter_id: (self.datacenter_bits > 0).then_some(machine >> plain_bits),
        }
    }

    /// The layout's name if it is one of the presets, its epoch included.
    #[must_use]
    pub fn preset_name(&self) -> Option<&'static str> {
        PRESETS
            .iter()
            .find(|(_, preset)| preset == self)
            .map(|(name, _)| *name)
    }
}

const SNOWFLAKE_BITS: Bits = Bits {
    order: Order::MachineSequence,
    time: 41,
    sequence: 12,
    machine: 10,
    datacenter: 0,
};

/// The named layouts.
pub const PRESETS: [(&str, Layout); 5] = [
    ("sonyflake", Layout::SONYFLAKE),
    (
        "sonyflake v2",
        Layout::SONYFLAKE.with_epoch_ms(1_735_689_600_000),
    ),
    ("snowflake", Layout::SNOWFLAKE),
    ("snowflake-node", Layout::SNOWFLAKE_NODE),
    ("snowflake-dc", Layout::SNOWFLAKE_DC),
];

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = match self.order {
            Order::SequenceMachine => format!(
                "{} sequence, {} machine",
                self.sequence_bits, self.machine_bits
            ),
            Order::MachineSequence if self.datacenter_bits > 0 => format!(
                "{} datacenter, {} machine, {} sequence",
                self.datacenter_bits,
                self.machine_bits - self.datacenter_bits,
                self.sequence_bits
            ),
            Order::MachineSequence => format!(
                "{} machine, {} sequence",
                self.machine_bits, self.sequence_bits
            ),
        };
        write!(
            f,
            "{} bits of {} ms, {low}, epoch {} ms",
            self.time_bits, self.tick_ms, self.epoch_ms
        )
    }
}

#[cfg(test)]
mod tests;
