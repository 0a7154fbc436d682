//! The view: the target as maintainer scripts see it.
//!
//! A child process (the agent) makes a user, mount, pid, ipc, uts and
//! network namespace, mounts the target there through FUSE, and takes it as its
//! root directory. This process serves the filesystem from outside, where it is
//! still the ordinary user, and tells the agent what to run. When either side
//! ends, so do the namespaces, their mounts and every process in them.

mod agent;
pub mod command;
mod deadline;
mod error;
mod fusermount;
mod handlers;
pub mod idmap;
mod machine;
mod message;
mod mounted;
mod namespaces;
mod output;
pub mod privileges;
mod processor;
pub mod relay;
mod sandbox;
mod sandboxed;
mod seccomp;
mod spawn;

use crate::sys::Inherited;
use command::{Command, CommandEnd, Signals};
pub use error::ViewError;
use error::io_error;
pub use fusermount::unmount_stale;
use message::BindPoint;
pub use message::{OnTerminal, Running};
pub use mounted::{Mounted, run_with_ids, run_with_mount, unmount};
use namespaces::Namespaces;
pub use namespaces::{has_layers, probe};
use output::Collector;
pub use output::Sink;
use rootless_install_fs::{ServeOptions, Server, Target};
use sandboxed::Sandboxed;
pub use sandboxed::SandboxedOptions;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub use shim_protocol::names::START_STOP_DAEMON;
pub use shim_protocol::{PHANTOM_DIRECTORY, TARGET_MOUNT as DPKG_ROOT};

/// First argument with which this program tries to make namespaces, and does nothing else.
const PROBE_MARKER: &str = "--try-namespaces";

/// Time after which a server whose view was unmounted should have ended.
const UNMOUNTED: Duration = Duration::from_secs(1);

/// First argument with which this program tries to layer one filesystem over another, and does nothing else.
const LAYERS_MARKER: &str = "--try-layers";

/// First argument with which this program is the agent.
pub const AGENT_MARKER: &str = "--view-agent";

/// Capabilities of a machine for scripts without namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whether an ordinary user can mount the target.
    pub fuse: bool,
    /// Whether the user's files can be kept from scripts.
    pub protects: bool,
    /// Whether what scripts change of files and ask of processes can be looked at, call by call.
    pub supervises: bool,
    /// Whether signals and sockets of other processes can be kept from scripts without that.
    pub scopes: bool,
}

impl Machine {
    /// Probes the machine.
    #[must_use]
    pub fn probe() -> Self {
        let device = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse");
        Self {
            fuse: device.is_ok() && fusermount::is_installed(),
            protects: sandbox::protects(),
            supervises: sandbox::supervises(),
            scopes: sandbox::scopes(),
        }
    }
}

/// Network of programs. Maintainer scripts have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// None but the loopback interface.
    #[default]
    None,
    /// That of this machine.
    Host,
}

/// Options of a view.
pub struct ViewOptions<'a> {
    /// The target served.
    pub target: &'a Target,
    /// An empty directory of this run, the view's mount point (in the agent's namespace only).
    pub mount_point: &'a Path,
    /// The directory that appears as [`PHANTOM_DIRECTORY`].
    pub private: &'a Path,
    /// Root of a native system whose programs and libraries are the sysroot,
    /// mounted where the private directory has empty directories for them.
    pub native_system: Option<&'a Path>,
    /// Phantoms, redirection and threads of the server.
    pub serve: ServeOptions,
    /// Root directory of scripts; none means the target.
    pub native_root: Option<NativeRootView<'a>>,
    /// dpkg's administrative directory, where it is outside of the target; scripts see it at [`shim_protocol::paths::ADMIN`].
    pub admin: Option<AdminView<'a>>,
    /// How programs run around the target; none where they run in it, or in a native root.
    pub around: Option<Around<'a>>,
    /// The machine that uname(2) names to programs in it; none for that of the kernel.
    pub machine: Option<&'static str>,
    /// Whether programs have the machine's network.
    pub host_network: bool,
    /// Whether the target is seen read-only.
    pub read_only: bool,
    /// Directories and files of the machine that are seen in the target.
    pub binds: Vec<BoundView>,
    /// Path of the target at which the file [`RESOLVER`](shim_protocol::names::RESOLVER) of the private directory is seen.
    pub resolver: Option<PathBuf>,
    /// Receiver of each line that scripts write, as it comes.
    pub sink: Sink,
}

/// Programs that run around the target: in the machine's own root directory, with the user's rights there and as root
/// of the target, which they see at its mount point ([`SERVED`](rootless_install_fs::SERVED) is mounted over it).
pub struct Around<'a> {
    /// Their working directory.
    pub directory: &'a Path,
    /// Their standard input.
    pub input: OwnedFd,
    /// What of their standard input, output and error is that input, which is a terminal.
    pub terminal: OnTerminal,
    /// What of a running system the target has.
    pub running: Running,
}

/// A directory or file of the machine that is seen in the target.
pub struct BoundView {
    /// The directory, or that of the file.
    directory: Target,
    point: BindPoint,
}

impl BoundView {
    /// Binds `source` at the path `to` of the target; `mount_point` is an empty directory of this run.
    ///
    /// # Errors
    /// The source cannot be opened.
    pub fn new(
        source: &Path,
        to: PathBuf,
        read_only: bool,
        mount_point: PathBuf,
    ) -> Result<Self, rootless_install_fs::Error> {
        let file = source.file_name().filter(|_| !source.is_dir());
        let directory = match file {
            Some(_) => source.parent().unwrap_or(Path::new("/")),
            None => source,
        };
        Ok(Self {
            directory: Target::open(directory)?,
            point: BindPoint {
                mount_point,
                file: file.map(std::ffi::OsStr::to_owned),
                to,
                read_only,
            },
        })
    }
}

/// A native root, in which scripts run; they see the target at [`DPKG_ROOT`].
pub struct NativeRootView<'a> {
    /// The root filesystem.
    pub root: &'a Target,
    /// An empty directory of this run, its mount point.
    pub mount_point: &'a Path,
    /// An empty directory of this run, on which a layer in memory is mounted that takes what scripts write; none where
    /// they write to the root itself.
    pub layer: Option<&'a Path>,
    /// Phantoms and threads of its server.
    pub serve: ServeOptions,
}

/// An administrative directory outside of the target.
pub struct AdminView<'a> {
    /// The directory.
    pub directory: &'a Target,
    /// An empty directory of this run, its mount point.
    pub mount_point: PathBuf,
    /// How programs in it are executed.
    pub serve: ServeOptions,
}

/// Returns the mount point of an administrative directory outside of the target, beside that of the target.
pub fn admin_mount_point(view: &Path) -> PathBuf {
    view.with_extension("admindir")
}

/// The end of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Signalled(i32),
    /// It could not be executed.
    NotRun(String),
    /// It is a script, and the target lacks this program that reads it.
    NoInterpreter(String),
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
            Self::NoInterpreter(program) => {
                write!(f, "it is a script for {program}, and there is no such program")
            }
            Self::TimedOut(limit) => write!(f, "the time limit of {}", humantime::format_duration(*limit)),
            Self::Cancelled => f.write_str("the interruption of the run"),
        }
    }
}

/// A command's end and the last lines it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its end.
    pub ended: Ended,
    /// The last lines of standard output and error together.
    pub last_lines: Vec<String>,
}

/// A running view.
pub struct View {
    backend: Backend,
    output: Collector,
    /// Servers of the target and, where there is one, of the native root.
    servers: Vec<Server>,
}

/// The processes and mounts with which scripts run.
enum Backend {
    Namespaces(Namespaces),
    Sandboxed(Sandboxed),
}

impl View {
    /// Makes the namespaces, mounts the target and serves it.
    ///
    /// # Errors
    /// [`ViewError`] has a variant for each thing that the machine may lack.
    pub fn start(options: ViewOptions<'_>) -> Result<Self, ViewError> {
        let (namespaces, output, servers) = Namespaces::start(options)?;
        Ok(Self {
            backend: Backend::Namespaces(namespaces),
            output,
            servers,
        })
    }

    /// Mounts and serves the target without namespaces; each script runs in a sandbox.
    ///
    /// # Errors
    /// [`ViewError::NoFuse`] when the target cannot be mounted.
    pub fn in_sandbox(options: SandboxedOptions<'_>) -> Result<Self, ViewError> {
        let (sandboxed, output, servers) = Sandboxed::start(options)?;
        Ok(Self {
            backend: Backend::Sandboxed(sandboxed),
            output,
            servers,
        })
    }

    /// Runs a command of a package in the view and waits for its end.
    ///
    /// `cancelled` is called some times a second; when it returns true, or after
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
        self.run_with(package, arguments, environment, (limit, cancelled), None)
    }

    /// Runs a command as [`run`](Self::run) does, on a terminal that it was given as its input; `heard` hears what is printed
    /// on it. What the user types renews the limit.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and of the user's terminal.
    pub fn run_on_terminal(
        &mut self,
        (name, arguments): (&str, &[&str]),
        environment: &[(String, String)],
        limit: Option<Duration>,
        cancelled: &dyn Fn() -> bool,
        (terminal, heard): (&relay::Own, &relay::Hear<'_>),
    ) -> Result<Outcome, ViewError> {
        let relay = terminal.relay(heard).map_err(io_error("use the terminal"))?;
        self.run_with(name, arguments, environment, (limit, cancelled), Some(relay))
    }

    /// Runs a command as [`run`](Self::run) does, with what passes between the user's terminal and its own.
    fn run_with(
        &mut self,
        package: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        (limit, cancelled): (Option<Duration>, &dyn Fn() -> bool),
        relay: Option<relay::Relay<'_>>,
    ) -> Result<Outcome, ViewError> {
        self.output.start(package);
        let ended = match &mut self.backend {
            Backend::Namespaces(namespaces) => {
                namespaces.run(arguments, environment, limit, cancelled, relay)?
            }
            Backend::Sandboxed(sandboxed) => sandboxed.run(arguments, environment, limit, cancelled)?,
        };
        let last_lines = self.output.last_lines();
        let ended = match (ended, &self.backend, last_lines.last()) {
            // The sandbox says why on the script's standard error.
            (Ended::NotRun(reason), Backend::Sandboxed(_), Some(cause)) => {
                Ended::NotRun(format!("{reason}: {cause}"))
            }
            (ended, ..) => ended,
        };
        Ok(Outcome { ended, last_lines })
    }

    /// Runs a user's command in the view, with the standard input, output and error of this process, and waits for its end.
    ///
    /// # Errors
    /// [`ViewError::Lost`] when the agent does not answer any more, and where there are no namespaces.
    pub fn command(&mut self, command: Command, signals: &Signals) -> Result<CommandEnd, ViewError> {
        match &mut self.backend {
            Backend::Namespaces(namespaces) => namespaces.command(command, signals),
            Backend::Sandboxed(_) => Err(ViewError::NoUserNamespaces(
                "a command runs in a view only".to_owned(),
            )),
        }
    }

    /// Mounts what of a running system the target has, for programs that run around it, and shows what it has for its
    /// programs.
    ///
    /// # Errors
    /// [`ViewError::Lost`] when the agent does not answer any more; those of mounting.
    pub fn populate(&mut self) -> Result<(), ViewError> {
        self.servers.iter().for_each(Server::show_all);
        match &mut self.backend {
            Backend::Namespaces(namespaces) => namespaces.populate(),
            Backend::Sandboxed(_) => Ok(()),
        }
    }

    /// The target's FUSE server.
    pub fn server(&self) -> Option<&Server> {
        self.servers.first()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        match &mut self.backend {
            Backend::Namespaces(namespaces) => namespaces.stop(),
            Backend::Sandboxed(sandboxed) => {
                sandboxed.unmount();
                // Another mount namespace may have a copy of the mount.
                if !self.servers.iter().all(|server| server.ends_within(UNMOUNTED)) {
                    sandboxed.abort();
                }
            }
        }
        self.servers.clear();
    }
}

/// Returns the filter of system calls (seccomp(2)), eight bytes an instruction, that keeps a script from a view's network;
/// empty where there is none, or where the system calls of this machine are not known.
pub(crate) fn script_filter(network: Network) -> Vec<u8> {
    if network == Network::None {
        return Vec::new();
    }
    let program = seccomp::without_network().compile().unwrap_or_default();
    let bytes = |one: &libc::sock_filter| {
        let [a, b] = one.code.to_ne_bytes();
        let [c, d, e, f] = one.k.to_ne_bytes();
        [a, b, one.jt, one.jf, c, d, e, f]
    };
    program.iter().flat_map(bytes).collect()
}

/// Runs the agent or the sandbox where this program was executed as one, and returns the exit status; `None` means
/// an ordinary start.
///
/// A view executes `/proc/self/exe`, so every program that opens one calls this first in `main`. From here on nothing
/// that is executed inherits a descriptor above standard error that the program's caller has left open.
pub fn agent_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let marker = arguments.next();
    let roles = [PROBE_MARKER, sandbox::MARKER, AGENT_MARKER];
    let has_role = marker
        .as_ref()
        .is_some_and(|marker| roles.iter().any(|role| marker == role));
    crate::sys::set_apart(if has_role {
        Inherited::Closed
    } else {
        Inherited::Kept
    });
    let marker = marker?;
    if marker == PROBE_MARKER {
        return Some(agent::try_namespaces());
    }
    if marker == LAYERS_MARKER {
        return Some(agent::try_layers(Path::new("/dev")));
    }
    if marker == mounted::MARKER {
        return Some(agent::run_command(arguments));
    }
    if marker == sandbox::MARKER {
        return Some(sandbox::run(arguments));
    }
    if marker != AGENT_MARKER {
        return None;
    }
    Some(agent::run())
}
