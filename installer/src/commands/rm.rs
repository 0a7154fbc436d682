//! `rm`: a target is removed.

use super::error::Error;
use crate::finished;
use rootless_install_fs::remove_tree;
use std::path::{Path, PathBuf};

/// Removes a target, whatever modes are in it.
///
/// # Errors
/// It is none, somebody works on it, or something in it cannot be removed.
pub fn run(path: &Path) -> Result<(), Error> {
    let target = finished::open(path)?;
    let hold = finished::hold(&target, true)?;
    let removal = |source| Error::Removal {
        path: path.to_owned(),
        source,
    };
    // Of `.` and of a path that ends in `/` the name is wanted, and a link to a target is not one.
    let named: PathBuf = match path.file_name() {
        Some(_) => path.components().collect(),
        None => std::fs::canonicalize(path).map_err(removal)?,
    };
    drop(target);
    let removed = remove_tree(&named).map_err(removal);
    drop(hold);
    removed
}
