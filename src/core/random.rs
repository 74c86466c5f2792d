//! Random bytes of the kernel's generator.
//!
//! A call takes longer than a whole identifier may, so that each thread fetches many bytes at a time. Each is
//! used once.

use std::cell::RefCell;
use std::io;

use crate::syscall;

/// Bytes that are fetched at a time.
const STOCK: usize = 4096;

thread_local! {
    static STOCKS: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], used: STOCK }) };
}

struct Stock {
    bytes: [u8; STOCK],
    /// How many of them are used.
    used: usize,
}

impl Stock {
    #[inline]
    fn take(&mut self) -> io::Result<u64> {
        const TAKEN: usize = size_of::<u64>();
        if self.used == STOCK {
            self.refill()?;
        }
        let (eights, _) = self.bytes.as_chunks::<TAKEN>();
        let taken = eights[self.used / TAKEN];
        self.used += TAKEN;
        Ok(u64::from_ne_bytes(taken))
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> io::Result<()> {
        syscall::random(&mut self.bytes)?;
        self.used = 0;
        Ok(())
    }
}

/// 64 random bits for an identifier that is unique without them. After a fork parent and child may get some
/// alike.
///
/// # Errors
/// If the kernel gives none.
#[inline]
pub fn bits() -> io::Result<u64> {
    STOCKS.with_borrow_mut(Stock::take)
}

/// Fills `bytes` from the kernel at once, for what has to be unique by them alone.
///
/// # Errors
/// If the kernel gives none.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    syscall::random(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    /// More than one stock.
    fn some() -> Vec<u64> {
        (0..STOCK).map(|_| bits().unwrap()).collect()
    }

    #[test]
    fn no_bits_are_given_twice() {
        let other = thread::spawn(some);
        let all: HashSet<u64> = some().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(all.len(), 2 * STOCK);
    }

    #[test]
    fn every_bit_is_random() {
        let all = some();
        let ones = all.iter().fold(0, |ones, bits| ones | bits);
        let zeros = all.iter().fold(0, |zeros, bits| zeros | !bits);
        assert_eq!((ones, zeros), (u64::MAX, u64::MAX));
    }

    #[test]
    fn all_that_is_asked_for_is_filled() {
        // Beyond what the kernel gives in one uninterrupted call.
        let mut bytes = vec![0; 100_000];
        fill(&mut bytes).unwrap();
        let (chunks, _) = bytes.as_chunks::<16>();
        assert!(chunks.iter().all(|chunk| *chunk != [0; 16]));
    }
}
