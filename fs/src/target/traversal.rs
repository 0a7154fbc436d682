//! All files of a target, in the order of the result.

use std::ffi::OsString;
use std::path::PathBuf;
use std::vec;

use super::Target;
use crate::error::Error;
use crate::meta::{FileType, Stat};

impl Target {
    /// Returns an iterator over all files of the target and what the target's users see of each: `/` first, each
    /// directory before its contents, names in the order of their bytes. Links are not followed; paths are absolute
    /// in the target.
    ///
    /// For a file or directory that cannot be read there is an error instead, behind which the iterator goes on.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// use rootless_install_fs::{FileType, Meta, Target};
    /// use std::path::Path;
    ///
    /// let target = Target::open(directory.path())?;
    /// target.make_dir(Path::new("/etc"), &Meta::of_root(FileType::Directory, 0o755))?;
    /// target.write(Path::new("/etc/hostname"), b"box\n", &Meta::of_root(FileType::Regular, 0o644))?;
    /// let paths: Result<Vec<_>, _> = target.walk().map(|file| file.map(|(path, _)| path)).collect();
    /// assert_eq!(paths?, [Path::new("/"), Path::new("/etc"), Path::new("/etc/hostname")]);
    /// # Ok::<(), rootless_install_fs::Error>(())
    /// ```
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            target: self,
            open: Vec::new(),
            begun: false,
            pending: None,
        }
    }
}

/// Iterator over all files of a target; see [`Target::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    target: &'a Target,
    /// Directories entered, each with the names still to come.
    open: Vec<(PathBuf, vec::IntoIter<OsString>)>,
    /// Whether `/` was returned.
    begun: bool,
    /// Directory that was returned last and is entered next.
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
