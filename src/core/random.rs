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
    fn take<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        if STOCK - self.used < LENGTH {
            self.refill()?;
        }
        let mut taken = [0; LENGTH];
        taken.copy_from_slice(&self.bytes[self.used..][..LENGTH]);
        self.used += LENGTH;
        Ok(taken)
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> io::Result<()> {
        syscall::random(&mut self.bytes)?;
        self.used = 0;
        Ok(())
    }
}

/// Random bytes, few, for an identifier that is unique without them. After a fork parent and child may get some
/// alike.
///
/// # Errors
/// If the kernel gives none.
#[inline]
pub fn few<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    const { assert!(LENGTH <= STOCK) };
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
    fn some() -> Vec<[u8; 9]> {
        (0..STOCK).map(|_| few().unwrap()).collect()
    }

    #[test]
    fn no_bits_are_given_twice() {
        let other = thread::spawn(some);
        let all: HashSet<_> = some().into_iter().chain(other.join().unwrap()).collect();
        assert_eq!(all.len(), 2 * STOCK);
    }

    #[test]
    fn every_bit_is_random() {
        let all = some().concat();
        let ones = all.iter().fold(0, |ones, byte| ones | byte);
        let zeros = all.iter().fold(0, |zeros, byte| zeros | !byte);
        assert_eq!((ones, zeros), (u8::MAX, u8::MAX));
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
