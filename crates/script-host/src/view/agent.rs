//! The process inside: it makes the namespaces and the mounts, then runs commands
//! for the installer, as process 1 of the view.
//!
//! It is this program executed anew (so it has one thread and may fork), with
//! the conversation of [`super::message`] on its standard input and the output
//! of scripts on its standard output and error.
//!
//! Sources: user_namespaces(7), mount_namespaces(7), pid_namespaces(7),
//! pivot_root(2), capabilities(7), `Documentation/filesystems/fuse.rst`.

mod around;
mod commands;
mod layers;
mod mounts;
mod private_mount;
mod scripts;

pub(super) use layers::try_layers;
pub(super) use private_mount::run_command;

use super::handlers;
use super::machine::Machine;
use super::message::{FromAgent, MountPoints, ToAgent, receive_descriptors, send_descriptors};
use super::seccomp::{self, Keyrings};
use crate::sys::{self, Forked};
use around::Around;
use caps::{CapSet, Capability, CapsHashSet};
use mounts::{mount_served, open_path, private_mounts, served, sources};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

/// Capabilities of a maintainer script: those that root needs to own and change files and to be any user in the
/// target, and none that reaches the kernel, the network or the mounts of the view.
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

/// An action that failed, and the system's reason.
struct Failure {
    action: String,
    error: io::Error,
}

type Result<T> = std::result::Result<T, Failure>;

trait Context<T> {
    /// Names the action that failed, as in "cannot make a user namespace".
    fn context(self, action: &str) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, action: &str) -> Result<T> {
        self.map_err(|error| Failure {
            action: action.to_owned(),
            error: error.into(),
        })
    }
}

/// Runs the agent on its standard input.
pub(super) fn run() -> ExitCode {
    let Ok(socket) = take_standard_input() else {
        return ExitCode::from(2);
    };
    let mut socket = UnixStream::from(socket);
    let forked = set_up(&mut socket).and_then(|made| {
        let ends = UnixStream::pair().context("make a socket pair")?;
        // That of the machine; the other one will not know callers by the numbers that this process hears.
        let processes = File::open("/proc").ok();
        Ok((made, (ends, processes), sys::fork().context("fork")?))
    });
    let done = match forked {
        Ok((made, ((own, theirs), processes), Forked::Parent(child))) => {
            // The handlers stay as long as this process. Only the child talks from here on.
            drop((socket, theirs));
            let listener = receive_descriptors(&own).ok().map(|[listener]| listener);
            let machine = listener.map(|listener| Machine::new(listener, processes, made.machine));
            return wait_until_end(child, machine.as_ref());
        }
        Ok((mut made, ((own, parent), processes), Forked::Child)) => {
            // Not to be found among the descriptors of process 1.
            drop((own, processes, made.handlers.take()));
            match &made.around {
                Some(around) => {
                    drop(parent);
                    around
                        .enter()
                        .and_then(|()| scripts::serve(&mut socket, Some(around)))
                }
                None => enter(&made, parent).and_then(|()| scripts::serve(&mut socket, None)),
            }
        }
        Err(failure) => Err(failure),
    };
    done.unwrap_or_else(|failure| {
        let errno = failure.error.raw_os_error().unwrap_or(0);
        let message = FromAgent::Failed {
            action: failure.action,
            reason: failure.error.to_string(),
            errno,
        };
        // The installer may be gone already, and then nobody wants to know.
        let _ = message.send(&mut socket);
        ExitCode::FAILURE
    })
}

/// Beginning of what a trial says where only FUSE is at fault.
pub(super) const FUSE_FAILED: &str = "FUSE: ";

/// Makes namespaces and mounts, as the agent does, and says on standard error why it cannot. The conversation is a byte
/// in each direction: the namespace is there, and its ids are mapped.
pub(super) fn try_namespaces() -> ExitCode {
    match try_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::stderr().write_all(error.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn try_all() -> std::result::Result<(), String> {
    let system = |error: nix::errno::Errno| error.to_string();
    let lost = |error: io::Error| error.to_string();
    let said = |failure: Failure| format!("cannot {}: {}", failure.action, failure.error);
    unshare(CloneFlags::CLONE_NEWUSER).map_err(system)?;
    io::stdout().write_all(b".").map_err(lost)?;
    io::stdout().flush().map_err(lost)?;
    io::stdin().read_exact(&mut [0]).map_err(lost)?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET).map_err(system)?;
    private_mounts().map_err(system)?;
    // Nothing is asked of a server that is not there: this only mounts.
    mount_served(Path::new("/dev")).map_err(|failure| format!("{FUSE_FAILED}{}", said(failure)))?;
    become_root().map_err(said)
}

/// Waits for the end of process 1 of the view and returns its exit status: the agent lives as long. Meanwhile it answers
/// for the machine.
fn wait_until_end(child: Pid, machine: Option<&Machine>) -> ExitCode {
    let handle = rustix::process::Pid::from_raw(child.as_raw())
        .and_then(|child| pidfd_open(child, PidfdFlags::empty()).ok());
    if let (Some(handle), Some(machine)) = (handle, machine) {
        loop {
            let mut ready = [&handle, machine.listener()].map(|one| PollFd::new(one, PollFlags::IN));
            // Interrupted it waits again.
            let _ = poll(&mut ready, None);
            let [ended, asked] = ready.map(|one| one.revents());
            if asked.contains(PollFlags::IN) {
                machine.answer();
            } else if !(ended.is_empty() && asked.is_empty()) {
                break;
            }
        }
    }
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return ExitCode::from(u8::try_from(status).unwrap_or(1)),
            Ok(WaitStatus::Signaled(..)) => return ExitCode::FAILURE,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// Moves the conversation away from descriptor 0, which is empty for scripts.
fn take_standard_input() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(socket)
}

/// A view that is set up.
struct Made {
    /// Mount of its handlers, which are there as long as it is open.
    handlers: Option<OwnedFd>,
    /// Whether scripts see the target below their root.
    with_target: bool,
    /// The place around the target in which programs run; none for scripts in it, or in a native root.
    around: Option<Around>,
    /// The machine that uname(2) names to them; none for that of the kernel.
    machine: Option<String>,
    /// Whether they have the machine's network.
    host_network: bool,
    /// Whether their root is read-only.
    read_only: bool,
}

/// Makes the view.
fn set_up(socket: &mut UnixStream) -> Result<Made> {
    // Away from the terminal: its Ctrl-C is for the installer, which ends us.
    nix::unistd::setsid().context("leave the terminal's session")?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("follow the installer's end")?;
    let points = match ToAgent::receive(socket).context("hear from the installer")? {
        ToAgent::Points(points) => points,
        _ => return Err(unexpected()),
    };
    let around = match &points.around {
        Some(directory) => {
            let [input] = receive_descriptors(socket).context("hear from the installer")?;
            Some(Around::new(directory, &points, input))
        }
        None => None,
    };
    unshare(CloneFlags::CLONE_NEWUSER).context("make a user namespace")?;
    FromAgent::Unshared
        .send(socket)
        .context("talk to the installer")?;
    let ToAgent::Mapped { handlers } = ToAgent::receive(socket).context("hear from the installer")? else {
        return Err(unexpected());
    };
    let network = match points.host_network {
        true => CloneFlags::empty(),
        false => CloneFlags::CLONE_NEWNET,
    };
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | network,
    )
    .context("make mount, pid, ipc, uts and network namespaces")?;
    // Where there are no control groups, there is no name of one to be seen.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    private_mounts().context("make the mounts private")?;
    let MountPoints { target, private, .. } = &points;
    let native_root = points.native_root.as_deref();
    let handlers = register(&handlers, private);
    let fuse = mount_served(target)?;
    let native_fuse = native_root.map(mount_served).transpose()?;
    let admin = points.admin.as_deref();
    let admin_fuse = admin.map(mount_served).transpose()?;
    let bound = points.binds.iter();
    let bound_fuse = bound
        .map(|bind| mount_served(&bind.mount_point))
        .collect::<Result<Vec<_>>>()?;
    // Paths outside are reachable only while this process is the user, and the
    // view only after that: the kernel refuses FUSE requests of an unmapped user.
    let open = |path| open_path(path).context("open the view");
    let mounted = (open(target)?, native_root.map(open).transpose()?);
    let admin = admin.map(open).transpose()?;
    let bound = points.binds.iter();
    let bound = bound
        .map(|bind| open(&bind.mount_point))
        .collect::<Result<Vec<_>>>()?;
    let memory = points.layer.as_deref().map(layers::memory).transpose()?;
    let binds = sources(&points)?;
    let handled = handlers.is_some();
    FromAgent::Mounted { handled }
        .send(socket)
        .context("talk to the installer")?;
    for fuse in std::iter::once(fuse)
        .chain(native_fuse)
        .chain(admin_fuse)
        .chain(bound_fuse)
    {
        send_descriptors(socket, &[fuse.as_fd()]).context("hand the FUSE descriptor over")?;
    }
    expect(socket, &ToAgent::Serving)?;
    if around.is_none() {
        become_root()?;
    }
    let served = |mount| served(mount).context("reach the target in the view");
    let target = served(&mounted.0)?;
    let native = mounted.1.as_ref().map(served).transpose()?;
    let admin = admin.as_ref().map(served).transpose()?;
    let native = match (native, memory) {
        (Some(lower), Some(memory)) => {
            Some(layers::over(&lower, &memory).context("mount a layer over the native root")?)
        }
        (native, _) => native,
    };
    let root = native.as_ref().unwrap_or(&target);
    nix::unistd::fchdir(root).context("enter the view")?;
    mounts::bind_all(&binds, &target, root)?;
    if let Some(admin) = &admin {
        mounts::bind_admin(admin, native.is_some())?;
    }
    for (bind, mount) in points.binds.iter().zip(&bound) {
        mounts::bind_served(bind, mount)?;
    }
    Ok(Made {
        handlers,
        with_target: native.is_some(),
        around,
        machine: points.machine,
        host_network: points.host_network,
        read_only: points.read_only,
    })
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

fn expect(socket: &mut UnixStream, wanted: &ToAgent) -> Result<()> {
    let got = ToAgent::receive(socket).context("hear from the installer")?;
    if got == *wanted { Ok(()) } else { Err(unexpected()) }
}

fn unexpected() -> Failure {
    Failure {
        action: "follow the protocol".to_owned(),
        error: io::Error::other("unexpected message"),
    }
}

/// Whether the kernel lets the agent wait for calls and for process 1 at once, and leave a call to it. What is asked for came
/// after both (Linux 5.6): a call that nobody answers would wait for ever.
fn agent_can_answer() -> bool {
    pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).is_ok_and(|own| {
        // A container's filter may forbid it.
        pidfd_getfd(own, 0, PidfdGetfdFlags::empty()).err() != Some(rustix::io::Errno::NOSYS)
    })
}

/// Takes the identity of the target's root user, which is nobody outside.
fn become_root() -> Result<()> {
    nix::unistd::setgroups(&[]).context("drop supplementary groups")?;
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid).context("become group 0 of the view")?;
    nix::unistd::setresuid(uid, uid, uid).context("become user 0 of the view")?;
    Ok(())
}

/// Process 1: mounts what belongs to a running system, changes the root
/// directory, and gives up every right that is not needed. The agent, which waits for it, gets the listener of its filter.
fn enter(made: &Made, agent: UnixStream) -> Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("follow the agent's end")?;
    mounts::running_system(made.with_target)?;
    // A view without a network still has itself.
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    );
    if let Ok(socket) = socket
        && !made.host_network
    {
        sys::loopback_up(&socket).context("set up the loopback interface")?;
    }
    if made.read_only {
        mounts::read_only(Path::new(".")).context("make the target read-only")?;
    }
    nix::unistd::pivot_root(".", ".").context("change the root directory")?;
    umount2(".", MntFlags::MNT_DETACH).context("leave the machine's root directory")?;
    nix::unistd::chdir("/").context("enter the view")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    // The session keyring of the user who runs this program would be everybody's here.
    let keyrings = match sys::join_session_keyring() {
        Ok(()) => Keyrings::Own,
        Err(_) => Keyrings::None,
    };
    confine(keyrings, made.machine.is_some(), agent)
}

fn confine(keyrings: Keyrings, answers: bool, agent: UnixStream) -> Result<()> {
    let caps_error = |error: caps::errors::CapsError| io::Error::other(error.to_string());
    let allowed: CapsHashSet = ALLOWED.into_iter().collect();
    for capability in caps::runtime::thread_all_supported() {
        if !allowed.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability)
                .map_err(caps_error)
                .context("drop a capability")?;
        }
    }
    caps::clear(None, CapSet::Ambient)
        .map_err(caps_error)
        .context("drop capabilities")?;
    caps::clear(None, CapSet::Inheritable)
        .map_err(caps_error)
        .context("drop capabilities")?;
    caps::set(None, CapSet::Effective, &allowed)
        .map_err(caps_error)
        .context("drop capabilities")?;
    caps::set(None, CapSet::Permitted, &allowed)
        .map_err(caps_error)
        .context("drop capabilities")?;
    nix::sys::prctl::set_no_new_privs().context("set no_new_privs")?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)
        .context("forbid core files")?;
    // Scripts have the user id of process 1. None may trace it or look into it; what they execute is their own.
    nix::sys::prctl::set_dumpable(false).context("be out of the reach of scripts")?;
    let filter = |answers| seccomp::view(keyrings, answers).compile();
    let Ok(plain) = filter(false) else {
        // A machine whose calls are not known has the namespaces all the same.
        return Ok(());
    };
    // Where a filter around this one has a listener, there can be no other: then the kernel names its machine.
    if answers
        && agent_can_answer()
        && let Ok(filter) = filter(true)
        && let Ok(listener) = sys::apply_heard_filter(&filter)
    {
        return send_descriptors(&agent, &[listener.as_fd()]).context("hand the filter's listener over");
    }
    sys::apply_filter(&plain).context("filter system calls")
}
