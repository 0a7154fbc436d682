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
//! ```
//!
//! `Failed` may stand in place of anything the agent says; the end of the
//! stream in either direction ends the agent and every process in the view.
//! A frame is a count and that many strings, each with its length, all `u32`
//! little endian.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
    /// The command ended with this status.
    Exited(i32),
    /// The command was ended by this signal.
    Signalled(i32),
    /// The command could not be executed.
    NotRun(String),
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

/// Longest string, and most strings, that a frame may have.
const MAX_FRAME: usize = 4 << 20;

fn write_frame(out: &mut impl Write, parts: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut frame = Vec::new();
    let length = |n: usize| u32::try_from(n).map(u32::to_le_bytes).map_err(io::Error::other);
    frame.extend(length(parts.len())?);
    for part in parts {
        frame.extend(length(part.as_ref().len())?);
        frame.extend(part.as_ref());
    }
    out.write_all(&frame)
}

fn read_frame(input: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
    let number = |input: &mut dyn Read| -> io::Result<usize> {
        let mut bytes = [0; 4];
        input.read_exact(&mut bytes)?;
        let n = u32::from_le_bytes(bytes) as usize;
        if n > MAX_FRAME {
            Err(io::Error::other("frame too large"))
        } else {
            Ok(n)
        }
    };
    let count = number(input)?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let mut part = vec![0; number(input)?];
        input.read_exact(&mut part)?;
        parts.push(part);
    }
    Ok(parts)
}

fn texts(parts: Vec<Vec<u8>>) -> io::Result<Vec<String>> {
    let texts = parts.into_iter().map(String::from_utf8);
    texts.collect::<Result<_, _>>().map_err(io::Error::other)
}

impl MountPoints {
    fn parts(&self) -> [&[u8]; 8] {
        fn bytes(path: &Path) -> &[u8] {
            path.as_os_str().as_bytes()
        }
        [
            b"points",
            bytes(&self.target),
            bytes(&self.private),
            self.native_system.as_deref().map_or(b"", bytes),
            self.native_root.as_deref().map_or(b"", bytes),
            self.layer.as_deref().map_or(b"", bytes),
            self.admin.as_deref().map_or(b"", bytes),
            self.around.as_deref().map_or(b"", bytes),
        ]
    }

    /// Reads the parts after the first.
    fn read(parts: &[Vec<u8>]) -> io::Result<Self> {
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        let optional = |bytes: &Vec<u8>| (!bytes.is_empty()).then(|| path(bytes));
        match parts {
            [target, private, native_system, native_root, layer, admin, around] => Ok(Self {
                target: path(target),
                private: path(private),
                native_system: optional(native_system),
                native_root: optional(native_root),
                layer: optional(layer),
                admin: optional(admin),
                around: optional(around),
            }),
            _ => Err(malformed()),
        }
    }
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
            Self::Kill => write_frame(out, &["kill"]),
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
        let parts = read_frame(input)?;
        if let [kind, points @ ..] = parts.as_slice()
            && kind == b"points"
        {
            return MountPoints::read(points).map(Self::Points);
        }
        let mut parts = texts(parts)?.into_iter();
        match parts.next().as_deref() {
            Some("mapped") => Ok(Self::Mapped {
                handlers: parts.collect(),
            }),
            Some("serving") => Ok(Self::Serving),
            Some("kill") => Ok(Self::Kill),
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
            Self::Exited(status) => write_frame(out, &["exited", &status.to_string()]),
            Self::Signalled(signal) => write_frame(out, &["signalled", &signal.to_string()]),
            Self::NotRun(reason) => write_frame(out, &["not-run", reason]),
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
            ["exited", status] => Ok(Self::Exited(number(status)?)),
            ["signalled", signal] => Ok(Self::Signalled(number(signal)?)),
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
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_wire() {
        let run = ToAgent::Run {
            arguments: vec!["/bin/sh".into(), String::new(), "two words".into()],
            environment: vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), String::new())],
            processor: Some(7),
        };
        let free = ToAgent::Run {
            arguments: Vec::new(),
            environment: Vec::new(),
            processor: None,
        };
        let short = [ToAgent::Serving, ToAgent::Spread, ToAgent::Kill];
        let mapped =
            [Vec::new(), vec!["|0|".into(), "|1|".into()]].map(|handlers| ToAgent::Mapped { handlers });
        let points = [None, Some(PathBuf::from(OsStr::from_bytes(b"/na\xefve")))].map(|path| {
            ToAgent::Points(MountPoints {
                target: "/target".into(),
                private: "/private".into(),
                native_system: path.clone(),
                native_root: path.clone(),
                layer: path.clone(),
                admin: path,
            })
        });
        let all = short.into_iter().chain(mapped).chain(points);
        for message in all.chain([run, free]) {
            let mut wire = Vec::new();
            message.send(&mut wire).unwrap();
            assert_eq!(ToAgent::receive(&mut wire.as_slice()).unwrap(), message);
        }
        let failed = FromAgent::Failed {
            action: "mount".into(),
            reason: "no".into(),
            errno: 1,
        };
        let mounted = [true, false].map(|handled| FromAgent::Mounted { handled });
        for message in [FromAgent::Unshared, FromAgent::Ready, failed]
            .into_iter()
            .chain(mounted)
            .chain([
                FromAgent::Exited(-1),
                FromAgent::Signalled(9),
                FromAgent::NotRun("x".into()),
            ])
        {
            let mut wire = Vec::new();
            message.send(&mut wire).unwrap();
            assert_eq!(FromAgent::receive(&mut wire.as_slice()).unwrap(), message);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        for wire in [
            &b"\xff\xff\xff\xff"[..],
            b"\x01\x00\x00\x00\xff\xff\xff\x7f",
            b"\x01\x00\x00",
            b"\x00\x00\x00\x00",
        ] {
            assert!(ToAgent::receive(&mut &*wire).is_err());
            assert!(FromAgent::receive(&mut &*wire).is_err());
        }
    }
}
