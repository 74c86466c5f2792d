//! System calls that neither the standard library nor nix offers as safe functions.
//!
//! The only module with unsafe code. Everything that it exports is safe to call.
#![expect(
    unsafe_code,
    reason = "adjtimex, getrandom, three file ioctls, and a page that a fork wipes"
)]

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

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

/// Fills `bytes` from the kernel's random number generator, which is waited for until it is seeded.
///
/// # Errors
/// If there is none, or calls of it are forbidden.
pub fn random(mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the kernel writes `bytes.len()` bytes at most there, and they outlive the call.
        let given = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        match usize::try_from(given) {
            Ok(given) => bytes = &mut bytes[given..],
            Err(_) => match io::Error::last_os_error() {
                // By a signal.
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
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

/// A page of memory that reads as zero in a child that was forked off since.
#[derive(Debug)]
pub struct WipedAtFork {
    page: NonNull<AtomicU8>,
}

// SAFETY: the page is only read after it was made, by atomic loads.
unsafe impl Send for WipedAtFork {}
// SAFETY: as above.
unsafe impl Sync for WipedAtFork {}

impl WipedAtFork {
    const LENGTH: usize = 4096;

    /// A page that is not wiped yet.
    ///
    /// # Errors
    /// If the kernel gives no page, or cannot wipe it (before Linux 4.14).
    pub fn new() -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping of anonymous memory, at an address that the kernel chooses.
        let page = unsafe { libc::mmap(ptr::null_mut(), Self::LENGTH, protection, flags, -1, 0) };
        let page = NonNull::new(page.cast::<AtomicU8>()).filter(|_| page != libc::MAP_FAILED);
        let made = Self {
            page: page.ok_or_else(io::Error::last_os_error)?,
        };
        // SAFETY: exactly the mapping that was just made.
        let advised = unsafe {
            libc::madvise(
                made.page.as_ptr().cast(),
                Self::LENGTH,
                libc::MADV_WIPEONFORK,
            )
        };
        if advised != 0 {
            return Err(io::Error::last_os_error());
        }
        made.byte().store(1, Ordering::Relaxed);
        Ok(made)
    }

    /// Whether a fork has wiped it, so that this is the child.
    #[must_use]
    #[inline]
    pub fn is_wiped(&self) -> bool {
        self.byte().load(Ordering::Relaxed) == 0
    }

    #[inline]
    const fn byte(&self) -> &AtomicU8 {
        // SAFETY: the mapping lives as long as this does; a byte has no alignment, and any value is one.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for WipedAtFork {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference to the page any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), Self::LENGTH) };
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::ForkResult;

    use super::*;

    /// What `look` says in a child that is forked off. It must not allocate, nor take a lock.
    pub(crate) fn in_a_child(look: impl Fn() -> bool) -> bool {
        // SAFETY: the child does nothing but look and end.
        match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Child => {
                let status = i32::from(!look());
                // SAFETY: ends the process at once, without what the parent's threads would have to do.
                unsafe { libc::_exit(status) }
            }
            ForkResult::Parent { child } => {
                let status = waitpid(child, None).unwrap();
                status == WaitStatus::Exited(child, 0)
            }
        }
    }

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
    fn a_page_is_wiped_in_a_child_and_not_in_its_parent() {
        let page = WipedAtFork::new().unwrap();
        assert!(!page.is_wiped());
        assert!(in_a_child(|| page.is_wiped()));
        assert!(!page.is_wiped());
    }

    #[test]
    fn a_file_outside_btrfs_has_no_subvolume() {
        let proc = File::open("/proc/self/stat").unwrap();
        assert_eq!(btrfs_subvolume(&proc), None);
        assert!(!disable_copy_on_write(&proc));
    }
}
