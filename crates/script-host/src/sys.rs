//! The only place with `unsafe` in this crate.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Result of [`fork`].
pub(crate) enum Forked {
    /// In the parent: the child's process id.
    Parent(nix::unistd::Pid),
    /// In the child.
    Child,
}

/// fork(2), for a process that has only one thread.
///
/// # Errors
/// Those of fork(2).
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the only caller is the view's agent, which never starts a thread,
    // so no lock can be held by another thread at this moment.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Forked::Parent(child)),
        nix::unistd::ForkResult::Child => Ok(Forked::Child),
    }
}

/// Sets the loopback interface up in this process's network namespace
/// (netdevice(7), `SIOCSIFFLAGS`).
///
/// # Errors
/// Those of socket(2) or ioctl(2).
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

/// Takes ownership of a descriptor that has just arrived over a socket.
pub(crate) fn adopt(descriptor: std::os::fd::RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: the kernel has just made this descriptor for this process
    // (unix(7), SCM_RIGHTS), and no other code has its number.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
