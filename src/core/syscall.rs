//! System calls that neither the standard library nor nix offers as safe functions.
//!
//! The only module with unsafe code. Everything that it exports is safe to call.
#![expect(unsafe_code, reason = "adjtimex and three file ioctls")]

use std::fs::File;
use std::mem;
use std::os::fd::AsRawFd;

use nix::libc;

/// `struct btrfs_ioctl_get_subvol_info_args` up to its UUID, and what follows.
#[repr(C)]
struct SubvolumeInfo {
    before_uuid: [u64; 37],
    uuid: [u8; 16],
    after_uuid: [u64; 24],
}

mod ioctl {
    use super::{SubvolumeInfo, libc};

    nix::ioctl_read!(subvolume_info, 0x94, 60, SubvolumeInfo);
    nix::ioctl_read!(generation, b'v', 1, libc::c_long);
    nix::ioctl_read!(flags, b'f', 1, libc::c_long);
    nix::ioctl_write_ptr!(set_flags, b'f', 2, libc::c_long);
}

const NO_COPY_ON_WRITE: libc::c_int = 0x0080_0000;

/// Whether the kernel takes its wall clock for synchronised; `None` where it may not be asked.
#[must_use]
pub fn clock_synchronised() -> Option<bool> {
    // SAFETY: `timex` is plain data, for which all zeros is a value; `modes` 0 only reads.
    let state = unsafe {
        let mut timex: libc::timex = mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    synchronised(state)
}

/// The meaning of a clock state of `adjtimex`: a pending leap second is no trouble.
const fn synchronised(state: libc::c_int) -> Option<bool> {
    match state {
        -1 => None,
        libc::TIME_ERROR => Some(false),
        _ => Some(true),
    }
}

/// The UUID of the BTRFS subvolume that holds `file`; `None` on another file system.
#[must_use]
pub fn btrfs_subvolume(file: &File) -> Option<[u8; 16]> {
    let mut info = SubvolumeInfo {
        before_uuid: [0; 37],
        uuid: [0; 16],
        after_uuid: [0; 24],
    };
    // SAFETY: the structure has the size that the request number names, and outlives the call.
    unsafe { ioctl::subvolume_info(file.as_raw_fd(), &raw mut info) }.ok()?;
    Some(info.uuid)
}

/// The generation of `file`'s inode, which differs when its number is used again; `None` where the file
/// system does not tell.
#[must_use]
pub fn generation(file: &File) -> Option<u32> {
    let mut generation: libc::c_long = 0;
    // SAFETY: the kernel writes an int, which fits the long; the pointer outlives the call.
    unsafe { ioctl::generation(file.as_raw_fd(), &raw mut generation) }.ok()?;
    // The int lies where the long begins.
    let [a, b, c, d, ..] = generation.to_ne_bytes();
    Some(u32::from_ne_bytes([a, b, c, d]))
}

/// Asks for overwriting in place on a copy-on-write file system; the file must be empty.
/// Returns whether the flag stands, read back: a non-empty file ignores it silently.
#[must_use]
pub fn disable_copy_on_write(file: &File) -> bool {
    let fd = file.as_raw_fd();
    let mut flags: libc::c_long = 0;
    // SAFETY: the kernel writes an int, which fits the long; the pointers outlive the calls.
    unsafe {
        if ioctl::flags(fd, &raw mut flags).is_err() {
            return false;
        }
        flags |= libc::c_long::from(NO_COPY_ON_WRITE);
        if ioctl::set_flags(fd, &raw const flags).is_err() {
            return false;
        }
        flags = 0;
        ioctl::flags(fd, &raw mut flags).is_ok()
            && flags & libc::c_long::from(NO_COPY_ON_WRITE) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subvolume_structure_has_the_kernels_size() {
        assert_eq!(mem::size_of::<SubvolumeInfo>(), 504);
        assert_eq!(mem::offset_of!(SubvolumeInfo, uuid), 296);
    }

    #[test]
    fn a_clock_is_synchronised_unless_the_kernel_says_otherwise() {
        // As adjtimex(2) numbers them.
        let (ok, insert, delete, under_way, over, error) = (0, 1, 2, 3, 4, 5);
        for state in [ok, insert, delete, under_way, over] {
            assert_eq!(synchronised(state), Some(true), "{state}");
        }
        assert_eq!(synchronised(error), Some(false));
        assert_eq!(synchronised(-1), None);
    }

    #[test]
    fn a_file_outside_btrfs_has_no_subvolume() {
        let proc = File::open("/proc/self/stat").unwrap();
        assert_eq!(btrfs_subvolume(&proc), None);
        assert!(!disable_copy_on_write(&proc));
    }
}
