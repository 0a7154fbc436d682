//! Errors of recipes, with the places of what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use task_progress::escape_path;

/// A file of a recipe.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path, as it was given.
    pub(super) path: PathBuf,
    /// Its absolute directory, without links.
    pub(super) directory: PathBuf,
    /// Its text.
    pub(super) text: String,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Place {
    pub(super) file: Rc<SourceFile>,
    /// First byte in the text.
    pub(super) offset: usize,
}

impl Place {
    /// Returns the directory of the file.
    pub(super) fn directory(&self) -> &Path {
        &self.file.directory
    }

    /// Returns the line and the column, both from one; columns are of characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.offset).unwrap_or(&self.file.text);
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before.get(begin..).unwrap_or_default().chars().count() + 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}", escape_path(&self.file.path))
    }
}

/// Reason why a recipe cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A file cannot be read.
    #[error("cannot read the recipe {}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that a recipe includes cannot be read.
    #[error("{place}: cannot read {}", escape_path(path))]
    Include {
        /// Where it is named.
        place: Place,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The place has something that makes no sense there.
    #[error("{place}: {what}")]
    Wrong {
        /// The place.
        place: Place,
        /// What is wrong, in words.
        what: String,
    },
    /// Something is missing that has no place.
    #[error("{}: {what}", escape_path(path))]
    Whole {
        /// The file.
        path: PathBuf,
        /// What is wrong, in words.
        what: String,
    },
}

impl RecipeError {
    pub(super) fn wrong(place: &Place, what: impl Into<String>) -> Self {
        Self::Wrong {
            place: place.clone(),
            what: what.into(),
        }
    }
}

/// Returns words about a key that is not there: those that are near, or all.
pub(super) fn unknown_key<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    let near = deb_types::near::nearest(key, known.iter().copied(), 2);
    let part = |word: &&&str| key.len() > 2 && (word.contains(key) || key.contains(**word));
    let near: Vec<&str> = match near.is_empty() {
        true => known.iter().filter(part).copied().collect(),
        false => near,
    };
    let shown = key.escape_debug();
    let quoted: Vec<String> = near.iter().take(3).map(|near| format!("`{near}`")).collect();
    match quoted.is_empty() {
        false => format!("there is no key `{shown}`; did you mean {}?", quoted.join(" or ")),
        true if known.len() <= 20 => format!("there is no key `{shown}`; there are {}", known.join(", ")),
        true => {
            format!("there is no key `{shown}`; `rootless-install build --schema` has all that there are")
        }
    }
}
