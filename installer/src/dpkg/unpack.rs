//! Unpacking of one archive (`process_archive` in dpkg's source), whose steps are undone when one of them fails.

use super::deb_files::DebArchive;
use super::engine::Engine;
use super::fault::{Fault, Result};
use super::options::Action;
use super::ownership::InstalledOwners;
use deb_unpack::{Context, Job, Layering, check_contents, unpack_all};
use dpkg_db::Unpacked;
use dpkg_db::{Database, Flag, PackageKey, Status};
use rootless_install_fs::{FileType, Meta, Target};
use script_host::script::Script;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Directory of the control files of a package that is being unpacked.
const INCOMING: &str = "/var/lib/dpkg/tmp.ci";

/// A step to be undone (Policy 6.6).
pub(super) enum Undo {
    /// The prerm of the old version ran: the package is configured again.
    Prerm,
    /// Another package was deconfigured.
    Deconfigured(PackageKey),
    /// The prerm of a conflictor ran.
    InFavour(PackageKey),
    /// The preinst ran; the state before it.
    Preinst(Status),
    /// The postrm of the old version ran.
    Postrm,
}

/// Progress of the unpacking of one archive.
pub(super) struct Progress {
    /// Steps to be undone, the last first.
    pub(super) undo: Vec<Undo>,
    /// Packages that are removed in favour of this one.
    pub(super) conflictors: Vec<PackageKey>,
    /// Whether files of the target were replaced.
    pub(super) placed: bool,
}

impl Engine<'_, '_> {
    /// Unpacks an archive, and undoes its steps where one fails.
    pub(super) fn unpack(&mut self, archive: &DebArchive) -> Result {
        let mut progress = Progress {
            undo: Vec::new(),
            conflictors: Vec::new(),
            placed: false,
        };
        let (key, old) = self.database.select(&archive.control)?;
        self.available.insert(key.clone(), archive.version.clone());
        let mut done = self.unpack_steps(archive, &key, old, &mut progress);
        if let Err(fault) = done {
            // The failure is reported before the messages of undoing.
            done = match fault {
                Fault::Package(problem) => {
                    self.fail("archive", &archive.path.display().to_string(), &problem)
                }
                fatal => Err(fatal),
            };
            self.undo(archive, &key, progress);
        }
        if self.options().act {
            self.remove_incoming()?;
        }
        done
    }

    /// Carries out the steps of unpacking, and notes in `progress` what they have to undo.
    fn unpack_steps(
        &mut self,
        archive: &DebArchive,
        key: &PackageKey,
        old: Status,
        progress: &mut Progress,
    ) -> Result {
        let deconfigured = self.check_relations(archive, progress)?;
        self.count_files();
        self.messages
            .say(&format!("Preparing to unpack {} ...", archive.shown));
        let upgrade = old > Status::ConfigFiles;
        self.report_action(if upgrade { "upgrade" } else { "install" }, key);
        if !self.options().act {
            return Ok(());
        }
        self.database
            .activate_before_unpack(self.target, key, &archive.control)?;
        // Read before anything is done, as in dpkg.
        archive.control.conffiles()?;
        self.write_incoming(archive)?;
        let old_version = self.version(key);
        let mut old = old;
        if old >= Status::HalfConfigured {
            self.database.update(key, |package| {
                package.status = Status::HalfConfigured;
                package.flag = Flag::ReinstReq;
            })?;
            if old > Status::HalfConfigured {
                progress.undo.push(Undo::Prerm);
            }
            self.run_old_or_new(archive, key, "prerm", &old_version)?;
            self.database
                .update(key, |package| package.status = Status::Unpacked)?;
            old = Status::Unpacked;
        }
        for other in &deconfigured {
            self.deconfigure(archive, other, progress)?;
        }
        for conflictor in progress.conflictors.clone() {
            self.begin_conflictor(archive, &conflictor, progress)?;
        }
        self.database.half_install(key, &archive.control)?;
        progress.undo.push(Undo::Preinst(old));
        let versions = [old_version.clone(), archive.version.clone()];
        let arguments = match old {
            Status::NotInstalled => vec!["install".to_owned()],
            Status::ConfigFiles => [vec!["install".to_owned()], versions.to_vec()].concat(),
            _ => [vec!["upgrade".to_owned()], versions.to_vec()].concat(),
        };
        self.run(key, &call("preinst", arguments), &incoming("preinst"), "new")?;
        let name = &archive.name;
        if upgrade {
            self.messages.say(&format!(
                "Unpacking {name} ({}) over ({old_version}) ...",
                archive.version
            ));
        } else {
            self.messages
                .say(&format!("Unpacking {name} ({}) ...", archive.version));
        }
        let before = self.database.list(self.target, key)?;
        let unpacked = self.extract(archive, progress)?;
        if matches!(old, Status::HalfInstalled | Status::Unpacked) {
            self.database
                .update(key, |package| package.status = Status::HalfInstalled)?;
            progress.undo.push(Undo::Postrm);
            self.run_old_or_new(archive, key, "postrm", &old_version)?;
        }
        // Nothing is undone after this point.
        progress.undo.clear();
        let conffiles = self.remove_old_files(archive, key, &before, &unpacked)?;
        self.disappear_others(archive, key, &unpacked, &progress.conflictors)?;
        let paths = unpacked.list.clone();
        let new_key =
            self.database
                .finish_unpack_over(self.target, key, &archive.control, unpacked, conffiles)?;
        self.rename(key, &new_key);
        let key = &new_key;
        self.record()?;
        let package = self.package(key)?.clone();
        self.session
            .learn(&package.name, &package.version, &package.architecture, &paths)?;
        for conflictor in std::mem::take(&mut progress.conflictors) {
            self.end_conflictor(key, &conflictor)?;
        }
        if self.call.action == Action::Install {
            for one in std::iter::once(key).chain(&deconfigured) {
                if self.queue.contains(one) {
                    self.repeated.push(one.clone());
                } else {
                    self.queue.push(one.clone());
                }
            }
        }
        Ok(())
    }

    /// Follows a record that has changed its architecture.
    fn rename(&mut self, old: &PackageKey, new: &PackageKey) {
        if old == new {
            return;
        }
        let waiting = self.queue.iter_mut().chain(&mut self.repeated);
        waiting
            .filter(|key| *key == old)
            .for_each(|key| key.clone_from(new));
        if let Some(version) = self.available.remove(old) {
            self.available.insert(new.clone(), version);
        }
    }

    /// Writes the files of an archive into the target, after all of it was read and checked.
    fn extract(&mut self, archive: &DebArchive, progress: &mut Progress) -> Result<Unpacked> {
        // Effects of scripts are recorded before files change.
        self.record()?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let package = archive.control.package()?;
        let filters = &self.options().filters;
        let left_out = |path: &Path, may_hold_others: bool| filters.leave_out(path, may_hold_others);
        let owners = InstalledOwners::new(&self.database, &progress.conflictors);
        let ignored: Mutex<Vec<String>> = Mutex::default();
        let warn = |problem: &str| lock(&ignored).push(problem.to_owned());
        let mut context = Context::load(self.target, &self.database, Layering::Dpkg)?;
        context.ownership = &owners;
        context.forces = deb_unpack::Forces {
            overwrite: self.forces("overwrite"),
            overwrite_directory: self.forces("overwrite-dir"),
            overwrite_diverted: self.forces("overwrite-diverted"),
        };
        context.warn = &warn;
        context.bad_versions = self.forces("bad-version");
        context.left_out = &left_out;
        let (database, target, begun_empty) = (&self.database, self.target, self.begun_empty);
        let adopted = |path: &Path| begun_empty && is_unowned(path, database, target);
        context.adopted = &adopted;
        check_contents(
            &archive.deb,
            &archive.control,
            &package,
            self.target,
            &context,
            threads,
        )?;
        let replacing = owners.take_replacing();
        for other in &replacing.replaced {
            let (name, version) = (self.name(other), self.version(other));
            self.messages
                .say(&format!("Replacing files in old package {name} ({version}) ..."));
        }
        for other in &replacing.keeping {
            let (name, version) = (self.name(other), self.version(other));
            self.messages.say(&format!(
                "Replaced by files in installed package {name} ({version}) ..."
            ));
        }
        for problem in std::mem::take(&mut *lock(&ignored)) {
            self.messages
                .warning("overriding problem because --force enabled:");
            self.messages.warning(&problem);
        }
        progress.placed = true;
        let job = Job {
            path: self.options().places.on_machine(&archive.path),
            expected: None,
            recompressed: None,
        };
        let unpacked = unpack_all(&[job], self.target, &context, threads, &|_, _| {})?;
        let unpacked = unpacked.into_iter().next().map(|unpacked| unpacked.files);
        unpacked.ok_or_else(|| Fault::Package("the archive was not unpacked".to_owned()))
    }

    /// Runs the old version's script, and the new version's where that fails.
    fn run_old_or_new(
        &mut self,
        archive: &DebArchive,
        key: &PackageKey,
        file: &'static str,
        old: &str,
    ) -> Result {
        let path = self.package(key)?.info_path(file);
        let upgrade = call(file, vec!["upgrade".into(), archive.version.clone()]);
        let problem = match self.run(key, &upgrade, &path, "old") {
            Err(Fault::Package(problem)) => problem,
            done => return done.map(|_| ()),
        };
        self.messages.warning(&problem);
        self.messages
            .notice("trying script from the new package instead ...");
        let arguments = vec!["failed-upgrade".into(), old.to_owned(), archive.version.clone()];
        if !self.run(key, &call(file, arguments), &incoming(file), "new")? {
            return Err(Fault::Package(
                "there is no script in the new version of the package - giving up".to_owned(),
            ));
        }
        self.messages.notice("... it looks like that went OK");
        Ok(())
    }

    /// Undoes all steps. After a failure only other packages are configured again.
    fn undo(&mut self, archive: &DebArchive, key: &PackageKey, mut progress: Progress) {
        let mut given_up = false;
        while let Some(undo) = progress.undo.pop() {
            let own = !matches!(undo, Undo::Deconfigured(_) | Undo::InFavour(_));
            if own && given_up {
                continue;
            }
            let undone = self.undo_one(archive, key, undo, progress.placed);
            if let Err(Fault::Package(problem) | Fault::Call(problem)) = undone {
                self.messages
                    .notice(&format!("error while cleaning up:\n {problem}"));
                given_up |= own;
            }
        }
        // The next call finds these states.
        if let Err(Fault::Package(problem) | Fault::Call(problem)) = self.record() {
            self.messages.notice(&problem);
        }
    }

    fn undo_one(&mut self, archive: &DebArchive, key: &PackageKey, undo: Undo, placed: bool) -> Result {
        let old_version = self.version(key);
        let new = archive.version.clone();
        match undo {
            Undo::Prerm => {
                let arguments = vec!["abort-upgrade".into(), new];
                self.abort_to_installed(key, arguments)?;
                Ok(self.database.update(key, |package| package.flag = Flag::Ok)?)
            }
            Undo::Deconfigured(other) => {
                let arguments = vec![
                    "abort-deconfigure".into(),
                    "in-favour".into(),
                    key.name.clone(),
                    new,
                ];
                self.abort_to_installed(&other, arguments)
            }
            Undo::InFavour(other) => {
                let arguments = vec!["abort-remove".into(), "in-favour".into(), key.name.clone(), new];
                self.abort_to_installed(&other, arguments)
            }
            Undo::Postrm => {
                let path = self.package(key)?.info_path("preinst");
                let script = call("preinst", vec!["abort-upgrade".into(), new]);
                self.run(key, &script, &path, "old").map(|_| ())
            }
            Undo::Preinst(old) => {
                let versions = [old_version, new];
                let arguments = match old {
                    Status::NotInstalled => vec!["abort-install".to_owned()],
                    Status::ConfigFiles => [vec!["abort-install".to_owned()], versions.to_vec()].concat(),
                    _ => [vec!["abort-upgrade".to_owned()], versions.to_vec()].concat(),
                };
                self.run(key, &call("postrm", arguments), &incoming("postrm"), "new")?;
                if placed {
                    // Files of the new version have replaced old ones, so the package has to be unpacked again.
                    return Err(Fault::Package(format!(
                        "files of {} {} were unpacked; it has to be installed again",
                        key.name, archive.version
                    )));
                }
                if old == Status::NotInstalled {
                    let want = self.package(key)?.want;
                    return Ok(self.database.blank(key, want)?);
                }
                Ok(self.database.update(key, |package| {
                    package.status = old;
                    package.flag = Flag::Ok;
                })?)
            }
        }
    }

    /// Runs the postinst with an `abort-…` argument; the package is configured afterwards.
    pub(super) fn abort_to_installed(&mut self, key: &PackageKey, arguments: Vec<String>) -> Result {
        let path = self.package(key)?.info_path("postinst");
        self.run(key, &call("postinst", arguments), &path, "installed")?;
        self.settle(key)
    }

    fn write_incoming(&self, archive: &DebArchive) -> Result {
        self.remove_incoming()?;
        let control = &archive.control;
        self.target
            .make_dir(Path::new(INCOMING), &Meta::of_root(FileType::Directory, 0o755))?;
        for (name, file) in &control.files {
            file.write(self.target, &incoming(name))?;
        }
        let meta = Meta::of_root(FileType::Regular, 0o644);
        Ok(self
            .target
            .write(&incoming("control"), control.control.as_bytes(), &meta)?)
    }

    /// Removes the control files, also those of an earlier call.
    fn remove_incoming(&self) -> Result {
        let names = match self.target.read_dir(Path::new(INCOMING)) {
            Err(error) if error.is_not_found() => return Ok(()),
            names => names?,
        };
        for name in names {
            self.target.remove(&Path::new(INCOMING).join(name))?;
        }
        Ok(self.target.remove_dir(Path::new(INCOMING))?)
    }
}

/// Whether a directory may have been made by tar or mkdir of an ordinary user, who could not set its owner: then the
/// package's owner and mode are set.
fn is_unowned(path: &Path, database: &Database, target: &Target) -> bool {
    let plain = |meta: Meta| meta.uid == 0 && meta.gid == 0 && meta.mode & 0o6000 == 0;
    database.owners(path).next().is_none() && target.stat_follow(path).is_ok_and(|stat| plain(stat.meta))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a call of a maintainer script.
pub(super) fn call(file: &'static str, arguments: Vec<String>) -> Script {
    Script::Call { file, arguments }
}

fn incoming(name: &str) -> PathBuf {
    Path::new(INCOMING).join(name)
}
