//! Errors of reading and unpacking .deb files.

use std::io;
use std::path::PathBuf;

use dpkg_db::DpkgError;

/// A fault of a `.deb` file or of unpacking it.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be opened or mapped.
    #[error("{}: cannot read the package file", path.display())]
    Open {
        /// The package file.
        path: PathBuf,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The container is not that of deb(5).
    #[error("{}: no Debian package: {problem}", path.display())]
    Container {
        /// The package file.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A member is damaged.
    #[error("{}: {member} is damaged: {source}", path.display())]
    Member {
        /// The package file.
        path: PathBuf,
        /// Name of the member.
        member: String,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The package unpacks to more than it may.
    #[error(
        "{}: {member} expands to more than {limit} bytes, which no sound package of its size does; it was not unpacked",
        path.display()
    )]
    TooLarge {
        /// The package file.
        path: PathBuf,
        /// Name of the member.
        member: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An archive entry is not one that a package may have.
    #[error("{}: entry '{}': {problem}", path.display(), entry.escape_default())]
    Entry {
        /// The package file.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// The fault.
        problem: String,
    },
    /// The control file is not that of the promised package.
    #[error("{}: the package says {field} '{found}', the index promised '{expected}'", path.display())]
    Mismatch {
        /// The package file.
        path: PathBuf,
        /// Control field.
        field: &'static str,
        /// Value in the index.
        expected: String,
        /// Value in the package.
        found: String,
    },
    /// A path that is not the package's to write over.
    #[error("{}: {problem}", path.display())]
    Refused {
        /// The package file.
        path: PathBuf,
        /// The reason, in dpkg's words.
        problem: String,
    },
    /// Writing to the target failed.
    #[error("{}: cannot unpack '{}'", path.display(), entry.escape_default())]
    Target {
        /// The package file.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// The failure.
        #[source]
        source: rootless_install_fs::Error,
    },
    /// Writing the contents of a file failed.
    #[error("{}: cannot write '{}'", path.display(), entry.escape_default())]
    Write {
        /// The package file.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The control data or the target's database is malformed.
    #[error("{}: its control data: {source}", path.display())]
    Database {
        /// The package file.
        path: PathBuf,
        /// The failure.
        #[source]
        source: DpkgError,
    },
    /// Packages unpacked at the same time ship the same path. Only seen within a batch, which is then
    /// unpacked again in order.
    #[error("{}: entry '{}' is also in another package of the batch", path.display(), entry.escape_default())]
    Contended {
        /// The package file.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
    },
}
