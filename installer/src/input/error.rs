//! Errors of reading an archive.

use std::io;
use std::path::{Path, PathBuf};
use task_progress::Cancelled;

/// Reason why an archive did not become a target. Members are named as they are in the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such archive.
    #[error("the archive {} is not there", path.display())]
    Absent {
        /// Its name, as it was given.
        path: PathBuf,
    },
    /// The archive could not be opened.
    #[error("cannot open {path}")]
    Open {
        /// The archive.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The archive could not be read.
    #[error("{path} is damaged or cut off")]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is of no known format.
    #[error("{path} is {what}, which cannot be unpacked")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// A member has a name that leads elsewhere.
    #[error("the archive's member {name:?} has a `..` in its name")]
    Dots {
        /// Its name.
        name: String,
    },
    /// A member cannot be in a target.
    #[error("the archive's member {name:?} {what}")]
    Member {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A member could not be made.
    #[error("cannot unpack {name:?}")]
    Put {
        /// Its name.
        name: String,
        /// The reason.
        source: rootless_install_fs::Error,
    },
    /// The content of a member could not be written.
    #[error("cannot write {name:?}")]
    Write {
        /// Its name.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// The content of a member could not be read.
    #[error("cannot read {name:?} of the archive: it is damaged or cut off")]
    Content {
        /// Its name.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// A container image is not as its specification has it.
    #[error("{path}: {what}")]
    Image {
        /// The image, or the file in it.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The program that reads the format is not installed.
    #[error("{what} are read by the program {program}, which is not installed")]
    NoReader {
        /// What it reads.
        what: &'static str,
        /// The program.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// The program that reads the format failed.
    #[error("{program} could not read {path}: {said}")]
    ReaderFailed {
        /// The program.
        program: &'static str,
        /// The archive.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// The user stopped the run.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Returns the error of an archive that could not be opened.
    pub(super) fn opening(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Absent { path },
            _ => Self::Open { path, source },
        }
    }

    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Format { .. } => Some(
                "give a tar (also .gz, .xz, .zst), a cpio archive, a squashfs image, oci:DIR, oci-archive:FILE or \
                 docker-archive:FILE"
                    .to_owned(),
            ),
            Self::NoReader { package, .. } => Some(format!("install it: `apt install {package}`")),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room, or give a target on another filesystem".to_owned())
            }
            _ => None,
        }
    }
}
