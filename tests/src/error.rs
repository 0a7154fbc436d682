//! What can go wrong while a test is being set up.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A test could not be set up; the program under test is not to blame.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be used.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tar archive made here or read here is not sound.
    #[error("tar {name}: {source}")]
    Tar {
        /// Which archive.
        name: String,
        /// What the reader or writer said.
        source: std::io::Error,
    },
    /// A key or signature could not be made.
    #[error("openpgp: {0}")]
    OpenPgp(String),
    /// A command could not be started or failed.
    #[error("{command}: {what}")]
    Command {
        /// Its name.
        command: String,
        /// How it failed, with its last words.
        what: String,
    },
    /// A line of a data file makes no sense.
    #[error("{path}:{line}: {what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The machine lacks something; the text says how to mend it.
    #[error("{0}")]
    Machine(String),
}

/// Gives an I/O error the path it happened at.
pub trait At<T> {
    /// Names `path` in the error.
    ///
    /// # Errors
    /// The same failure, as [`Error::File`].
    fn at(self, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::File {
            path: path.as_ref().to_path_buf(),
            source,
        })
    }
}
