//! The process inside: it makes the namespaces and the mounts, then runs what
//! it is told to, as process 1 of the view.
//!
//! It is this program executed anew (so it has one thread and may fork), with
//! the conversation of [`super::message`] on its standard input and the output
//! of scripts on its standard output and error.
//!
//! Sources: user_namespaces(7), mount_namespaces(7), pid_namespaces(7),
//! pivot_root(2), capabilities(7), `Documentation/filesystems/fuse.rst`.

mod mounts;
mod scripts;

use super::handlers;
use super::message::{FromAgent, ToAgent};
use crate::sys::{self, Forked};
use caps::{CapSet, Capability, CapsHashSet};
use mounts::{mount_served, open_path, private_mounts, served, sources};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

/// What a maintainer script may hold: what root needs to own, change and
/// pretend to be anybody in the target, and nothing that reaches the kernel,
/// the network or the mounts of the view.
const ALLOWED: [Capability; 12] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_MKNOD,
    Capability::CAP_SETFCAP,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
    Capability::CAP_SYS_CHROOT,
    Capability::CAP_AUDIT_WRITE,
];

/// A step that failed, and the system's reason.
struct Failure {
    doing: String,
    error: io::Error,
}

type Step<T> = Result<T, Failure>;

trait Doing<T> {
    /// Says what was being done when an error came.
    fn doing(self, what: &str) -> Step<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Step<T> {
        self.map_err(|error| Failure {
            doing: what.to_owned(),
            error: error.into(),
        })
    }
}

/// Directories of the machine that the view is made of.
pub(super) struct Places<'a> {
    /// Where the target is mounted.
    pub(super) target: &'a Path,
    /// What appears in the view as [`PHANTOM_DIRECTORY`].
    pub(super) private: &'a Path,
    /// Root of a native system that is the sysroot.
    pub(super) native_system: Option<&'a Path>,
    /// Where the native root is mounted, in which the target is seen at [`DPKG_ROOT`].
    pub(super) outer: Option<&'a Path>,
}

/// Runs the agent on its standard input.
pub(super) fn run(places: &Places<'_>) -> ExitCode {
    let Ok(socket) = take_standard_input() else {
        return ExitCode::from(2);
    };
    let mut socket = UnixStream::from(socket);
    let forked = set_up(&mut socket, places).and_then(|handlers| Ok((handlers, sys::fork().doing("fork")?)));
    let done = match forked {
        Ok((_handlers, Forked::Parent(child))) => {
            // The handlers stay as long as this process. Only the child talks from here on.
            drop(socket);
            return wait_until_end(child);
        }
        Ok((handlers, Forked::Child)) => {
            // Not to be found among the descriptors of process 1.
            drop(handlers);
            enter(places.outer.is_some()).and_then(|()| scripts::serve(&mut socket))
        }
        Err(failure) => Err(failure),
    };
    done.unwrap_or_else(|failure| {
        let errno = failure.error.raw_os_error().unwrap_or(0);
        let message = FromAgent::Failed {
            doing: failure.doing,
            reason: failure.error.to_string(),
            errno,
        };
        // The installer may be gone already, and then nobody wants to know.
        let _ = message.send(&mut socket);
        ExitCode::FAILURE
    })
}

/// Makes namespaces, as the agent does, and says on standard error why it cannot.
pub(super) fn try_namespaces() -> ExitCode {
    let tried = unshare(CloneFlags::CLONE_NEWUSER)
        .and_then(|()| unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET))
        .and_then(|()| private_mounts());
    match tried {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::stderr().write_all(error.to_string().as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The outer half of the agent lives as long as process 1 of the view.
fn wait_until_end(child: Pid) -> ExitCode {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return ExitCode::from(u8::try_from(status).unwrap_or(1)),
            Ok(WaitStatus::Signaled(..)) => return ExitCode::FAILURE,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// The conversation moves away from descriptor 0, which scripts read as empty.
fn take_standard_input() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(socket)
}

/// Makes the view; what it returns must stay open as long as that is there.
fn set_up(socket: &mut UnixStream, places: &Places<'_>) -> Step<Option<OwnedFd>> {
    // Away from the terminal: its Ctrl-C is for the installer, which ends us.
    nix::unistd::setsid().doing("leave the terminal's session")?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).doing("follow the installer's end")?;
    unshare(CloneFlags::CLONE_NEWUSER).doing("make a user namespace")?;
    FromAgent::Unshared.send(socket).doing("talk to the installer")?;
    let ToAgent::Mapped { handlers } = ToAgent::receive(socket).doing("hear from the installer")? else {
        return Err(unexpected());
    };
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNET,
    )
    .doing("make mount, pid, ipc, uts and network namespaces")?;
    private_mounts().doing("make the mounts private")?;
    let handlers = register(&handlers, places.private);
    let fuse = mount_served(places.target)?;
    let outer_fuse = places.outer.map(mount_served).transpose()?;
    // Paths outside are reachable only while this process is the user, and the
    // view only after that: the kernel refuses FUSE requests of an unmapped user.
    let open = |path| open_path(path).doing("open the view");
    let mounted = (open(places.target)?, places.outer.map(open).transpose()?);
    let binds = sources(places)?;
    let handled = handlers.is_some();
    FromAgent::Mounted { handled }
        .send(socket)
        .doing("talk to the installer")?;
    for fuse in std::iter::once(fuse).chain(outer_fuse) {
        send_descriptor(socket, fuse.as_fd()).doing("hand the FUSE descriptor over")?;
    }
    expect(socket, &ToAgent::Serving)?;
    become_root()?;
    let served = |mount| served(mount).doing("reach the target in the view");
    let target = served(&mounted.0)?;
    let outer = mounted.1.as_ref().map(served).transpose()?;
    nix::unistd::fchdir(outer.as_ref().unwrap_or(&target)).doing("enter the view")?;
    mounts::bind_all(&binds, &target, outer.as_ref().unwrap_or(&target))?;
    Ok(handlers)
}

/// Registers handlers of foreign programs. Where the kernel has none for user namespaces, the installer
/// redirects executions another way.
fn register(handlers: &[String], private: &Path) -> Option<OwnedFd> {
    if handlers.is_empty() {
        return None;
    }
    let registered = nix::unistd::chdir(private)
        .map_err(io::Error::from)
        .and_then(|()| handlers::register(handlers));
    registered.ok()
}

fn expect(socket: &mut UnixStream, wanted: &ToAgent) -> Step<()> {
    let got = ToAgent::receive(socket).doing("hear from the installer")?;
    if got == *wanted { Ok(()) } else { Err(unexpected()) }
}

fn unexpected() -> Failure {
    Failure {
        doing: "follow the protocol".to_owned(),
        error: io::Error::other("unexpected message"),
    }
}

fn send_descriptor(socket: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let payload = [io::IoSlice::new(b"F")];
    let raw = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&raw)];
    sendmsg::<()>(socket.as_raw_fd(), &payload, &control, MsgFlags::empty(), None)?;
    Ok(())
}

/// Takes the identity of the target's root user, which is nobody outside.
fn become_root() -> Step<()> {
    nix::unistd::setgroups(&[]).doing("drop supplementary groups")?;
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid).doing("become group 0 of the view")?;
    nix::unistd::setresuid(uid, uid, uid).doing("become user 0 of the view")?;
    Ok(())
}

/// Process 1: mounts what belongs to a running system, changes the root
/// directory, and gives up every right that is not needed.
fn enter(with_target: bool) -> Step<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).doing("follow the agent's end")?;
    mounts::running_system(with_target)?;
    // A view without a network still has itself.
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    );
    if let Ok(socket) = socket {
        sys::loopback_up(&socket).doing("set up the loopback interface")?;
    }
    nix::unistd::pivot_root(".", ".").doing("change the root directory")?;
    umount2(".", MntFlags::MNT_DETACH).doing("leave the machine's root directory")?;
    nix::unistd::chdir("/").doing("enter the view")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    confine()
}

fn confine() -> Step<()> {
    let caps_error = |error: caps::errors::CapsError| io::Error::other(error.to_string());
    let allowed: CapsHashSet = ALLOWED.into_iter().collect();
    for capability in caps::runtime::thread_all_supported() {
        if !allowed.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)
                .map_err(caps_error)
                .doing("drop a capability")?;
        }
    }
    caps::clear(None, CapSet::Ambient)
        .map_err(caps_error)
        .doing("drop capabilities")?;
    caps::clear(None, CapSet::Inheritable)
        .map_err(caps_error)
        .doing("drop capabilities")?;
    caps::set(None, CapSet::Effective, &allowed)
        .map_err(caps_error)
        .doing("drop capabilities")?;
    caps::set(None, CapSet::Permitted, &allowed)
        .map_err(caps_error)
        .doing("drop capabilities")?;
    nix::sys::prctl::set_no_new_privs().doing("set no_new_privs")?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0).doing("forbid core files")
}
