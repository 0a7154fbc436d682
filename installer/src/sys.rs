//! The only place with `unsafe` in this crate.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// What [`fork`] returned.
pub(crate) enum Forked {
    /// In the parent: the child's process id.
    Parent(nix::unistd::Pid),
    /// In the child.
    Child,
}

/// fork(2), for a process that has only one thread.
///
/// # Errors
/// What fork(2) says.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the only caller is the view's agent, which never starts a thread,
    // so no lock can be held by another thread at this moment.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Forked::Parent(child)),
        nix::unistd::ForkResult::Child => Ok(Forked::Child),
    }
}

/// Maps a whole file of the cache for reading; it must not be empty.
///
/// # Errors
/// What mmap(2) says.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read. Files of the cache get their name whole, by
    // rename, and this program never writes or truncates them afterwards. Were
    // one truncated all the same, the process would get SIGBUS, not wrong memory.
    unsafe { Mmap::map(file) }
}

/// Has large blocks of memory come from the kernel and go back to it. By itself
/// the allocator would soon keep decoders' dictionaries among what lives longer,
/// and so never give them back (mallopt(3), `M_MMAP_THRESHOLD`).
pub(crate) fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers, and this runs before there are threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
    }
}

/// Lets go of the pages of a map; they are read again when they are needed.
pub(crate) fn forget(map: &Mmap) {
    forget_part(map, 0, map.len());
}

/// The same for `length` bytes at `from`, and what else is on those pages.
pub(crate) fn forget_part(map: &Mmap, from: usize, length: usize) {
    // SAFETY: the map is of a file, private and never written, so its pages hold
    // nothing but what the file has (madvise(2), `MADV_DONTNEED`). That they could
    // not be let go harms nobody.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, length) };
}

/// Sets the loopback interface up in this process's network namespace
/// (netdevice(7), `SIOCSIFFLAGS`).
///
/// # Errors
/// What socket(2) or ioctl(2) says.
pub(crate) fn loopback_up(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: an all-zero `ifreq` is a valid value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which `request` is.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Takes a descriptor that has just arrived over a socket.
pub(crate) fn adopt(descriptor: std::os::fd::RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the kernel has just made this descriptor for this process
    // (unix(7), SCM_RIGHTS), and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// A descriptor of its own for one that this process was started with, which no program that it
/// executes gets.
///
/// # Errors
/// What fcntl(2) says: there is no such descriptor.
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
    Ok(adopt(copy))
}

/// Locks the first byte of a file, or all that there will be, for as long as it is open
/// (fcntl(2), "Open file description locks"): `false` where another process has a lock.
///
/// # Errors
/// What fcntl(2) says.
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

/// The time of day here: `YYYY-MM-DD HH:MM:SS`.
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
