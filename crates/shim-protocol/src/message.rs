//! Requests and their encoding.

use crate::strings::{Decimal, Strings, number};
use crate::{Device, LONGEST_PATH, LONGEST_REQUEST, Record, Violation, ViolationKind};
use core::fmt;

/// Request of the shim or the library map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Find the native counterpart of a target program or library.
    Counterpart {
        /// Path of the target, with links followed.
        path: &'a [u8],
    },
    /// Judge an execution whose output depends on the architecture.
    Judge {
        /// Path of the program.
        program: &'a [u8],
        /// Command line without the program, cut at [`LONGEST_ARGUMENTS`](crate::LONGEST_ARGUMENTS).
        arguments: Strings<'a>,
    },
    /// A program whose output is to be converted has ended.
    Ended {
        /// Path of the program.
        program: &'a [u8],
    },
    /// A program cannot be executed.
    Failed {
        /// Path of the program.
        program: &'a [u8],
        /// Reason, in words.
        reason: &'a [u8],
    },
    /// Run the target's ldconfig(8).
    Ldconfig {
        /// Working directory of the caller.
        directory: &'a [u8],
        /// Command line without the program.
        arguments: Strings<'a>,
    },
    /// Do what the target's dynamic loader does (ld.so(8)).
    Loader {
        /// Working directory of the caller.
        directory: &'a [u8],
        /// Variables that concern the loader, `LD_NAME=VALUE`.
        environment: Strings<'a>,
        /// Program that was executed: the loader, or one that lists its libraries.
        program: &'a [u8],
        /// Command line without the program.
        arguments: Strings<'a>,
    },
    /// Do what dpkg(1) or dpkg-query(1) does. Descriptors come with the first byte: standard input, output and error, the [dialogue](crate::dialogue)
    /// about scripts, and those of `descriptors`.
    Dpkg {
        /// Working directory of the caller.
        directory: &'a [u8],
        /// Variables that concern dpkg, `NAME=VALUE`.
        environment: Strings<'a>,
        /// Decimal numbers of the descriptors that the arguments name, in the order in which they come.
        descriptors: Strings<'a>,
        /// Name of the program, `dpkg` or `dpkg-query`, and the rest of its command line.
        arguments: Strings<'a>,
    },
    /// A script does not keep to the contract of `DPKG_ROOT`.
    Violation(Violation<'a>),
    /// Record what the kernel refuses.
    Record(Record<'a>),
}

/// Reason why bytes are no request or reply, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub(crate) &'static str);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Error {}

const CUT: Error = Error("the request is cut short");

impl<'a> Request<'a> {
    /// Hands the bytes of the request to `sink`, piece by piece.
    ///
    /// ```
    /// use shim_protocol::Request;
    ///
    /// let request = Request::Counterpart { path: b"/usr/bin/grep" };
    /// let mut bytes = Vec::new();
    /// request.encode(&mut |piece| bytes.extend_from_slice(piece));
    /// assert_eq!(Request::decode(&bytes), Ok(request));
    /// ```
    pub fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        match self {
            Self::Counterpart { path } => fields(sink, b"c", &[path]),
            Self::Judge { program, arguments } => {
                fields(sink, b"j", &[program]);
                sink(arguments.as_bytes());
            }
            Self::Ended { program } => fields(sink, b"e", &[program]),
            Self::Failed { program, reason } => fields(sink, b"f", &[program, reason]),
            Self::Ldconfig { directory, arguments } => {
                fields(sink, b"l", &[directory]);
                sink(arguments.as_bytes());
            }
            Self::Loader {
                directory,
                environment,
                program,
                arguments,
            } => {
                fields(sink, b"o", &[directory]);
                sink(environment.as_bytes());
                fields(sink, b"", &[b"", program]);
                sink(arguments.as_bytes());
            }
            Self::Dpkg {
                directory,
                environment,
                descriptors,
                arguments,
            } => {
                fields(sink, b"d", &[directory]);
                sink(environment.as_bytes());
                sink(b"\0");
                sink(descriptors.as_bytes());
                sink(b"\0");
                sink(arguments.as_bytes());
            }
            Self::Violation(violation) => fields(
                sink,
                b"v",
                &[
                    violation.kind.name().as_bytes(),
                    violation.tool,
                    violation.subject,
                    flag(violation.helped),
                    Decimal::new(violation.process).as_bytes(),
                ],
            ),
            Self::Record(record) => encode_record(record, sink),
        }
    }

    /// Reads a request. Paths in it are absolute and shorter than [`LONGEST_PATH`].
    ///
    /// # Errors
    /// The bytes are no request, or too many.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > LONGEST_REQUEST {
            return Err(Error("the request is too long"));
        }
        let (&kind, rest) = bytes.split_first().ok_or(Error("the request is empty"))?;
        if kind == b'x' {
            let end = rest.iter().position(|&byte| byte == 0).ok_or(CUT)?;
            let (path, value) = rest.split_at_checked(end).ok_or(CUT)?;
            return Ok(Self::Record(Record::Capability {
                path: absolute(path)?,
                value: value.get(1..).unwrap_or_default(),
            }));
        }
        let mut fields = Fields(Strings::new(rest).ok_or(CUT)?);
        let request = match kind {
            b'c' => Self::Counterpart { path: fields.path()? },
            b'j' => Self::Judge {
                program: fields.path()?,
                arguments: fields.rest(),
            },
            b'e' => Self::Ended {
                program: fields.path()?,
            },
            b'f' => Self::Failed {
                program: fields.path()?,
                reason: fields.text()?,
            },
            b'l' => Self::Ldconfig {
                directory: fields.path()?,
                arguments: fields.rest(),
            },
            b'o' => Self::Loader {
                directory: fields.path()?,
                environment: fields.0.next_list().ok_or(CUT)?,
                program: fields.text()?,
                arguments: fields.rest(),
            },
            b'd' => Self::Dpkg {
                directory: fields.path()?,
                environment: fields.0.next_list().ok_or(CUT)?,
                descriptors: fields.0.next_list().ok_or(CUT)?,
                arguments: fields.rest(),
            },
            b'v' => Self::Violation(Violation {
                kind: ViolationKind::by_name(fields.text()?)
                    .ok_or(Error("the request is of no known kind of violation"))?,
                tool: fields.text()?,
                subject: fields.text()?,
                helped: fields.flag()?,
                process: fields.number()?,
            }),
            b'w' => Self::Record(Record::Owner {
                path: fields.path()?,
                uid: fields.id()?,
                gid: fields.id()?,
                follow: fields.flag()?,
            }),
            b'r' => Self::Record(Record::OwnerOf {
                path: fields.path()?,
                reference: fields.path()?,
                group_only: fields.flag()?,
                follow: fields.flag()?,
            }),
            b'n' => Self::Record(Record::Node {
                path: fields.path()?,
                device: match fields.text()? {
                    b"b" => Device::Block,
                    b"c" => Device::Character,
                    _ => return Err(Error("the request names no type of device")),
                },
                major: fields.number()?,
                minor: fields.number()?,
                mode: fields.number()? & 0o7777,
            }),
            _ => return Err(Error("the request is of no known kind")),
        };
        match fields.0.is_empty() {
            true => Ok(request),
            false => Err(Error("the request has more fields than its kind")),
        }
    }
}

fn encode_record(record: &Record<'_>, sink: &mut impl FnMut(&[u8])) {
    match *record {
        Record::Owner {
            path,
            uid,
            gid,
            follow,
        } => {
            let [uid, gid] = [uid, gid].map(|id| id.map(Decimal::new));
            fields(sink, b"w", &[path]);
            for id in [&uid, &gid] {
                fields(sink, b"", &[id.as_ref().map_or(&b"-"[..], Decimal::as_bytes)]);
            }
            fields(sink, b"", &[flag(follow)]);
        }
        Record::OwnerOf {
            path,
            reference,
            group_only,
            follow,
        } => fields(sink, b"r", &[path, reference, flag(group_only), flag(follow)]),
        Record::Node {
            path,
            device,
            major,
            minor,
            mode,
        } => {
            let device: &[u8] = match device {
                Device::Block => b"b",
                Device::Character => b"c",
            };
            fields(sink, b"n", &[path, device]);
            for number in [major, minor, mode & 0o7777] {
                fields(sink, b"", &[Decimal::new(number).as_bytes()]);
            }
        }
        Record::Capability { path, value } => {
            fields(sink, b"x", &[path]);
            sink(value);
        }
    }
}

/// A kind, and fields with a NUL behind each.
fn fields(sink: &mut impl FnMut(&[u8]), kind: &[u8], fields: &[&[u8]]) {
    if !kind.is_empty() {
        sink(kind);
    }
    for field in fields {
        sink(field);
        sink(b"\0");
    }
}

fn flag(on: bool) -> &'static [u8] {
    if on { b"1" } else { b"0" }
}

fn absolute(path: &[u8]) -> Result<&[u8], Error> {
    match path {
        [b'/', ..] if path.len() < LONGEST_PATH => Ok(path),
        _ => Err(Error("the request has no absolute path")),
    }
}

/// Fields that are not read yet.
struct Fields<'a>(Strings<'a>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a [u8], Error> {
        self.0.next().ok_or(CUT)
    }

    fn path(&mut self) -> Result<&'a [u8], Error> {
        absolute(self.text()?)
    }

    fn number(&mut self) -> Result<u32, Error> {
        number(self.text()?).ok_or(Error("the request has no number where one is due"))
    }

    fn id(&mut self) -> Result<Option<u32>, Error> {
        match self.text()? {
            b"-" => Ok(None),
            text => number(text)
                .map(Some)
                .ok_or(Error("the request has no user or group where one is due")),
        }
    }

    fn flag(&mut self) -> Result<bool, Error> {
        match self.text()? {
            b"0" => Ok(false),
            b"1" => Ok(true),
            _ => Err(Error("the request has no 0 or 1 where one is due")),
        }
    }

    fn rest(&mut self) -> Strings<'a> {
        core::mem::take(&mut self.0)
    }
}
