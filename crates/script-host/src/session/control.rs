//! The socket on which the shim asks what only the installer can do.
//!
//! One request a connection, ended by shutting the sending side down. Its first
//! byte is the kind:
//!
//! | request | meaning |
//! |---|---|
//! | `c` PATH | find the native counterpart of a target program |
//! | `h` PATH NUL (ARGUMENT NUL)* | whether this may be executed: a row of [`crate::hazards`] |
//! | `d` PATH NUL | it was executed, and what it wrote is to be converted |
//! | `v` KIND NUL TOOL NUL WHAT NUL HELPED NUL PID NUL | a script does not keep to the contract of `DPKG_ROOT` (`maintscript-shim/src/front.rs`) |
//! | `m` KIND NUL PATH NUL … | record what the kernel refuses a script (the same place) |
//! | `r` PATH NUL REASON NUL | this cannot be executed, and why |
//! | `l` DIRECTORY NUL (ARGUMENT NUL)* | run the target's ldconfig, from that working directory |
//! | `o` DIRECTORY NUL (VARIABLE NUL)* NUL PROGRAM NUL (ARGUMENT NUL)* | do what the target's dynamic loader does for a program, or when it is the program; the variables are `LD_NAME=VALUE` |
//!
//! | reply | meaning |
//! |---|---|
//! | `+` PATH | execute this path of the view |
//! | `>` | execute the native counterpart: it serves as well |
//! | `~` | execute the native counterpart, and tell when it has ended |
//! | `=` STATUS LENGTH OUTPUT MESSAGES | it is done: a byte for exit(3), four bytes (big endian) for the length of what goes to standard output; the rest goes to standard error |
//! | `-` REASON | it cannot be done |
//!
//! Scripts can reach the socket too; all they can get is another verified
//! package in the sysroot of their own run, and what they may do to the target
//! anyway.

use super::record::Record;
use glibc_tools::ldconfig::Ran;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Longest request: some command lines name many directories.
const LONGEST: u64 = 128 << 10;
/// Longest path (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

/// What the shim asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'r> {
    /// The counterpart of a target program, as a path of the view.
    Counterpart(&'r Path),
    /// Whether a program may be executed.
    Hazard {
        /// The program, as a path of the view.
        program: &'r Path,
        /// The command line without it.
        arguments: Vec<&'r OsStr>,
    },
    /// A program whose output is to be converted has ended.
    Executed {
        /// The program, as a path of the view.
        program: &'r Path,
    },
    /// A program cannot be executed.
    Failed {
        /// The program, as a path of the view.
        program: &'r Path,
        /// Why.
        reason: &'r OsStr,
    },
    /// A script does something that the contract of `DPKG_ROOT` does not have.
    Violation(Violation<'r>),
    /// Something that is recorded for a script.
    Record(Record<'r>),
    /// A run of ldconfig.
    Ldconfig {
        /// Working directory of the caller, a path of the view.
        directory: &'r Path,
        /// The command line without the program.
        arguments: Vec<&'r OsStr>,
    },
    /// A run of the dynamic loader.
    Loader {
        /// Working directory of the caller, a path of the view.
        directory: &'r Path,
        /// Its variables that concern the loader.
        environment: Vec<&'r OsStr>,
        /// What was executed: the loader or a program.
        program: &'r OsStr,
        /// The command line without that.
        arguments: Vec<&'r OsStr>,
    },
}

/// What a maintainer script does outside of `DPKG_ROOT`, as the shim tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation<'r> {
    /// One of the kinds in `maintscript-shim/src/front.rs`.
    pub kind: &'r str,
    /// The tool that was called, by its name without a directory.
    pub tool: &'r OsStr,
    /// A path, an option or a program.
    pub what: &'r OsStr,
    /// Whether the shim has made it act in the target.
    pub helped: bool,
    /// The process.
    pub process: u32,
}

impl<'r> Violation<'r> {
    fn parse(fields: &[&'r [u8]]) -> Result<Self, &'static str> {
        let [kind, tool, what, helped, process] = *fields else {
            return Err("the request is cut short");
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "the request is no text");
        Ok(Self {
            kind: text(kind)?,
            tool: OsStr::from_bytes(tool),
            what: OsStr::from_bytes(what),
            helped: helped == b"1",
            process: text(process)?
                .parse()
                .map_err(|_| "the request names no process")?,
        })
    }
}

/// What it is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Execute this path of the view.
    Execute(PathBuf),
    /// Execute the native counterpart.
    Counterpart,
    /// Execute the native counterpart and tell of its end.
    Tell,
    /// It is done.
    Done(Ran),
    /// It cannot be done, and why.
    Refused(String),
}

impl<'r> Request<'r> {
    fn parse(bytes: &'r [u8]) -> Result<Self, &'static str> {
        let path = |bytes: &'r [u8]| match bytes {
            [b'/', ..] if bytes.len() < LONGEST_PATH && !bytes.contains(&0) => {
                Ok(Path::new(OsStr::from_bytes(bytes)))
            }
            _ => Err("the request has no absolute path"),
        };
        match bytes.split_first() {
            Some((b'c', rest)) => path(rest).map(Self::Counterpart),
            Some((kind @ (b'l' | b'h' | b'd' | b'r'), rest)) => {
                let rest = rest.strip_suffix(b"\0").ok_or("the request is cut short")?;
                let mut fields = rest.split(|&b| b == 0);
                let first = path(fields.next().unwrap_or_default())?;
                let arguments: Vec<&OsStr> = fields.map(OsStr::from_bytes).collect();
                Ok(match kind {
                    b'l' => Self::Ldconfig {
                        directory: first,
                        arguments,
                    },
                    b'h' => Self::Hazard {
                        program: first,
                        arguments,
                    },
                    b'd' => Self::Executed { program: first },
                    _ => Self::Failed {
                        program: first,
                        reason: arguments.first().copied().unwrap_or_default(),
                    },
                })
            }
            Some((kind @ (b'v' | b'm'), rest)) => {
                let rest = rest.strip_suffix(b"\0").ok_or("the request is cut short")?;
                let fields: Vec<&[u8]> = rest.split(|&b| b == 0).collect();
                match kind {
                    b'v' => Violation::parse(&fields).map(Self::Violation),
                    _ => Record::parse(&fields).map(Self::Record),
                }
            }
            Some((b'o', rest)) => {
                let rest = rest.strip_suffix(b"\0").ok_or("the request is cut short")?;
                let mut fields = rest.split(|&b| b == 0);
                let directory = path(fields.next().unwrap_or_default())?;
                let variables = fields.by_ref().take_while(|field| !field.is_empty());
                let environment = variables.map(OsStr::from_bytes).collect();
                let program = fields.next().ok_or("the request names no program")?;
                Ok(Self::Loader {
                    directory,
                    environment,
                    program: OsStr::from_bytes(program),
                    arguments: fields.map(OsStr::from_bytes).collect(),
                })
            }
            _ => Err("the request is of no known kind"),
        }
    }
}

impl Reply {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Execute(path) => [b"+", path.as_os_str().as_bytes()].concat(),
            Self::Counterpart => b">".to_vec(),
            Self::Tell => b"~".to_vec(),
            Self::Done(ran) => match u32::try_from(ran.output.len()) {
                Ok(length) => {
                    let status = u8::try_from(ran.status).unwrap_or(1);
                    [
                        &[b'=', status],
                        &length.to_be_bytes()[..],
                        &ran.output,
                        &ran.messages,
                    ]
                    .concat()
                }
                Err(_) => b"-it says too much".to_vec(),
            },
            Self::Refused(reason) => [b"-", reason.as_bytes()].concat(),
        }
    }
}

/// The listening thread; it ends when this is dropped.
pub(super) struct Control<'scope> {
    path: PathBuf,
    ending: Arc<AtomicBool>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Control<'scope> {
    /// Listens at `path`, which every user of the view may connect to, and
    /// answers requests.
    ///
    /// # Errors
    /// What bind(2) says.
    pub(super) fn listen<'env>(
        scope: &'scope Scope<'scope, 'env>,
        path: &Path,
        answer: impl Fn(Request<'_>) -> Reply + Send + Sync + 'scope,
    ) -> io::Result<Self> {
        let answer = Arc::new(answer);
        let listener = bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let ending = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ending);
        let thread = scope.spawn(move || {
            for connection in listener.incoming() {
                if theirs.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = connection {
                    let answer = Arc::clone(&answer);
                    scope.spawn(move || converse(stream, &*answer));
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
            ending,
            thread: Some(thread),
        })
    }
}

/// A socket's address holds 107 bytes (unix(7)), which a path below a user's
/// cache may exceed; the name in /proc of its directory is short.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = std::fs::File::open(directory)?;
    UnixListener::bind(short(&directory).join(name))
}

fn short(directory: &std::fs::File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

fn converse(mut stream: UnixStream, answer: &dyn Fn(Request<'_>) -> Reply) {
    let patience = Some(Duration::from_secs(10));
    let mut request = Vec::new();
    let read = stream
        .set_read_timeout(patience)
        .and_then(|()| stream.set_write_timeout(patience))
        .and_then(|()| (&stream).take(LONGEST + 1).read_to_end(&mut request));
    let reply = match read {
        Err(_) => return,
        Ok(length) if length as u64 > LONGEST => Reply::Refused("the request is too long".into()),
        Ok(_) => match Request::parse(&request) {
            Ok(Request::Violation(violation)) => answer(Request::Violation(Violation {
                process: peer(&stream).unwrap_or(violation.process),
                ..violation
            })),
            Ok(request) => answer(request),
            Err(reason) => Reply::Refused(reason.into()),
        },
    };
    // A script that was killed meanwhile does not read the answer.
    let _ = stream.write_all(&reply.bytes());
}

/// The process at the other end, as this one numbers it (unix(7), `SO_PEERCRED`).
fn peer(stream: &UnixStream) -> Option<u32> {
    let credentials = getsockopt(stream, PeerCredentials).ok()?;
    u32::try_from(credentials.pid()).ok()
}

impl Drop for Control<'_> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread from accept(2).
        let woken = self
            .path
            .parent()
            .and_then(|directory| std::fs::File::open(directory).ok())
            .and_then(|directory| UnixStream::connect(short(&directory).join(self.path.file_name()?)).ok());
        if let (Some(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &Path, request: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        reply
    }

    #[test]
    fn questions_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        std::thread::scope(|scope| {
            let control = Control::listen(scope, &path, |request| match request {
                Request::Counterpart(path) if path == Path::new("/usr/bin/tool") => {
                    Reply::Execute(PathBuf::from("/.rootless-install/sysroot/usr/bin/tool"))
                }
                Request::Counterpart(path) => Reply::Refused(format!("{} is unknown", path.display())),
                Request::Hazard { program, arguments } => {
                    Reply::Refused(format!("{} {arguments:?}", program.display()))
                }
                Request::Executed { .. } => Reply::Tell,
                Request::Violation(violation) => Reply::Refused(format!("{violation:?}")),
                Request::Record(record) => Reply::Refused(format!("{record:?}")),
                Request::Failed { program, reason } => {
                    Reply::Refused(format!("{} {}", program.display(), reason.display()))
                }
                Request::Ldconfig { directory, .. } if directory == Path::new("/old") => Reply::Counterpart,
                Request::Loader {
                    directory,
                    environment,
                    program,
                    arguments,
                } => Reply::Refused(format!("{directory:?} {environment:?} {program:?} {arguments:?}")),
                Request::Ldconfig { arguments, .. } => Reply::Done(Ran {
                    output: arguments.join(OsStr::new(" ")).into_encoded_bytes(),
                    messages: b"!".to_vec(),
                    status: 3,
                }),
            })
            .unwrap();
            assert_eq!(
                ask(&path, b"c/usr/bin/tool"),
                b"+/.rootless-install/sysroot/usr/bin/tool"
            );
            assert_eq!(ask(&path, b"c/\xff\xfe").first(), Some(&b'-'));
            assert_eq!(ask(&path, b"l/\0-n\0/a\0"), b"=\x03\0\0\0\x05-n /a!");
            assert_eq!(ask(&path, b"l/\0"), b"=\x03\0\0\0\0!");
            assert_eq!(ask(&path, b"l/old\0"), b">");
            assert_eq!(
                ask(&path, b"o/x\0LD_A=1\0LD_B=\0\0ld.so\0\0-x\0"),
                br#"-"/x" ["LD_A=1", "LD_B="] "ld.so" ["", "-x"]"#
            );
            assert_eq!(ask(&path, b"o/\0\0/bin/ls\0"), br#"-"/" [] "/bin/ls" []"#);
            assert_eq!(ask(&path, b"h/bin/x\0-n\0"), b"-/bin/x [\"-n\"]");
            assert_eq!(ask(&path, b"d/bin/x\0"), b"~");
            assert_eq!(ask(&path, b"r/bin/x\0why\0"), b"-/bin/x why");
            let told = ask(&path, b"vpath\0chown\0/var/x\x001\x0077\0");
            assert!(String::from_utf8(told).unwrap().contains("helped: true"));
            let told = ask(&path, b"mcapability\0/target/x\0ff\0");
            assert!(String::from_utf8(told).unwrap().contains("value: [255]"));
            for hostile in [
                &b""[..],
                b"c",
                b"cusr/bin/tool",
                b"c/a\0b",
                b"l",
                b"l\0",
                b"l/\0-n",
                b"x/",
                b"o/",
                b"o/\0LD_A=1\0",
                b"v",
                b"vpath\0chown\0/a\x001\0",
                b"vpath\0chown\0/a\x001\0x\0",
                b"m",
                b"mowner\0",
            ] {
                assert_eq!(ask(&path, hostile).first(), Some(&b'-'), "{hostile:?}");
            }
            assert_eq!(ask(&path, &vec![b'c'; LONGEST as usize + 1]).first(), Some(&b'-'));
            drop(control);
        });
    }
}
