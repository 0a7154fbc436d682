//! multistrap's configuration (multistrap(1)): files of sections with keys, which name repositories and what is installed
//! from them.
//!
//! [`read`] takes a file and those that it includes, [`Configuration`] is what they say together, and [`Translation`] is
//! what that means for an installation.

mod configuration;
mod files;
mod hooks;
mod ini;
mod keyrings;
mod repository;
mod sources;
mod summary;
mod translation;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::preferences::PreferencesError;
use crate::preseed::PreseedError;
use deb_archive::ArchiveError;

pub use configuration::{Configuration, Overrides};
pub use files::{find, read};
pub use summary::summary;
pub use translation::Translation;

/// Release of multistrap whose configuration this is.
pub const RELEASE: &str = "2.2.11";

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Arc<Path>,
    /// Number of the line, from 1.
    line: usize,
}

impl Place {
    /// Returns the directory of the file.
    fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Reason why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MultistrapError {
    /// There is no such file.
    #[error("there is no configuration file {name}; looked for {}", looked_for.join(", "))]
    NotFound {
        /// The name as given.
        name: String,
        /// Paths that were tried.
        looked_for: Vec<String>,
    },
    /// A file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line has no meaning.
    #[error("{place}: {what}")]
    Line {
        /// The line.
        place: Place,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Something is missing in the whole of the files.
    #[error("{}: {what}", file.display())]
    Lacking {
        /// The first file.
        file: PathBuf,
        /// What is missing.
        what: String,
    },
    /// Keys of a repository are nowhere.
    #[error("{place}: no keys of the package {package}: it is not installed here, and {reason}")]
    Keyring {
        /// The line that names the package.
        place: Place,
        /// The package.
        package: String,
        /// Why it cannot be had from this machine's archives.
        reason: String,
    },
    /// The line of a repository makes no source of apt's.
    #[error("{place}: {source}")]
    Source {
        /// The line of the source.
        place: Place,
        /// The reason.
        source: ArchiveError,
    },
    /// A file of preferences cannot be used.
    #[error(transparent)]
    Preferences(#[from] PreferencesError),
    /// A file of answers for debconf cannot be used.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
}

impl MultistrapError {
    fn line(place: &Place, what: impl Into<String>) -> Self {
        Self::Line {
            place: place.clone(),
            what: what.into(),
        }
    }

    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some("name a file with -f FILE, or one of those places with -s NAME"),
            Self::Keyring { .. } => Some(
                "install the package on this machine, name a file of keys (`keyring=/path/keys.gpg`), or set noauth=true",
            ),
            Self::Preseed(error) => error.hint(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
