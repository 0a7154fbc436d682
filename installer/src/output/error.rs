//! What can go wrong while the result is written.

use std::io;
use std::path::PathBuf;

use progress::Cancelled;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target could not be read or changed.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// A file of the target could not be read.
    #[error("cannot read {path} of the target")]
    Read {
        /// Its path in the target.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the target became smaller while it was read.
    #[error("{path} of the target became smaller while it was read: {missing} bytes are missing")]
    Shrunk {
        /// Its path in the target.
        path: PathBuf,
        /// Number of bytes that were not there any more.
        missing: u64,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The run was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room, or write it to another filesystem".to_owned())
                }
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
