//! Files of a package's old version that the new one does not have (`pkg_remove_old_files` in dpkg's source).

use super::deb_files::DebArchive;
use super::engine::Engine;
use super::fault::Result;
use dpkg_db::{Conffile, Diversions, OldConffiles, PackageKey, Unpacked, dereference, md5_of, with_suffix};
use rootless_install_fs::FileType;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

impl Engine<'_, '_> {
    /// Removes the paths of the old list, `before`, that the new version does not have. Conffiles among them stay, and
    /// are returned as obsolete, with what is recorded of others.
    pub(super) fn remove_old_files(
        &mut self,
        archive: &DebArchive,
        key: &PackageKey,
        before: &[PathBuf],
        unpacked: &Unpacked,
    ) -> Result<OldConffiles> {
        let diversions = Diversions::load(self.target)?;
        let new_conffiles = archive.control.conffiles()?;
        for (path, _) in new_conffiles.iter().filter(|(_, on_upgrade)| *on_upgrade) {
            self.remove_conffile_on_upgrade(key, Path::new(path), &diversions)?;
        }
        let left_out: HashSet<&PathBuf> = unpacked.left_out.iter().collect();
        let mut stays: HashSet<&Path> = unpacked
            .list
            .iter()
            .filter(|path| !left_out.contains(path))
            .map(PathBuf::as_path)
            .collect();
        stays.extend(new_conffiles.iter().map(|(path, _)| Path::new(path)));
        let conffiles = self.package(key)?.conffiles.clone();
        let mut known = OldConffiles {
            obsolete: Vec::new(),
            hashes: self.database.conffile_hashes(key, &archive.control)?,
        };
        // Through links to directories, an old path may be that of a new file.
        let mut placed: Option<HashMap<u64, PathBuf>> = None;
        for path in before.iter().rev().filter(|path| !stays.contains(path.as_path())) {
            let used = diversions.used(path, &key.name).to_owned();
            let leads_to_directory = self
                .target
                .stat_follow(&used)
                .is_ok_and(|stat| stat.meta.kind == FileType::Directory);
            if leads_to_directory && self.database.owners(path).any(|owner| owner != key) {
                continue;
            }
            let Ok(stat) = self.target.stat(&used) else {
                continue;
            };
            if stat.meta.kind == FileType::Directory {
                self.remove_old_directory(key, path, &used);
                continue;
            }
            let placed = placed.get_or_insert_with(|| self.placed(unpacked, key, &diversions));
            let same = placed.get(&stat.ino);
            if let Some(conffile) = conffiles
                .iter()
                .find(|conffile| Path::new(&conffile.path) == path)
            {
                match same.and_then(|same| same.to_str()) {
                    None => known.obsolete.push(Conffile {
                        obsolete: true,
                        ..conffile.clone()
                    }),
                    Some(same) if new_conffiles.iter().any(|(new, _)| new == same) => {
                        let hash = known.hashes.entry(same.to_owned());
                        hash.or_insert_with(|| conffile.hash.clone());
                    }
                    Some(_) => {}
                }
                continue;
            }
            if same.is_some() {
                continue;
            }
            self.activate_path(&used, key);
            if let Err(error) = self.target.remove(&used) {
                self.messages.warning(&format!(
                    "unable to securely remove old file '{}': {error}",
                    path.display()
                ));
            }
        }
        Ok(known)
    }

    fn remove_old_directory(&mut self, key: &PackageKey, path: &Path, used: &Path) {
        self.activate_path(used, key);
        if used == Path::new("/.") {
            return;
        }
        if let Err(error) = self.target.remove_dir(used) {
            let why = match error.io_kind() {
                Some(std::io::ErrorKind::DirectoryNotEmpty) => "Directory not empty".to_owned(),
                _ => task_progress::with_causes(&error),
            };
            self.messages.warning(&format!(
                "unable to delete old directory '{}': {why}",
                path.display()
            ));
        }
    }

    /// Activates the file triggers of a path and of its parents.
    pub(super) fn activate_path(&mut self, path: &Path, key: &PackageKey) {
        if let Some(path) = path.to_str() {
            self.database.activate(path, Some(key));
        }
    }

    /// Returns the inode numbers of the new files, with their paths.
    fn placed(
        &self,
        unpacked: &Unpacked,
        key: &PackageKey,
        diversions: &Diversions,
    ) -> HashMap<u64, PathBuf> {
        let left_out: HashSet<&PathBuf> = unpacked.left_out.iter().collect();
        let list = unpacked.list.iter().filter(|path| !left_out.contains(path));
        list.filter_map(|path| {
            let stat = self.target.stat(diversions.used(path, &key.name)).ok()?;
            Some((stat.ino, path.clone()))
        })
        .collect()
    }

    /// Removes a conffile that the new version marks `remove-on-upgrade` (deb-conffiles(5)).
    fn remove_conffile_on_upgrade(
        &mut self,
        key: &PackageKey,
        path: &Path,
        diversions: &Diversions,
    ) -> Result {
        if self.database.owners(path).any(|owner| owner != key) {
            return Ok(());
        }
        let Some(place) = dereference(self.target, diversions.used(path, &key.name))? else {
            return Ok(());
        };
        let _ = self.target.remove(&with_suffix(&place, ".dpkg-dist"));
        if self.target.stat(&place).is_err() {
            return Ok(());
        }
        let recorded = self
            .package(key)?
            .conffiles
            .iter()
            .find(|have| Path::new(&have.path) == path);
        let recorded = recorded.map(|have| have.hash.clone());
        let root = self.options().root.display().to_string();
        let root = root.trim_end_matches('/');
        let shown = format!("{root}{}", place.display());
        if recorded == Some(md5_of(self.target, &place)?) {
            self.messages
                .say(&format!("Removing obsolete conffile {shown} ..."));
            self.target.remove(&place)?;
        } else {
            let old = with_suffix(&place, ".dpkg-old");
            self.messages
                .say(&format!("Obsolete conffile '{shown}' has been modified by you."));
            self.messages.say(&format!("Saving as {} ...", old.display()));
            self.target.rename(&place, &old)?;
        }
        Ok(())
    }
}
