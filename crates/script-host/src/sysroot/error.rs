//! Errors of the native sysroot.

use deb_archive::ArchiveError;
use deb_unpack::DebError;
use std::io;
use std::path::PathBuf;

/// An error of making or extending the sysroot.
#[derive(Debug, thiserror::Error)]
pub enum SysrootError {
    /// A package could not be fetched.
    #[error("cannot fetch packages for the native sysroot")]
    Fetch(#[from] ArchiveError),
    /// A package could not be unpacked.
    #[error("cannot unpack a package for the native sysroot")]
    Unpack(#[from] DebError),
    /// The cache could not be written.
    #[error("cannot write the native sysroot: {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The suite has no packages for this machine's architecture.
    #[error("the archive has no essential packages of this suite for {native}, this machine's architecture")]
    NoNativePackages {
        /// The architecture.
        native: String,
    },
    /// A directory given by the user is no native system.
    #[error("{} cannot be the native sysroot: it has no {missing}", path.display())]
    NotASystem {
        /// The directory.
        path: PathBuf,
        /// The file that is missing, in words.
        missing: &'static str,
    },
}

impl SysrootError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoNativePackages { .. } => Some(
                "add a mirror that has this machine's architecture, or name a system with --native-sysroot"
                    .into(),
            ),
            Self::NotASystem { .. } => Some(
                "name the root of a Debian system with a merged /usr, for example --native-sysroot=/".into(),
            ),
            Self::Fetch(_) | Self::Unpack(_) | Self::Write { .. } => None,
        }
    }
}
