//! The body of an answer with one new ID.

use bytes::Buf;

use shardflake::id::Encoding;
use shardflake::id::encoding::Text;

/// A short body. It is put together where it stays until it is sent, in copies whose lengths the compiler
/// knows: each takes a few instructions, where one of any length takes a call.
#[derive(Debug)]
pub(super) struct Line {
    bytes: [u8; Self::CAPACITY],
    /// How many of them were sent, or copied behind the head.
    sent: usize,
    length: usize,
}

impl Line {
    /// More than the longest body, by more than what is copied behind a text.
    const CAPACITY: usize = 112;

    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            // Not zeros: these would be allocated by `calloc`, which has no cache at hand as `malloc` has.
            bytes: [b' '; Self::CAPACITY],
            sent: 0,
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
        // The next part overwrites the padding.
        self.length = before + length;
        self
    }

    /// An ID as a JSON number in decimal, and as a JSON string in the other encodings.
    #[inline]
    pub(super) fn number(&mut self, id: u64, encoding: Encoding) -> &mut Self {
        let text = encoding.encode(id);
        match encoding {
            Encoding::Decimal => self.text(&text),
            _ => self.part(b"\"").text(&text).part(b"\""),
        }
    }
}

impl Buf for Line {
    #[inline]
    fn remaining(&self) -> usize {
        self.length - self.sent
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        &self.bytes[self.sent..self.length]
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining(), "no more than there is");
        self.sent += count;
    }
}
