//! Packages that keep another one from being unpacked: Pre-Depends, Breaks, Conflicts, and instances for other
//! architectures (`pkg_check_depcon` in dpkg's source). They are deconfigured or removed where that is allowed.

use super::deb_files::DebArchive;
use super::engine::Engine;
use super::fault::{Fault, Result};
use super::relations::{excludes, groups, is_meant, satisfied, written};
use super::unpack::{Progress, Undo, call};
use dpkg_db::{Flag, Package, PackageKey, Possibility, Status, Want, replaces};

impl Engine<'_, '_> {
    /// Checks the relations between a package and those in the database. Returns the packages to be deconfigured;
    /// those to be removed become conflictors of `progress`.
    pub(super) fn check_relations(
        &mut self,
        archive: &DebArchive,
        progress: &mut Progress,
    ) -> Result<Vec<PackageKey>> {
        let new = archive.control.package()?;
        let name = new.display_name(self.database.native());
        let mut deconfigured: Vec<PackageKey> = Vec::new();
        // Instances for other architectures, of another version.
        let instances = self.database.packages().filter(|have| {
            have.name == new.name
                && have.key() != archive.key
                && have.status > Status::HalfConfigured
                && have.version != new.version
        });
        deconfigured.extend(instances.map(Package::key));
        for key in self.conflicting(&new) {
            self.check_conflictor(archive, &new, &key, progress)?;
        }
        for group in groups(&new, "Breaks") {
            let broken = self.excluded(&new, &group, Status::TriggersAwaited);
            for key in broken {
                if deconfigured.contains(&key) || progress.conflictors.contains(&key) {
                    continue;
                }
                let other = self.name(&key);
                if self.options().auto_deconfigure {
                    self.messages.notice(&format!(
                        "considering deconfiguration of {other}, which would be broken by installation of {name} ..."
                    ));
                    self.messages
                        .notice(&format!("yes, will deconfigure {other} (broken by {name})"));
                    deconfigured.push(key);
                    continue;
                }
                self.messages.notice(&format!(
                    "regarding {} containing {name}:\n {name} breaks {}\n  {other} (version {}) is present and {}.\n",
                    archive.shown,
                    written(&group),
                    self.version(&key),
                    self.status(&key)
                ));
                if !self.forces("breaks") {
                    return Err(Fault::Package(format!(
                        "installing {name} would break {other}, and\n deconfiguration is not permitted \
                         (--auto-deconfigure might help)"
                    )));
                }
                self.messages.warning("ignoring breakage, may proceed anyway!");
            }
        }
        for group in groups(&new, "Pre-Depends") {
            self.check_pre_depends(archive, &new, &group)?;
        }
        Ok(deconfigured)
    }

    /// Checks one pre-dependency, for which it may process triggers.
    fn check_pre_depends(&mut self, archive: &DebArchive, new: &Package, group: &[Possibility]) -> Result {
        let native = self.database.native().to_owned();
        let meant = |have: &Package| group.iter().any(|wanted| is_meant(new, have, wanted, &native));
        let ready = |engine: &Self| {
            engine.database.packages().any(|have| {
                // A package that was configured counts while its new version is only unpacked, or awaits triggers.
                let on_the_way = matches!(
                    have.status,
                    Status::Unpacked | Status::HalfConfigured | Status::TriggersAwaited
                );
                let before = on_the_way
                    && have.config_version.as_ref().is_some_and(|version| {
                        let mut as_configured = have.clone();
                        as_configured.version.clone_from(version);
                        meant(&as_configured)
                    });
                let now = matches!(have.status, Status::Installed | Status::TriggersPending);
                (now || before) && meant(have)
            })
        };
        if ready(self) || self.ignores(group) {
            return Ok(());
        }
        let waiting = self
            .database
            .packages()
            .find(|have| have.status == Status::TriggersAwaited && meant(have));
        if let Some(waiting) = waiting.map(Package::key) {
            let mut processed: Option<PackageKey> = None;
            while let Some(pending) = self.package(&waiting)?.triggers_awaited.first().cloned() {
                if processed.as_ref() == Some(&pending) {
                    return Err(Fault::Package(format!(
                        "{} keeps awaiting triggers of {}",
                        self.name(&waiting),
                        self.name(&pending)
                    )));
                }
                self.process_triggers(&pending)?;
                processed = Some(pending);
            }
            if ready(self) {
                return Ok(());
            }
        }
        let name = new.display_name(&native);
        let first = group
            .first()
            .map(|wanted| wanted.name.clone())
            .unwrap_or_default();
        let have = self
            .database
            .resolve(&first)
            .and_then(|key| self.database.get(&key));
        let why = match have {
            Some(have) if have.status >= Status::Unpacked => match &have.config_version {
                None => format!("{first} is unpacked, but has never been configured."),
                Some(_) => format!("{first} latest configured version is not what is needed."),
            },
            _ => format!("{first} is not installed."),
        };
        self.messages.notice(&format!(
            "regarding {} containing {name}, pre-dependency problem:\n {name} pre-depends on {}\n  {why}\n",
            archive.shown,
            written(group)
        ));
        if !self.forces("depends") {
            return Err(Fault::Package(format!(
                "pre-dependency problem - not installing {name}"
            )));
        }
        self.messages.warning("ignoring pre-dependency problem!");
        Ok(())
    }

    /// Returns the packages, with at least the state `least`, that a group of a negative relation excludes.
    fn excluded(&self, from: &Package, group: &[Possibility], least: Status) -> Vec<PackageKey> {
        let native = self.database.native();
        let there = self.database.packages().filter(|have| have.status >= least);
        there
            .filter(|have| group.iter().any(|wanted| excludes(from, have, wanted, native)))
            .map(Package::key)
            .collect()
    }

    /// Returns the packages that a new one conflicts with, or that conflict with it.
    fn conflicting(&self, new: &Package) -> Vec<PackageKey> {
        let mut found = Vec::new();
        for group in groups(new, "Conflicts") {
            found.extend(self.excluded(new, &group, Status::HalfInstalled));
        }
        let native = self.database.native();
        for have in self
            .database
            .packages()
            .filter(|have| have.status >= Status::HalfInstalled)
        {
            let about = |wanted: &Possibility| excludes(have, new, wanted, native);
            if groups(have, "Conflicts").iter().flatten().any(about) {
                found.push(have.key());
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Makes a package that is in conflict with the new one a conflictor, where it may be removed.
    fn check_conflictor(
        &mut self,
        archive: &DebArchive,
        new: &Package,
        key: &PackageKey,
        progress: &mut Progress,
    ) -> Result {
        let have = self.package(key)?.clone();
        let (name, other) = (new.display_name(self.database.native()), self.name(key));
        let given_up = !matches!(have.want, Want::Install | Want::Hold) || replaces(new, &have);
        let kept = (have.essential() && !self.forces("remove-essential"))
            || (have.field("Protected").is_some() && !self.forces("remove-protected"));
        if given_up && !kept {
            self.messages
                .notice(&format!("considering removing {other} in favour of {name} ..."));
            match self.needed_by(key, new) {
                Some(needing) => {
                    let needing = self.name(&needing);
                    self.messages
                        .notice(&format!("no, cannot remove {other}: {needing} depends on it"));
                }
                None if have.flag == Flag::ReinstReq && !self.forces("remove-reinstreq") => {
                    self.messages.notice(&format!(
                        "package {other} requires reinstallation, will not remove"
                    ));
                }
                None => {
                    if have.status < Status::TriggersAwaited {
                        self.messages.notice(&format!(
                            "{other} is not properly installed; ignoring any dependencies on it"
                        ));
                    }
                    self.messages
                        .notice(&format!("yes, will remove {other} in favour of {name}"));
                    progress.conflictors.push(key.clone());
                    return Ok(());
                }
            }
        }
        self.messages.notice(&format!(
            "regarding {} containing {name}:\n {name} conflicts with {other}\n  {other} (version {}) is present and {}.\n",
            archive.shown, have.version, have.status
        ));
        if !self.forces("conflicts") {
            return Err(Fault::Package(format!(
                "conflicting packages - not installing {name}"
            )));
        }
        self.messages.warning("ignoring conflict, may proceed anyway!");
        Ok(())
    }

    /// Returns a package whose dependencies would not be satisfied any more, were `key` replaced by `new`.
    fn needed_by(&self, key: &PackageKey, new: &Package) -> Option<PackageKey> {
        if self.status(key) < Status::TriggersAwaited {
            return None;
        }
        let own = self.database.record_of(new).unwrap_or_else(|_| new.key());
        let others = self.database.packages().filter(|other| {
            other.status >= Status::TriggersAwaited && other.key() != *key && other.key() != own
        });
        let mut broken = others.filter(|other| {
            let mut needs = ["Depends", "Pre-Depends"]
                .into_iter()
                .flat_map(|field| groups(other, field));
            needs.any(|group| {
                satisfied(&self.database, other, &group, &[], None)
                    && !satisfied(&self.database, other, &group, &[key], Some(new))
            })
        });
        broken.next().map(Package::key)
    }

    /// Returns the reasons in dpkg's words why a package is broken by others; empty where it is not.
    pub(super) fn broken_by(&self, package: &Package) -> String {
        let native = self.database.native();
        let name = package.display_name(native);
        let mut why = String::new();
        for other in self
            .database
            .packages()
            .filter(|other| other.status >= Status::Unpacked)
        {
            for wanted in groups(other, "Breaks").iter().flatten() {
                if !excludes(other, package, wanted, native) {
                    continue;
                }
                why += &format!(
                    " {} ({}) breaks {} and is {}.\n",
                    other.display_name(native),
                    other.version,
                    wanted,
                    other.status
                );
                if wanted.constraint.is_some() {
                    why += &format!("  Version of {name} to be configured is {}.\n", package.version);
                }
            }
        }
        why
    }

    /// Deconfigures a package, so that the new one can be configured or installed.
    pub(super) fn deconfigure(
        &mut self,
        archive: &DebArchive,
        other: &PackageKey,
        progress: &mut Progress,
    ) -> Result {
        let (name, version) = (archive.name.clone(), archive.version.clone());
        let same = other.name == archive.key.name;
        self.messages.say(&format!(
            "De-configuring {} ({}), to allow {} of {name} ({version}) ...",
            self.name(other),
            self.version(other),
            if same { "configuration" } else { "installation" }
        ));
        let declared = self.database.declarations(self.target, other)?;
        self.database.activate_declared(other, &declared);
        self.database
            .update(other, |package| package.status = Status::HalfConfigured)?;
        progress.undo.push(Undo::Deconfigured(other.clone()));
        let arguments = vec!["deconfigure".into(), "in-favour".into(), name, version];
        let path = self.package(other)?.info_path("prerm");
        self.run(other, &call("prerm", arguments), &path, "installed")?;
        Ok(())
    }

    /// Begins to remove a conflictor in favour of the new package.
    pub(super) fn begin_conflictor(
        &mut self,
        archive: &DebArchive,
        key: &PackageKey,
        progress: &mut Progress,
    ) -> Result {
        let before = self.status(key);
        if before < Status::HalfConfigured {
            return Ok(());
        }
        let declared = self.database.declarations(self.target, key)?;
        self.database.activate_declared(key, &declared);
        self.database
            .update(key, |package| package.status = Status::HalfConfigured)?;
        if before > Status::HalfConfigured {
            progress.undo.push(Undo::InFavour(key.clone()));
        }
        let (name, version) = (archive.name.clone(), archive.version.clone());
        let arguments = vec!["remove".into(), "in-favour".into(), name, version];
        let path = self.package(key)?.info_path("prerm");
        self.run(key, &call("prerm", arguments), &path, "installed")?;
        self.database
            .update(key, |package| package.status = Status::HalfInstalled)?;
        Ok(())
    }

    /// Removes the files of a conflictor, when the new package is unpacked.
    pub(super) fn end_conflictor(&mut self, new: &PackageKey, key: &PackageKey) -> Result {
        self.messages.say(&format!(
            "Removing {} ({}), to allow configuration of {} ({}) ...",
            self.name(key),
            self.version(key),
            self.name(new),
            self.version(new)
        ));
        self.remove_bulk(key)
    }
}
