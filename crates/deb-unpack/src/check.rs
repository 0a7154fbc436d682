//! A check before anything is written that a package can be unpacked: the whole of it is read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rootless_install_fs::{FileType, Target};

use super::context::Context;
use super::entries::EntryKind;
use super::error::DebError;
use super::file::DebFile;
use dpkg_db::{Contest, ControlArchive, Package};

/// Reads all of a package and checks that each of its paths is free.
///
/// # Errors
/// Whatever would make unpacking fail: a damaged package, a path that another package has, a file
/// where the target has a directory.
pub fn check_contents(
    deb: &DebFile,
    control: &ControlArchive,
    package: &Package,
    target: &Target,
    context: &Context<'_>,
    threads: usize,
) -> Result<(), DebError> {
    let conffiles = control.conffiles().map_err(|source| DebError::Database {
        path: deb.path().to_owned(),
        source,
    })?;
    let installed = package.field("Installed-Size").and_then(|size| size.parse().ok());
    let limit = context.limits.of(deb.size(), installed);
    let mut buffer = vec![0; 64 << 10];
    let mut made = Made::default();
    let checked = deb.walk_data(limit, threads, |entry, contents| {
        let path = &entry.path;
        let directory = entry.kind == EntryKind::Directory;
        let link = matches!(entry.kind, EntryKind::Symlink(_));
        while contents
            .read(&mut buffer)
            .map_err(|error| deb.damaged_data(limit, error))?
            > 0
        {}
        let marked = conffiles
            .iter()
            .any(|(conffile, removed)| *removed && path.as_os_str() == conffile.as_str());
        if marked {
            return Err(deb.bad_entry(path, "it is a conffile marked for removal on upgrade"));
        }
        if (context.left_out)(path, directory || link) {
            return Ok(());
        }
        let used = context.diversions.used(path, &package.name);
        made.check(used, target)
            .map_err(|problem| deb.bad_entry(path, problem))?;
        made.note(used, directory);
        if directory {
            return Ok(());
        }
        let diversion = context.diversions.of(path);
        let diverting = diversion.and_then(|diversion| diversion.package.as_deref());
        if let Contest::Conflict { owner, version } = context.ownership.contest(package, path, diverting) {
            return Err(DebError::Conflict {
                path: deb.path().to_owned(),
                entry: path.to_string_lossy().into_owned(),
                owner,
                version,
            });
        }
        let conffile = conffiles
            .iter()
            .any(|(conffile, _)| path.as_os_str() == conffile.as_str());
        let there = target.stat(used).map(|stat| stat.meta.kind);
        if !link && !conffile && matches!(there, Ok(FileType::Directory)) {
            return Err(deb.bad_entry(path, "it is a directory in the target, and a file in the package"));
        }
        Ok(())
    });
    deb.forget();
    checked
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
            self.others.insert(path.to_owned());
        }
    }
}
