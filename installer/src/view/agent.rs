//! The process inside: it makes the namespaces and the mounts, then runs what
//! it is told to, as process 1 of the view.
//!
//! It is this program executed anew (so it has one thread and may fork), with
//! the conversation of [`super::message`] on its standard input and the output
//! of scripts on its standard output and error.
//!
//! Sources: user_namespaces(7), mount_namespaces(7), pid_namespaces(7),
//! pivot_root(2), capabilities(7), `Documentation/filesystems/fuse.rst`.

use super::message::{FromAgent, ToAgent};
use super::{DPKG_ROOT, PHANTOM_DIRECTORY, START_STOP_DAEMON, handlers, processor};
use crate::sys::{self, Forked};
use caps::{CapSet, Capability, CapsHashSet};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, CpuSet, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use rootless_install_fs::SERVED;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

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

/// Device files of the machine that a script may use, by name below /dev.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

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
            // Only the child talks from here on.
            drop(socket);
            return wait_until_end(child);
        }
        Ok((_, Forked::Child)) => enter(places.outer.is_some()).and_then(|()| serve(&mut socket)),
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

fn private_mounts() -> nix::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
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
    let mut bound = Vec::new();
    for Bind { from, to, kind } in &binds {
        let from = match from {
            From::Outside(from) => from,
            From::Target => &target,
            From::Root => outer.as_ref().unwrap_or(&target),
        };
        // A target need not have a start-stop-daemon.
        if to.ends_with(START_STOP_DAEMON) && !to.exists() {
            continue;
        }
        let deep = match kind {
            Kind::ReadOnlyShallow => MsFlags::empty(),
            Kind::ReadOnly | Kind::Writable => MsFlags::MS_REC,
        };
        bind(&descriptor_path(from), to, deep).doing("mount the native sysroot")?;
        if *kind != Kind::Writable {
            bound.push(to);
        }
    }
    for to in bound.into_iter().rev() {
        read_only(to).doing("protect the native sysroot")?;
    }
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ReadOnly,
    /// Without what is mounted below it.
    ReadOnlyShallow,
    Writable,
}

/// What is mounted.
enum From {
    Outside(OwnedFd),
    /// The target as it is served.
    Target,
    /// The root directory of scripts.
    Root,
}

/// Something mounted in the view, at a path relative to its root.
struct Bind {
    from: From,
    to: PathBuf,
    kind: Kind,
}

/// What is mounted in the view, in this order.
fn sources(places: &Places<'_>) -> Step<Vec<Bind>> {
    let doing = "open the native sysroot";
    let seen = PathBuf::from(PHANTOM_DIRECTORY.trim_start_matches('/'));
    let private = places.private;
    let directory = |from: &Path, to: PathBuf, kind| {
        let from = From::Outside(open_path(from).doing(doing)?);
        Ok(Bind { from, to, kind })
    };
    let mut binds = vec![directory(private, seen.clone(), Kind::ReadOnly)?];
    // In the place of the target's own where nothing is redirected.
    let starter = private.join(START_STOP_DAEMON);
    if starter.exists() {
        binds.push(Bind {
            from: From::Outside(File::open(&starter).doing(doing)?.into()),
            to: Path::new("usr/sbin").join(START_STOP_DAEMON),
            kind: Kind::ReadOnly,
        });
    }
    if places.outer.is_some() {
        // The target, and its own way to native programs: for what is executed in it, or takes it
        // as its root directory.
        let target = PathBuf::from(DPKG_ROOT.trim_start_matches('/'));
        let root = |to| Bind {
            from: From::Root,
            to,
            kind: Kind::ReadOnlyShallow,
        };
        binds.push(root(seen.join("sysroot")));
        binds.push(Bind {
            from: From::Target,
            to: target.clone(),
            kind: Kind::Writable,
        });
        binds.push(directory(private, target.join(&seen), Kind::ReadOnly)?);
        binds.push(root(target.join(&seen).join("sysroot")));
    }
    let Some(system) = places.native_system else {
        return Ok(binds);
    };
    for entry in fs::read_dir(private.join("sysroot/usr")).doing(doing)? {
        let name = Path::new("usr").join(entry.doing(doing)?.file_name());
        if system.join(&name).is_dir() {
            let to = seen.join("sysroot").join(&name);
            binds.push(directory(&system.join(&name), to, Kind::ReadOnly)?);
        }
    }
    Ok(binds)
}

/// The target that is served below the root of a mount, as a mount of its own on top of that.
fn served(mount: &OwnedFd) -> io::Result<OwnedFd> {
    let target = open_tree(
        mount,
        SERVED,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    let by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&target, "", mount, "", by_descriptor)?;
    Ok(target)
}

fn open_path(path: &Path) -> nix::Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    open(
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
}

fn descriptor_path(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
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

/// Mounts a FUSE filesystem. The descriptor must be opened in the user
/// namespace that the mount belongs to, hence here and not in the installer.
fn mount_served(mount_point: &Path) -> Step<OwnedFd> {
    let fuse = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .doing("open /dev/fuse")?;
    let data = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
        fuse.as_raw_fd()
    );
    mount(
        Some("rootless-install"),
        mount_point,
        Some("fuse.rootless-install"),
        MsFlags::MS_NODEV,
        Some(data.as_str()),
    )
    .doing("mount the target through /dev/fuse")?;
    Ok(fuse.into())
}

/// Takes the identity of the target's root user, which is nobody outside.
fn become_root() -> Step<()> {
    nix::unistd::setgroups(&[]).doing("drop supplementary groups")?;
    let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid).doing("become group 0 of the view")?;
    nix::unistd::setresuid(uid, uid, uid).doing("become user 0 of the view")?;
    Ok(())
}

fn bind(from: &Path, to: &Path, deep: MsFlags) -> nix::Result<()> {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | deep,
        None::<&str>,
    )
}

/// Remounts read-only, without set-id programs and devices. Options that the
/// machine's own mount has are locked and must be kept (mount_namespaces(7)).
fn read_only(path: &Path) -> nix::Result<()> {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let here = statvfs(path)?.flags();
    let kept = [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let base =
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let flags = kept
        .iter()
        .filter(|(flag, _)| here.contains(*flag))
        .fold(base, |all, (_, flag)| all | *flag);
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// Process 1: mounts what belongs to a running system, changes the root
/// directory, and gives up every right that is not needed.
fn enter(with_target: bool) -> Step<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).doing("follow the agent's end")?;
    let none = None::<&str>;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), safe, none).doing("mount /proc")?;
    let dev = Path::new("dev");
    let size = Some("mode=755,size=1m");
    mount(Some("tmpfs"), dev, Some("tmpfs"), MsFlags::MS_NOSUID, size).doing("mount /dev")?;
    for name in DEVICES {
        let outside = Path::new("/dev").join(name);
        if outside.exists() {
            File::create(dev.join(name)).doing("make a device file")?;
            bind(&outside, &dev.join(name), MsFlags::MS_REC).doing("mount a device file")?;
        }
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(to, dev.join(name)).doing("make a link in /dev")?;
    }
    fs::create_dir(dev.join("pts")).doing("make /dev/pts")?;
    let terminals = Some("newinstance,ptmxmode=0666,mode=620,gid=5");
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &dev.join("pts"), Some("devpts"), quiet, terminals).doing("mount /dev/pts")?;
    fs::create_dir(dev.join("shm")).doing("make /dev/shm")?;
    mount(
        Some("tmpfs"),
        &dev.join("shm"),
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
    .doing("mount /dev/shm")?;
    if with_target {
        let target = Path::new(DPKG_ROOT.trim_start_matches('/'));
        for name in ["proc", "dev"] {
            bind(Path::new(name), &target.join(name), MsFlags::MS_REC).doing("mount /proc and /dev")?;
        }
    }
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

/// Runs commands until the installer is gone.
fn serve(socket: &mut UnixStream) -> Step<ExitCode> {
    FromAgent::Ready.send(socket).doing("talk to the installer")?;
    let all = processor::allowed();
    loop {
        match ToAgent::receive(socket) {
            Ok(ToAgent::Run {
                arguments,
                environment,
                processor,
            }) => {
                processor::stay_on(processor, all.as_ref());
                let Some(outcome) = run_command(socket, &arguments, environment, all.as_ref())? else {
                    return Ok(ExitCode::SUCCESS);
                };
                outcome.send(socket).doing("talk to the installer")?;
            }
            // Nothing runs any more: the command ended before this arrived.
            Ok(ToAgent::Kill | ToAgent::Spread) => {}
            Ok(_) => return Err(unexpected()),
            Err(_) => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Runs one command; `None` when the installer went away meanwhile.
fn run_command(
    socket: &mut UnixStream,
    arguments: &[String],
    environment: Vec<(String, String)>,
    all: Option<&CpuSet>,
) -> Step<Option<FromAgent>> {
    let [program, rest @ ..] = arguments else {
        return Ok(Some(FromAgent::NotRun("no program is named".to_owned())));
    };
    // dpkg's working directory is the root that it installs into.
    let root = environment.iter().find(|(name, _)| name == "DPKG_ROOT");
    let directory = root.map_or("", |(_, root)| root.as_str());
    let mut command = Command::new(program);
    command
        .args(rest)
        .current_dir(if directory.is_empty() { "/" } else { directory })
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null());
    command.process_group(0);
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(i32::try_from(child.id()).unwrap_or(-1)),
        Err(error) => return Ok(Some(FromAgent::NotRun(error.to_string()))),
    };
    let handle = rustix::process::Pid::from_raw(child.as_raw())
        .ok_or_else(|| io::Error::other("no process id"))
        .and_then(|pid| {
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).map_err(Into::into)
        })
        .doing("watch a script")?;
    loop {
        let (ended, spoken) = wait_for(&handle, socket.as_fd()).doing("wait for a script")?;
        if ended {
            let outcome = match waitpid(child, None).doing("wait for a script")? {
                WaitStatus::Exited(_, status) => FromAgent::Exited(status),
                WaitStatus::Signaled(_, signal, _) => FromAgent::Signalled(signal as i32),
                _ => continue,
            };
            reap();
            let mark = [super::output::MARK, b"\n"].concat();
            let _ = io::stdout().write_all(&mark).and_then(|()| io::stdout().flush());
            return Ok(Some(outcome));
        }
        if spoken {
            match ToAgent::receive(socket) {
                // -1: everything in the namespace but process 1 (kill(2)).
                Ok(ToAgent::Kill) => {
                    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
                }
                Ok(ToAgent::Spread) => all.into_iter().for_each(processor::spread_all),
                Ok(_) => return Err(unexpected()),
                Err(_) => return Ok(None),
            }
        }
    }
}

fn wait_for(child: &OwnedFd, socket: BorrowedFd<'_>) -> io::Result<(bool, bool)> {
    use rustix::event::{PollFd, PollFlags, poll};
    let mut waiting = [
        PollFd::new(child, PollFlags::IN),
        PollFd::from_borrowed_fd(socket, PollFlags::IN),
    ];
    match poll(&mut waiting, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [child, socket] = waiting;
    Ok((!child.revents().is_empty(), !socket.revents().is_empty()))
}

/// Collects what scripts left behind, as process 1 must.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}
