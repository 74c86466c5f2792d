//! The machine's clocks.

use std::cell::Cell;
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

    #[inline]
    fn recent(&self) -> BootTime {
        let tick = timer_tick();
        let (known, boot) = RECENT.get();
        if tick == known { boot } else { renewed(tick) }
    }

    fn renewed(&self) -> BootTime {
        renewed(timer_tick())
    }

    fn realtime(&self) -> WallTime {
        WallTime::from_nanos(read(ClockId::CLOCK_REALTIME))
    }

    fn synchronised(&self) -> Option<bool> {
        syscall::clock_synchronised()
    }
}

thread_local! {
    /// When the kernel's timer had ticked last, and a reading of the boot clock after that.
    static RECENT: Cell<(i64, BootTime)> = const { Cell::new((i64::MIN, BootTime::ZERO)) };
}

/// When the kernel's timer ticked last. It stands while the machine sleeps, as does whoever would use a reading
/// from before.
#[inline]
fn timer_tick() -> i64 {
    read(ClockId::CLOCK_MONOTONIC_COARSE)
}

/// A reading of the boot clock, kept until the timer's tick after `tick`, which has to be read before.
fn renewed(tick: i64) -> BootTime {
    let boot = SystemClock.boottime();
    RECENT.set((tick, boot));
    boot
}

#[inline]
fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("every Linux since 2.6.39 has these clocks");
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

    /// Between two readings, one after the other: the machine may be busy.
    const SLACK: i64 = 1_000_000_000;

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
    fn a_recent_reading_is_of_the_timers_present_tick() {
        let clock = SystemClock;
        let mut last = BootTime::ZERO;
        for _ in 0..100_000 {
            let before = timer_tick();
            let recent = clock.recent();
            // Both clocks run alike while the machine is awake: their difference is the same for all readings.
            let slept = clock.boottime().as_nanos() - read(ClockId::CLOCK_MONOTONIC);
            assert!(
                recent.as_nanos() - slept >= before - SLACK,
                "{before} {recent:?}"
            );
            assert!(recent >= last && recent <= clock.boottime());
            last = recent;
        }
        assert!(clock.renewed() >= last && clock.recent() >= last);
        assert!(clock.recent() <= clock.renewed());
    }

    #[test]
    fn a_recent_reading_is_taken_anew_when_the_timer_has_ticked() {
        let clock = SystemClock;
        let first = clock.recent();
        let tick = timer_tick();
        while timer_tick() == tick {
            std::hint::spin_loop();
        }
        assert!(clock.recent() > first);
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
