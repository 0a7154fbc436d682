//! `--remove` and `--purge` (`remove.c` in dpkg's source).

use super::engine::Engine;
use super::fault::{Fault, Result};
use super::options::Action;
use super::relations::{groups, satisfied};
use super::unpack::call;
use dpkg_db::{Diversions, Flag, Package, PackageKey, Status, Want, with_suffix};
use rootless_install_fs::FileType;
use std::path::{Path, PathBuf};

impl Engine<'_, '_> {
    /// Removes the packages that are named; with `--pending` those that are deselected. A package goes before those
    /// that it depends on.
    pub(super) fn remove_named(&mut self) -> Result {
        self.messages
            .log(&format!("startup packages {}", self.call.action.name()));
        let mut waiting = if self.options().pending {
            let wanted = |package: &&Package| match package.want {
                Want::Purge => package.status != Status::NotInstalled,
                Want::Deinstall => package.status > Status::ConfigFiles,
                _ => false,
            };
            self.database
                .packages()
                .filter(wanted)
                .map(Package::key)
                .collect()
        } else {
            self.named_packages()?
        };
        // The next is one that no package needs any more; in a cycle, the first.
        while !waiting.is_empty() {
            let free = waiting.iter().position(|key| self.needing(key).is_empty());
            let among = |key: &PackageKey| self.needing(key).iter().all(|needing| waiting.contains(needing));
            let at = free.or_else(|| waiting.iter().position(among)).unwrap_or(0);
            let key = waiting.remove(at);
            match self.remove_one(&key, &waiting) {
                Err(Fault::Package(problem)) => self.fail("package", &self.name(&key), &problem)?,
                done => done?,
            }
        }
        self.deferred_triggers()
    }

    /// Returns the packages with a dependency that only this one satisfies.
    fn needing(&self, key: &PackageKey) -> Vec<PackageKey> {
        if self.status(key) <= Status::ConfigFiles {
            return Vec::new();
        }
        let others = self
            .database
            .packages()
            .filter(|other| other.status >= Status::Unpacked && other.key() != *key);
        let needs = |other: &&Package| {
            let mut all = ["Depends", "Pre-Depends"]
                .into_iter()
                .flat_map(|field| groups(other, field));
            all.any(|group| {
                satisfied(&self.database, other, &group, &[], None)
                    && !satisfied(&self.database, other, &group, &[key], None)
                    && !self.ignores(&group)
            })
        };
        others.filter(needs).map(Package::key).collect()
    }

    /// Removes or purges a package; `others` are removed after it.
    fn remove_one(&mut self, key: &PackageKey, others: &[PackageKey]) -> Result {
        let purge = self.call.action == Action::Purge;
        let Some(package) = self.database.get(key).cloned() else {
            self.messages.warning(&format!(
                "ignoring request to remove {} which isn't installed",
                key.name
            ));
            return Ok(());
        };
        let name = self.name(key);
        if !self.options().pending && package.want != Want::Unknown {
            self.database.update(key, |package| {
                package.want = if purge { Want::Purge } else { Want::Deinstall };
            })?;
        }
        match package.status {
            Status::NotInstalled => {
                self.messages.warning(&format!(
                    "ignoring request to remove {name} which isn't installed"
                ));
                return Ok(());
            }
            Status::ConfigFiles if !purge && !self.options().pending => {
                self.messages.warning(&format!(
                    "ignoring request to remove {name}, only the config\n files of which are on the system; use \
                     --purge to remove them too"
                ));
                return Ok(());
            }
            Status::ConfigFiles => {}
            _ => self.check_removal(&package, others)?,
        }
        if package.flag == Flag::ReinstReq {
            self.forcible(
                "remove-reinstreq",
                "package is in a very bad inconsistent state; you should\n reinstall it before attempting a \
                 removal",
            )?;
        }
        self.count_files();
        if !self.options().act {
            self.messages
                .say(&format!("Would remove or purge {name} ({}) ...", package.version));
            self.database.set_status(key, Status::NotInstalled);
            return Ok(());
        }
        if package.status > Status::ConfigFiles {
            self.messages
                .say(&format!("Removing {name} ({}) ...", package.version));
            self.report_action("remove", key);
        }
        let declared = self.database.declarations(self.target, key)?;
        self.database.activate_declared(key, &declared);
        if package.status >= Status::HalfConfigured {
            self.database
                .update(key, |package| package.status = Status::HalfConfigured)?;
            let script = call("prerm", vec!["remove".to_owned()]);
            if let Err(fault) = self.run(key, &script, &package.info_path("prerm"), "installed") {
                let Fault::Package(problem) = fault else {
                    return Err(fault);
                };
                let failed = self.fail("package", &name, &problem);
                if package.status > Status::HalfConfigured {
                    self.undo_removal(key);
                }
                return failed;
            }
            // Half-installed soon, and so not noted.
            self.database.set_status(key, Status::Unpacked);
        }
        self.remove_bulk(key)
    }

    /// Configures the package again after its prerm failed.
    fn undo_removal(&mut self, key: &PackageKey) {
        if let Err(Fault::Package(problem) | Fault::Call(problem)) =
            self.abort_to_installed(key, vec!["abort-remove".into()])
        {
            self.messages
                .notice(&format!("error while cleaning up:\n {problem}"));
        }
    }

    /// Checks that a package may be removed: it is not essential, and only `others` depend on it.
    fn check_removal(&mut self, package: &Package, others: &[PackageKey]) -> Result {
        if package.essential() {
            self.forcible(
                "remove-essential",
                "this is an essential package; it should not be removed",
            )?;
        }
        if package.field("Protected").is_some() {
            self.forcible(
                "remove-protected",
                "this is a protected package; it should not be removed",
            )?;
        }
        let key = package.key();
        let needing: Vec<PackageKey> = self
            .needing(&key)
            .into_iter()
            .filter(|needing| !others.contains(needing))
            .collect();
        if needing.is_empty() {
            return Ok(());
        }
        let name = self.name(&key);
        let mut why = String::new();
        for needing in needing {
            why += &self.unsatisfied(&self.package(&needing)?.clone(), Some(&key));
        }
        if self.forces("depends") {
            self.messages.notice(&format!(
                "{name}: dependency problems, but removing anyway as you requested:\n{why}"
            ));
            return Ok(());
        }
        self.messages
            .notice(&format!("dependency problems prevent removal of {name}:\n{why}"));
        Err(Fault::Package("dependency problems - not removing".to_owned()))
    }

    /// Removes a package's files; where it is purged, its conffiles and its record as well (`removal_bulk`).
    pub(super) fn remove_bulk(&mut self, key: &PackageKey) -> Result {
        if matches!(self.status(key), Status::HalfInstalled | Status::Unpacked) {
            self.remove_files(key)?;
        }
        let package = self.package(key)?.clone();
        let postrm = self.target.stat(&package.info_path("postrm")).is_ok();
        if !postrm && package.conffiles.is_empty() {
            self.database.update(key, |package| {
                package.want = Want::Purge;
                package.config_version = None;
            })?;
        } else if package.want == Want::Purge {
            self.purge_conffiles(key)?;
        }
        if self.package(key)?.want == Want::Purge {
            self.remove_left_directories(key, &package)?;
            let package = self.package(key)?;
            self.database
                .clean_info(self.target, &package.info_name(), &|_| false)?;
            self.database.blank(key, Want::Unknown)?;
        } else {
            self.database.update(key, |package| package.flag = Flag::Ok)?;
        }
        self.record()
    }

    /// Removes the directories that a purged package has left, and links to directories, where they are free now.
    fn remove_left_directories(&mut self, key: &PackageKey, package: &Package) -> Result {
        let diversions = Diversions::load(self.target)?;
        let mut left: Vec<PathBuf> = Vec::new();
        for path in self.database.list(self.target, key)?.into_iter().rev() {
            // One is in the list where an earlier purge was stopped.
            if package.conffiles.iter().any(|one| Path::new(&one.path) == path) {
                continue;
            }
            let used = diversions.used(&path, &key.name).to_owned();
            let is_directory = self
                .target
                .stat_follow(&used)
                .is_ok_and(|stat| stat.meta.kind == FileType::Directory);
            if is_directory {
                if left.iter().any(|left| is_below(left, &path)) {
                    left.push(path);
                    continue;
                }
                if self.database.owners(&path).any(|owner| owner != key) {
                    continue;
                }
                if used == Path::new("/.") {
                    continue;
                }
            }
            self.activate_path(&used, key);
            let kind = self.target.stat(&used).map(|stat| stat.meta.kind).ok();
            if kind == Some(FileType::Directory) {
                if self.target.remove_dir(&used).is_err() {
                    self.messages.warning(&format!(
                        "while removing {}, directory '{}' not empty so not removed",
                        self.name(key),
                        path.display()
                    ));
                    left.push(path);
                }
            } else if kind == Some(FileType::Symlink) {
                self.target.remove(&used)?;
            }
        }
        Ok(())
    }

    /// Removes a package's files but its conffiles, and runs the postrm.
    fn remove_files(&mut self, key: &PackageKey) -> Result {
        self.database
            .update(key, |package| package.status = Status::HalfInstalled)?;
        self.record()?;
        let package = self.package(key)?.clone();
        let diversions = Diversions::load(self.target)?;
        let list = self.database.list(self.target, key)?;
        let mut left: Vec<PathBuf> = Vec::new();
        for path in list.iter().rev() {
            let used = diversions.used(path, &key.name).to_owned();
            let is_directory = self
                .target
                .stat_follow(&used)
                .is_ok_and(|stat| stat.meta.kind == FileType::Directory);
            let same_set = |owner: &&PackageKey| *owner != key && owner.name == key.name;
            if !is_directory && self.database.owners(path).any(|owner| same_set(&owner)) {
                continue;
            }
            if package
                .conffiles
                .iter()
                .any(|conffile| Path::new(&conffile.path) == path)
            {
                left.push(path.clone());
                continue;
            }
            if is_directory {
                let holds_conffile = package.conffiles.iter().any(|conffile| {
                    !conffile.obsolete
                        && !conffile.remove_on_upgrade
                        && is_below(Path::new(&conffile.path), path)
                });
                if holds_conffile || left.iter().any(|left| is_below(left, path)) {
                    left.push(path.clone());
                    continue;
                }
                if self.database.owners(path).any(|owner| owner != key) {
                    continue;
                }
                if path == Path::new("/.") {
                    left.push(path.clone());
                    continue;
                }
            }
            self.activate_path(&used, key);
            for suffix in [".dpkg-tmp", ".dpkg-new"] {
                let _ = self.target.remove(&with_suffix(&used, suffix));
            }
            let Ok(stat) = self.target.stat(&used) else {
                continue;
            };
            if stat.meta.kind != FileType::Directory {
                self.target.remove(&used)?;
            } else if self.target.remove_dir(&used).is_err() {
                left.push(path.clone());
            }
        }
        left.reverse();
        self.database.write_list(self.target, key, &left)?;
        self.run_postrm(key, "remove")?;
        self.database.drop_interests(self.target, key)?;
        let name = self.package(key)?.info_name();
        let keeps = |kind: &str| matches!(kind, "list" | "postrm");
        self.database.clean_info(self.target, &name, &keeps)?;
        self.database.update(key, |package| {
            package.status = Status::ConfigFiles;
            package.remove_field("Essential");
            package.remove_field("Protected");
        })?;
        self.record()
    }
}

/// Whether a path is below a directory, both as they are in lists.
fn is_below(path: &Path, directory: &Path) -> bool {
    let rest = path
        .as_os_str()
        .as_encoded_bytes()
        .strip_prefix(directory.as_os_str().as_encoded_bytes());
    rest.is_some_and(|rest| rest.starts_with(b"/"))
}
