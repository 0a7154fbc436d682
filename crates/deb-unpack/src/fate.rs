//! The fate of an entry whose path other packages have as well, or which a package may not have (`tarobject` in dpkg's
//! source).

use std::io::Read;
use std::path::{Path, PathBuf};

use dpkg_db::{Claim, Contest, DPKG_NEW, dereference, md5_of, with_suffix};
use rootless_install_fs::FileType;

use super::entries::{Entry, EntryKind};
use super::error::DebError;
use super::placement::{Placement, joined};

/// The fate of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It takes its place.
    Placed,
    /// It is a link to a directory, and that directory is there.
    Existing,
    /// Another package keeps its file, and the path.
    Kept,
    /// Another architecture's instance has put the same there.
    Shared,
}

/// The place of an entry in the target.
pub(super) struct Place {
    /// Path in the target: diversions applied and, for a conffile, links followed.
    pub(super) path: PathBuf,
    /// It is a conffile, which is unpacked beside its place.
    pub(super) conffile: bool,
}

impl Place {
    /// Returns the path at which the entry is written.
    pub(super) fn written(&self) -> PathBuf {
        if self.conffile {
            with_suffix(&self.path, DPKG_NEW)
        } else {
            self.path.clone()
        }
    }
}

/// Contents of an entry that other instances share.
pub(super) struct Contents<'c> {
    /// The data of a file.
    pub(super) data: &'c mut dyn Read,
    /// Limit of the data member, for messages.
    pub(super) limit: u64,
    /// Returns the MD5 of an earlier file of the package, by its path in it.
    pub(super) md5_of_earlier: &'c dyn Fn(&Path) -> Option<String>,
}

impl Placement<'_> {
    /// Fails for an entry that no package may have, or not this one.
    pub(super) fn check_path(&self, path: &Path) -> Result<(), DebError> {
        let shown = path.to_string_lossy();
        if self.conffiles.get(path) == Some(&true) {
            return Err(self.refused(format!(
                "conffile '{}' marked for removal on upgrade, shipped in package",
                shown.escape_default()
            )));
        }
        let Some(diversion) = self.context.diversions.ending_at(path) else {
            return Ok(());
        };
        let by = diversion.package.as_ref();
        let by = by.map(|by| format!(" (package: {by})")).unwrap_or_default();
        self.forcible(
            self.context.forces.overwrite_diverted,
            format!(
                "trying to overwrite '{}', which is the diverted version of '{}'{by}",
                shown.escape_default(),
                diversion.from.display()
            ),
        )
    }

    /// Returns the place of a path of the package.
    pub(super) fn place_of(&self, path: &Path) -> Result<Place, DebError> {
        let used = match path.as_os_str().as_encoded_bytes() {
            b"/." => Path::new("/"),
            _ => self.context.diversions.used(path, &self.package.name),
        };
        let conffile = self.conffiles.get(path) == Some(&false);
        let mut place = used.to_owned();
        if conffile {
            let real = dereference(self.target, used).map_err(|source| DebError::Database {
                path: self.deb.path().to_owned(),
                source,
            })?;
            // As dpkg does for a circular link, or a directory: beside it.
            place = real.unwrap_or(place);
        }
        Ok(Place {
            path: place,
            conffile,
        })
    }

    /// Decides about an entry that is no directory. `ships` says which directories are in the package, for a look
    /// before it is unpacked.
    pub(super) fn decide(
        &self,
        entry: &Entry,
        place: &Place,
        ships: &dyn Fn(&Path) -> bool,
    ) -> Result<Fate, DebError> {
        if !self.ownership.is_owned_by_others(self.package, &entry.path) {
            return Ok(Fate::Placed);
        }
        if let EntryKind::Symlink(text) = &entry.kind
            && self.is_same_directory(&place.path, text, ships)
        {
            return Ok(Fate::Existing);
        }
        self.contest(&entry.path, place, false)
    }

    /// Decides about a directory at a place where there is none.
    pub(super) fn decide_directory(&self, path: &Path, place: &Path) -> Result<Fate, DebError> {
        let place = Place {
            path: place.to_owned(),
            conffile: false,
        };
        self.contest(path, &place, true)
    }

    fn contest(&self, path: &Path, place: &Place, directory: bool) -> Result<Fate, DebError> {
        let diversion = self.context.diversions.of(path);
        let mut contest = self.ownership.contest(
            self.package,
            &Claim {
                path,
                directory,
                conffile: place.conffile,
                diverting: diversion.and_then(|diversion| diversion.package.as_deref()),
                there: &|| Some(self.target.stat(&place.path).ok()?.meta.kind),
            },
        );
        loop {
            return match contest {
                Contest::Free | Contest::Replace => Ok(Fate::Placed),
                Contest::Keep { .. } => Ok(Fate::Kept),
                Contest::Shared => Ok(Fate::Shared),
                Contest::Conflict {
                    owner,
                    version,
                    over_directory,
                    otherwise,
                } => {
                    let shown = path.to_string_lossy();
                    let shown = shown.escape_default();
                    if over_directory {
                        self.forcible(
                            self.context.forces.overwrite_directory,
                            format!(
                                "trying to overwrite directory '{shown}' in package {owner} ({version}) with \
                                 nondirectory"
                            ),
                        )?;
                    } else {
                        self.forcible(
                            self.context.forces.overwrite,
                            format!(
                                "trying to overwrite '{shown}', which is also in package {owner} ({version})"
                            ),
                        )?;
                    }
                    contest = *otherwise;
                    continue;
                }
            };
        }
    }

    /// Returns whether a link would lead to the directory that is at its place already, or a link there to it.
    pub(super) fn is_same_directory(&self, place: &Path, text: &Path, ships: &dyn Fn(&Path) -> bool) -> bool {
        let Ok(stat) = self.target.stat(place) else {
            return false;
        };
        match stat.meta.kind {
            FileType::Directory => true,
            FileType::Symlink => {
                let leads = joined(place, text);
                match (self.directory_at(place), self.directory_at(&leads)) {
                    (Some(old), Some(new)) => old.ino == new.ino,
                    // The same link, to a directory that is in the package.
                    _ => ships(&leads) && self.target.read_link(place).is_ok_and(|old| old == *text),
                }
            }
            _ => false,
        }
    }

    /// Compares an entry with what other instances of the package have put at its place.
    ///
    /// # Errors
    /// It is different, and that is not forced.
    pub(super) fn check_shared(
        &self,
        entry: &Entry,
        place: &Place,
        contents: Contents<'_>,
    ) -> Result<(), DebError> {
        if self.is_shared(entry, place, contents)? {
            return Ok(());
        }
        self.forcible(
            self.context.forces.overwrite,
            format!(
                "trying to overwrite shared '{}', which is different from other instances of package {}:{}",
                entry.path.to_string_lossy().escape_default(),
                self.package.name,
                self.package.architecture
            ),
        )
    }

    fn is_shared(&self, entry: &Entry, place: &Place, contents: Contents<'_>) -> Result<bool, DebError> {
        let Ok(stat) = self.target.stat(&place.path) else {
            return Ok(false);
        };
        let kind = stat.meta.kind;
        let on_disk = |path: &Path| md5_of(self.target, path).ok();
        Ok(match &entry.kind {
            EntryKind::Directory => true,
            EntryKind::Symlink(text) => {
                kind == FileType::Symlink && self.target.read_link(&place.path).is_ok_and(|old| old == *text)
            }
            EntryKind::Fifo => kind == FileType::Fifo,
            EntryKind::CharDevice(major, minor) => {
                let (major, minor) = (*major, *minor);
                kind == FileType::CharDevice { major, minor }
            }
            EntryKind::BlockDevice(major, minor) => {
                let (major, minor) = (*major, *minor);
                kind == FileType::BlockDevice { major, minor }
            }
            EntryKind::File | EntryKind::Hardlink(_) => {
                let old = if place.conffile {
                    let recorded = self.ownership.shared_conffile(self.package, &entry.path);
                    recorded.or_else(|| on_disk(&place.written()))
                } else if kind == FileType::Regular {
                    on_disk(&place.path)
                } else {
                    None
                };
                let new = match &entry.kind {
                    EntryKind::Hardlink(to) => (contents.md5_of_earlier)(to),
                    _ => Some(self.md5_of_data(contents.data, contents.limit)?),
                };
                old.is_some() && old == new
            }
        })
    }

    /// Reads a file's data from the archive, and returns its MD5 in hexadecimal.
    pub(super) fn md5_of_data(&self, data: &mut dyn Read, limit: u64) -> Result<String, DebError> {
        dpkg_db::md5_of_data(data).map_err(|error| self.deb.damaged_data(limit, error))
    }

    /// Notes a problem that is forced, and fails with it otherwise.
    fn forcible(&self, forced: bool, problem: String) -> Result<(), DebError> {
        if forced {
            (self.context.warn)(&problem);
            return Ok(());
        }
        Err(self.refused(problem))
    }

    fn refused(&self, problem: String) -> DebError {
        DebError::Refused {
            path: self.deb.path().to_owned(),
            problem,
        }
    }
}
