//! The steps before and after a package's files are unpacked.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use deb_types::PackageKey;
use rootless_install_fs::Target;

use super::control_archive::ControlArchive;
use super::database::Database;
use super::error::DpkgError;
use super::files::{read_optional, remove_optional, write};
use super::package::{Conffile, NEW_CONFFILE, Package};
use super::states::{Flag, Status, Want};
use super::triggers::{Declaration, Declarations, TRIGGERS};
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
        let hashes = self.conffile_hashes(&control.package()?.key(), control)?;
        self.finish_unpack_with(target, control, unpacked, &hashes)
    }

    /// Returns the hashes that the package itself, or another that owns them, has recorded for the conffiles of a new
    /// version.
    ///
    /// # Errors
    /// A `conffiles` file that dpkg would not accept.
    pub fn conffile_hashes(
        &self,
        key: &PackageKey,
        control: &ControlArchive,
    ) -> Result<BTreeMap<String, String>, DpkgError> {
        let conffiles = control.conffiles()?.into_iter();
        Ok(conffiles
            .filter_map(|(path, _)| Some((self.known_hash(key, &path)?, path)))
            .map(|(hash, path)| (path, hash))
            .collect())
    }

    pub(super) fn finish_unpack_with(
        &mut self,
        target: &Target,
        control: &ControlArchive,
        unpacked: &Unpacked,
        hashes: &BTreeMap<String, String>,
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
        self.add_interests(target, &package, &control.triggers()?)?;
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
                hash: hashes.get(&path).map_or(NEW_CONFFILE, String::as_str).to_owned(),
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
        self.take_from_others(target, &package, unpacked)?;
        self.owners.add(&key, &unpacked.list);
        // dpkg notes the package as it is, and again when nothing can go wrong any more.
        package.flag = Flag::ReinstReq;
        let key = self.insert(package);
        self.update(&key, |package| package.flag = Flag::Ok)?;
        Ok(key)
    }

    /// Removes the interests of a package that its `triggers` file declared.
    pub(super) fn remove_interests(
        &mut self,
        target: &Target,
        package: &Package,
        declared: &Declarations,
    ) -> Result<(), DpkgError> {
        for declaration in &declared.interests {
            self.interests.remove(&declaration.trigger, &package.info_name());
        }
        self.write_interests(target, declared)
    }

    /// Adds the interests that a package declares.
    fn add_interests(
        &mut self,
        target: &Target,
        package: &Package,
        declared: &Declarations,
    ) -> Result<(), DpkgError> {
        for declaration in &declared.interests {
            self.interests
                .add(&declaration.trigger, &package.info_name(), declaration.awaited);
        }
        self.write_interests(target, declared)
    }

    /// Writes the files of the triggers that are declared.
    fn write_interests(&self, target: &Target, declared: &Declarations) -> Result<(), DpkgError> {
        let is_file = |declaration: &&Declaration| declaration.trigger.starts_with('/');
        for declaration in declared.interests.iter().filter(|one| !is_file(one)) {
            let path = Path::new(TRIGGERS).join(&declaration.trigger);
            match self.interests.explicit_file(&declaration.trigger) {
                Some(text) => write(target, &path, text.as_bytes(), 0o644)?,
                None => remove_optional(target, &path)?,
            }
        }
        if declared.interests.iter().any(|one| is_file(&one)) {
            let path = Path::new(TRIGGERS).join("File");
            match self.interests.file_triggers() {
                Some(text) => write(target, &path, text.as_bytes(), 0o644)?,
                None => remove_optional(target, &path)?,
            }
        }
        Ok(())
    }

    /// Returns the hash that the owner of a conffile recorded for it: the package itself, else another.
    fn known_hash(&self, key: &PackageKey, path: &str) -> Option<String> {
        let recorded = |package: &Package| {
            let mut conffiles = package.conffiles.iter();
            conffiles.find(|c| c.path == path).map(|c| c.hash.clone())
        };
        let owners = || {
            self.owners(Path::new(path))
                .filter_map(|key| self.packages.get(key))
        };
        let own = owners().find(|package| package.key() == *key);
        own.and_then(recorded).or_else(|| owners().find_map(recorded))
    }

    /// Removes from other packages' lists the paths at which this one has put something, and marks conffiles among
    /// them as obsolete there.
    fn take_from_others(
        &mut self,
        target: &Target,
        package: &Package,
        unpacked: &Unpacked,
    ) -> Result<(), DpkgError> {
        let mut losers: BTreeMap<PackageKey, HashSet<&Path>> = BTreeMap::new();
        for path in &unpacked.placed {
            let diverting = unpacked.diverting.get(path);
            if diverting.is_some_and(|by| *by == package.name) {
                continue;
            }
            let lost = self.owners.take(path, |owner| {
                owner.name != package.name && diverting.is_none_or(|by| *by != owner.name)
            });
            for loser in lost {
                losers.entry(loser).or_default().insert(path);
            }
        }
        for (loser, lost) in losers {
            let Some(other) = self.packages.get_mut(&loser) else {
                continue;
            };
            // As in dpkg this is no change that is noted: it is written with the next.
            let ours = |path: &str| package.conffiles.iter().any(|own| own.path == path);
            for conffile in &mut other.conffiles {
                conffile.obsolete |= lost.contains(Path::new(&conffile.path)) && ours(&conffile.path);
            }
            let path = other.info_path("list");
            let Some(list) = read_optional(target, &path)? else {
                continue;
            };
            let gone = |line: &[u8]| lost.contains(Path::new(OsStr::from_bytes(line)));
            let kept: Vec<u8> = list
                .split_inclusive(|b| *b == b'\n')
                .filter(|line| !gone(line.strip_suffix(b"\n").unwrap_or(line)))
                .flatten()
                .copied()
                .collect();
            write(target, &path, &kept, 0o644)?;
        }
        Ok(())
    }
}
