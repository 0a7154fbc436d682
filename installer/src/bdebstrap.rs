//! Configurations of bdebstrap(1), as recipes.
//!
//! `yaml` reads a file, `translation` writes the recipe that makes the same.

mod translation;
mod yaml;

pub use translation::{Converted, convert};

use std::path::PathBuf;
use task_progress::escape_path;

/// Reason why a configuration cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum BdebstrapError {
    /// The file cannot be read.
    #[error("cannot read {}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Something in it makes no sense.
    #[error("{}:{line}: {what}", escape_path(path))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

#[cfg(test)]
mod tests;
