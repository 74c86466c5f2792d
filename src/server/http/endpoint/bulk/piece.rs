//! The pieces of a long reply, each sent at a time.

use std::io::Write as _;
use std::num::NonZeroU32;

use bytes::Bytes;

use crate::http::negotiation::Format;
use shardflake::id::generator::{Grid, Run};
use shardflake::id::{Decimals, Encoding};

/// The largest piece, in bytes.
pub(in crate::http::endpoint) const PIECE: usize = 64 * 1024;
const CLOSING: &[u8] = b"]}";
/// The most that an entry of `/ranges` takes: five numbers of 20 digits and their names.
const RANGE: usize = 256;
/// The beginning and the end of an entry in JSON. The comma after the last is taken back.
const QUOTED: (&[u8], &[u8]) = (b"\"", b"\",");
const LINE: (&[u8], &[u8]) = (b"", b"\n");

/// The entries of a reply and their form.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Shape {
    Ids(Format, Encoding),
    Ranges(Encoding),
}

/// A part of a reply, while it is written.
pub(super) struct Piece {
    shape: Shape,
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    length: usize,
}

impl Shape {
    pub(super) const fn format(self) -> Format {
        match self {
            Self::Ids(format, _) => format,
            Self::Ranges(_) => Format::Json,
        }
    }

    /// The length of the whole reply in bytes, if every ID takes the same; in decimal, if each has `decimals`
    /// digits.
    pub(super) fn length(self, count: NonZeroU32, decimals: Option<usize>) -> Option<usize> {
        let Self::Ids(format, encoding) = self else {
            return None;
        };
        let id = match encoding {
            _ if format == Format::Binary => 8,
            Encoding::Hex => 16,
            Encoding::Base32 => 13,
            Encoding::Decimal => decimals?,
        };
        let count = count.get() as usize;
        Some(match format {
            Format::Binary => count * id,
            Format::Text => count * (id + LINE.1.len()),
            // The last has no comma.
            Format::Json => {
                let each = id + QUOTED.0.len() + QUOTED.1.len();
                self.opening().len() + count * each - 1 + CLOSING.len()
            }
        })
    }

    /// The room for a whole reply of `count` IDs, of which a tick has `per_tick`, if it fits one piece.
    ///
    /// All IDs of a tick are one range; those of the first and of the last tick, which are not all, are up to
    /// three. Other requests at the same time may cause more than there is room for then.
    pub(super) fn whole(self, count: NonZeroU32, per_tick: u64) -> Option<usize> {
        let entries = match self {
            Self::Ids(..) => count.get().into(),
            Self::Ranges(_) => {
                (u64::from(count.get()).div_ceil(per_tick) + 4).min(count.get().into())
            }
        };
        let around = self.opening().len() + CLOSING.len();
        let room = usize::try_from(entries).ok()?.checked_mul(self.entry())? + around;
        (room <= PIECE).then_some(room)
    }

    /// The most bytes that an entry takes.
    const fn entry(self) -> usize {
        match self {
            Self::Ids(Format::Binary, _) => 8,
            Self::Ids(..) => Decimals::ROOM,
            Self::Ranges(_) => RANGE,
        }
    }

    const fn opening(self) -> &'static [u8] {
        match self {
            Self::Ids(Format::Json, _) => b"{\"ids\":[",
            Self::Ranges(_) => b"{\"ranges\":[",
            Self::Ids(..) => b"",
        }
    }
}

impl Piece {
    /// A piece with room for the IDs of `run`, or for as many as it takes.
    pub(super) fn new(shape: Shape, run: &Run) -> Self {
        let around = shape.opening().len() + CLOSING.len();
        let entries = usize::try_from(run.count()).unwrap_or(PIECE);
        let size = entries.saturating_mul(shape.entry()).saturating_add(around);
        Self::with_room(shape, size.min(PIECE))
    }

    /// A piece with room for that many bytes.
    pub(super) fn with_room(shape: Shape, room: usize) -> Self {
        Self {
            shape,
            bytes: vec![0; room],
            length: 0,
        }
    }

    /// Writes the beginning of the reply.
    pub(super) fn open(&mut self) {
        self.put(self.shape.opening());
    }

    /// Takes as many IDs out of `run` as there is room for, and writes them.
    pub(super) fn fill(&mut self, run: &mut Run) {
        match self.shape {
            Shape::Ids(Format::Binary, _) => self.words(run),
            Shape::Ids(Format::Json, encoding) => self.texts(encoding, QUOTED, run),
            Shape::Ids(Format::Text, encoding) => self.texts(encoding, LINE, run),
            Shape::Ranges(encoding) => {
                while self.room() > 0
                    && let Some(grid) = run.take_grid()
                {
                    self.range(encoding, &grid);
                }
            }
        }
    }

    /// Writes the end of the reply, after its last entry.
    pub(super) fn close(&mut self) {
        if self.shape.format() == Format::Json {
            self.length -= 1;
            self.put(CLOSING);
        }
    }

    /// How many more entries there is room for, and for the end.
    fn room(&self) -> u32 {
        let left = self.bytes.len() - self.length - CLOSING.len();
        u32::try_from(left / self.shape.entry()).unwrap_or(u32::MAX)
    }

    fn words(&mut self, run: &mut Run) {
        while run.count() > 0 && self.room() > 0 {
            let row = run.take_row(self.room());
            let (words, _) = self.bytes[self.length..].as_chunks_mut::<8>();
            self.length += 8 * row.clone().count();
            for (word, id) in words.iter_mut().zip(row) {
                *word = id.to_be_bytes();
            }
        }
    }

    fn texts(&mut self, encoding: Encoding, around: (&'static [u8], &'static [u8]), run: &mut Run) {
        let (before, after) = around;
        let decimals = Decimals::new(before, after);
        while run.count() > 0 && self.room() > 0 {
            let row = run.take_row(self.room());
            if encoding == Encoding::Decimal {
                self.length += decimals.write(row, &mut self.bytes[self.length..]);
                continue;
            }
            for id in row {
                self.put(before);
                self.put(encoding.encode(id).as_bytes());
                self.put(after);
            }
        }
    }

    fn range(&mut self, encoding: Encoding, grid: &Grid) {
        let Grid {
            first,
            machines,
            machine_step,
            sequences,
            sequence_step,
        } = *grid;
        let mut free = &mut self.bytes[self.length..];
        let before = free.len();
        write!(
            free,
            r#"{{"first":"{}","machines":{machines},"machine_step":"{machine_step}","sequences":{sequences},"sequence_step":"{sequence_step}","count":{}}},"#,
            encoding.encode(first),
            machines * sequences,
        )
        .expect("there is room for an entry");
        self.length += before - free.len();
    }

    fn put(&mut self, part: &[u8]) {
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }
}

impl From<Piece> for Bytes {
    fn from(mut piece: Piece) -> Self {
        piece.bytes.truncate(piece.length);
        piece.bytes.into()
    }
}
