//! The steps around unpacking on a system that is in use: a package may be there in another version, or have
//! left its conffiles, or be for another architecture now.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use super::control_archive::ControlArchive;
use super::database::{ADMIN, Database};
use super::error::DpkgError;
use super::files::{failed, read_optional, remove_optional, write};
use super::package::{Conffile, Package};
use super::states::{Flag, Status, Want};
use super::unpacked::Unpacked;
use deb_types::{MultiArch, PackageKey};

/// What is known of conffiles when a new version is unpacked.
#[derive(Clone, Debug, Default)]
pub struct OldConffiles {
    /// Conffiles that the package has no more and that stay.
    pub obsolete: Vec<Conffile>,
    /// Recorded hashes of those that the new version has, by their paths.
    pub hashes: BTreeMap<String, String>,
}

impl Database {
    /// Returns the key of the record that a package gets: its own, or that of the only installed instance, which may
    /// be for another architecture (`parse_find_pkg_slot` in dpkg's source).
    ///
    /// # Errors
    /// Several instances are installed, and the package is not `Multi-Arch: same`.
    pub fn record_of(&self, new: &Package) -> Result<PackageKey, DpkgError> {
        let same = |package: &Package| package.multi_arch == MultiArch::Same;
        let mut installed = self
            .instances(&new.name)
            .filter(|have| have.status > Status::NotInstalled);
        match (installed.next(), installed.next()) {
            (Some(_), Some(_)) if !same(new) => Err(DpkgError::NotCoInstallable {
                package: new.key().to_string(),
                version: new.version.clone(),
                multi_arch: new.multi_arch.as_str(),
                name: new.name.clone(),
            }),
            (Some(only), None) if !(same(only) && same(new)) => Ok(only.key()),
            _ => Ok(new.key()),
        }
    }

    /// Selects a package for installation, in memory, and returns its state so far. The key is that of the record
    /// that it gets when it is unpacked, which may be for another architecture until then.
    ///
    /// # Errors
    /// A control file that dpkg would not accept, and those of [`Database::record_of`].
    pub fn select(&mut self, control: &ControlArchive) -> Result<(PackageKey, Status), DpkgError> {
        let new = control.package()?;
        let key = self.record_of(&new)?;
        let mut record = match self.packages.get(&key) {
            Some(old) => old.clone(),
            None => new.unpacked_never(),
        };
        let status = record.status;
        record.want = Want::Install;
        self.place(record);
        Ok((key, status))
    }

    /// Gives a record the architecture of the version that is being unpacked. Another record of that architecture has
    /// nothing installed, and goes.
    fn change_architecture(&mut self, key: &PackageKey, new: &PackageKey) {
        if key == new {
            return;
        }
        let Some(mut package) = self.packages.remove(key) else {
            return;
        };
        package.architecture.clone_from(&new.architecture);
        for other in self.packages.values_mut() {
            let awaited = other.triggers_awaited.iter_mut();
            for awaited in awaited.filter(|awaited| *awaited == key) {
                awaited.clone_from(new);
            }
        }
        for waiting in self.deferred.iter_mut().filter(|waiting| *waiting == key) {
            waiting.clone_from(new);
        }
        self.owners.forget(new);
        self.owners.rename(key, new.clone());
        self.place(package);
    }

    /// Activates what a package's `triggers` files declare, the one that is installed and the new
    /// one, as dpkg does before anything else of unpacking.
    ///
    /// # Errors
    /// A `triggers` file that dpkg would not accept.
    pub fn activate_before_unpack(
        &mut self,
        target: &Target,
        key: &PackageKey,
        control: &ControlArchive,
    ) -> Result<(), DpkgError> {
        let installed = self.declarations(target, key)?;
        self.activate_declared(key, &installed);
        self.activate_declared(key, &control.triggers()?);
        Ok(())
    }

    /// Makes a package half-installed, to be unpacked again if nothing else happens.
    ///
    /// # Errors
    /// The control file; no such package.
    pub fn half_install(&mut self, key: &PackageKey, control: &ControlArchive) -> Result<(), DpkgError> {
        let new = control.package()?;
        self.update(key, |package| {
            if package.status == Status::NotInstalled {
                let want = package.want;
                *package = new.before_unpack();
                package.want = want;
            }
            package.flag = Flag::ReinstReq;
            package.status = Status::HalfInstalled;
        })
    }

    /// Sets a state without noting it: the next change notes it.
    pub fn set_status(&mut self, key: &PackageKey, status: Status) {
        if let Some(package) = self.packages.get_mut(key) {
            package.status = status;
        }
    }

    /// Forgets a package but for its selection: nothing of it is installed.
    ///
    /// # Errors
    /// No such package.
    pub fn blank(&mut self, key: &PackageKey, want: Want) -> Result<(), DpkgError> {
        self.owners.forget(key);
        self.update(key, |package| {
            *package = package.unpacked_never();
            package.want = want;
        })
    }

    /// Returns the paths of a package's list.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn list(&self, target: &Target, key: &PackageKey) -> Result<Vec<PathBuf>, DpkgError> {
        let Some(package) = self.get(key) else {
            return Ok(Vec::new());
        };
        let list = read_optional(target, &package.info_path("list"))?.unwrap_or_default();
        let lines = list.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect())
    }

    /// Queues packages for trigger processing; those that are queued already keep their position.
    pub fn defer(&mut self, keys: impl IntoIterator<Item = PackageKey>) {
        for key in keys {
            if !self.deferred.contains(&key) {
                self.deferred.push_back(key);
            }
        }
    }

    /// Sets the configured version of packages that are configured, as dpkg does when it reads its database.
    pub fn remember_configured(&mut self) {
        for package in self.packages.values_mut() {
            if matches!(package.status, Status::Installed | Status::TriggersPending) {
                package
                    .config_version
                    .get_or_insert_with(|| package.version.clone());
            }
        }
    }

    /// Releases the packages that await one with nothing pending.
    pub fn release_awaiters(&mut self, key: &PackageKey) {
        self.clear_awaiters(key);
    }

    /// Sets the foreign architectures and writes `arch`, the target's own first.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn set_foreign(&mut self, target: &Target, foreign: Vec<String>) -> Result<(), DpkgError> {
        self.foreign = foreign;
        let mut text = format!("{}\n", self.native);
        self.foreign.iter().for_each(|name| text += &format!("{name}\n"));
        write(target, &Path::new(ADMIN).join("arch"), text.as_bytes(), 0o644)
    }

    /// Removes a package's trigger interests.
    ///
    /// # Errors
    /// The target cannot be read or written.
    pub fn drop_interests(&mut self, target: &Target, key: &PackageKey) -> Result<(), DpkgError> {
        let Some(package) = self.get(key).cloned() else {
            return Ok(());
        };
        let declared = self.declarations(target, key)?;
        self.remove_interests(target, &package, &declared)
    }

    /// Returns the packages that have a path which no other has, those of `except` aside.
    pub fn sole_owners(&self, except: &HashSet<&Path>) -> HashSet<PackageKey> {
        self.owners.sole(except)
    }

    /// Returns the paths of installed files and directories, in no order.
    pub fn owned_paths(&self) -> impl Iterator<Item = &Path> {
        self.owners.paths()
    }

    /// Returns the number of installed files and directories.
    pub fn paths(&self) -> usize {
        self.owners.path_count()
    }

    /// Writes a package's list anew.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn write_list(
        &mut self,
        target: &Target,
        key: &PackageKey,
        paths: &[PathBuf],
    ) -> Result<(), DpkgError> {
        let Some(path) = self.get(key).map(|package| package.info_path("list")) else {
            return Ok(());
        };
        let mut text = Vec::new();
        for path in paths {
            text.extend_from_slice(path.as_os_str().as_bytes());
            text.push(b'\n');
        }
        write(target, &path, &text, 0o644)?;
        self.owners.forget(key);
        self.owners.add(key, paths);
        Ok(())
    }

    /// [`Database::finish_unpack`] where the package may have been there before, with the record `key`.
    /// Returns the key from now on.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn finish_unpack_over(
        &mut self,
        target: &Target,
        key: &PackageKey,
        control: &ControlArchive,
        mut unpacked: Unpacked,
        conffiles: OldConffiles,
    ) -> Result<PackageKey, DpkgError> {
        let OldConffiles { obsolete, hashes } = conffiles;
        let before = self.get(key).map(Package::info_name);
        let listed: HashSet<&PathBuf> = unpacked.list.iter().collect();
        let more = obsolete.iter().map(|conffile| PathBuf::from(&conffile.path));
        let more: Vec<PathBuf> = more.filter(|path| !listed.contains(path)).collect();
        unpacked.list.extend(more);
        let old = self.get(key).cloned();
        let interests = self.declarations(target, key)?;
        let key = control.package()?.key();
        if let Some(old) = &old {
            self.remove_interests(target, old, &interests)?;
            self.change_architecture(&old.key(), &key);
        }
        self.finish_unpack_with(target, control, &unpacked, &hashes)?;
        self.owners.forget(&key);
        self.owners.add(&key, &unpacked.list);
        if !obsolete.is_empty() {
            self.update(&key, |package| package.conffiles.extend(obsolete))?;
        }
        let now = self.get(&key).map(Package::info_name);
        for name in before.iter().chain(&now) {
            let keeps = |kind: &str| {
                Some(name) == now.as_ref()
                    && (kind == "list"
                        || control.files.contains_key(kind)
                        || kind == "md5sums" && unpacked.md5sums.is_some())
            };
            self.clean_info(target, name, &keeps)?;
        }
        Ok(key)
    }

    /// Removes the files of a package in `info/` but those to keep; `name` is its name there.
    ///
    /// # Errors
    /// The target cannot be read or written.
    pub fn clean_info(
        &self,
        target: &Target,
        name: &str,
        keeps: &dyn Fn(&str) -> bool,
    ) -> Result<(), DpkgError> {
        let info = Path::new(ADMIN).join("info");
        for file in target.read_dir(&info).map_err(failed(&info))? {
            let kind = file.to_str().and_then(|file| file.rsplit_once('.'));
            if kind.is_some_and(|(of, kind)| of == name && !keeps(kind)) {
                remove_optional(target, &info.join(&file))?;
            }
        }
        Ok(())
    }
}

impl Package {
    /// Removes a control field.
    pub fn remove_field(&mut self, name: &str) {
        self.known.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Returns the record of a package of which nothing is installed.
    fn unpacked_never(&self) -> Package {
        let mut package = self.before_unpack();
        package.version.clear();
        package.multi_arch = MultiArch::No;
        package.status = Status::NotInstalled;
        package.flag = Flag::Ok;
        package.config_version = None;
        package.triggers_pending.clear();
        package.triggers_awaited.clear();
        package
    }
}
