//! Errors of customizing a system.

use std::path::PathBuf;

/// A value that has no meaning, and the key or option that it is of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Wrong {
    /// The key.
    pub key: String,
    /// What is wrong, in words.
    pub what: String,
}

impl Wrong {
    pub(crate) fn new(key: &str, what: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            what: what.into(),
        }
    }
}

/// Reason why a system could not be customized.
#[derive(Debug, thiserror::Error)]
pub enum CustomizationError {
    /// The target lacks something.
    #[error("{what}: the target has no {lacks}")]
    Lacks {
        /// What is asked for.
        what: String,
        /// What is not there.
        lacks: String,
        /// What brings it.
        remedy: String,
    },
    /// A value does not fit the target.
    #[error("{what}: {reason}")]
    Unfit {
        /// What is asked for.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A program of the target failed.
    #[error("{what}: {program} {ended}{last_lines}")]
    Program {
        /// What is asked for.
        what: String,
        /// The program.
        program: String,
        /// How it ended.
        ended: String,
        /// The last lines that it wrote, each after a newline.
        last_lines: String,
    },
    /// A file of the machine cannot be read.
    #[error("cannot read {}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file of the machine is of a kind that is not copied.
    #[error("{} is no file, directory or link", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// The target refuses.
    #[error("cannot put {} into the target", path.display())]
    Place {
        /// The path in the target.
        path: PathBuf,
        /// The reason.
        source: rootless_install_fs::Error,
    },
    /// The target cannot be read or written.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// The place in which programs run is lost, or the run was stopped.
    #[error(transparent)]
    Session(#[from] script_host::SessionError),
}

impl CustomizationError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lacks { remedy, .. } => Some(remedy.clone()),
            Self::Session(error) => error.hint(),
            _ => None,
        }
    }

    /// Returns the error where programs of the target do not run in it.
    pub(crate) fn chrootless() -> Self {
        Self::unfit(
            "users, groups, networks, units and locales",
            "they are made by programs in the target, and in chrootless mode none run there",
        )
    }

    pub(super) fn unfit(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unfit {
            what: what.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn lacks(what: impl Into<String>, lacks: &str, remedy: impl Into<String>) -> Self {
        Self::Lacks {
            what: what.into(),
            lacks: lacks.to_owned(),
            remedy: remedy.into(),
        }
    }
}
