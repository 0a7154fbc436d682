//! Errors of reading and unpacking .deb files.

use std::io;
use std::path::PathBuf;

use dpkg_db::DpkgError;

/// What can be wrong with a .deb file or with unpacking it.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be opened or mapped.
    #[error("{}: cannot read the package file", path.display())]
    Open {
        /// the package file
        path: PathBuf,
        /// the failure
        #[source]
        source: io::Error,
    },
    /// The container is not that of deb(5).
    #[error("{}: no Debian package: {problem}", path.display())]
    Container {
        /// the package file
        path: PathBuf,
        /// what is wrong
        problem: String,
    },
    /// A member is damaged.
    #[error("{}: {member} is damaged: {source}", path.display())]
    Member {
        /// the package file
        path: PathBuf,
        /// name of the member
        member: String,
        /// the failure
        #[source]
        source: io::Error,
    },
    /// The package unpacks to more than it may.
    #[error(
        "{}: {member} expands to more than {limit} bytes, which no sound package of its size does; it was not unpacked",
        path.display()
    )]
    TooLarge {
        /// the package file
        path: PathBuf,
        /// name of the member
        member: String,
        /// the limit in bytes
        limit: u64,
    },
    /// An archive entry is not one that a package may have.
    #[error("{}: entry '{}': {problem}", path.display(), entry.escape_default())]
    Entry {
        /// the package file
        path: PathBuf,
        /// name of the entry
        entry: String,
        /// what is wrong
        problem: String,
    },
    /// The control file is not that of the promised package.
    #[error("{}: the package says {field} '{found}', the index promised '{expected}'", path.display())]
    Mismatch {
        /// the package file
        path: PathBuf,
        /// control field
        field: &'static str,
        /// value in the index
        expected: String,
        /// value in the package
        found: String,
    },
    /// Another package owns the path.
    #[error("{}: trying to overwrite '{}', which is also in package {owner} {version}", path.display(), entry.escape_default())]
    Conflict {
        /// the package file
        path: PathBuf,
        /// name of the entry
        entry: String,
        /// the other package
        owner: String,
        /// its version
        version: String,
    },
    /// Writing to the target failed.
    #[error("{}: cannot unpack '{}'", path.display(), entry.escape_default())]
    Target {
        /// the package file
        path: PathBuf,
        /// name of the entry
        entry: String,
        /// the failure
        #[source]
        source: rootless_install_fs::Error,
    },
    /// Writing the contents of a file failed.
    #[error("{}: cannot write '{}'", path.display(), entry.escape_default())]
    Write {
        /// the package file
        path: PathBuf,
        /// name of the entry
        entry: String,
        /// the failure
        #[source]
        source: io::Error,
    },
    /// The control data or the target's database is malformed.
    #[error("{}: its control data: {source}", path.display())]
    Database {
        /// the package file
        path: PathBuf,
        /// the failure
        #[source]
        source: DpkgError,
    },
    /// Packages unpacked at the same time ship the same path. Only seen within a batch, which is then
    /// unpacked again in order.
    #[error("{}: entry '{}' is also in another package of the batch", path.display(), entry.escape_default())]
    Contended {
        /// the package file
        path: PathBuf,
        /// name of the entry
        entry: String,
    },
}
