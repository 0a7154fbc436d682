//! The only place with `unsafe` in this crate.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;

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
    let mut request: libc::ifreq = unsafe { zeroed() };
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
pub(crate) fn adopt(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for this process
    // (unix(7), SCM_RIGHTS), and no other code has its number.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// What becomes of the descriptors above standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inherited {
    /// They are closed: nothing was given by its number.
    Closed,
    /// They stay, and nothing that is executed has them.
    Kept,
}

/// Deals with the descriptors that the caller of this program has left open (close_range(2)).
pub(crate) fn set_apart(inherited: Inherited) {
    let flags = match inherited {
        Inherited::Closed => 0,
        Inherited::Kept => libc::CLOSE_RANGE_CLOEXEC,
    };
    // SAFETY: called at the very beginning of the program, when no descriptor above 2 has an owner yet.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, flags) };
    if done == 0 {
        return;
    }
    // A filter of a container may not know the call.
    for descriptor in open_descriptors() {
        // SAFETY: as above; a number that is not open is an error of no consequence.
        let _ = match inherited {
            Inherited::Closed => unsafe { libc::close(descriptor) },
            Inherited::Kept => unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) },
        };
    }
}

fn open_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}

/// Leaves a descriptor open in what `command` executes, under its own number.
pub(crate) fn hand_down(command: &mut Command, descriptor: BorrowedFd<'_>) {
    let number = descriptor.as_raw_fd();
    let keep = move || {
        // SAFETY: fcntl(2) on a number of the child's; it allocates nothing, as is asked of this closure.
        match unsafe { libc::fcntl(number, libc::F_SETFD, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: the closure makes one system call.
    unsafe { command.pre_exec(keep) };
}

/// Gives the calling thread, and all that it starts, an empty session keyring of its own (keyctl(2),
/// `KEYCTL_JOIN_SESSION_KEYRING`).
///
/// # Errors
/// Those of keyctl(2): `ENOSYS` without keyrings, `EPERM` in some containers.
pub(crate) fn join_session_keyring() -> io::Result<()> {
    const JOIN: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let done = unsafe { libc::syscall(libc::SYS_keyctl, JOIN, std::ptr::null::<libc::c_char>()) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Applies a filter of system calls to the calling thread and all that it starts.
///
/// # Errors
/// Those of seccomp(2).
pub(crate) fn apply_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    // Scripts of others are not slowed down by what guards against spying on one's own process.
    seccomp(program, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW).map(drop)
}

/// Applies a filter as [`apply_filter`] does, and returns its listener.
///
/// # Errors
/// Those of seccomp(2): `EBUSY` where this process has a filter with a listener already.
pub(crate) fn apply_heard_filter(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // A signal does not interrupt a call that is being decided (Linux 5.19).
    let listener = seccomp(program, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        .or_else(|_| seccomp(program, flags))?;
    Ok(adopt(listener))
}

fn seccomp(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<RawFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    let set = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `program` describes a slice that outlives the call; the kernel only reads it.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, set, flags, &raw const program) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(done).map_err(io::Error::other)
}

/// Receives the next call that a filter's listener is asked about.
///
/// # Errors
/// `ENOENT` where the caller has been killed meanwhile.
pub(crate) fn next_call(listener: &OwnedFd) -> io::Result<libc::seccomp_notif> {
    // SAFETY: an all-zero `seccomp_notif` is valid, and what the kernel asks for.
    let mut call: libc::seccomp_notif = unsafe { zeroed() };
    // SAFETY: the request fills a `seccomp_notif`.
    let done = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut call,
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(call)
    }
}

/// Whether the caller still waits for an answer: its process id has not become another's.
pub(crate) fn still_waits(listener: &OwnedFd, id: u64) -> bool {
    // SAFETY: the request reads a `u64`.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
            &raw const id,
        ) == 0
    }
}

/// Answers a call: the kernel does it (`None`), or the caller gets a result.
pub(crate) fn answer_call(listener: &OwnedFd, id: u64, result: Option<Result<i64, i32>>) {
    let (val, error, flags) = match result {
        None => (
            0,
            0,
            u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
        ),
        Some(Ok(value)) => (value, 0, 0),
        Some(Err(errno)) => (0, -errno.abs(), 0),
    };
    let answer = libc::seccomp_notif_resp {
        id,
        val,
        error,
        flags,
    };
    // SAFETY: the request reads a `seccomp_notif_resp`. A caller that is gone needs no answer.
    unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const answer,
        )
    };
}

/// Puts a descriptor into the process of a caller, and returns its number there.
///
/// # Errors
/// Those of the request `SECCOMP_IOCTL_NOTIF_ADDFD` (seccomp_unotify(2)).
pub(crate) fn give_descriptor(listener: &OwnedFd, id: u64, given: BorrowedFd<'_>) -> io::Result<i64> {
    let request = libc::seccomp_notif_addfd {
        id,
        flags: 0,
        srcfd: given.as_raw_fd().cast_unsigned(),
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC.cast_unsigned(),
    };
    // SAFETY: the request reads a `seccomp_notif_addfd`.
    let number = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD,
            &raw const request,
        )
    };
    if number < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(i64::from(number))
    }
}

/// Most descriptors that come with a message.
const MOST_RECEIVED: usize = 16;

/// Reads some bytes of a socket, with the descriptors that came along.
pub(crate) fn receive_with(socket: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut payload = [io::IoSliceMut::new(bytes)];
    let mut space = nix::cmsg_space!([RawFd; MOST_RECEIVED]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut payload, Some(&mut space), flags)?;
    let mut descriptors = Vec::new();
    for control in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            descriptors.extend(raw.into_iter().map(adopt));
        }
    }
    Ok((received.bytes, descriptors))
}

/// Has a command's process group be the one of the session that reads what is typed on its terminal.
pub(crate) fn in_foreground(command: &mut Command, terminal: OwnedFd) {
    let take = move || {
        // SAFETY: between fork and exec these are system calls with numbers, and with memory of this function.
        let done = unsafe {
            // Who is not in that group yet is stopped for it.
            let mut stops: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut stops);
            libc::sigaddset(&raw mut stops, libc::SIGTTOU);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const stops, &raw mut before);
            let done = libc::tcsetpgrp(terminal.as_raw_fd(), libc::getpid());
            libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            done
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(take) };
}

/// Has a command run as a user with groups, and with `terminal` as the controlling terminal of a session of its own.
pub(crate) fn run_as(command: &mut Command, ids: (u32, u32, Vec<u32>), terminal: Option<OwnedFd>) {
    let (uid, gid, groups) = ids;
    let become_user = move || {
        // SAFETY: between fork and exec these are system calls with numbers, and with memory that this closure owns.
        let done = unsafe {
            if let Some(terminal) = &terminal {
                libc::setsid();
                if libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY as _, 0) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            libc::setgroups(groups.len(), groups.as_ptr()) == 0
                && libc::setresgid(gid, gid, gid) == 0
                && libc::setresuid(uid, uid, uid) == 0
        };
        if done {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(become_user) };
}
