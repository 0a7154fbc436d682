//! The view: the target as maintainer scripts see it.
//!
//! A child process (the [`agent`]) makes a user, mount, pid, ipc, uts and
//! network namespace, mounts the target there through FUSE, and takes it as its
//! root directory. This process serves the filesystem from outside, where it is
//! still the ordinary user, and tells the agent what to run. When either side
//! ends, so do the namespaces, their mounts and every process in them.

mod agent;
mod deadline;
mod fusermount;
mod handlers;
pub mod idmap;
mod message;
mod output;
mod plain;
pub mod privileges;
mod processor;
mod sandbox;

use deadline::Deadline;
pub use fusermount::unmount_stale;
use idmap::{IdRange, Mapper};
use message::{FromAgent, ToAgent};
use output::Collector;
pub use output::Sink;
use plain::Plain;
pub use plain::PlainOptions;
use processor::Processors;
use rootless_install_fs::{ServeOptions, Server, Target};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// Directory of the view that holds the shim, the native sysroot and the
/// socket on which the shim asks for more. It can be looked up, never listed.
pub const PHANTOM_DIRECTORY: &str = "/.rootless-install";

/// Where the target is seen in a native root: dpkg's `DPKG_ROOT`.
pub const DPKG_ROOT: &str = "/target";

/// Name of a script in the private directory that stands in for
/// start-stop-daemon(8) where the target's own programs are executed.
pub const START_STOP_DAEMON: &str = "start-stop-daemon";

/// A variable of the environment with which executions are redirected as on a kernel whose user namespaces
/// have no handlers of binfmt_misc (before Linux 6.7).
const NO_HANDLERS: &str = "ROOTLESS_INSTALL_NO_BINFMT_MISC";

/// First argument that makes this program try whether namespaces can be made.
const PROBE_MARKER: &str = "--try-namespaces";

/// First argument that makes this program the agent.
pub const AGENT_MARKER: &str = "--view-agent";

/// Why the view could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The user has no subordinate ids.
    #[error("user {user} has no range of 65536 subordinate ids in {file}")]
    NoSubordinateIds {
        /// Who.
        user: String,
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
    },
    /// newuidmap or newgidmap is not installed.
    #[error("{name} is not installed")]
    NoIdMapHelper {
        /// The program.
        name: &'static str,
    },
    /// newuidmap or newgidmap refused.
    #[error("{} could not map the ids of the view: {reason}", program.display())]
    IdMap {
        /// The program or file.
        program: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The machine forbids user namespaces.
    #[error("this machine does not let an ordinary user make a user namespace: {0}")]
    NoUserNamespaces(String),
    /// /dev/fuse is not there or not usable.
    #[error("/dev/fuse cannot be used: {0}")]
    NoFuse(String),
    /// Another step of setting up failed.
    #[error("cannot {doing} for the view: {reason}")]
    SetUp {
        /// What was being done.
        doing: String,
        /// The system's reason.
        reason: String,
    },
    /// The agent ended or broke the protocol.
    #[error("the process that holds the view is gone: {0}")]
    Lost(io::Error),
    /// The FUSE server could not be started.
    #[error("cannot serve the target")]
    Serve(#[source] rootless_install_fs::Error),
    /// Something small of this machine failed.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl ViewError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSubordinateIds { user, .. } => Some(format!(
                "as root, run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user} \
                 (choose a range that no other line of /etc/subuid and /etc/subgid has)"
            )),
            Self::NoIdMapHelper { .. } => Some("install the package uidmap, as root: apt-get install uidmap".into()),
            Self::IdMap { program, .. } => Some(format!(
                "{} must be set-user-id root or hold its capabilities, as the package uidmap installs it, \
                 and /etc/subuid and /etc/subgid must give the range to this user",
                program.display()
            )),
            Self::NoUserNamespaces(_) => Some(
                "as root, run: sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000 \
                 (and kernel.apparmor_restrict_unprivileged_userns=0 where that exists); in a container, allow \
                 user namespaces for it; inside a chroot(2) the kernel allows none"
                    .into(),
            ),
            Self::NoFuse(_) => Some(
                "install the package fuse3, as root: apt-get install fuse3 (it makes /dev/fuse usable for everybody; \
                 where no udev runs: modprobe fuse; chmod 0666 /dev/fuse; in a container, pass the device in)"
                    .into(),
            ),
            _ => None,
        }
    }
}

fn io_error(doing: &'static str) -> impl Fn(io::Error) -> ViewError {
    move |source| ViewError::Io { doing, source }
}

/// Checks what the view needs of this machine, before anything is downloaded.
///
/// # Errors
/// The same as [`View::start`] would give.
pub fn probe() -> Result<(IdRange, Mapper), ViewError> {
    use std::fs::OpenOptions;
    let found = idmap::probe()?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(|error| ViewError::NoFuse(error.to_string()))?;
    for (file, allows) in [
        (
            "/proc/sys/user/max_user_namespaces",
            (|n| n > 0) as fn(u64) -> bool,
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", |n| n > 0),
    ] {
        let value = std::fs::read_to_string(file)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        let root = nix::unistd::geteuid().is_root();
        if value.is_some_and(|n| !allows(n)) && !(root && file.ends_with("clone")) {
            return Err(ViewError::NoUserNamespaces(format!("{file} is 0")));
        }
    }
    try_namespaces()?;
    Ok(found)
}

/// Some machines let a user make namespaces, and then do nothing in them.
fn try_namespaces() -> Result<(), ViewError> {
    let tried = Command::new("/proc/self/exe")
        .arg(PROBE_MARKER)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(io_error("try to make a user namespace"))?;
    if tried.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    Err(ViewError::NoUserNamespaces(reason))
}

/// What a machine has for scripts without namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whether an ordinary user can mount the target.
    pub fuse: bool,
    /// Whether the user's files can be kept from scripts.
    pub protects: bool,
}

impl Machine {
    /// Asks the machine.
    #[must_use]
    pub fn probe() -> Self {
        let device = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse");
        Self {
            fuse: device.is_ok() && fusermount::is_installed(),
            protects: sandbox::protects(),
        }
    }
}

/// How to make a view.
pub struct ViewOptions<'a> {
    /// The target served.
    pub target: &'a Target,
    /// An empty directory of this run, where the view is mounted (in the
    /// agent's namespace only).
    pub mount_point: &'a Path,
    /// The directory that appears as [`PHANTOM_DIRECTORY`].
    pub private: &'a Path,
    /// Root of a native system whose programs and libraries are the sysroot,
    /// mounted where the private directory has empty directories for them.
    pub native_system: Option<&'a Path>,
    /// Phantoms, redirection and threads of the server.
    pub serve: ServeOptions,
    /// What scripts have as their root directory where that is not the target.
    pub outer: Option<Outer<'a>>,
    /// Where the output of scripts goes as it comes.
    pub sink: Sink,
}

/// A root filesystem of this machine's architecture in which scripts run; they see the target
/// at [`DPKG_ROOT`].
pub struct Outer<'a> {
    /// The root filesystem.
    pub root: &'a Target,
    /// An empty directory of this run, where it is mounted.
    pub mount_point: &'a Path,
    /// How it is served.
    pub serve: ServeOptions,
}

/// How a command in the view ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It could not be executed.
    NotRun(String),
    /// It took longer than the time allowed and was killed.
    TimedOut(Duration),
    /// The run was cancelled and the command killed.
    Cancelled,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
            Self::NotRun(reason) => f.write_str(reason),
            Self::TimedOut(limit) => write!(f, "the time limit of {}", humantime::format_duration(*limit)),
            Self::Cancelled => f.write_str("the interruption of the run"),
        }
    }
}

/// A command's end and the last lines it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The last lines of standard output and error together.
    pub last_lines: Vec<String>,
}

/// A running view.
pub struct View {
    place: Place,
    output: Collector,
    /// Of the target, and of the native root.
    servers: Vec<Server>,
}

/// Where scripts run.
enum Place {
    Namespaces(Namespaces),
    Machine(Plain),
}

/// Namespaces, and who holds them.
struct Namespaces {
    socket: UnixStream,
    agent: Child,
    processors: Processors,
}

impl View {
    /// Makes the namespaces, mounts and serves the target.
    ///
    /// # Errors
    /// One of [`ViewError`] for each thing the machine may lack.
    pub fn start(options: ViewOptions<'_>) -> Result<Self, ViewError> {
        let (range, mapper) = probe()?;
        let (mut socket, theirs) = UnixStream::pair().map_err(io_error("make a socket pair"))?;
        let (reader, writer) = io::pipe().map_err(io_error("make a pipe"))?;
        let errors = writer.try_clone().map_err(io_error("copy a descriptor"))?;
        let mut agent = Command::new("/proc/self/exe")
            .args([
                OsString::from(AGENT_MARKER),
                options.mount_point.into(),
                options.private.into(),
            ])
            .arg(options.native_system.unwrap_or(Path::new("")))
            .args(options.outer.as_ref().map(|outer| outer.mount_point))
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(writer)))
            .stderr(Stdio::from(OwnedFd::from(errors)))
            .spawn()
            .map_err(io_error("start the process that holds the view"))?;
        let output = Collector::new(reader, options.sink);
        let redirect = options.serve.redirect.as_ref();
        let wanted = redirect.filter(|_| std::env::var_os(NO_HANDLERS).is_none());
        let handlers = wanted.map_or_else(Vec::new, |redirect| handlers::prepare(redirect, options.private));
        let outer = options.outer.map(|outer| (outer.root, outer.serve));
        let served = std::iter::once((options.target, options.serve)).chain(outer);
        match set_up(&mut socket, &agent, (range, &mapper), handlers, served) {
            Ok(servers) => {
                let threads: Vec<i32> = servers.iter().flat_map(Server::threads).copied().collect();
                let processors = Processors::new(&threads);
                Ok(Self {
                    place: Place::Namespaces(Namespaces {
                        socket,
                        agent,
                        processors,
                    }),
                    output,
                    servers,
                })
            }
            Err(error) => {
                drop(socket);
                let _ = agent.kill();
                let _ = agent.wait();
                Err(error)
            }
        }
    }

    /// Makes what scripts need without namespaces.
    ///
    /// # Errors
    /// [`ViewError::NoFuse`] when the target cannot be mounted.
    pub fn on_machine(options: PlainOptions<'_>) -> Result<Self, ViewError> {
        let (plain, output, servers) = Plain::start(options)?;
        Ok(Self {
            place: Place::Machine(plain),
            output,
            servers,
        })
    }

    /// Runs a command of a package in the view and waits for its end.
    ///
    /// `cancelled` is asked some times a second; when it says yes, or after
    /// `limit`, everything in the view is killed.
    ///
    /// # Errors
    /// [`ViewError::Lost`] when the agent does not answer any more.
    pub fn run(
        &mut self,
        package: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        limit: Option<Duration>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Outcome, ViewError> {
        self.output.start(package);
        let ended = match &mut self.place {
            Place::Namespaces(place) => place.run(arguments, environment, limit, cancelled)?,
            Place::Machine(plain) => plain.run(arguments, environment, limit, cancelled)?,
        };
        Ok(Outcome {
            ended,
            last_lines: self.output.last_lines(),
        })
    }

    /// The target's FUSE server.
    pub fn server(&self) -> Option<&Server> {
        self.servers.first()
    }
}

impl Namespaces {
    fn run(
        &mut self,
        arguments: &[&str],
        environment: &[(String, String)],
        limit: Option<Duration>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Ended, ViewError> {
        let run = ToAgent::Run {
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            environment: environment.to_vec(),
            processor: self.processors.choose(),
        };
        run.send(&mut self.socket).map_err(ViewError::Lost)?;
        let deadline = Deadline::new(limit, cancelled);
        let mut killed = None;
        let mut spread = false;
        while !deadline.readable(&self.socket)? {
            if !spread && deadline.elapsed() > processor::ALONE {
                self.processors.spread();
                ToAgent::Spread.send(&mut self.socket).map_err(ViewError::Lost)?;
                spread = true;
            }
            if let (Some(verdict), None) = (deadline.verdict(), &killed) {
                ToAgent::Kill.send(&mut self.socket).map_err(ViewError::Lost)?;
                killed = Some(verdict);
            }
        }
        let ended = match FromAgent::receive(&mut self.socket).map_err(ViewError::Lost)? {
            FromAgent::Exited(status) => Ended::Exited(status),
            FromAgent::Signalled(signal) => Ended::Signalled(signal),
            FromAgent::NotRun(reason) => Ended::NotRun(reason),
            other => return Err(unexpected(&other)),
        };
        Ok(killed.unwrap_or(ended))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        match &mut self.place {
            // The end of the conversation ends process 1, and with it everything.
            Place::Namespaces(place) => {
                let _ = place.socket.shutdown(std::net::Shutdown::Both);
                let _ = place.agent.wait();
            }
            Place::Machine(plain) => plain.stop(),
        }
        self.servers.clear();
    }
}

fn set_up<'t>(
    socket: &mut UnixStream,
    agent: &Child,
    (range, mapper): (IdRange, &Mapper),
    handlers: Vec<String>,
    served: impl Iterator<Item = (&'t Target, ServeOptions)>,
) -> Result<Vec<Server>, ViewError> {
    expect(socket, &FromAgent::Unshared)?;
    idmap::write(agent.id(), range, mapper)?;
    ToAgent::Mapped { handlers }
        .send(socket)
        .map_err(ViewError::Lost)?;
    let handled = match receive(socket)? {
        FromAgent::Mounted { handled } => handled,
        other => return Err(unexpected(&other)),
    };
    let servers = served
        .map(|(target, mut serve)| {
            let fuse = receive_descriptor(socket)?;
            // The kernel does it.
            serve.redirect = serve.redirect.filter(|_| !handled);
            rootless_install_fs::serve(target, fuse, serve).map_err(ViewError::Serve)
        })
        .collect::<Result<Vec<_>, _>>()?;
    ToAgent::Serving.send(socket).map_err(ViewError::Lost)?;
    expect(socket, &FromAgent::Ready).map(|()| servers)
}

fn expect(socket: &mut UnixStream, wanted: &FromAgent) -> Result<(), ViewError> {
    let got = receive(socket)?;
    if got == *wanted {
        Ok(())
    } else {
        Err(unexpected(&got))
    }
}

fn unexpected(message: &FromAgent) -> ViewError {
    ViewError::Lost(io::Error::other(format!("unexpected message {message:?}")))
}

/// What the agent says, unless it is that something failed.
fn receive(socket: &mut UnixStream) -> Result<FromAgent, ViewError> {
    match FromAgent::receive(socket).map_err(ViewError::Lost)? {
        FromAgent::Failed {
            doing,
            reason,
            errno: _,
        } if doing.contains("user namespace") => {
            Err(ViewError::NoUserNamespaces(format!("cannot {doing}: {reason}")))
        }
        FromAgent::Failed {
            doing,
            reason,
            errno: _,
        } if doing.contains("/dev/fuse") => Err(ViewError::NoFuse(format!("cannot {doing}: {reason}"))),
        FromAgent::Failed { doing, reason, .. } => Err(ViewError::SetUp { doing, reason }),
        message => Ok(message),
    }
}

fn receive_descriptor(socket: &UnixStream) -> Result<OwnedFd, ViewError> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut byte = [0];
    let mut payload = [io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let received = recvmsg::<()>(
        socket.as_fd().as_raw_fd(),
        &mut payload,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )
    .map_err(|error| ViewError::Lost(error.into()))?;
    let lost = |_| ViewError::Lost(io::ErrorKind::InvalidData.into());
    for control in received.cmsgs().map_err(lost)? {
        if let ControlMessageOwned::ScmRights(descriptors) = control
            && let [descriptor] = descriptors.as_slice()
        {
            return Ok(crate::sys::adopt(*descriptor));
        }
    }
    Err(ViewError::Lost(io::Error::other("no descriptor arrived")))
}

/// Entry of the agent, when the program's arguments say so (see
/// [`AGENT_MARKER`]); `None` when this is an ordinary start of the program.
pub fn agent_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let marker = arguments.next()?;
    if marker == PROBE_MARKER {
        return Some(agent::try_namespaces());
    }
    if marker == sandbox::MARKER {
        return Some(sandbox::run(arguments));
    }
    if marker != AGENT_MARKER {
        return None;
    }
    let (Some(mount_point), Some(private)) = (arguments.next(), arguments.next()) else {
        return Some(ExitCode::from(2));
    };
    let native_system = arguments.next().filter(|path| !path.is_empty());
    let outer = arguments.next();
    Some(agent::run(&agent::Places {
        target: Path::new(&mount_point),
        private: Path::new(&private),
        native_system: native_system.as_deref().map(Path::new),
        outer: outer.as_deref().map(Path::new),
    }))
}
