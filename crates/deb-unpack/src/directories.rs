//! Owner, mode and time of the directories packages ship.
//!
//! Threads make shared directories in any order and everything made in a directory changes its time,
//! so the metadata is settled afterwards, in the order of the packages, as [`Layering`] says. A
//! directory's time remains that of its archive only when nothing was put into it; otherwise it is the
//! time of unpacking, which is what the directory has already.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use rootless_install_fs::{FileType, Meta, Target};

use super::context::Layering;

struct Shipped {
    place: PathBuf,
    ino: u64,
    meta: Meta,
}

/// The directories one package ships, and those it changed.
#[derive(Default)]
pub(super) struct DirectoryLog {
    paths: HashSet<PathBuf>,
    shipped: Vec<Shipped>,
    created: HashSet<u64>,
    /// Directories that entries needed and that were not there, with one such entry.
    implied: Vec<(u64, PathBuf)>,
    by_files: HashSet<u64>,
    by_directories: HashSet<u64>,
    by_links: Vec<Link>,
    open: Open,
}

/// A link put into the directory `parent`; `late` if tar had given that its time already.
struct Link {
    parent: u64,
    to: PathBuf,
    late: bool,
}

/// The directories whose time tar sets later: when it meets an entry that is not below, or in the end
/// if they hold a link that it makes in the end, which is one that is absolute or climbs.
#[derive(Default)]
struct Open(Vec<(PathBuf, bool)>);

impl Open {
    fn meet(&mut self, path: &Path) {
        while self
            .0
            .pop_if(|(open, to_the_end)| !*to_the_end && !path.starts_with(open))
            .is_some()
        {}
    }

    fn enter(&mut self, directory: &Path) {
        self.meet(directory);
        self.0.push((directory.to_owned(), false));
    }

    /// Returns whether the directory of a link has its time already.
    fn link(&mut self, path: &Path, text: &Path) -> bool {
        self.meet(path);
        let parent = path.parent().unwrap_or(Path::new("/"));
        let Some(at) = self.0.iter().rposition(|(open, _)| open == parent) else {
            return true;
        };
        let climbs = text.components().any(|part| part == Component::ParentDir);
        if text.is_absolute() || climbs {
            let above = self.0.get_mut(..=at).unwrap_or_default();
            for (_, to_the_end) in above.iter_mut().rev().take_while(|(_, to_the_end)| !*to_the_end) {
                *to_the_end = true;
            }
        }
        false
    }
}

impl DirectoryLog {
    pub(super) fn shipped(&mut self, place: &Path, path: &Path, ino: u64, meta: Meta, created: bool) {
        self.paths.insert(path.to_owned());
        self.open.enter(path);
        if created {
            self.created.insert(ino);
        }
        self.shipped.push(Shipped {
            place: place.to_owned(),
            ino,
            meta,
        });
    }

    /// Forgets a directory of the package, in whose place something else of the package is.
    pub(super) fn replaced(&mut self, place: &Path, path: &Path) {
        self.paths.remove(path);
        self.shipped.retain(|shipped| shipped.place != place);
    }

    /// Notes that the directory with this inode was made for the entry `path`.
    pub(super) fn implied(&mut self, ino: u64, path: &Path) {
        self.implied.push((ino, path.to_owned()));
    }

    pub(super) fn ships(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// Notes that something was put into the directory with this inode.
    pub(super) fn touched(&mut self, ino: u64, directory: bool) {
        if directory {
            self.by_directories.insert(ino)
        } else {
            self.by_files.insert(ino)
        };
    }

    /// Notes that something other than a directory is about to be put at `path`.
    pub(super) fn meet(&mut self, path: &Path) {
        self.open.meet(path);
    }

    /// Notes that the link `path` with this text, which leads to `to`, was put into the directory with this
    /// inode.
    pub(super) fn linked(&mut self, parent: u64, path: &Path, text: &Path, to: PathBuf) {
        let late = self.open.link(path, text);
        self.by_links.push(Link { parent, to, late });
    }
}

/// Returns the first entry whose directory no package ships, and the index of its package: dpkg makes no directory that
/// is not in an archive, tar does.
pub(super) fn without_directory(logs: &[DirectoryLog], layering: Layering) -> Option<(usize, &Path)> {
    if layering != Layering::Dpkg {
        return None;
    }
    let shipped: HashSet<u64> = logs
        .iter()
        .flat_map(|log| log.shipped.iter().map(|shipped| shipped.ino))
        .collect();
    logs.iter().enumerate().find_map(|(index, log)| {
        let missing = log.implied.iter().find(|(ino, _)| !shipped.contains(ino));
        missing.map(|(_, path)| (index, path.as_path()))
    })
}

/// Settles the metadata of the directories of a batch; `logs` in the order of the packages.
pub(super) fn settle(
    logs: &[DirectoryLog],
    target: &Target,
    layering: Layering,
) -> rootless_install_fs::Result<()> {
    let created: HashSet<u64> = logs.iter().flat_map(|log| &log.created).copied().collect();
    let mut touched: HashSet<u64> = logs.iter().flat_map(|log| &log.by_files).copied().collect();
    let links = || logs.iter().flat_map(|log| &log.by_links);
    match layering {
        Layering::Dpkg => {
            touched.extend(logs.iter().flat_map(|log| &log.by_directories));
            touched.extend(links().map(|link| link.parent));
        }
        // Over a tree that tar unpacked, dpkg finds a link to the same directory and leaves it.
        Layering::TarThenDpkg => {
            let leads_to_directory = |to: &Path| {
                target
                    .stat_follow(to)
                    .is_ok_and(|stat| stat.meta.kind == FileType::Directory)
            };
            touched.extend(
                links()
                    .filter(|link| !leads_to_directory(&link.to))
                    .map(|link| link.parent),
            );
            // tar made it all the same, and touched the directory unless its time came later.
            let mut late = HashSet::new();
            for log in logs {
                late.retain(|ino| !log.shipped.iter().any(|shipped| shipped.ino == *ino));
                late.extend(
                    log.by_links
                        .iter()
                        .filter(|link| link.late)
                        .map(|link| link.parent),
                );
            }
            touched.extend(late);
        }
        // tar sets the times when it has extracted a whole package.
        Layering::Tar => touched.clear(),
    }
    let mut deciding: HashMap<u64, &Shipped> = HashMap::new();
    let mut order = Vec::new();
    for shipped in logs.iter().flat_map(|log| &log.shipped) {
        if layering == Layering::Dpkg && !created.contains(&shipped.ino) {
            // It was there before the batch.
            continue;
        }
        match deciding.get_mut(&shipped.ino) {
            None => {
                deciding.insert(shipped.ino, shipped);
                order.push(shipped.ino);
            }
            Some(last) if layering != Layering::Dpkg => *last = shipped,
            Some(_) => {}
        }
    }
    for shipped in order.iter().filter_map(|ino| deciding.get(ino)) {
        let now = target.stat_follow(&shipped.place)?.meta;
        let mtime = if touched.contains(&shipped.ino) {
            now.mtime
        } else {
            shipped.meta.mtime
        };
        let meta = Meta {
            kind: now.kind,
            mtime,
            ..shipped.meta
        };
        if meta != now {
            target.set_meta(&shipped.place, &meta)?;
        }
    }
    Ok(())
}

/// Returns the directories whose time is that of unpacking after tar has extracted packages one after the
/// other, each given by its paths in order and whether they are directories. tar sets the time of a
/// directory when it meets a path outside it, and not again when it comes back: the archives of dpkg
/// have their symbolic links at the end.
pub fn touched_by_tar<'p>(
    packages: impl IntoIterator<Item = impl IntoIterator<Item = (&'p Path, bool)>>,
) -> HashSet<&'p Path> {
    let mut touched = HashSet::new();
    for package in packages {
        let mut open: Vec<&Path> = Vec::new();
        for (path, is_directory) in package {
            while let Some(last) = open.pop_if(|open| !path.starts_with(*open)) {
                touched.remove(last);
            }
            if let (Some(parent), false) = (path.parent(), is_directory) {
                touched.insert(parent);
            }
            if is_directory {
                open.push(path);
            }
        }
        for last in open {
            touched.remove(last);
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_at_the_end_touch_their_directory() {
        let package = |entries: &[(&'static str, bool)]| -> Vec<(&'static Path, bool)> {
            entries
                .iter()
                .map(|(path, dir)| (Path::new(*path), *dir))
                .collect()
        };
        let first = package(&[
            ("/usr", true),
            ("/usr/bin", true),
            ("/usr/bin/tool", false),
            ("/usr/lib", true),
            ("/usr/lib/l.so.1", false),
            ("/usr/lib/l.so", false),
            ("/usr/bin/alias", false),
        ]);
        let bin = Path::new("/usr/bin");
        assert_eq!(touched_by_tar([first.clone()]), HashSet::from([bin]));
        let second = package(&[("/usr", true), ("/usr/bin", true), ("/usr/bin/other", false)]);
        assert!(touched_by_tar([first, second]).is_empty());
    }

    #[test]
    fn times_that_tar_sets_before_a_link() {
        let late = |entries: &str| {
            let mut open = Open::default();
            let mut late = false;
            for entry in entries.split(' ') {
                match entry.split_once('>') {
                    Some((path, text)) => late = open.link(Path::new(path), Path::new(text)),
                    None if entry.ends_with('/') => open.enter(Path::new(entry)),
                    None => open.meet(Path::new(entry)),
                }
            }
            late
        };
        assert!(!late("/ /d/ /d/e/ /d/l>e"));
        assert!(!late("/ /d/ /d/e/ /d/e/f /d/l>e"));
        // As it is in a package: links come last.
        assert!(late("/ /d/ /d/e/ /x/ /d/l>e"));
        assert!(late("/ /d/ /d/e/ /m>n /d/l>e"));
        // One that climbs keeps its directory, and those above, open.
        assert!(!late("/ /d/ /d/e/ /d/e/l>../x /y>z /d/l>e"));
        assert!(late("/ /d/ /d/e/ /y>z /d/e/l>../x /d/l>e"));
        assert!(late("/ /d>e /x/l>m"));
    }
}
