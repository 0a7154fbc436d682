//! How close the program's results are to references: the cases, how they are
//! run, what came of them, and the tables in the documents.

pub mod against;
mod candidate;
pub mod cases;
pub mod random;
pub mod reference;
pub mod results;
pub mod run;
pub mod state;
pub mod tables;

use std::path::{Path, PathBuf};

use crate::error::At as _;
use crate::program::workspace;
use crate::{Error, Result};

/// The directory of the cases' files.
#[must_use]
pub fn data() -> PathBuf {
    workspace().join("tests/cases")
}

/// The directory that results are kept in.
#[must_use]
pub fn kept() -> PathBuf {
    workspace().join("target/fidelity")
}

/// The records that the tables of the documents were made of: another machine goes on with them.
#[must_use]
pub fn written() -> PathBuf {
    workspace().join("docs/fidelity.records")
}

// The lines of a data file that say something, with their numbers.
fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = std::fs::read_to_string(path).at(path)?;
    Ok(text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim().to_owned()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

fn wrong(path: &Path, line: usize, what: impl Into<String>) -> Error {
    Error::Line {
        path: path.to_path_buf(),
        line,
        what: what.into(),
    }
}
