//! Messages between the installer and the agent in the view.
//!
//! One stream socket, one conversation:
//!
//! ```text
//! agent                                   installer
//!                                  ◄──    Points     (and around a target the standard input)
//! Unshared                         ──►    writes the id maps
//!                                  ◄──    Mapped     (with handlers to register)
//! Mounted, then the FUSE descriptor ──►   starts the server (one for each mount)
//!                                  ◄──    Serving
//! Ready                            ──►
//!                                  ◄──    Run        ┐
//! Exited | Signalled | NotRun      ──►               │ repeated
//!                                  ◄──    Spread     │ (while one runs)
//!                                  ◄──    Kill       ┘ (while one runs)
//!                                  ◄──    Command, then three descriptors ┐
//! Terminal, then its descriptor    ──►    (where it gets one)             │ repeated
//! Exited | Signalled | NotRun | NotFound ──►                              │
//!                                  ◄──    Signal (while one runs)         ┘
//! ```
//!
//! `Failed` may stand in place of anything the agent says; the end of the
//! stream in either direction ends the agent and every process in the view.
//! A frame is a count and that many strings, each with its length, all `u32`
//! little endian.

mod fields;

use fields::{read_frame, texts, write_frame};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// User and groups of a command, as the target counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Standard input, output or error of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// That of this process.
    #[default]
    Given,
    /// A terminal of the view, whose other end is that of this process.
    Terminal,
}

/// A command that a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program, which is looked for in the `PATH` of `environment`, and its arguments.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory, a path of the view.
    pub directory: PathBuf,
    /// Its user.
    pub user: User,
    /// Standard input, output and error.
    pub standard: [Standard; 3],
}

/// What of a running system is mounted in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// /proc.
    pub proc: bool,
    /// /dev, with its devices and terminals.
    pub dev: bool,
}

impl Running {
    /// All of it.
    pub const ALL: Self = Self {
        proc: true,
        dev: true,
    };
}

/// What of a program's standard input, output and error is a terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTerminal {
    /// Nothing.
    #[default]
    Nothing,
    /// Its input.
    Input,
    /// All three.
    All,
}

/// Directories of the machine of which the view is made. They are no arguments of the agent, which scripts can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountPoints {
    /// Mount point of the target.
    pub(super) target: PathBuf,
    /// The private directory, which scripts find as [`PHANTOM_DIRECTORY`](super::PHANTOM_DIRECTORY).
    pub(super) private: PathBuf,
    /// Root of a native system that is the sysroot; none where packages are.
    pub(super) native_system: Option<PathBuf>,
    /// Mount point of the native root, where scripts run in one.
    pub(super) native_root: Option<PathBuf>,
    /// Mount point of the layer over the native root; none where scripts write to that itself.
    pub(super) layer: Option<PathBuf>,
    /// Mount point of dpkg's administrative directory, where it is outside of the target.
    pub(super) admin: Option<PathBuf>,
    /// Working directory of programs that run around the target, in the machine's own root directory; none where they run
    /// in the target or in a native root.
    pub(super) around: Option<PathBuf>,
    /// What of a running system is mounted in the target.
    pub(super) running: Running,
    /// What of programs that run around the target is a terminal: the descriptor that follows.
    pub(super) terminal: OnTerminal,
    /// The machine that uname(2) names; none for that of the kernel.
    pub(super) machine: Option<String>,
    /// Whether programs have the machine's network.
    pub(super) host_network: bool,
    /// Whether the target is seen read-only.
    pub(super) read_only: bool,
    /// Directories and files of the machine that are seen in the target.
    pub(super) binds: Vec<BindPoint>,
    /// Path of the target at which the file [`RESOLVER`](shim_protocol::names::RESOLVER) of the private directory is seen.
    pub(super) resolver: Option<PathBuf>,
}

/// A directory or file of the machine that is seen in the target, served as the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BindPoint {
    /// Mount point of its directory.
    pub(super) mount_point: PathBuf,
    /// Name of the file in that directory; none for the directory itself.
    pub(super) file: Option<OsString>,
    /// Path of the target.
    pub(super) to: PathBuf,
    /// Whether it is seen read-only.
    pub(super) read_only: bool,
}

/// From the installer to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToAgent {
    /// The first message.
    Points(MountPoints),
    /// The id maps of the user namespace are written.
    Mapped {
        /// Lines for [`super::handlers::register`].
        handlers: Vec<String>,
    },
    /// The FUSE server answers.
    Serving,
    /// Run a command in the view and say how it ended.
    Run {
        /// Program and arguments.
        arguments: Vec<String>,
        /// The whole environment, as pairs.
        environment: Vec<(String, String)>,
        /// Number of the processor it runs on; none means all.
        processor: Option<usize>,
    },
    /// Run a user's command and say how it ended. Its standard input, output and error follow.
    Command(Command),
    /// Send this signal to the command.
    Signal(i32),
    /// Mount what of a running system the target has, for programs that run around it, and say that it is ready.
    Populate,
    /// Let what runs in the view have every processor again.
    Spread,
    /// Kill everything that runs in the view, except the agent.
    Kill,
}

/// From the agent to the installer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromAgent {
    /// The namespaces exist; the id maps are wanted.
    Unshared,
    /// The FUSE filesystem is mounted; its descriptor follows.
    Mounted {
        /// Whether the handlers are registered.
        handled: bool,
    },
    /// The view is ready for commands.
    Ready,
    /// The command has a terminal, whose other end follows.
    Terminal,
    /// The command ended with this status.
    Exited(i32),
    /// The command was ended by this signal.
    Signalled(i32),
    /// The command could not be executed.
    NotRun(String),
    /// There is no such command.
    NotFound,
    /// The view could not be set up.
    Failed {
        /// The action that failed.
        action: String,
        /// The system's reason.
        reason: String,
        /// The system's error number; 0 means none.
        errno: i32,
    },
}

/// Sends descriptors, with a byte.
pub(super) fn send_descriptors(socket: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    let payload = [io::IoSlice::new(b"F")];
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let control = [ControlMessage::ScmRights(&raw)];
    sendmsg::<()>(socket.as_raw_fd(), &payload, &control, MsgFlags::empty(), None)?;
    Ok(())
}

/// Receives as many descriptors as `N`, with a byte.
pub(super) fn receive_descriptors<const N: usize>(socket: &UnixStream) -> io::Result<[OwnedFd; N]> {
    let mut byte = [0];
    let received = crate::sys::receive_with(socket, &mut byte)?.1;
    received.try_into().map_err(|_| malformed())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed message")
}

impl ToAgent {
    /// Writes the message.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn send(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Points(points) => write_frame(out, &points.parts()),
            Self::Mapped { handlers } => {
                let parts: Vec<&str> = std::iter::once("mapped")
                    .chain(handlers.iter().map(String::as_str))
                    .collect();
                write_frame(out, &parts)
            }
            Self::Serving => write_frame(out, &["serving"]),
            Self::Command(command) => write_frame(out, &command.parts()),
            Self::Signal(number) => write_frame(out, &["signal", &number.to_string()]),
            Self::Kill => write_frame(out, &["kill"]),
            Self::Populate => write_frame(out, &["populate"]),
            Self::Spread => write_frame(out, &["spread"]),
            Self::Run {
                arguments,
                environment,
                processor,
            } => {
                let processor = processor.map_or_else(String::new, |number| number.to_string());
                let count = arguments.len().to_string();
                let mut parts = vec!["run", &processor, &count];
                parts.extend(arguments.iter().map(String::as_str));
                parts.extend(environment.iter().flat_map(|(n, v)| [n.as_str(), v.as_str()]));
                write_frame(out, &parts)
            }
        }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// The end of the stream, or a malformed frame.
    pub(super) fn receive(input: &mut impl Read) -> io::Result<Self> {
        let mut parts = read_frame(input)?;
        if let [kind, points @ ..] = parts.as_slice()
            && kind == b"points"
        {
            return MountPoints::read(points).map(Self::Points);
        }
        if parts.first().is_some_and(|kind| kind == b"command") {
            let command = Command::read(parts.split_off(1)).ok_or_else(malformed)?;
            return Ok(Self::Command(command));
        }
        let mut parts = texts(parts)?.into_iter();
        match parts.next().as_deref() {
            Some("mapped") => Ok(Self::Mapped {
                handlers: parts.collect(),
            }),
            Some("serving") => Ok(Self::Serving),
            Some("kill") => Ok(Self::Kill),
            Some("signal") => {
                let number = parts.next().and_then(|number| number.parse().ok());
                number.map(Self::Signal).ok_or_else(malformed)
            }
            Some("populate") => Ok(Self::Populate),
            Some("spread") => Ok(Self::Spread),
            Some("run") => {
                let processor = match parts.next().ok_or_else(malformed)?.as_str() {
                    "" => None,
                    number => Some(number.parse().map_err(|_| malformed())?),
                };
                let count: usize = parts.next().and_then(|n| n.parse().ok()).ok_or_else(malformed)?;
                let arguments: Vec<String> = parts.by_ref().take(count).collect();
                let rest: Vec<String> = parts.collect();
                let environment = rest.chunks_exact(2).filter_map(|pair| match pair {
                    [name, value] => Some((name.clone(), value.clone())),
                    _ => None,
                });
                Ok(Self::Run {
                    arguments,
                    environment: environment.collect(),
                    processor,
                })
            }
            _ => Err(malformed()),
        }
    }
}

impl FromAgent {
    /// Writes the message.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn send(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Unshared => write_frame(out, &["unshared"]),
            Self::Mounted { handled } => write_frame(out, &["mounted", if *handled { "1" } else { "0" }]),
            Self::Ready => write_frame(out, &["ready"]),
            Self::Terminal => write_frame(out, &["terminal"]),
            Self::Exited(status) => write_frame(out, &["exited", &status.to_string()]),
            Self::Signalled(signal) => write_frame(out, &["signalled", &signal.to_string()]),
            Self::NotRun(reason) => write_frame(out, &["not-run", reason]),
            Self::NotFound => write_frame(out, &["not-found"]),
            Self::Failed {
                action,
                reason,
                errno,
            } => write_frame(out, &["failed", action, reason, &errno.to_string()]),
        }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// The end of the stream, or a malformed frame.
    pub(super) fn receive(input: &mut impl Read) -> io::Result<Self> {
        let parts = texts(read_frame(input)?)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse().map_err(|_| malformed());
        match parts.as_slice() {
            ["unshared"] => Ok(Self::Unshared),
            ["mounted", handled @ ("0" | "1")] => Ok(Self::Mounted {
                handled: *handled == "1",
            }),
            ["ready"] => Ok(Self::Ready),
            ["terminal"] => Ok(Self::Terminal),
            ["exited", status] => Ok(Self::Exited(number(status)?)),
            ["signalled", signal] => Ok(Self::Signalled(number(signal)?)),
            ["not-found"] => Ok(Self::NotFound),
            ["not-run", reason] => Ok(Self::NotRun((*reason).to_owned())),
            ["failed", action, reason, errno] => Ok(Self::Failed {
                action: (*action).to_owned(),
                reason: (*reason).to_owned(),
                errno: number(errno)?,
            }),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests;
