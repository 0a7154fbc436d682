//! System calls without a safe interface: the only module with `unsafe`.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Makes the allocator map each large block by itself, and so give it back to the kernel when it is freed. By default
/// it would raise its threshold and put dictionaries of decoders among blocks that live longer (mallopt(3),
/// `M_MMAP_THRESHOLD`).
pub(crate) fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers, and this runs before there are threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Returns a duplicate of a descriptor that this process was started with. Neither is inherited by programs that it
/// executes.
///
/// # Errors
/// That of fcntl(2): the descriptor is not open.
pub(crate) fn inherited(descriptor: std::os::fd::RawFd) -> io::Result<OwnedFd> {
    // SAFETY: these calls of fcntl(2) take numbers only, and say so where they are no descriptors.
    let (flags, copy) = unsafe {
        (
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC),
            libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3),
        )
    };
    if flags < 0 || copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fcntl(2) has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Has the kernel kill the program of a command when the thread that starts it ends, and so with this process
/// (prctl(2), `PR_SET_PDEATHSIG`).
pub(crate) fn die_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let die = || nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(io::Error::from);
    // SAFETY: the closure makes one system call, which is safe after fork(2), and touches no memory of the parent's.
    unsafe { command.pre_exec(die) };
}

/// Locks all of a file for as long as it is open (fcntl(2), "Open file description locks"). Returns `false` where
/// another process holds a lock.
///
/// # Errors
/// That of fcntl(2).
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: an all-zero `flock` is a valid value of this plain C structure: all of the file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: F_OFD_SETLK reads a `flock`, which `lock` is.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    let error = io::Error::last_os_error();
    match (done, error.raw_os_error()) {
        (0.., _) => Ok(true),
        (_, Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        _ => Err(error),
    }
}

/// Returns the local time: `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn local_time() -> String {
    // SAFETY: time(2) takes a null pointer, and an all-zero `tm` is a valid value of this plain C
    // structure, into which localtime_r(3) writes.
    let time = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut time: libc::tm = std::mem::zeroed();
        libc::localtime_r(&raw const now, &raw mut time);
        time
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.tm_year + 1900,
        time.tm_mon + 1,
        time.tm_mday,
        time.tm_hour,
        time.tm_min,
        time.tm_sec
    )
}

/// A quota of the user or group, with what is taken of it; 0 stands for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Bytes that may be taken.
    pub(crate) bytes: u64,
    /// Bytes that are taken.
    pub(crate) used_bytes: u64,
    /// Files that may be there.
    pub(crate) files: u64,
    /// Files that are there.
    pub(crate) used_files: u64,
}

/// Returns the quotas of the user and of the group on the filesystem of a file, as far as there are such and the kernel
/// tells them (quotactl(2), `quotactl_fd`, Linux 5.14).
pub(crate) fn quotas(file: &File) -> Vec<Quota> {
    // Kinds of quotas and their number in commands (linux/quota.h).
    const GET: libc::c_uint = 0x80_0007;
    let own = [
        (0u32, nix::unistd::geteuid().as_raw()),
        (1u32, nix::unistd::getegid().as_raw()),
    ];
    let mut found = Vec::new();
    for (kind, id) in own {
        // SAFETY: an all-zero `dqblk` is a valid value of this plain C structure.
        let mut block: libc::dqblk = unsafe { std::mem::zeroed() };
        let command = (GET << 8) | kind;
        // SAFETY: Q_GETQUOTA writes a `dqblk`, which `block` is.
        let done = unsafe {
            libc::syscall(
                libc::SYS_quotactl_fd,
                file.as_raw_fd(),
                command,
                id,
                &raw mut block,
            )
        };
        if done == 0 {
            found.push(Quota {
                // Limits of space are in blocks of 1024 bytes.
                bytes: block.dqb_bhardlimit.saturating_mul(1024),
                used_bytes: block.dqb_curspace,
                files: block.dqb_ihardlimit,
                used_files: block.dqb_curinodes,
            });
        }
    }
    found
}
