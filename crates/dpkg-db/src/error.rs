//! Errors of dpkg's database.

use std::path::PathBuf;

/// A fault of dpkg's database in the target.
#[derive(Debug, thiserror::Error)]
pub enum DpkgError {
    /// Reading or writing below the target failed.
    #[error("cannot access {path} in the target")]
    Fs {
        /// Path inside the target.
        path: PathBuf,
        /// The failure.
        #[source]
        source: rootless_install_fs::Error,
    },
    /// Reading an open file of the target failed.
    #[error("cannot read {path} in the target")]
    Read {
        /// Path inside the target.
        path: PathBuf,
        /// The failure.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what dpkg would write.
    #[error("{path}: {problem}; restore it from a backup (status-old) or start with an empty target")]
    Format {
        /// Path inside the target.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A field of a stanza is malformed.
    #[error("package {package}: field {field} {problem}")]
    Stanza {
        /// Package name, as far as known.
        package: String,
        /// Field name.
        field: String,
        /// The fault.
        problem: String,
    },
    /// A line that is no field.
    #[error("'{line}' is neither a field nor its continuation")]
    Line {
        /// The beginning of the line.
        line: String,
    },
    /// The control file of an archive is malformed.
    #[error("the control file {problem}")]
    Control {
        /// The fault, as a predicate.
        problem: String,
    },
    /// A word that dpkg does not know.
    #[error("'{word}' is no value of {what}")]
    Word {
        /// The kind of value.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// A package that is not in the database.
    #[error("package {package} is not in the database of the target")]
    NoPackage {
        /// The name asked for.
        package: String,
    },
    /// A package of which only one instance can be installed, while there are several.
    #[error(
        "package {package} ({version}) with field 'Multi-Arch: {multi_arch}' is not co-installable with {name} which \
         has multiple installed instances"
    )]
    NotCoInstallable {
        /// Name and architecture.
        package: String,
        /// Version.
        version: String,
        /// The value of the field.
        multi_arch: &'static str,
        /// Package name.
        name: String,
    },
    /// A `triggers` control file (deb-triggers(5)) is malformed.
    #[error("package {package}: triggers file: {problem}")]
    Triggers {
        /// Package name.
        package: String,
        /// The fault.
        problem: String,
    },
    /// A question about a conffile has no answer.
    #[error("{problem}")]
    Unanswered {
        /// The reason.
        problem: String,
    },
    /// A conffile cannot be installed.
    #[error("package {package}: conffile {path}: {problem}")]
    Conffile {
        /// Package name.
        package: String,
        /// The conffile.
        path: String,
        /// The fault.
        problem: String,
    },
}
