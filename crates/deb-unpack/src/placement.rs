//! Placing the entries of a package in the target, where something may exist already.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dpkg_db::{ControlArchive, DPKG_NEW, DPKG_TMP, Ownership, Package, with_suffix};
use rootless_install_fs::{FileType, Meta, Stat, Target};

use super::claims::Claims;
use super::context::{Context, Layering};
use super::error::DebError;
use super::file::DebFile;

/// A non-directory that the package has in the target.
pub(super) struct Placed {
    /// Path in the target, diversions and `.dpkg-new` applied.
    pub(super) place: PathBuf,
    pub(super) meta: Meta,
    /// MD5 in hexadecimal, of a file of a package without checksums.
    pub(super) md5: Option<String>,
}

/// A package and the target into which its entries go. Paths named `path` are those of the package, which
/// errors name; paths named `place` are those in the target.
pub(super) struct Placement<'a> {
    pub(super) deb: &'a DebFile,
    pub(super) package: &'a Package,
    pub(super) target: &'a Target,
    pub(super) context: &'a Context<'a>,
    pub(super) ownership: &'a dyn Ownership,
    /// Conffiles, and whether each is removed on upgrade.
    pub(super) conffiles: HashMap<PathBuf, bool>,
    /// Claims of the batch, and the package's index in it; none outside of batches.
    pub(super) claims: Option<(&'a Claims, usize)>,
    /// Paths that the batch made and whether each is a directory, to be undone; none outside of batches.
    pub(super) made: Option<&'a Mutex<Vec<(PathBuf, bool)>>>,
    /// Places of directories that have made room for something else, and are moved aside.
    aside: RefCell<Vec<PathBuf>>,
}

impl<'a> Placement<'a> {
    /// Returns a package's place in a target; nothing has been written.
    pub(super) fn new(
        deb: &'a DebFile,
        control: &ControlArchive,
        package: &'a Package,
        target: &'a Target,
        context: &'a Context<'a>,
    ) -> Result<Self, DebError> {
        // To tar a conffile is a file.
        let conffiles = match context.layering {
            Layering::Tar => Vec::new(),
            Layering::Dpkg | Layering::TarThenDpkg => {
                control.conffiles().map_err(|source| DebError::Database {
                    path: deb.path().to_owned(),
                    source,
                })?
            }
        };
        Ok(Self {
            deb,
            package,
            target,
            context,
            ownership: context.ownership,
            conffiles: conffiles
                .into_iter()
                .map(|(path, remove)| (path.into(), remove))
                .collect(),
            claims: None,
            made: None,
            aside: RefCell::default(),
        })
    }

    /// Makes a directory where something exists, and returns whether it was made: a directory or a link to one
    /// stays, anything else is replaced.
    pub(super) fn existing_directory(
        &self,
        place: &Path,
        path: &Path,
        meta: &Meta,
    ) -> Result<bool, DebError> {
        let stat = self.target.stat(place).map_err(self.failed(path))?;
        match stat.meta.kind {
            FileType::Directory => return Ok(false),
            FileType::Symlink => {
                let text = self.target.read_link(place).map_err(self.failed(path))?;
                if escapes(place, &text) {
                    let problem = format!(
                        "it leads through the link '{}' out of the target",
                        place.display()
                    );
                    return Err(self.deb.bad_entry(path, problem));
                }
                match self.target.stat_follow(place) {
                    Ok(stat) if stat.meta.kind == FileType::Directory => return Ok(false),
                    // What the link leads to may just be about to be made by another thread.
                    _ if self.claims.is_some() => return Err(self.contended(path)),
                    Ok(_) => {}
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(self.failed(path)(error)),
                }
            }
            _ => {}
        }
        self.decide_directory(path, place)?;
        self.target.remove(place).map_err(self.failed(path))?;
        self.target.make_dir(place, meta).map_err(self.failed(path))?;
        Ok(true)
    }

    /// Makes a link unless a directory is there, or a link to the same directory, and returns whether it was
    /// made.
    pub(super) fn symlink(
        &self,
        place: &Path,
        path: &Path,
        text: &Path,
        meta: &Meta,
    ) -> Result<bool, DebError> {
        match self.target.make_symlink(place, text, meta) {
            Ok(()) => {
                self.note_made(place, false);
                return Ok(true);
            }
            Err(error) if error.is_already_exists() => {}
            Err(error) => return Err(self.failed(path)(error)),
        }
        if self.clear_empty(place) {
            self.target
                .make_symlink(place, text, meta)
                .map_err(self.failed(path))?;
            self.note_made(place, false);
            return Ok(true);
        }
        if self.is_same_directory(place, text, &|_| false) {
            return Ok(false);
        }
        self.put(place, path, |place| self.target.make_symlink(place, text, meta))?;
        Ok(true)
    }

    /// Removes an empty directory that was there before the packages, as tar does where a link comes, and returns whether it
    /// was one. dpkg would leave it.
    fn clear_empty(&self, place: &Path) -> bool {
        let by_others = |made: &Mutex<Vec<(PathBuf, bool)>>| {
            let made = made.lock().unwrap_or_else(PoisonError::into_inner);
            made.iter().any(|(path, _)| path == place)
        };
        self.context.layering != Layering::Dpkg
            && !self.made.is_some_and(by_others)
            && self
                .target
                .stat(place)
                .is_ok_and(|stat| stat.meta.kind == FileType::Directory)
            && self.target.remove_dir(place).is_ok()
    }

    /// Returns the directory at a place, links followed.
    pub(super) fn directory_at(&self, place: &Path) -> Option<Stat> {
        self.target
            .stat_follow(place)
            .ok()
            .filter(|stat| stat.meta.kind == FileType::Directory)
    }

    /// Makes a hard link to `first`, which the package calls `to`, and returns its MD5.
    pub(super) fn hardlink(
        &self,
        place: &Path,
        path: &Path,
        to: &Path,
        first: Option<&Placed>,
        meta: &Meta,
    ) -> Result<Option<String>, DebError> {
        let Some(first) = first.filter(|first| first.meta.kind != FileType::Symlink) else {
            let problem = format!(
                "hard link to '{}', which is no earlier file of the package",
                to.display()
            );
            return Err(self.deb.bad_entry(path, problem));
        };
        self.put(place, path, |place| self.target.link(&first.place, place))?;
        let meta = Meta {
            kind: first.meta.kind,
            ..*meta
        };
        if meta != first.meta {
            self.target.set_meta(place, &meta).map_err(self.failed(path))?;
        }
        Ok(first.md5.clone())
    }

    /// Makes a non-directory at a place, in place of a non-directory that is there.
    pub(super) fn put(
        &self,
        place: &Path,
        path: &Path,
        make: impl Fn(&Path) -> rootless_install_fs::Result<()>,
    ) -> Result<(), DebError> {
        match make(place) {
            Ok(()) => {
                self.note_made(place, false);
                Ok(())
            }
            Err(error) if error.is_already_exists() => {
                if self.move_directory(place, path)? {
                    return make(place).map_err(self.failed(path));
                }
                let aside = self.aside(place, path)?;
                make(&aside).map_err(self.failed(path))?;
                self.target.rename(&aside, place).map_err(self.failed(path))
            }
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    /// Returns a free name beside `place`: dpkg's own, after removing what an interrupted run left there.
    pub(super) fn aside(&self, place: &Path, path: &Path) -> Result<PathBuf, DebError> {
        let aside = with_suffix(place, DPKG_NEW);
        match self.target.remove(&aside) {
            Ok(()) => Ok(aside),
            Err(error) if error.is_not_found() => Ok(aside),
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    /// Moves a directory at a place aside, as dpkg does, and returns whether there was one.
    pub(super) fn move_directory(&self, place: &Path, path: &Path) -> Result<bool, DebError> {
        let stat = self.target.stat(place).map_err(self.failed(path))?;
        if stat.meta.kind != FileType::Directory {
            return Ok(false);
        }
        if self.claims.is_some() {
            // Others may be putting something into it.
            return Err(self.contended(path));
        }
        let aside = with_suffix(place, DPKG_TMP);
        remove_tree(self.target, &aside).map_err(self.failed(path))?;
        self.target.rename(place, &aside).map_err(self.failed(path))?;
        self.aside.borrow_mut().push(place.to_owned());
        Ok(true)
    }

    /// Removes the directories that were moved aside; where the package was not unpacked, they come back.
    pub(super) fn end_moved(&self, unpacked: bool) -> Result<(), DebError> {
        for place in self.aside.take().into_iter().rev() {
            let aside = with_suffix(&place, DPKG_TMP);
            let done = if unpacked {
                remove_tree(self.target, &aside)
            } else {
                remove_tree(self.target, &place).and_then(|()| self.target.rename(&aside, &place))
            };
            done.map_err(self.failed(&place))?;
        }
        Ok(())
    }

    /// Claims a name of the directory with inode `parent` for the package, where it is one of a batch.
    pub(super) fn claim(
        &self,
        parent: u64,
        place: &Path,
        path: &Path,
        directory: bool,
    ) -> Result<(), DebError> {
        let name = place.file_name().unwrap_or_default();
        match self.claims {
            Some((claims, index)) if !claims.claim(index, parent, name, directory) => {
                Err(self.contended(path))
            }
            _ => Ok(()),
        }
    }

    /// Returns the error of a path that another package of the batch has.
    pub(super) fn contended(&self, path: &Path) -> DebError {
        DebError::Contended {
            path: self.deb.path().to_owned(),
            entry: path.to_string_lossy().into_owned(),
        }
    }

    /// Notes that the batch made something.
    pub(super) fn note_made(&self, place: &Path, directory: bool) {
        if let Some(made) = self.made {
            let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
            made.push((place.to_owned(), directory));
        }
    }

    /// Returns what makes an error of a failure at an entry.
    pub(super) fn failed(&self, path: &Path) -> impl FnOnce(rootless_install_fs::Error) -> DebError {
        let (path, entry) = (self.deb.path().to_owned(), path.to_string_lossy().into_owned());
        move |source| DebError::Target { path, entry, source }
    }
}

/// Returns the path that a link's text names, seen from the link's place.
pub(super) fn joined(place: &Path, text: &Path) -> PathBuf {
    place.parent().unwrap_or(Path::new("/")).join(text)
}

/// Returns whether a link climbs above the root of the target.
fn escapes(place: &Path, text: &Path) -> bool {
    let mut depth = 0_usize;
    for component in joined(place, text).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            _ => {}
        }
    }
    false
}

/// Removes what is at a path, a directory with all that is in it; nothing there is no error.
fn remove_tree(target: &Target, path: &Path) -> rootless_install_fs::Result<()> {
    let kind = match target.stat(path) {
        Err(error) if error.is_not_found() => return Ok(()),
        stat => stat?.meta.kind,
    };
    if kind != FileType::Directory {
        return target.remove(path);
    }
    // Each directory comes before those in it.
    let mut directories = vec![path.to_owned()];
    let mut next = 0;
    while let Some(directory) = directories.get(next).cloned() {
        next += 1;
        for name in target.read_dir(&directory)? {
            let entry = directory.join(name);
            if target.stat(&entry)?.meta.kind == FileType::Directory {
                directories.push(entry);
            } else {
                target.remove(&entry)?;
            }
        }
    }
    directories
        .iter()
        .rev()
        .try_for_each(|directory| target.remove_dir(directory))
}
