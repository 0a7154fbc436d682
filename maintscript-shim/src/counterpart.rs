//! The native counterpart of a target program, and what else is asked of the
//! installer, by [`shim_protocol`].

use crate::paths::{Architecture, in_sysroot, merged};
use shim_protocol::paths::CONTROL;
use shim_protocol::{LONGEST_ARGUMENTS, Reply, Request, Strings};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// open(2): a descriptor that only names a file.
const O_PATH: i32 = 0o10_000_000;

/// The file a path names, with every link followed as the view resolves it:
/// links in the target (alternatives, the merged /usr) decide what is run.
pub(crate) fn resolve(path: &OsStr) -> PathBuf {
    let named = fs::OpenOptions::new().read(true).custom_flags(O_PATH).open(path);
    named
        .and_then(|file| fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())))
        .or_else(|_| fs::canonicalize(path))
        .unwrap_or_else(|_| PathBuf::from(path))
}

/// The native program that is executed for one of the target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counterpart {
    /// A path of the view.
    pub(crate) path: OsString,
    /// Name by which the installer wants the program's end reported.
    pub(crate) reported: Option<Vec<u8>>,
}

/// What is done in the place of a program of the target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A native program is executed.
    Execute(Counterpart),
    /// The installer has done it.
    Done(Done),
}

/// Path of the counterpart in the view, asking the installer to extend the
/// sysroot where it is not there yet. The error is the installer's reason.
///
/// A program whose output depends on the architecture ([`tool_table`]) is asked for
/// in any case, by the name it was called by where that has a row of its own.
pub(crate) fn find(
    arch: &Architecture,
    called: &OsStr,
    real: &Path,
    arguments: &[OsString],
) -> Result<Found, OsString> {
    let mut reported = None;
    let merged = merged(called.as_bytes());
    let names = [real.as_os_str().as_bytes(), &merged];
    if let Some(program) = names
        .into_iter()
        .find(|name| tool_table::output::outputs_of(name).next().is_some())
    {
        // Options come first; of the rest there may be more than is heard.
        let mut length = 0;
        let arguments = arguments.iter().map(|argument| argument.as_bytes());
        let heard = arguments.take_while(|argument| {
            length += argument.len() + 1;
            length <= LONGEST_ARGUMENTS
        });
        let arguments = joined(heard);
        match ask(&Request::Judge {
            program,
            arguments: strings(&arguments),
        })? {
            Reply::Counterpart => {}
            Reply::CounterpartReported => reported = Some(program.to_vec()),
            Reply::Execute(path) => {
                return Ok(Found::Execute(Counterpart {
                    path: OsString::from_vec(path),
                    reported,
                }));
            }
            reply => return done(reply).map(Found::Done).ok_or_else(senseless),
        }
    }
    let native = in_sysroot(arch, real.as_os_str());
    if fs::metadata(&native).is_ok() {
        return Ok(Found::Execute(Counterpart {
            path: native,
            reported,
        }));
    }
    let path = real.as_os_str().as_bytes();
    match ask(&Request::Counterpart { path })? {
        Reply::Execute(path) => Ok(Found::Execute(Counterpart {
            path: OsString::from_vec(path),
            reported,
        })),
        _ => Err(senseless()),
    }
}

/// Reports that a program has ended whose output is to be converted. The error is
/// the installer's reason.
pub(crate) fn ended(program: &[u8]) -> Result<(), OsString> {
    ask(&Request::Ended { program }).map(drop)
}

/// Reports that a counterpart cannot be executed.
pub(crate) fn failed(real: &Path, reason: &str) {
    // The caller fails in any case.
    let _ = ask(&Request::Failed {
        program: real.as_os_str().as_bytes(),
        reason: reason.as_bytes(),
    });
}

/// Result of a tool whose work the installer did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Bytes for standard output.
    pub(crate) output: Vec<u8>,
    /// Bytes for standard error.
    pub(crate) messages: Vec<u8>,
    /// Exit status.
    pub(crate) status: u8,
}

/// Has the installer that listens at `control` run the target's ldconfig; none where the native one serves. The
/// error is its reason.
pub(crate) fn ldconfig(control: &Path, arguments: &[OsString]) -> Result<Option<Done>, OsString> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let arguments = joined(arguments.iter().map(|argument| argument.as_bytes()));
    let request = Request::Ldconfig {
        directory: directory.as_os_str().as_bytes(),
        arguments: strings(&arguments),
    };
    ask_at(control, &request).map(done)
}

/// Has the installer do what the target's dynamic loader would in `directory`, a path of the target; none where
/// the native one serves. The error is its reason.
pub(crate) fn loader(
    directory: &Path,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<Option<Done>, OsString> {
    let environment = crate::loader::environment();
    let environment = joined(environment.iter().map(|variable| variable.as_bytes()));
    let arguments = joined(arguments.iter().map(|argument| argument.as_bytes()));
    ask(&Request::Loader {
        directory: directory.as_os_str().as_bytes(),
        environment: strings(&environment),
        program: program.as_bytes(),
        arguments: strings(&arguments),
    })
    .map(done)
}

fn done(reply: Reply<Vec<u8>>) -> Option<Done> {
    match reply {
        Reply::Done {
            output,
            messages,
            status,
        } => Some(Done {
            output,
            messages,
            status,
        }),
        _ => None,
    }
}

/// Strings with a NUL behind each. A program's arguments have none in them.
pub(crate) fn joined<'a>(all: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    all.flat_map(|one| one.iter().copied().chain([0])).collect()
}

pub(crate) fn strings(joined: &[u8]) -> Strings<'_> {
    Strings::new(joined).unwrap_or_default()
}

/// Returns the bytes of a request.
pub(crate) fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

/// One request a connection.
fn ask(request: &Request<'_>) -> Result<Reply<Vec<u8>>, OsString> {
    ask_at(Path::new(CONTROL), request)
}

fn ask_at(control: &Path, request: &Request<'_>) -> Result<Reply<Vec<u8>>, OsString> {
    let converse = || -> std::io::Result<Vec<u8>> {
        let mut stream = crate::sys::connect(control)?;
        stream.write_all(&encoded(request))?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply)
    };
    let reply =
        converse().map_err(|error| OsString::from(format!("the installer does not answer: {error}")))?;
    read(&reply)
}

fn read(reply: &[u8]) -> Result<Reply<Vec<u8>>, OsString> {
    match Reply::decode(reply) {
        Ok(Reply::Refused(reason)) => Err(OsString::from_vec(reason.to_vec())),
        Ok(reply) => Ok(reply.map(<[u8]>::to_vec)),
        Err(error) => Err(OsString::from(error.to_string())),
    }
}

fn senseless() -> OsString {
    OsString::from("the installer's answer makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed() {
        let dir = std::env::temp_dir().join(format!("shim-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let dir = fs::canonicalize(dir).unwrap();
        fs::write(dir.join("tool"), "").unwrap();
        std::os::unix::fs::symlink("tool", dir.join("alias")).unwrap();
        assert_eq!(resolve(dir.join("alias").as_os_str()), dir.join("tool"));
        assert_eq!(resolve(OsStr::new("/no/such/file")), Path::new("/no/such/file"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn no_installer_is_a_reason() {
        let arch = crate::paths::target(OsStr::new("riscv64")).unwrap();
        let tool = "/usr/bin/no-such-tool";
        let reason = find(arch, OsStr::new(tool), Path::new(tool), &[]).unwrap_err();
        assert!(reason.to_string_lossy().contains("does not answer"));
    }

    #[test]
    fn what_is_refused_is_an_error() {
        assert_eq!(read(b"+/x"), Ok(Reply::Execute(b"/x".to_vec())));
        for other in [&b""[..], b"?", b"-no"] {
            assert!(read(other).is_err());
        }
        let done = done(read(b"=\x02\0\0\0\x03outerr").unwrap()).unwrap();
        assert_eq!(
            (done.output.as_slice(), done.messages.as_slice()),
            (&b"out"[..], &b"err"[..])
        );
        assert_eq!(done.status, 2);
    }
}
