//! The machine's clocks.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::time::{ClockId, clock_gettime};

use super::Clock;
use crate::syscall;
use crate::time::{BootTime, SECOND, WallTime};

/// The clocks of the machine that this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn boottime(&self) -> BootTime {
        BootTime::from_nanos(read(ClockId::CLOCK_BOOTTIME))
    }

    fn realtime(&self) -> WallTime {
        WallTime::from_nanos(read(ClockId::CLOCK_REALTIME))
    }

    fn synchronised(&self) -> Option<bool> {
        syscall::clock_synchronised()
    }
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("every Linux since 2.6.39 has both clocks");
    time.tv_sec() * SECOND.as_nanos() + time.tv_nsec()
}

/// The boot and the time namespace within which boot times can be compared; zeros where the kernel does
/// not tell.
#[must_use]
pub fn boot_id() -> ([u8; 16], u64) {
    let mut id = [0; 16];
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|byte| char::from(byte).to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 16 * pair[0] + pair[1];
    }
    let namespace = fs::metadata("/proc/self/ns/time").map_or(0, |metadata| metadata.ino());
    (id, namespace)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_offset_leads_from_one_clock_to_the_other() {
        let clock = SystemClock;
        let wall = clock.boottime() + clock.offset();
        // Generous: the machine may be busy, and NTP may slew meanwhile.
        assert!((clock.realtime() - wall).length() < Duration::from_secs(10));
    }

    #[test]
    fn both_clocks_are_the_kernels() {
        let kernel = |clock| {
            let time = clock_gettime(clock).unwrap();
            i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
        };
        let boot: fn() -> i64 = || SystemClock.boottime().as_nanos();
        let wall: fn() -> i64 = || SystemClock.realtime().as_nanos();
        for (id, reading) in [
            (ClockId::CLOCK_BOOTTIME, boot),
            (ClockId::CLOCK_REALTIME, wall),
        ] {
            let before = kernel(id);
            let read = i128::from(reading());
            assert!((before..=kernel(id)).contains(&read), "{id:?}");
        }
        assert_eq!(SystemClock.synchronised(), syscall::clock_synchronised());
    }

    #[test]
    fn a_boot_has_the_id_that_the_kernel_tells() {
        let (id, namespace) = boot_id();
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let digits = id.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(digits, text.trim().replace('-', ""));
        assert_eq!(namespace, fs::metadata("/proc/self/ns/time").unwrap().ino());
    }
}
