//! Putting something where something may exist already.

use std::path::{Component, Path, PathBuf};

use rootless_install_fs::{FileType, Meta, Stat};

use super::error::DebError;
use super::unpack::Unpacker;
use dpkg_db::Contest;
use dpkg_db::{DPKG_NEW, with_suffix};

impl Unpacker<'_> {
    /// Whether another package has the path.
    pub(super) fn contest(&self, path: &Path) -> Contest {
        let diversion = self.context.diversions.of(path);
        let diverting = diversion.and_then(|diversion| diversion.package.as_deref());
        self.ownership.contest(self.package, path, diverting)
    }

    /// A directory where something exists: a directory or a link to one stays, anything else goes.
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
        if let Contest::Conflict { owner, version } = self.contest(path) {
            let entry = path.to_string_lossy().into_owned();
            return Err(DebError::Conflict {
                path: self.deb.path().to_owned(),
                entry,
                owner,
                version,
            });
        }
        self.target.remove(place).map_err(self.failed(path))?;
        self.target.make_dir(place, meta).map_err(self.failed(path))?;
        Ok(true)
    }

    /// Makes a link unless a directory is there, or a link to the same directory; whether it was made.
    pub(super) fn symlink(
        &mut self,
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
        let stat = self.target.stat(place).map_err(self.failed(path))?;
        let same = || {
            let old = self.directory_at(place)?;
            let new = self.directory_at(&joined(place, text))?;
            (old.ino == new.ino).then_some(())
        };
        let stays = match stat.meta.kind {
            FileType::Directory => true,
            FileType::Symlink => same().is_some(),
            _ => false,
        };
        if stays {
            return Ok(false);
        }
        self.put(place, path, |place| self.target.make_symlink(place, text, meta))?;
        Ok(true)
    }

    pub(super) fn directory_at(&self, place: &Path) -> Option<Stat> {
        self.target
            .stat_follow(place)
            .ok()
            .filter(|stat| stat.meta.kind == FileType::Directory)
    }

    pub(super) fn hardlink(
        &mut self,
        place: &Path,
        path: &Path,
        to: &Path,
        meta: &Meta,
    ) -> Result<Option<String>, DebError> {
        let Some(first) = self
            .placed
            .get(to)
            .filter(|first| first.meta.kind != FileType::Symlink)
        else {
            let problem = format!(
                "hard link to '{}', which is no earlier file of the package",
                to.display()
            );
            return Err(self.deb.bad_entry(path, problem));
        };
        let (from, kind, old, md5) = (
            first.place.clone(),
            first.meta.kind,
            first.meta,
            first.md5.clone(),
        );
        self.put(place, path, |place| self.target.link(&from, place))?;
        let meta = Meta { kind, ..*meta };
        if meta != old {
            self.target.set_meta(place, &meta).map_err(self.failed(path))?;
        }
        Ok(md5)
    }

    /// Makes something at a place, taking the place of what is there.
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
                self.refuse_directory(place, path)?;
                let aside = self.aside(place, path)?;
                make(&aside).map_err(self.failed(path))?;
                self.target.rename(&aside, place).map_err(self.failed(path))
            }
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    /// A free name beside `place`: dpkg's own, cleared of what an interrupted run left.
    pub(super) fn aside(&self, place: &Path, path: &Path) -> Result<PathBuf, DebError> {
        let aside = with_suffix(place, DPKG_NEW);
        match self.target.remove(&aside) {
            Ok(()) => Ok(aside),
            Err(error) if error.is_not_found() => Ok(aside),
            Err(error) => Err(self.failed(path)(error)),
        }
    }

    pub(super) fn refuse_directory(&self, place: &Path, path: &Path) -> Result<(), DebError> {
        let stat = self.target.stat(place).map_err(self.failed(path))?;
        if stat.meta.kind == FileType::Directory {
            return Err(self.deb.bad_entry(path, "it is a directory in the target"));
        }
        Ok(())
    }
}

/// What a link's text names, seen from the link's place.
pub(super) fn joined(place: &Path, text: &Path) -> PathBuf {
    place.parent().unwrap_or(Path::new("/")).join(text)
}

/// Whether a link climbs above the root of the target.
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
