//! The phases and steps of the plan: packages are unpacked and configured in turn.

use super::recompress::{self, Recompression, Task};
use super::{Installation, Result};
use crate::bookkeeping;
use crate::configure::{Configurer, Run, pending};
use crate::dpkg_configuration::DpkgConfiguration;
use crate::hooks::Moment;
use apt_solve::{PackageId, Phase, Step};
use deb_archive::{Index, apt_lists};
use deb_unpack::{
    Context, Expected, Job, Layering, UnpackedPackage, open_package, touched_by_tar, unpack_all,
};
use dpkg_db::{ControlArchive, Database, PackageKey, Status};
use rootless_install_fs::{FileType, Timestamp};
use script_host::Session;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use task_progress::{Event, Stage};

/// `DPKG_FORCE` of packages beside the essential ones, as apt's dpkg has it.
const FORCE: &str = "security-mac,downgrade";

/// Whether a package is installed in the version of `control`.
fn is_installed(database: &Database, control: &ControlArchive) -> bool {
    let Ok(new) = control.package() else {
        return false;
    };
    database
        .get(&new.key())
        .is_some_and(|known| known.status == Status::Installed && known.version == new.version)
}

/// Files of dpkg's database that a hook may change.
const DATABASE: [&str; 3] = [
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/diversions",
    "/var/lib/dpkg/statoverride",
];

impl Installation<'_, '_> {
    /// Unpacks the packages and configures none, as the variant `extract` does. They are not in the database.
    pub(super) fn extract(&self, database: &Database) -> Result<()> {
        for phase in &self.plan.phases {
            let unpacked = self.unpack(
                &phase.packages,
                database,
                Layering::Tar,
                &Recompression::default(),
            )?;
            let is_directory = |path: &Path| {
                let stat = self.target.stat(path);
                stat.is_ok_and(|stat| stat.meta.kind == FileType::Directory)
            };
            let lists = unpacked.iter().map(|package| {
                let paths = package.files.list.iter().map(PathBuf::as_path);
                paths.map(|path| (path, is_directory(path)))
            });
            for path in touched_by_tar(lists) {
                self.target.set_mtime(path, Timestamp::now())?;
            }
        }
        Ok(())
    }

    /// Installs the packages, the first phase as a whole and then step by step. `begin_recompression` is called when
    /// the first packages are unpacked.
    pub(super) fn install(
        &self,
        session: &mut Session<'_>,
        database: &mut Database,
        recompression: &Recompression,
        begin_recompression: &dyn Fn(),
    ) -> Result<()> {
        self.reporter.event(&Event::UnpackPlanned {
            packages: self.plan.packages().count(),
        });
        self.reporter.event(&Event::ConfigurePlanned {
            packages: self.plan.packages().count(),
        });
        let mut phases = self.plan.phases.iter();
        let first = phases.next();
        let mut unpacked = Vec::new();
        if let Some(first) = first {
            unpacked = self.unpack(&first.packages, database, Layering::TarThenDpkg, recompression)?;
            self.learn(session, &first.packages, &unpacked)?;
        }
        begin_recompression();
        let essential = self.bring_essential()?;
        self.run_hooks(Moment::Extract, &essential, session, database)?;
        if first.is_some() {
            let _stage = self.reporter.stage(Stage::Configure);
            // A hook that has installed them itself has run their scripts, too.
            unpacked.retain(|package| !is_installed(database, &package.control));
            // mmdebstrap installs these with --force-depends.
            let force = "security-mac,depends,downgrade";
            let mut configurer = Configurer::new(session, database, force);
            let mut keys = Vec::new();
            for package in &unpacked {
                configurer.begin_unpack(&package.control)?;
                keys.push(configurer.finish_unpack(&package.control, &package.files)?);
            }
            // Where there is no other phase, these are the packages that ask.
            let alone = self.plan.phases.len() == 1;
            if alone {
                self.preselect(session)?;
            }
            Configurer::new(session, database, force).configure(&keys, Run::Install)?;
            database.save(self.target)?;
            if !alone {
                self.preselect(session)?;
            }
        }
        drop(unpacked);
        self.remove_essential(&essential)?;
        self.run_hooks(Moment::Essential, &[], session, database)?;
        for phase in phases {
            bookkeeping::called(self.target)?;
            let call = self.begin_apt(phase, session)?;
            self.install_phase(phase, session, database, recompression)?;
            self.end_apt(call, session)?;
        }
        self.write_marks()?;
        self.customize(session)?;
        self.run_hooks(Moment::Customize, &[], session, database)?;
        if let Some(moments) = self.moments {
            moments.end()?;
        }
        self.clean_lists(self.selection.mmdebstrap, session)
    }

    /// Gives the target's apt the lists that an update would have got it, once, as hooks and the user may want them.
    pub(super) fn write_lists(&self) -> Result<()> {
        // With this directory apt itself has been there, by a hook.
        let of_apt = Path::new(bookkeeping::LISTS).join("auxfiles");
        if self.has_lists.swap(true, Ordering::Relaxed) || self.target.stat(&of_apt).is_ok() {
            return Ok(());
        }
        let own = self.universe.architectures();
        let fits = |index: &&Index| index.architecture == "all" || own.contains(&index.architecture.as_str());
        let indexes: Vec<Index> = self.indexes.iter().filter(fits).cloned().collect();
        for (name, text) in apt_lists(&indexes) {
            bookkeeping::write_list(self.target, &name, &text)?;
        }
        Ok(())
    }

    /// Runs the user's hooks of a moment, and takes in what they have changed of dpkg's database.
    fn run_hooks(
        &self,
        moment: Moment,
        essential: &[String],
        session: &Session<'_>,
        database: &mut Database,
    ) -> Result<()> {
        let Some(hooks) = self.moments.filter(|moments| moments.has(moment)) else {
            return Ok(());
        };
        self.write_lists()?;
        let state = || DATABASE.map(|path| self.target.read(Path::new(path)).ok());
        let before = state();
        hooks.run(moment, essential, Some(session.unrunnable()))?;
        if state() != before {
            *database = Database::load(self.target, self.system.arch.name)?;
        }
        Ok(())
    }

    /// Carries out the steps of a phase after the first.
    fn install_phase(
        &self,
        phase: &Phase,
        session: &mut Session<'_>,
        database: &mut Database,
        recompression: &Recompression,
    ) -> Result<()> {
        // A hook may have installed some.
        let there: HashSet<PackageId> = match self.moments {
            Some(_) => phase
                .packages
                .iter()
                .copied()
                .filter(|id| self.is_there(database, *id))
                .collect(),
            None => HashSet::new(),
        };
        let lacking = |ids: &[PackageId]| -> Vec<PackageId> {
            ids.iter().copied().filter(|id| !there.contains(id)).collect()
        };
        for step in &phase.steps {
            self.cancel.check()?;
            database.begin_run();
            match step {
                Step::Unpack(ids) => {
                    let ids = lacking(ids);
                    let mut rest = ids.as_slice();
                    while !rest.is_empty() {
                        let together = database.room_for_packages().clamp(1, rest.len());
                        let (some, others) = rest.split_at(together);
                        self.unpack_some(some, session, database, recompression)?;
                        rest = others;
                    }
                }
                Step::Configure(ids) => {
                    let _stage = self.reporter.stage(Stage::Configure);
                    let keys: Vec<PackageKey> = lacking(ids).iter().map(|id| self.key(*id)).collect();
                    Configurer::new(session, database, FORCE).configure(&keys, Run::Configure)?;
                }
                Step::ConfigurePending => {
                    let _stage = self.reporter.stage(Stage::Configure);
                    let keys = pending(database);
                    Configurer::new(session, database, FORCE).configure(&keys, Run::Pending)?;
                }
            }
            // A step is a run of dpkg, which ends with a new status file; the old one becomes status-old.
            database.save(self.target)?;
        }
        Ok(())
    }

    /// Whether this version of a package is installed.
    fn is_there(&self, database: &Database, id: PackageId) -> bool {
        let version = self.universe.package(id).version;
        let found = database.get(&self.key(id));
        found.is_some_and(|package| {
            package.status == Status::Installed && package.field("Version") == Some(version)
        })
    }

    /// Runs the preinst scripts of some packages, then unpacks these together.
    fn unpack_some(
        &self,
        ids: &[PackageId],
        session: &mut Session<'_>,
        database: &mut Database,
        recompression: &Recompression,
    ) -> Result<()> {
        {
            let _stage = self.reporter.stage(Stage::Configure);
            for job in &self.jobs(ids) {
                let (_, control) = open_package(job)?;
                session.before_preinst(control.script("preinst").map(|file| file.data.as_slice()))?;
                Configurer::new(session, database, FORCE).begin_unpack(&control)?;
            }
        }
        let unpacked = self.unpack(ids, database, Layering::Dpkg, recompression)?;
        self.learn(session, ids, &unpacked)?;
        for package in &unpacked {
            database.finish_unpack(self.target, &package.control, &package.files)?;
        }
        Ok(())
    }

    fn key(&self, id: PackageId) -> PackageKey {
        let package = self.universe.package(id);
        PackageKey::new(package.name, package.architecture)
    }

    /// Returns the package files of some packages, with what their control data must say.
    pub(super) fn jobs(&self, ids: &[PackageId]) -> Vec<Job> {
        ids.iter()
            .filter_map(|id| {
                let package = self.universe.package(*id);
                Some(Job {
                    path: self.debs.get(id)?.clone(),
                    expected: Some(Expected {
                        name: package.name.to_owned(),
                        version: package.version.to_owned(),
                        architecture: package.architecture.to_owned(),
                    }),
                    recompressed: None,
                })
            })
            .collect()
    }

    /// Unpacks packages together, in parallel.
    fn unpack(
        &self,
        ids: &[PackageId],
        database: &Database,
        layering: Layering,
        recompression: &Recompression,
    ) -> Result<Vec<UnpackedPackage>> {
        self.cancel.check()?;
        // Unpacking takes the most memory, and needs no index.
        for index in self.indexes {
            index.packages.forget();
        }
        let _stage = self.reporter.stage(Stage::Unpack);
        let mut context = Context::load(self.target, database, layering)?;
        // The first phase is extracted whole before dpkg, and with it the configuration, is there; what the user gives is.
        let configuration = match layering {
            Layering::Dpkg => DpkgConfiguration::of(self.target),
            Layering::TarThenDpkg | Layering::Tar => DpkgConfiguration::filters_of(&self.given.dpkg_options),
        };
        let left_out =
            |path: &Path, may_hold_others: bool| configuration.filters.leave_out(path, may_hold_others);
        context.left_out = &left_out;
        context.forces = configuration.forces;
        // tar writes over what is there.
        context.forces.overwrite |= layering == Layering::Tar;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let report = |index: usize, unpacked: &dpkg_db::Unpacked| {
            if let Some(id) = ids.get(index) {
                let package = self.universe.package(*id).name;
                self.reporter.event(&Event::Unpacked {
                    package,
                    bytes: unpacked.bytes,
                });
            }
        };
        let mut jobs = self.jobs(ids);
        for job in &mut jobs {
            job.recompressed = recompression.recompressed(&job.path).map(Path::to_owned);
        }
        let unpacked = unpack_all(&jobs, self.target, &context, threads, &report)?;
        for job in &jobs {
            recompression.past(&job.path);
        }
        Ok(unpacked)
    }

    /// Returns the packages to recompress: those of later steps, in their order, for this run, and those of the first
    /// phase for the next.
    pub(super) fn recompression(&self, scratch: &Path) -> Recompression {
        let tasks = |ids: &[PackageId], path: &dyn Fn(&Path) -> Option<PathBuf>| -> Vec<Task> {
            let packages = ids.iter().filter_map(|id| self.debs.get(id));
            packages
                .filter(|package| recompress::worth_while(package))
                .filter_map(|package| {
                    Some(Task {
                        package: package.clone(),
                        recompressed: path(package)?,
                    })
                })
                .collect()
        };
        let mut phases = self.plan.phases.iter();
        let first = phases.next().map_or(&[][..], |phase| &phase.packages);
        let keep = tasks(first, &|package| recompress::cached(self.cache, package));
        let later = phases
            .flat_map(|phase| &phase.steps)
            .filter_map(|step| match step {
                Step::Unpack(ids) => Some(ids.as_slice()),
                Step::Configure(_) | Step::ConfigurePending => None,
            });
        let soon = later.flat_map(|ids| tasks(ids, &|package| recompress::temporary(scratch, package)));
        Recompression::new(scratch, soon.collect(), keep)
    }

    /// Records in the session which packages own the paths that were unpacked.
    fn learn(&self, session: &Session<'_>, ids: &[PackageId], unpacked: &[UnpackedPackage]) -> Result<()> {
        for (id, package) in ids.iter().zip(unpacked) {
            let known = self.universe.package(*id);
            session.learn(known.name, known.version, known.architecture, &package.files.list)?;
        }
        Ok(())
    }
}
