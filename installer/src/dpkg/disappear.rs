//! Packages that disappear: all of their files have been replaced (`pkg_disappear_others` in dpkg's source).

use super::deb_files::DebArchive;
use super::engine::Engine;
use super::fault::Result;
use super::relations::{groups, satisfied};
use super::unpack::call;
use deb_types::MultiArch;
use dpkg_db::{Diversions, Package, PackageKey, Status, Unpacked, Want};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

impl Engine<'_, '_> {
    /// Removes the packages that have nothing any more which is not in the new one, whose record is `key`, nor in
    /// another; `leaving` are removed anyway.
    pub(super) fn disappear_others(
        &mut self,
        archive: &DebArchive,
        key: &PackageKey,
        unpacked: &Unpacked,
        leaving: &[PackageKey],
    ) -> Result {
        let new = archive.control.package()?;
        let diversions = Diversions::load(self.target)?;
        let left_out: HashSet<&PathBuf> = unpacked.left_out.iter().collect();
        let in_archive: HashSet<&Path> = unpacked
            .list
            .iter()
            .filter(|path| !left_out.contains(path))
            .map(PathBuf::as_path)
            .collect();
        let staying = self.database.sole_owners(&in_archive);
        let candidates = self
            .database
            .packages()
            .filter(|package| package.status > Status::ConfigFiles)
            .map(Package::key)
            .filter(|other| !staying.contains(other) && other != key && !leaving.contains(other));
        let candidates = crate::configure::in_dpkgs_order(candidates);
        let mut gone: Vec<PackageKey> = Vec::new();
        for other in candidates {
            let Some(package) = self.database.get(&other).cloned() else {
                continue;
            };
            let together = package.name == new.name
                && package.multi_arch == MultiArch::Same
                && new.multi_arch == MultiArch::Same;
            if together {
                continue;
            }
            let list = self.database.list(self.target, &other)?;
            if list.iter().all(|path| path == Path::new("/."))
                || list
                    .iter()
                    .any(|path| self.saves(path, &package, &new, key, &in_archive, &gone, &diversions))
                || self.is_needed(&package, &new, key)
            {
                continue;
            }
            self.disappear(archive, &other)?;
            gone.push(other);
        }
        Ok(())
    }

    /// Whether a path saves a package from disappearing: neither the new package nor a third one has it.
    #[allow(
        clippy::too_many_arguments,
        reason = "one rule of dpkg's, with all that it looks at"
    )]
    fn saves(
        &self,
        path: &Path,
        package: &Package,
        new: &Package,
        key: &PackageKey,
        in_archive: &HashSet<&Path>,
        gone: &[PackageKey],
        diversions: &Diversions,
    ) -> bool {
        let diverting = diversions
            .of(path)
            .and_then(|diversion| diversion.package.as_ref());
        if diverting.is_some_and(|by| *by == package.name || *by == new.name) {
            return true;
        }
        if in_archive.contains(path) {
            return false;
        }
        let own = package.key();
        let mut thirds = self.database.owners(path).filter(|third| {
            let together = package.multi_arch == MultiArch::Same && third.name == package.name;
            **third != own && *third != key && !together && !gone.contains(third)
        });
        thirds.next().is_none()
    }

    /// Whether a dependency or recommendation of a package would not be satisfied any more, were `package` replaced by
    /// `new`.
    fn is_needed(&self, package: &Package, new: &Package, key: &PackageKey) -> bool {
        let own = package.key();
        let provided = groups(package, "Provides");
        let names: HashSet<&str> = std::iter::once(package.name.as_str())
            .chain(provided.iter().flatten().map(|one| one.name.as_str()))
            .collect();
        let needs = |from: &Package, fields: &[&str]| {
            let mut all = fields.iter().flat_map(|field| groups(from, field));
            all.any(|group| {
                group.iter().any(|wanted| names.contains(wanted.name.as_str()))
                    && !satisfied(&self.database, from, &group, &[&own], Some(new))
            })
        };
        let all = ["Depends", "Pre-Depends", "Recommends"];
        let mut others = self
            .database
            .packages()
            .filter(|other| other.key() != own && other.key() != *key);
        needs(new, &all)
            || others.any(|other| match other.status {
                Status::Installed | Status::TriggersPending | Status::TriggersAwaited => needs(other, &all),
                Status::HalfInstalled | Status::Unpacked | Status::HalfConfigured => {
                    needs(other, &["Pre-Depends"])
                }
                Status::NotInstalled | Status::ConfigFiles => false,
            })
    }

    /// Removes a package that has no files any more.
    fn disappear(&mut self, archive: &DebArchive, key: &PackageKey) -> Result {
        self.messages.say(&format!(
            "(Noting disappearance of {}, which has been completely replaced.)",
            self.name(key)
        ));
        self.report_action("disappear", key);
        let declared = self.database.declarations(self.target, key)?;
        self.database.activate_declared(key, &declared);
        let package = self.package(key)?.clone();
        let arguments = vec!["disappear".into(), archive.name.clone(), archive.version.clone()];
        self.run(
            key,
            &call("postrm", arguments),
            &package.info_path("postrm"),
            "installed",
        )?;
        self.database
            .clean_info(self.target, &package.info_name(), &|_| false)?;
        Ok(self.database.blank(key, Want::Unknown)?)
    }
}
