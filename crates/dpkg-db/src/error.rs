//! Errors of dpkg's database.

use std::path::PathBuf;

/// What can be wrong with dpkg's database in the target.
#[derive(Debug, thiserror::Error)]
pub enum DpkgError {
    /// Reading or writing below the target failed.
    #[error("cannot access {path} in the target")]
    Fs {
        /// path inside the target
        path: PathBuf,
        /// the failure
        #[source]
        source: rootless_install_fs::Error,
    },
    /// Reading an open file of the target failed.
    #[error("cannot read {path} in the target")]
    Read {
        /// path inside the target
        path: PathBuf,
        /// the failure
        #[source]
        source: std::io::Error,
    },
    /// A file is not what dpkg would write.
    #[error("{path}: {problem}; restore it from a backup (status-old) or start with an empty target")]
    Format {
        /// path inside the target
        path: PathBuf,
        /// what is wrong
        problem: String,
    },
    /// A field of a stanza is malformed.
    #[error("package {package}: field {field} {problem}")]
    Stanza {
        /// package name, as far as known
        package: String,
        /// field name
        field: String,
        /// what is wrong
        problem: String,
    },
    /// A line that is no field.
    #[error("'{line}' is neither a field nor its continuation")]
    Line {
        /// the beginning of the line
        line: String,
    },
    /// A word that dpkg does not know.
    #[error("'{word}' is no value of {what}")]
    Word {
        /// the kind of value
        what: &'static str,
        /// the word
        word: String,
    },
    /// A package that is not in the database.
    #[error("package {package} is not in the database of the target")]
    NoPackage {
        /// the name asked for
        package: String,
    },
    /// A `triggers` control file (deb-triggers(5)) is malformed.
    #[error("package {package}: triggers file: {problem}")]
    Triggers {
        /// package name
        package: String,
        /// what is wrong
        problem: String,
    },
    /// Nobody answered what becomes of a conffile.
    #[error("{problem}")]
    Unanswered {
        /// why not
        problem: String,
    },
    /// A conffile cannot be installed.
    #[error("package {package}: conffile {path}: {problem}")]
    Conffile {
        /// package name
        package: String,
        /// the conffile
        path: String,
        /// what is wrong
        problem: String,
    },
}
