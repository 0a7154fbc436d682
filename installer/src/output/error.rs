//! Errors of making the result.

use std::io;
use std::path::PathBuf;

use task_progress::Cancelled;

/// Reason why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target could not be read or changed.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// A file of the target could not be read.
    #[error("cannot read {path} of the target")]
    Read {
        /// Path in the target.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of the target became smaller while it was read.
    #[error("{path} of the target became smaller while it was read: {missing} bytes are missing")]
    Shrunk {
        /// Path in the target.
        path: PathBuf,
        /// Number of bytes that are missing.
        missing: u64,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room, or write it to another filesystem".to_owned())
                }
                io::ErrorKind::FileTooLarge => Some(
                    "raise the limit of the size of files with `ulimit -f unlimited`, or write it to a filesystem \
                     that takes larger ones"
                        .to_owned(),
                ),
                io::ErrorKind::BrokenPipe => {
                    Some("the program that reads the archive ended before it was complete".to_owned())
                }
                _ => None,
            },
            Self::Shrunk { .. } => Some("do not change the target while it is written".to_owned()),
            _ => None,
        }
    }
}
