//! The place around a target: programs run in the machine's own root directory, with the rights of the user who runs the
//! installer, who is root of the namespace; the target is mounted at its mount point, with /proc and /dev.

use super::mounts::{devices, processes};
use super::{Context, Result};
use crate::view::message::{MountPoints, OnTerminal, Running};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use rustix::fs::{Mode, OFlags};
use shim_protocol::names;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Least and greatest number of the descriptor of the socket for hooks: a shell redirects those of one digit only.
const SOCKET: std::ops::RangeInclusive<i32> = 3..=9;

/// Name of the variable that tells the number of that descriptor.
const SOCKET_VARIABLE: &str = "MMDEBSTRAP_HOOKSOCK";

pub(super) struct Around {
    /// Working directory of programs.
    directory: PathBuf,
    private: PathBuf,
    running: Running,
    terminal: OnTerminal,
    input: OwnedFd,
    socket: std::cell::Cell<Option<i32>>,
    /// The target, until that is mounted in it which a running system has.
    root: std::cell::RefCell<Option<OwnedFd>>,
}

impl Around {
    pub(super) fn new(directory: &Path, points: &MountPoints, input: OwnedFd) -> Self {
        Self {
            directory: directory.to_owned(),
            private: points.private.clone(),
            running: points.running,
            terminal: points.terminal,
            input,
            socket: std::cell::Cell::new(None),
            root: std::cell::RefCell::new(None),
        }
    }

    /// Process 1: prepares for programs; the target is the working directory.
    pub(super) fn enter(&self) -> Result<()> {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("follow the agent's end")?;
        // All programs are of one session: with its leader's end what a hook leaves running would end, too.
        if self.terminal != OnTerminal::Nothing {
            nix::unistd::setsid().context("begin a session")?;
            rustix::process::ioctl_tiocsctty(&self.input).context("take the terminal")?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(".", flags, Mode::empty()).context("open the target")?;
        self.root.replace(Some(root));
        // A container that masks parts of its own keeps that, and programs see processes that they cannot reach.
        let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let _ = mount(Some("proc"), "/proc", Some("proc"), safe, None::<&str>);
        self.socket.set(self.connect().context("reach the installer")?);
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        self.leave()
    }

    /// Mounts what of a running system the target has. Not from the start: setup hooks may unpack a system of their own.
    pub(super) fn populate(&self) -> Result<()> {
        let Some(root) = self.root.take() else {
            return Ok(());
        };
        nix::unistd::fchdir(&root).context("enter the target")?;
        if self.running.proc {
            processes()?;
        }
        if self.running.dev {
            devices()?;
        }
        self.leave()
    }

    /// Goes to the working directory of programs.
    fn leave(&self) -> Result<()> {
        match nix::unistd::chdir(&self.directory) {
            // It may be a directory that is gone.
            Err(_) => nix::unistd::chdir("/").context("enter a directory"),
            Ok(()) => Ok(()),
        }
    }

    /// Connects to the socket for hooks, if there is one, by a descriptor that programs inherit. Returns its number.
    fn connect(&self) -> io::Result<Option<i32>> {
        // Its path may be longer than an address can be.
        nix::unistd::chdir(&self.private)?;
        if !Path::new(names::HOOKS).exists() {
            return Ok(None);
        }
        let stream = UnixStream::connect(names::HOOKS)?;
        let inherited = nix::fcntl::fcntl(&stream, nix::fcntl::FcntlArg::F_DUPFD(*SOCKET.start()))?;
        if !SOCKET.contains(&inherited) {
            return Err(io::Error::other("too many descriptors are open"));
        }
        Ok(Some(inherited))
    }

    /// Gives a program its standard input, its terminal, and a variable of its environment.
    pub(super) fn prepare(&self, command: &mut Command) {
        let input = || self.input.try_clone().map_or(Stdio::null(), Stdio::from);
        command.stdin(input());
        if self.terminal == OnTerminal::All {
            command.stdout(input()).stderr(input());
        }
        if self.terminal != OnTerminal::Nothing
            && let Ok(terminal) = self.input.try_clone()
        {
            crate::sys::in_foreground(command, terminal);
        }
        if let Some(number) = self.socket.get() {
            command.env(SOCKET_VARIABLE, number.to_string());
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}
