//! Decides on what scripts ask of the kernel where registers do not tell enough (seccomp_unotify(2)).
//!
//! A call that names a process is let through where that is one of the script's own: its arguments are numbers, which
//! the caller cannot change any more. A call that names a file is never let through, since the caller may change a path
//! in its memory after a look at it: the file is opened here, and where it is one that scripts may write, the call is
//! done here (see [`metadata`]).

mod metadata;

use crate::sys;
use crate::view::seccomp::{Call, called};
use metadata::Caller;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Kinds of what setpriority(2) and ioprio_set(2) name: a process or a process group.
const PRIO: [u64; 2] = [0, 1];
const IOPRIO_WHO: [u64; 2] = [1, 2];

/// Seconds for which the installer may be busy with others before it takes a connection.
const PATIENCE: i64 = 5;

/// The listener of the filter of scripts, and what they may do.
pub(super) struct Supervisor {
    listener: OwnedFd,
    /// Directories whose files scripts may change, as the kernel names them.
    writable: Vec<PathBuf>,
    /// Directory and name of the socket on which the installer answers the shim.
    control: Option<(File, PathBuf)>,
}

/// The end of a decision.
enum Decision {
    /// The kernel does what was asked.
    LetThrough,
    /// It was done here; the caller gets this number.
    Done(i64),
}

type Result<T> = std::result::Result<T, Errno>;

impl Supervisor {
    pub(super) fn new(listener: OwnedFd, writable: &[impl AsRef<Path>], control: Option<&Path>) -> Self {
        let names = writable
            .iter()
            .filter_map(|path| path.as_ref().canonicalize().ok());
        let control = control.and_then(|path| {
            let directory = File::open(path.parent()?).ok()?;
            Some((directory, path.file_name()?.into()))
        });
        Self {
            listener,
            writable: names.collect(),
            control,
        }
    }

    /// The descriptor that is readable when a call waits.
    pub(super) fn listener(&self) -> &OwnedFd {
        &self.listener
    }

    /// Decides on the call that waits.
    pub(super) fn decide(&self) {
        // A caller that has been killed waits no longer.
        let Ok(call) = sys::next_call(&self.listener) else {
            return;
        };
        let result = match self.decision(&call) {
            Ok(Decision::LetThrough) => None,
            Ok(Decision::Done(value)) => Some(Ok(value)),
            Err(errno) => Some(Err(errno.raw_os_error())),
        };
        sys::answer_call(&self.listener, call.id, result);
    }

    fn decision(&self, asked: &libc::seccomp_notif) -> Result<Decision> {
        let (call, interface) = called(asked.data.arch, asked.data.nr).ok_or(Errno::NOSYS)?;
        let [first, second, ..] = asked.data.args;
        match call {
            Call::Socket => self.connect(asked.id).map(Decision::Done),
            Call::Kill
            | Call::Tkill
            | Call::Tgkill
            | Call::RtSigqueueinfo
            | Call::RtTgsigqueueinfo
            | Call::Prlimit64
            | Call::SchedSetaffinity
            | Call::SchedSetscheduler
            | Call::SchedSetparam
            | Call::SchedSetattr => own(number(first)),
            Call::Setpriority => own_of(PRIO, first, number(second)),
            Call::IoprioSet => own_of(IOPRIO_WHO, first, number(second)),
            _ => {
                let caller = Caller::new(asked, interface, &self.listener);
                metadata::change(&caller, call, &self.writable)?;
                Ok(Decision::Done(0))
            }
        }
    }

    /// Gives the shim a connection with the installer.
    fn connect(&self, id: u64) -> Result<i64> {
        let (directory, name) = self.control.as_ref().ok_or(Errno::ACCESS)?;
        // An address is short (unix(7)).
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        let connected = || -> nix::Result<OwnedFd> {
            let made = socket(
                AddressFamily::Unix,
                SockType::Stream,
                SockFlag::SOCK_CLOEXEC,
                None,
            )?;
            setsockopt(&made, sockopt::SendTimeout, &TimeVal::seconds(PATIENCE))?;
            connect(made.as_raw_fd(), &UnixAddr::new(&path.join(name))?)?;
            setsockopt(&made, sockopt::SendTimeout, &TimeVal::seconds(0))?;
            Ok(made)
        };
        let made = connected().map_err(|errno| Errno::from_raw_os_error(errno as i32))?;
        let given = sys::give_descriptor(&self.listener, id, made.as_fd());
        given.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// Returns an argument as the kernel's `int`.
fn number(argument: u64) -> i32 {
    // The upper half does not count.
    (argument as u32).cast_signed()
}

fn own_of([process, group]: [u64; 2], kind: u64, who: i32) -> Result<Decision> {
    match kind {
        kind if kind == process => own(who),
        kind if kind == group => own(who.checked_neg().ok_or(Errno::INVAL)?),
        _ => Err(Errno::INVAL),
    }
}

/// Lets a call through where it is about a process, or with a negative number a process group, of scripts.
fn own(process: i32) -> Result<Decision> {
    let sandbox = std::process::id().cast_signed();
    let is_own = match process {
        0 => true,
        1.. => is_below(process, sandbox),
        // All that the kernel would allow.
        -1 => false,
        group => processes().any(|one| is_in_group(one, -group) && is_below(one, sandbox)),
    };
    if is_own {
        Ok(Decision::LetThrough)
    } else {
        Err(Errno::PERM)
    }
}

/// Whether a process or thread descends from another process.
fn is_below(process: i32, ancestor: i32) -> bool {
    let mut at = process;
    while let Some((parent, _)) = parent_and_group(at) {
        if parent == ancestor {
            return true;
        }
        at = parent;
    }
    false
}

/// Whether it is in the group. A group is of one session, and the sandbox leads its own.
fn is_in_group(process: i32, group: i32) -> bool {
    parent_and_group(process).is_some_and(|(_, found)| found == group)
}

/// Returns the parent of a process and its process group (proc(5), /proc/PID/stat).
fn parent_and_group(process: i32) -> Option<(i32, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
