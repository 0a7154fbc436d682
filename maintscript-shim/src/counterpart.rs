//! The native counterpart of a target program, and what else is asked of the
//! installer. The conversation is described where it answers
//! (`installer/src/install/control.rs`).

use crate::hazards;
use crate::paths::{Arch, CONTROL, in_sysroot, merged};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Bytes of arguments that are told to the installer.
const LONGEST: usize = 64 << 10;

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

/// What is executed for a target program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counterpart {
    /// A path of the view.
    pub(crate) path: OsString,
    /// The name of the program the installer wants to be told the end of.
    pub(crate) tell: Option<Vec<u8>>,
}

/// Path of the counterpart in the view, asking the installer to extend the
/// sysroot where it is not there yet. The error is the installer's reason.
///
/// A program whose output carries its machine ([`crate::hazards`]) is asked for
/// in any case, by the name it was called by where that has a row of its own.
pub(crate) fn find(
    arch: &Arch,
    called: &OsStr,
    real: &Path,
    arguments: &[OsString],
) -> Result<Counterpart, OsString> {
    let mut tell = None;
    let merged = merged(called.as_bytes());
    let names = [real.as_os_str().as_bytes(), &merged];
    if let Some(name) = names
        .into_iter()
        .find(|name| hazards::rows(name).next().is_some())
    {
        let mut request = vec![b"h", name, b"\0"];
        // Options come first; of the rest there may be more than is heard.
        let mut length = 0;
        for argument in arguments {
            length += argument.len() + 1;
            if length > LONGEST {
                break;
            }
            request.extend([argument.as_bytes(), b"\0"]);
        }
        match ask(&request)? {
            Reply::Counterpart => {}
            Reply::Tell => tell = Some(name.to_vec()),
            Reply::Execute(_) | Reply::Done { .. } => return Err(senseless()),
        }
    }
    let native = in_sysroot(arch, real.as_os_str());
    if fs::metadata(&native).is_ok() {
        return Ok(Counterpart { path: native, tell });
    }
    match ask(&[b"c", real.as_os_str().as_bytes()])? {
        Reply::Execute(path) => Ok(Counterpart { path, tell }),
        Reply::Counterpart | Reply::Tell | Reply::Done { .. } => Err(senseless()),
    }
}

/// Tells that a program has ended whose output is to be converted. The error is
/// the installer's reason.
pub(crate) fn ended(program: &[u8]) -> Result<(), OsString> {
    ask(&[b"d", program, b"\0"]).map(drop)
}

/// Tells that a counterpart cannot be executed.
pub(crate) fn failed(real: &Path, reason: &str) {
    let request: [&[u8]; 5] = [b"r", real.as_os_str().as_bytes(), b"\0", reason.as_bytes(), b"\0"];
    // The caller is told in any case.
    let _ = ask(&request);
}

/// What the installer answers.
pub(crate) enum Reply {
    /// Execute this path.
    Execute(OsString),
    /// Execute the native counterpart.
    Counterpart,
    /// Do so, and tell of its end.
    Tell,
    /// It is done.
    Done {
        /// Bytes for standard output.
        output: Vec<u8>,
        /// Bytes for standard error.
        messages: Vec<u8>,
        /// Exit status.
        status: i32,
    },
}

/// Has the installer that listens at `control` run the target's ldconfig. The error is its
/// reason.
pub(crate) fn ldconfig(control: &Path, arguments: &[OsString]) -> Result<Reply, OsString> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut request: Vec<&[u8]> = vec![b"l", directory.as_os_str().as_bytes(), b"\0"];
    for argument in arguments {
        request.extend([argument.as_bytes(), b"\0"]);
    }
    ask_at(control, &request)
}

/// Has the installer do what the target's dynamic loader would. The error is its
/// reason.
pub(crate) fn loader(program: &OsStr, arguments: &[OsString]) -> Result<Reply, OsString> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let directory = crate::front::inner::inside(&directory).unwrap_or(directory);
    let environment = crate::loader::environment();
    let mut request: Vec<&[u8]> = vec![b"o", directory.as_os_str().as_bytes(), b"\0"];
    for variable in &environment {
        request.extend([variable.as_bytes(), b"\0"]);
    }
    request.extend([b"\0", program.as_bytes(), b"\0"]);
    for argument in arguments {
        request.extend([argument.as_bytes(), b"\0"]);
    }
    ask(&request)
}

/// One request a connection.
fn ask(request: &[&[u8]]) -> Result<Reply, OsString> {
    ask_at(Path::new(CONTROL), request)
}

fn ask_at(control: &Path, request: &[&[u8]]) -> Result<Reply, OsString> {
    let converse = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(control)?;
        stream.write_all(&request.concat())?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply)
    };
    let reply =
        converse().map_err(|error| OsString::from(format!("the installer does not answer: {error}")))?;
    parse(reply)
}

fn parse(reply: Vec<u8>) -> Result<Reply, OsString> {
    match reply.split_first() {
        Some((b'+', path)) => Ok(Reply::Execute(OsString::from_vec(path.to_vec()))),
        Some((b'>', [])) => Ok(Reply::Counterpart),
        Some((b'~', [])) => Ok(Reply::Tell),
        Some((b'=', &[status, a, b, c, d, ref text @ ..])) => {
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            let (output, messages) = text.split_at_checked(length).ok_or_else(senseless)?;
            Ok(Reply::Done {
                output: output.to_vec(),
                messages: messages.to_vec(),
                status: i32::from(status),
            })
        }
        Some((b'-', reason)) => Err(OsString::from_vec(reason.to_vec())),
        Some(_) => Err(senseless()),
        None => Err(OsString::from("the installer gave no answer")),
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
    fn replies_are_understood() {
        assert!(matches!(parse(b"+/x".to_vec()), Ok(Reply::Execute(path)) if path == "/x"));
        assert!(matches!(parse(b">".to_vec()), Ok(Reply::Counterpart)));
        assert!(matches!(parse(b"~".to_vec()), Ok(Reply::Tell)));
        let Ok(Reply::Done {
            output,
            messages,
            status,
        }) = parse(b"=\x02\0\0\0\x03outerr".to_vec())
        else {
            panic!("not understood");
        };
        assert_eq!((output, messages, status), (b"out".to_vec(), b"err".to_vec(), 2));
        for senseless in [&b""[..], b"?", b">x", b"=", b"=\0\0\0\0\x09out", b"-no"] {
            assert!(parse(senseless.to_vec()).is_err());
        }
    }
}
