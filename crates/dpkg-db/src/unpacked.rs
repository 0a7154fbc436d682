//! The outcome of unpacking a package's files, which the database records.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Outcome of unpacking a package's files.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    /// Paths for `info/NAME.list`: the archive's order, links last, `/.` for the root.
    pub list: Vec<PathBuf>,
    /// Diverted paths of the list, and the paths to which they are diverted.
    pub diverted: HashMap<PathBuf, PathBuf>,
    /// Contents of `info/NAME.md5sums`, made when the package has none.
    pub md5sums: Option<Vec<u8>>,
    /// The package that diverts a path of the list, where one does.
    pub diverting: HashMap<PathBuf, String>,
    /// Paths of the list at which the package has put something: other packages have them no more.
    pub placed: Vec<PathBuf>,
    /// Paths left to other packages, which are not in the list.
    pub kept: Vec<PathBuf>,
    /// Paths of the list that the user had left out.
    pub left_out: Vec<PathBuf>,
    /// Bytes of file contents written.
    pub bytes: u64,
}

impl Unpacked {
    /// Returns the paths of the list as they are in the target, diversions applied: those whose file triggers
    /// fire.
    pub fn used_paths(&self) -> impl Iterator<Item = &Path> {
        self.list
            .iter()
            .map(|path| self.diverted.get(path).unwrap_or(path).as_path())
    }
}
