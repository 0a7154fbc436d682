//! Output of a program that was not executed, and the texts of system errors in it.

use rootless_install_fs::Error;

/// Everything that a run of ldconfig or of the dynamic loader gives its caller.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Bytes of standard output.
    pub stdout: Vec<u8>,
    /// Bytes of standard error.
    pub stderr: Vec<u8>,
    /// Exit status.
    pub status: i32,
}

/// Returns the text of strerror(3) for the system error in `error`.
pub(crate) fn strerror(error: &Error) -> Vec<u8> {
    let text = match error {
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .as_bytes()
        .to_vec()
}
