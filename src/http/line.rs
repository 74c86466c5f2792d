//! A body that is made anew for each request.

use crate::id::Encoding;
use crate::id::encoding::Text;

/// A short body. It is put together on the stack, in copies whose lengths the compiler knows: each
/// takes a few instructions, where one of any length takes a call.
pub(super) struct Line {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Line {
    /// More than the longest body, by more than what is copied behind a text.
    const CAPACITY: usize = 128;

    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }

    #[inline]
    pub(super) fn part<const N: usize>(&mut self, part: &[u8; N]) -> &mut Self {
        self.bytes[self.length..][..N].copy_from_slice(part);
        self.length += N;
        self
    }

    #[inline]
    pub(super) fn text(&mut self, text: &Text) -> &mut Self {
        let (padded, length) = text.padded();
        let before = self.length;
        self.part(padded);
        // What comes next is written over the rest.
        self.length = before + length;
        self
    }

    /// An ID that is a number in decimal, and in quotes in other encodings, which are none.
    #[inline]
    pub(super) fn number(&mut self, id: u64, encoding: Encoding) -> &mut Self {
        let text = encoding.encode(id);
        match encoding {
            Encoding::Decimal => self.text(&text),
            _ => self.part(b"\"").text(&text).part(b"\""),
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    #[inline]
    pub(super) const fn length(&self) -> usize {
        self.length
    }
}
