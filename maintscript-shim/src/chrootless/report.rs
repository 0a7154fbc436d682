//! Reports to the installer. It may be gone, or may not listen: no script fails for that.

use crate::counterpart::encoded;
use shim_protocol::{Request, Violation, ViolationKind};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A violation that a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Kind, which says what the subject is.
    pub(crate) kind: ViolationKind,
    /// Path, option, program or question.
    pub(crate) subject: Vec<u8>,
    /// Whether the call acts in the root nevertheless.
    pub(crate) helped: bool,
}

impl Finding {
    /// Returns the message that `tool` sends.
    pub(crate) fn message(&self, tool: &[u8]) -> Vec<u8> {
        encoded(&Request::Violation(Violation {
            kind: self.kind,
            tool,
            subject: &self.subject,
            helped: self.helped,
            process: std::process::id(),
        }))
    }
}

/// A connection that is made before the message is known: chroot(2) takes the socket's path away.
pub(crate) struct Line(Option<UnixStream>);

impl Line {
    /// Connects.
    pub(crate) fn open(control: &Path) -> Self {
        Self(crate::sys::connect(control).ok())
    }

    /// Sends a message, and waits until the installer has it: the order of what a script does is kept.
    pub(crate) fn send(self, message: &[u8]) -> io::Result<Vec<u8>> {
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

/// Reports a violation, if there is somebody who listens.
pub(crate) fn report(control: &Path, tool: &[u8], finding: &Finding) {
    let _ = Line::open(control).send(&finding.message(tool));
}
