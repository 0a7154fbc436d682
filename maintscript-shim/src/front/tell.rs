//! What the installer is told of a call; the bytes are described in [`super`]. It may be
//! gone, or may not listen: no script fails for that.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What is the matter with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An argument names a path outside the root.
    Path,
    /// The tool is not in the table.
    Uncovered,
    /// The outer system is asked, or would be acted upon.
    OuterQuery,
    /// chroot(8) is called.
    Chroot,
    /// The tool was not told of the root, by an option or because it has none.
    NoRootOption,
    /// A program of the root is executed from outside.
    TargetBinary,
}

impl Kind {
    /// Its word in a message.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Path => "path",
            Kind::Uncovered => "uncovered",
            Kind::OuterQuery => "outer-query",
            Kind::Chroot => "chroot",
            Kind::NoRootOption => "no-root-option",
            Kind::TargetBinary => "target-binary",
        }
    }
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is the matter.
    pub(crate) kind: Kind,
    /// The path, argument or option.
    pub(crate) what: Vec<u8>,
    /// Whether the call acts in the root nevertheless.
    pub(crate) helped: bool,
}

impl Finding {
    /// The message.
    pub(crate) fn message(&self, tool: &[u8]) -> Vec<u8> {
        let helped: &[u8] = if self.helped { b"1" } else { b"0" };
        let process = std::process::id().to_string();
        fields(
            b'v',
            &[
                self.kind.word().as_bytes(),
                tool,
                &self.what,
                helped,
                process.as_bytes(),
            ],
        )
    }
}

/// A message: its letter, and each field with a NUL behind it.
pub(crate) fn fields(letter: u8, fields: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![letter];
    for field in fields {
        message.extend_from_slice(field);
        message.push(0);
    }
    message
}

/// A connection that is made before it is known what to tell: chroot(2) takes the socket's
/// path away.
pub(crate) struct Line(Option<UnixStream>);

impl Line {
    /// Connects.
    pub(crate) fn open(control: &Path) -> Self {
        Self(UnixStream::connect(control).ok())
    }

    /// Tells it, and waits until the installer has it: the order of what a script does is kept.
    pub(crate) fn say(self, message: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.0.ok_or(io::ErrorKind::NotConnected)?;
        let patience = Some(Duration::from_secs(10));
        stream.set_write_timeout(patience)?;
        stream.set_read_timeout(patience)?;
        stream.write_all(message)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply)
    }
}

/// Tells one thing, if there is somebody.
pub(crate) fn tell(control: &Path, tool: &[u8], finding: &Finding) {
    let _ = Line::open(control).say(&finding.message(tool));
}
