//! `--hook-helper ROOT MODE HOOK SKIP VERBOSITY COMMAND PATH…`: what a special hook does, for a hook that is a program. mmdebstrap
//! has programs call itself so, with standard input and output on the socket that hooks inherit (`MMDEBSTRAP_HOOKSOCK`).

use super::{Exit, error};
use script_host::ask;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use task_progress::Style;

/// Number of arguments before the command.
const BEFORE: usize = 5;

/// Reason why the command was not carried out.
#[derive(Debug, thiserror::Error)]
enum HelperError {
    #[error("--hook-helper needs ROOT, MODE, HOOK, SKIP, VERBOSITY, a command and its paths")]
    Usage,
    #[error("--hook-helper: standard input and output are not the socket of hooks")]
    Socket(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
}

/// Standard input and output as one stream, without buffers: the next helper reads on.
struct Standard;

impl Read for Standard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the process that runs the hook do it.
pub(super) fn main(words: &[OsString], style: Style) -> ExitCode {
    let words = words.get(BEFORE..).filter(|words| !words.is_empty());
    let done = words.ok_or(HelperError::Usage).and_then(|words| {
        ask(&mut Standard, words)
            .map_err(HelperError::Socket)?
            .map_err(HelperError::Failed)
    });
    match done {
        Ok(()) => Exit::Success.into(),
        Err(failed) => {
            let hint = matches!(failed, HelperError::Socket(_)).then_some(
                "call it from a hook, with `<&\"$MMDEBSTRAP_HOOKSOCK\" >&\"$MMDEBSTRAP_HOOKSOCK\"`",
            );
            error::print(&failed, hint, style);
            Exit::Failure.into()
        }
    }
}
