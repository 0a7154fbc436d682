//! A check before anything is written that a package can be unpacked: the whole of it is read.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use rootless_install_fs::{FileType, Target};

use super::context::Context;
use super::entries::{Entry, EntryKind};
use super::error::DebError;
use super::fate::{Contents, Fate};
use super::file::DebFile;
use super::placement::Placement;
use deb_types::MultiArch;
use dpkg_db::{ControlArchive, Package};

/// Reads all of a package and checks that each of its paths is free.
///
/// # Errors
/// Whatever would make unpacking fail: a damaged package, a path that another package has, a file that is not that of
/// other instances of the package.
pub fn check_contents(
    deb: &DebFile,
    control: &ControlArchive,
    package: &Package,
    target: &Target,
    context: &Context<'_>,
    threads: usize,
) -> Result<(), DebError> {
    let installed = package.field("Installed-Size").and_then(|size| size.parse().ok());
    let limit = context.limits.of(deb.size(), installed);
    let placement = Placement::new(deb, control, package, target, context)?;
    let mut buffer = vec![0; 64 << 10];
    let mut directories: HashSet<PathBuf> = HashSet::new();
    let sums: RefCell<HashMap<PathBuf, String>> = RefCell::default();
    let mut links: Vec<Entry> = Vec::new();
    let made: RefCell<Made> = RefCell::default();
    let check = |entry: &Entry, data: &mut dyn std::io::Read, ships: &dyn Fn(&Path) -> bool| {
        placement.check_path(&entry.path)?;
        let place = placement.place_of(&entry.path)?;
        let directory = entry.kind == EntryKind::Directory;
        let link = matches!(entry.kind, EntryKind::Symlink(_));
        let is_placed = || {
            if (context.left_out)(&entry.path, directory || link) {
                return Ok(());
            }
            let mut made = made.borrow_mut();
            made.check(&place.path, target)
                .map_err(|problem| deb.bad_entry(&entry.path, problem))?;
            made.note(&place.path, directory);
            Ok(())
        };
        if directory {
            if placement.directory_at(&place.path).is_none() && target.stat(&place.path).is_ok() {
                placement.decide_directory(&entry.path, &place.path)?;
            }
            return is_placed();
        }
        match placement.decide(entry, &place, ships)? {
            Fate::Placed => {
                // Another entry may be a link to it that other instances share.
                if package.multi_arch == MultiArch::Same && entry.kind == EntryKind::File {
                    let sum = placement.md5_of_data(data, limit)?;
                    sums.borrow_mut().insert(entry.path.clone(), sum);
                }
                return is_placed();
            }
            Fate::Existing | Fate::Kept => return Ok(()),
            Fate::Shared => {}
        }
        let md5_of_earlier = |path: &Path| match sums.borrow().get(path) {
            Some(sum) => Some(sum.clone()),
            None => dpkg_db::md5_of(target, &placement.place_of(path).ok()?.path).ok(),
        };
        let contents = Contents {
            data,
            limit,
            md5_of_earlier: &md5_of_earlier,
        };
        placement.check_shared(entry, &place, contents)
    };
    let checked = deb.walk_data(limit, threads, |entry, contents| {
        match entry.kind {
            // As when they are unpacked: the last, when the directories to which they lead are there.
            EntryKind::Symlink(_) => {
                links.push(entry);
                return Ok(());
            }
            EntryKind::Directory => {
                directories.insert(entry.path.clone());
            }
            _ => {}
        }
        check(&entry, contents, &|_| false)?;
        while contents
            .read(&mut buffer)
            .map_err(|error| deb.damaged_data(limit, error))?
            > 0
        {}
        Ok(())
    });
    deb.forget();
    checked?;
    let ships = |place: &Path| directories.contains(&normal(place));
    links
        .iter()
        .try_for_each(|link| check(link, &mut std::io::empty(), &ships))
}

/// Returns an absolute path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            component => normal.push(component),
        }
    }
    normal
}

/// Entries of the package so far: dpkg makes no directory that is not in the archive or in the target.
#[derive(Default)]
struct Made {
    directories: HashSet<PathBuf>,
    others: HashSet<PathBuf>,
}

impl Made {
    /// Checks that there is a directory for a path.
    fn check(&self, path: &Path, target: &Target) -> Result<(), String> {
        let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) else {
            return Ok(());
        };
        if self.directories.contains(parent) {
            return Ok(());
        }
        let there = target.stat_follow(parent).map(|stat| stat.meta.kind);
        match there {
            Ok(FileType::Directory) if !self.others.contains(parent) => Ok(()),
            Err(_) if !self.others.contains(parent) => Err(format!(
                "its directory '{}' is in no package (dpkg: No such file or directory)",
                parent.display()
            )),
            _ => Err(format!("'{}' is no directory", parent.display())),
        }
    }

    fn note(&mut self, path: &Path, directory: bool) {
        if directory {
            self.directories.insert(path.to_owned());
        } else {
            self.directories.remove(path);
            self.others.insert(path.to_owned());
        }
    }
}
