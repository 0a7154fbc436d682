//! The view: the target as maintainer scripts see it.
//!
//! A child process (the [`agent`]) makes a user, mount, pid, ipc, uts and
//! network namespace, mounts the target there through FUSE, and takes it as its
//! root directory. This process serves the filesystem from outside, where it is
//! still the ordinary user, and tells the agent what to run. When either side
//! ends, so do the namespaces, their mounts and every process in them.

mod agent;
mod deadline;
mod error;
mod fusermount;
mod handlers;
pub mod idmap;
mod message;
mod namespaces;
mod output;
pub mod privileges;
mod processor;
mod sandbox;
mod sandboxed;

pub use error::ViewError;
use error::io_error;
pub use fusermount::unmount_stale;
pub use namespaces::probe;
use namespaces::{Namespaces, receive_descriptor};
use output::Collector;
pub use output::Sink;
use rootless_install_fs::{ServeOptions, Server, Target};
use sandboxed::Sandboxed;
pub use sandboxed::SandboxedOptions;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub use shim_protocol::names::START_STOP_DAEMON;
pub use shim_protocol::{PHANTOM_DIRECTORY, TARGET_MOUNT as DPKG_ROOT};

/// First argument that makes this program try whether namespaces can be made.
const PROBE_MARKER: &str = "--try-namespaces";

/// First argument that makes this program the agent.
pub const AGENT_MARKER: &str = "--view-agent";

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
    backend: Backend,
    output: Collector,
    /// Of the target, and of the native root.
    servers: Vec<Server>,
}

/// Where scripts run.
enum Backend {
    Namespaces(Namespaces),
    Sandboxed(Sandboxed),
}

impl View {
    /// Makes the namespaces, mounts and serves the target.
    ///
    /// # Errors
    /// One of [`ViewError`] for each thing the machine may lack.
    pub fn start(options: ViewOptions<'_>) -> Result<Self, ViewError> {
        let (place, output, servers) = Namespaces::start(options)?;
        Ok(Self {
            backend: Backend::Namespaces(place),
            output,
            servers,
        })
    }

    /// Makes what scripts need without namespaces.
    ///
    /// # Errors
    /// [`ViewError::NoFuse`] when the target cannot be mounted.
    pub fn in_sandbox(options: SandboxedOptions<'_>) -> Result<Self, ViewError> {
        let (plain, output, servers) = Sandboxed::start(options)?;
        Ok(Self {
            backend: Backend::Sandboxed(plain),
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
        let ended = match &mut self.backend {
            Backend::Namespaces(place) => place.run(arguments, environment, limit, cancelled)?,
            Backend::Sandboxed(plain) => plain.run(arguments, environment, limit, cancelled)?,
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

impl Drop for View {
    fn drop(&mut self) {
        match &mut self.backend {
            Backend::Namespaces(place) => place.stop(),
            Backend::Sandboxed(plain) => plain.stop(),
        }
        self.servers.clear();
    }
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
