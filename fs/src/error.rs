//! Errors of operations on a target.

use std::io;
use std::path::{Path, PathBuf};

/// Result of an operation on a target.
pub type Result<T> = std::result::Result<T, Error>;

/// Error of an operation on a target. Paths are those of the target unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target's filesystem cannot hold fake ownership.
    #[error(
        "{}: this filesystem keeps no user extended attributes; use a directory on ext4, xfs, btrfs, or tmpfs of Linux 6.6 or newer",
        path.display()
    )]
    NoUserXattrs {
        /// The target directory, a path of the machine.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Operation that failed, a verb.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file carries a record of fake ownership that cannot be understood.
    #[error(
        "{}: the fake ownership recorded in {name} is damaged: {value:?}; remove the attribute or the file",
        path.display(), name = crate::encoding::OVERRIDE_XATTR
    )]
    DamagedOverride {
        /// The file.
        path: PathBuf,
        /// The attribute's value, as text.
        value: String,
    },
    /// The operation is not one for this type of file.
    #[error("cannot {action} {}: it is {found}, not {wanted}", path.display())]
    WrongType {
        /// Operation that failed, a verb.
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// The type found, as a noun with its article.
        found: &'static str,
        /// The type needed, as a noun with its article.
        wanted: &'static str,
    },
    /// The FUSE connection could not be set up.
    #[error("cannot serve the view of {}: {source}; is the descriptor a mounted /dev/fuse?", path.display())]
    Serve {
        /// The target directory, a path of the machine.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A phantom's path is not one that can be shown.
    #[error("cannot show the phantom {}: {reason}", path.display())]
    Phantom {
        /// The phantom's path in the view.
        path: PathBuf,
        /// Reason.
        reason: &'static str,
    },
}

impl Error {
    /// Returns the [`Error::Io`] of `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Returns the kind of the underlying system error, if there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } | Self::Serve { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// Returns whether the path, or a directory on the way to it, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.io_kind(),
            Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        )
    }

    /// Returns whether the filesystem is full, or the user's quota on it.
    pub fn is_full(&self) -> bool {
        matches!(
            self.io_kind(),
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        )
    }

    /// Returns whether the path exists already.
    pub fn is_already_exists(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::AlreadyExists)
    }
}
