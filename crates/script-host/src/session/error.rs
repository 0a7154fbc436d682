//! Errors of sessions.

use crate::sysroot::SysrootError;
use crate::view::ViewError;
use rootless_install_fs::Error as TargetError;
use std::path::PathBuf;
use task_progress::Cancelled;

/// An error of opening a session, or of running a program in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The view could not be made, or was lost.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The native sysroot could not be made or extended.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file of the run could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A path that scripts get in their environment is not UTF-8.
    #[error("the path {} is not UTF-8, and maintainer scripts must be told of it", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The process that called dpkg has ended, or does not keep to the protocol.
    #[error("the process that called dpkg is gone")]
    CallerGone,
    /// The user stopped the work.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl SessionError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::View(error) => error.hint(),
            Self::Sysroot(error) => error.hint(),
            Self::NotUtf8 { .. } => Some("make the target somewhere else".into()),
            Self::Target(_) | Self::Write { .. } | Self::CallerGone | Self::Cancelled(_) => None,
        }
    }
}
