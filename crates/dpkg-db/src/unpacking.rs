//! The steps before and after a package's files are unpacked.

use std::path::Path;

use deb_types::PackageKey;
use rootless_install_fs::Target;

use super::control_archive::ControlArchive;
use super::database::Database;
use super::error::DpkgError;
use super::files::{failed, remove_optional, write};
use super::package::{Conffile, NEW_CONFFILE, Package};
use super::states::{Flag, Status, Want};
use super::triggers::{Declarations, TRIGGERS};
use super::unpacked::Unpacked;

impl Database {
    /// Begins to unpack a package: activates what its `triggers` file declares and makes it
    /// half-installed, the state in which its preinst runs. Its other fields come with
    /// [`Database::finish_unpack`].
    ///
    /// # Errors
    /// A control file or `triggers` file that dpkg would not accept.
    pub fn begin_unpack(&mut self, control: &ControlArchive) -> Result<PackageKey, DpkgError> {
        let new = control.package()?;
        let key = new.key();
        let mut record = match self.packages.get(&key) {
            Some(old) => old.clone(),
            None => new.before_unpack(),
        };
        record.want = Want::Install;
        let key = self.place(record);
        self.activate_declared(&key, &control.triggers()?);
        self.update(&key, |package| {
            package.flag = Flag::ReinstReq;
            package.status = Status::HalfInstalled;
        })?;
        Ok(key)
    }

    /// Ends the unpacking of a package: fires the file triggers of its paths, writes its files in
    /// `info/`, records its trigger interests, fields and conffiles, and makes it unpacked.
    ///
    /// # Errors
    /// The target cannot be written; the package was not begun.
    pub fn finish_unpack(
        &mut self,
        target: &Target,
        control: &ControlArchive,
        unpacked: &Unpacked,
    ) -> Result<PackageKey, DpkgError> {
        let mut package = control.package()?;
        let key = package.key();
        let old = self
            .packages
            .get(&key)
            .ok_or_else(|| DpkgError::NoPackage {
                package: key.to_string(),
            })?
            .clone();
        self.activate_unpacked(unpacked.used_paths(), &key);

        let mut list = Vec::with_capacity(unpacked.list.len() * 48);
        for path in &unpacked.list {
            list.extend_from_slice(path.as_os_str().as_encoded_bytes());
            list.push(b'\n');
        }
        write(target, &package.info_path("list"), &list, 0o644)?;
        self.change_interests(target, &old, &package, &control.triggers()?)?;
        for (name, file) in &control.files {
            // dpkg passes over names with a dot, and keeps its own list.
            if !name.contains('.') && name != "control" && name != "list" {
                let path = package.info_path(name);
                file.write(target, &path)?;
            }
        }
        if let (Some(md5sums), false) = (&unpacked.md5sums, control.files.contains_key("md5sums")) {
            write(target, &package.info_path("md5sums"), md5sums, 0o644)?;
        }

        for (path, remove_on_upgrade) in control.conffiles()? {
            package.conffiles.push(Conffile {
                hash: self.known_hash(&path).unwrap_or_else(|| NEW_CONFFILE.to_owned()),
                obsolete: unpacked.kept.iter().any(|kept| kept == Path::new(&path)),
                path,
                remove_on_upgrade,
            });
        }
        package.want = old.want;
        package.status = Status::Unpacked;
        package.config_version = self.packages.get(&key).and_then(|old| old.config_version.clone());
        package.triggers_awaited = self
            .packages
            .get(&key)
            .map(|old| old.triggers_awaited.clone())
            .unwrap_or_default();
        self.take_from_others(target, &key, unpacked)?;
        self.owners.add(&key, &unpacked.list);
        // dpkg notes the package as it is, and again when nothing can go wrong any more.
        package.flag = Flag::ReinstReq;
        let key = self.insert(package);
        self.update(&key, |package| package.flag = Flag::Ok)?;
        Ok(key)
    }

    pub(super) fn change_interests(
        &mut self,
        target: &Target,
        old: &Package,
        new: &Package,
        declared: &Declarations,
    ) -> Result<(), DpkgError> {
        let before = if old.status > Status::HalfInstalled {
            self.declarations(target, &old.key())?
        } else {
            Declarations::default()
        };
        for declaration in &before.interests {
            self.interests.remove(&declaration.trigger, &old.info_name());
        }
        for declaration in &declared.interests {
            self.interests
                .add(&declaration.trigger, &new.info_name(), declaration.awaited);
        }
        let mut file_triggers_changed = false;
        for declaration in before.interests.iter().chain(&declared.interests) {
            if declaration.trigger.starts_with('/') {
                file_triggers_changed = true;
                continue;
            }
            let path = Path::new(TRIGGERS).join(&declaration.trigger);
            match self.interests.explicit_file(&declaration.trigger) {
                Some(text) => write(target, &path, text.as_bytes(), 0o644)?,
                None => remove_optional(target, &path)?,
            }
        }
        if file_triggers_changed {
            let path = Path::new(TRIGGERS).join("File");
            match self.interests.file_triggers() {
                Some(text) => write(target, &path, text.as_bytes(), 0o644)?,
                None => remove_optional(target, &path)?,
            }
        }
        Ok(())
    }

    /// Returns the hash that another owner of a conffile recorded for it.
    fn known_hash(&self, path: &str) -> Option<String> {
        let owners = self
            .owners(Path::new(path))
            .filter_map(|key| self.packages.get(key));
        owners
            .flat_map(|package| &package.conffiles)
            .find(|c| c.path == path)
            .map(|c| c.hash.clone())
    }

    /// Removes from other packages' lists the files that this one replaced.
    fn take_from_others(
        &mut self,
        target: &Target,
        key: &PackageKey,
        unpacked: &Unpacked,
    ) -> Result<(), DpkgError> {
        let mut losers: Vec<PackageKey> = Vec::new();
        for path in &unpacked.replaced {
            losers.extend(self.owners.take(path, |owner| owner.name != key.name));
        }
        losers.sort();
        losers.dedup();
        for loser in losers {
            let Some(package) = self.packages.get(&loser) else {
                continue;
            };
            let path = package.info_path("list");
            let list = target.read(&path).map_err(failed(&path))?;
            let gone = |line: &[u8]| {
                unpacked
                    .replaced
                    .iter()
                    .any(|p| p.as_os_str().as_encoded_bytes() == line)
            };
            let kept: Vec<u8> = list
                .split_inclusive(|b| *b == b'\n')
                .filter(|line| !gone(line.trim_ascii_end()))
                .flatten()
                .copied()
                .collect();
            write(target, &path, &kept, 0o644)?;
        }
        Ok(())
    }
}
