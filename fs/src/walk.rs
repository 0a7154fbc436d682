//! All of a target, in the order of the result.

use std::ffi::OsString;
use std::path::PathBuf;
use std::vec;

use crate::{Error, FileType, Stat, Target};

/// Goes through `target`: `/` first, each directory before what is in it, names in
/// the order of their bytes. Links are not followed. Paths are absolute in the target.
pub fn walk(target: &Target) -> impl Iterator<Item = Result<(PathBuf, Stat), Error>> + '_ {
    Walk {
        target,
        open: Vec::new(),
        begun: false,
        pending: None,
    }
}

struct Walk<'a> {
    target: &'a Target,
    /// Directories entered, each with the names still to come.
    open: Vec<(PathBuf, vec::IntoIter<OsString>)>,
    begun: bool,
    /// A directory that was returned and is entered next.
    pending: Option<PathBuf>,
}

impl Walk<'_> {
    fn visit(&mut self, path: PathBuf) -> Result<(PathBuf, Stat), Error> {
        let stat = self.target.stat(&path)?;
        if stat.meta.kind == FileType::Directory {
            self.pending = Some(path.clone());
        }
        Ok((path, stat))
    }

    fn enter(&mut self) -> Result<(), Error> {
        if let Some(path) = self.pending.take() {
            let names = self.target.read_dir(&path)?;
            self.open.push((path, names.into_iter()));
        }
        Ok(())
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(PathBuf, Stat), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun {
            self.begun = true;
            return Some(self.visit(PathBuf::from("/")));
        }
        if let Err(error) = self.enter() {
            return Some(Err(error));
        }
        loop {
            let (directory, names) = self.open.last_mut()?;
            match names.next() {
                Some(name) => {
                    let path = directory.join(name);
                    return Some(self.visit(path));
                }
                None => {
                    self.open.pop();
                }
            }
        }
    }
}
