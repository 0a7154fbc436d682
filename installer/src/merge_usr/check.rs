//! The check that packages can be unpacked through the links.

use super::{ALWAYS, DIRECTORIES, MergeUsrError};
use deb_arch::Architecture;
use deb_unpack::{DebFile, EntryKind, Job, Limits, open_package};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A path in a package.
struct Entry {
    /// Name of the package.
    package: String,
    kind: PathKind,
}

/// Kind of a path in a package.
enum PathKind {
    Directory,
    /// A symbolic link, with its text.
    Link(PathBuf),
    Other,
}

/// Paths of packages in `/bin` and the like, and their counterparts in `/usr`.
#[derive(Default)]
pub(super) struct Contents(BTreeMap<PathBuf, Entry>);

impl Contents {
    /// Reads the paths of package files.
    pub(super) fn read(jobs: &[Job]) -> Result<Self, MergeUsrError> {
        let mut contents = Self::default();
        for job in jobs {
            let (deb, control) = open_package(job)?;
            let package = control.package()?;
            let installed = package.field("Installed-Size").and_then(|size| size.parse().ok());
            contents.add(&deb, &package.name, Limits::default().of(deb.size(), installed))?;
        }
        Ok(contents)
    }

    fn add(&mut self, deb: &DebFile, package: &str, limit: u64) -> Result<(), MergeUsrError> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        deb.walk_data(limit, threads, |entry, _| {
            let kind = match entry.kind {
                EntryKind::Directory => PathKind::Directory,
                EntryKind::Symlink(text) => PathKind::Link(text),
                _ => PathKind::Other,
            };
            self.note(package, entry.path, kind);
            Ok(())
        })?;
        Ok(())
    }

    /// Adds a path. The first package that has it counts, unless it has a directory there.
    fn note(&mut self, package: &str, path: PathBuf, kind: PathKind) {
        let concerned = |path: &Path| directory_of(path).is_some();
        let in_usr = path.strip_prefix("/usr").map(|rest| Path::new("/").join(rest));
        if !concerned(&path) && !in_usr.is_ok_and(|path| concerned(&path)) {
            return;
        }
        let entry = Entry {
            package: package.to_owned(),
            kind,
        };
        match self.0.get(&path).map(|known| &known.kind) {
            None | Some(PathKind::Directory) => drop(self.0.insert(path, entry)),
            Some(_) => {}
        }
    }

    /// Returns the name of a package that has one of the links.
    pub(super) fn merged_by(&self) -> Option<String> {
        DIRECTORIES.iter().find_map(|name| {
            let entry = self.0.get(&Path::new("/").join(name))?;
            matches!(&entry.kind, PathKind::Link(text) if is_right(text, name)).then(|| entry.package.clone())
        })
    }

    /// Returns the links to be made: those of the architecture and those that packages need, without those that
    /// packages have themselves.
    ///
    /// # Errors
    /// A path of a package that cannot be moved into /usr.
    pub(super) fn links(&self, arch: &Architecture) -> Result<Vec<&'static str>, MergeUsrError> {
        // A package that has one link has all that its architecture needs.
        let brought = self.merged_by().is_some();
        let mut links = Vec::new();
        for (number, name) in DIRECTORIES.into_iter().enumerate() {
            let path = Path::new("/").join(name);
            match self.0.get(&path) {
                Some(Entry {
                    kind: PathKind::Link(text),
                    ..
                }) if is_right(text, name) => {}
                Some(Entry {
                    kind: PathKind::Link(text),
                    package,
                }) => {
                    return Err(MergeUsrError::OtherLink {
                        package: package.clone(),
                        path,
                        text: text.clone(),
                    });
                }
                None if !brought && (number < ALWAYS || arch.multilib.contains(&name)) => links.push(name),
                None if !self.has_below(&path) => {}
                _ => links.push(name),
            }
            self.check(&path)?;
        }
        Ok(links)
    }

    fn has_below(&self, directory: &Path) -> bool {
        self.below(directory).next().is_some()
    }

    /// Returns the paths in a directory of the root directory, with the directory itself.
    fn below<'c>(&'c self, directory: &'c Path) -> impl Iterator<Item = (&'c PathBuf, &'c Entry)> {
        self.0
            .range(directory.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(directory))
    }

    /// Checks that a directory can be moved into /usr.
    fn check(&self, directory: &Path) -> Result<(), MergeUsrError> {
        for (path, entry) in self.below(directory) {
            let package = || entry.package.clone();
            let Ok(rest) = path.strip_prefix("/") else {
                continue;
            };
            let canonical = Path::new("/usr").join(rest);
            if path == directory && matches!(entry.kind, PathKind::Link(_)) {
                continue;
            }
            if let Some(there) = self.0.get(&canonical) {
                let other = there.package.clone();
                match (&entry.kind, &there.kind) {
                    (PathKind::Directory, PathKind::Directory) => {}
                    (_, PathKind::Link(_)) => {
                        return Err(MergeUsrError::Link {
                            package: package(),
                            path: path.clone(),
                            canonical,
                            other,
                        });
                    }
                    _ => {
                        return Err(MergeUsrError::Exists {
                            package: package(),
                            path: path.clone(),
                            canonical,
                            other,
                        });
                    }
                }
            } else if path == directory && !matches!(entry.kind, PathKind::Directory) {
                return Err(MergeUsrError::Exists {
                    package: package(),
                    path: canonical,
                    canonical: path.clone(),
                    other: package(),
                });
            }
            match &entry.kind {
                PathKind::Link(text) if crosses(path, text, directory) => {
                    return Err(MergeUsrError::Crosses {
                        package: package(),
                        path: path.clone(),
                        text: text.clone(),
                        directory: directory.to_owned(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the directory, of those that become links, which a path is or is in.
fn directory_of(path: &Path) -> Option<&'static str> {
    let mut components = path.components();
    let (Some(Component::RootDir), Some(Component::Normal(first))) = (components.next(), components.next())
    else {
        return None;
    };
    DIRECTORIES.into_iter().find(|name| first == *name)
}

/// Whether the text of a link leads to the directory of that name in /usr.
fn is_right(text: &Path, name: &str) -> bool {
    let text = text.strip_prefix("/").unwrap_or(text);
    text == Path::new("usr").join(name)
}

/// Whether a link would lead elsewhere one directory deeper. One with `..` after a name may, so it counts.
fn crosses(path: &Path, text: &Path, directory: &Path) -> bool {
    if text.is_absolute() {
        return false;
    }
    let inside = path.strip_prefix(directory).unwrap_or(path);
    let mut above = inside.components().count().saturating_sub(1);
    let mut descended = false;
    for component in text.components() {
        match component {
            Component::ParentDir if above == 0 || descended => return true,
            Component::ParentDir => above -= 1,
            Component::Normal(_) => descended = true,
            _ => {}
        }
    }
    false
}
