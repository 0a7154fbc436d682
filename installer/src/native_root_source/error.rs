//! Errors of making and copying a native root.

use crate::install::InstallError;
use crate::staging;
use apt_solve::SolveError;
use deb_archive::ArchiveError;
use rootless_install_fs::Error as TargetError;
use script_host::SessionError;
use std::path::PathBuf;

/// Reason why a run has no native root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeRootError {
    /// Its packages could not be chosen.
    #[error("cannot choose packages for the native root")]
    Solve(#[from] SolveError),
    /// Its packages could not be fetched.
    #[error("cannot fetch packages for the native root")]
    Archive(#[from] ArchiveError),
    /// Its packages could not be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A work directory could not be made.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// It could not be opened as a root filesystem.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A directory of the user's is no native system.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A directory in the cache could not be made.
    #[error("cannot write {}", path.display())]
    Write {
        /// The directory.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// It could not be copied for the run.
    #[error("cannot copy the native root {}", path.display())]
    Copy {
        /// The native root.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// `--native-sysroot=/` in chrootless mode.
    #[error("this machine's own root directory cannot be copied for scripts to write to")]
    Machine,
}

impl NativeRootError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Machine => Some(
                "leave --native-sysroot out to have a native root made, or name a directory that is one"
                    .into(),
            ),
            Self::Install(error) => error.hint(),
            Self::Staging(error) => error.hint(),
            Self::Session(error) => error.hint(),
            _ => None,
        }
    }

    /// Whether the user stopped the run.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Install(error) if error.is_cancelled())
            || matches!(self, Self::Session(SessionError::Cancelled(_)))
    }
}
