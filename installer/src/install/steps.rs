//! The steps of the plan: unpack some, configure some.

use super::ahead::{self, Ahead, Task};
use super::{Installation, Result, environs};
use crate::bookkeeping;
use crate::configure::{Configurer, Run, Settings};
use crate::deb::{
    Context, Expected, Job, Layering, UnpackedPackage, open_package, touched_by_tar, unpack_all,
};
use crate::dpkg::{DPKG_NEW, Database, PackageKey, Status};
use crate::hazards;
use crate::report::{Event, Stage};
use crate::solve::{PackageId, Phase, Step};
use crate::sysroot::Sysroot;
use crate::unrunnable::Unrunnable;
use crate::view::View;
use rootless_install_fs::{FileType, Timestamp};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the steps of one run share.
pub(super) struct Means<'m, 's, 'u> {
    /// The native sysroot, where it is this program's.
    pub(super) sysroot: Option<&'m Sysroot<'s, 'u>>,
    /// What could not be executed.
    pub(super) unrunnable: &'m Unrunnable,
    /// A directory of this run.
    pub(super) scratch: &'m Path,
    /// What is decoded ahead.
    pub(super) ahead: &'m Ahead,
    /// Begins with that.
    pub(super) work_ahead: &'m dyn Fn(),
}

impl Installation<'_, '_> {
    /// The variant `extract`: files only, nothing configured, no database.
    pub(super) fn extract(&self, database: &Database) -> Result<()> {
        for phase in &self.plan.phases {
            let unpacked = self.unpack(&phase.packages, database, Layering::Tar, &Ahead::default())?;
            for package in &unpacked {
                for (path, _) in package.control.conffiles()? {
                    let path = Path::new(&path);
                    let mut waiting = OsString::from(path);
                    waiting.push(DPKG_NEW);
                    let directory = path.parent().unwrap_or(Path::new("/"));
                    let before = self.target.stat_follow(directory)?.meta.mtime;
                    self.target.rename(Path::new(&waiting), path)?;
                    self.target.set_mtime(directory, before)?;
                }
            }
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
        Ok(bookkeeping::finish(self.target, None)?)
    }

    pub(super) fn install(&self, database: &mut Database, means: &Means<'_, '_, '_>) -> Result<()> {
        self.reporter.event(&Event::UnpackPlanned {
            packages: self.plan.packages().count(),
        });
        self.reporter.event(&Event::ConfigurePlanned {
            packages: self.plan.packages().count(),
        });
        let mut phases = self.plan.phases.iter();
        let mut unpacked = Vec::new();
        let first = phases.next();
        if let Some(first) = first {
            unpacked = self.unpack(&first.packages, database, Layering::TarThenDpkg, means.ahead)?;
            self.learn(means.sysroot, &first.packages, &unpacked)?;
        }
        (means.work_ahead)();
        let mut view = self.view(means.scratch)?;
        let environment = self.environment(means.scratch)?;
        let foreseen = |package: &str| {
            self.native.as_ref()?;
            hazards::foreseen(package, self.arch)
        };
        let settings = |force| Settings {
            environment: environment.clone(),
            force,
            timeout: (!self.script_timeout.is_zero()).then_some(self.script_timeout),
            reporter: &*self.reporter,
            tolerant: self.lint.is_some(),
            cancel: self.cancel,
            unrunnable: means.unrunnable,
            foreseen: &foreseen,
        };
        if first.is_some() {
            let _stage = self.reporter.stage(Stage::Configure);
            // mmdebstrap installs these with --force-depends.
            let settings = settings("security-mac,depends,downgrade");
            let mut configurer = Configurer::new(self.target, &mut view, database, settings);
            let mut keys = Vec::new();
            for package in &unpacked {
                configurer.begin_unpack(&package.control)?;
                keys.push(configurer.finish_unpack(&package.control, &package.files)?);
            }
            configurer.configure(&keys, Run::Install)?;
            database.save(self.target)?;
            self.preselect(&mut view, means.scratch, &environment)?;
        }
        drop(unpacked);
        for phase in phases {
            self.install_phase(phase, &mut view, database, means, &settings)?;
        }
        Ok(())
    }

    fn install_phase<'s>(
        &'s self,
        phase: &Phase,
        view: &mut View,
        database: &mut Database,
        means: &Means<'_, '_, '_>,
        settings: &dyn Fn(&'static str) -> Settings<'s>,
    ) -> Result<()> {
        let settings = || settings("security-mac,downgrade");
        for step in &phase.steps {
            self.cancel.check()?;
            database.begin_run();
            match step {
                Step::Unpack(ids) => {
                    let mut rest = ids.as_slice();
                    while !rest.is_empty() {
                        let together = database.room_for_packages().clamp(1, rest.len());
                        let (some, others) = rest.split_at(together);
                        self.unpack_some(some, view, database, means, &settings)?;
                        rest = others;
                    }
                }
                Step::Configure(ids) => {
                    let _stage = self.reporter.stage(Stage::Configure);
                    let keys: Vec<PackageKey> = ids.iter().map(|id| self.key(*id)).collect();
                    let mut configurer = Configurer::new(self.target, view, database, settings());
                    configurer.configure(&keys, Run::Configure)?;
                }
                Step::ConfigurePending => {
                    let _stage = self.reporter.stage(Stage::Configure);
                    let keys = pending(database);
                    let mut configurer = Configurer::new(self.target, view, database, settings());
                    configurer.configure(&keys, Run::Pending)?;
                }
            }
            // A step is a run of dpkg, which ends with a new status file; the one
            // before it stays as status-old.
            database.save(self.target)?;
        }
        Ok(())
    }

    /// Unpacks packages together: their preinst scripts run first.
    fn unpack_some<'s>(
        &'s self,
        ids: &[PackageId],
        view: &mut View,
        database: &mut Database,
        means: &Means<'_, '_, '_>,
        settings: &dyn Fn() -> Settings<'s>,
    ) -> Result<()> {
        {
            let _stage = self.reporter.stage(Stage::Configure);
            let mut configurer = Configurer::new(self.target, view, database, settings());
            for job in &self.jobs(ids) {
                let (_, control) = open_package(job)?;
                if self.native.is_some() {
                    environs::make_hidden_link(
                        self.target,
                        control.script("preinst").map(|file| file.data.as_slice()),
                    )?;
                }
                configurer.begin_unpack(&control)?;
            }
        }
        let unpacked = self.unpack(ids, database, Layering::Dpkg, means.ahead)?;
        self.learn(means.sysroot, ids, &unpacked)?;
        for package in &unpacked {
            database.finish_unpack(self.target, &package.control, &package.files)?;
        }
        Ok(())
    }

    fn key(&self, id: PackageId) -> PackageKey {
        let package = self.universe.package(id);
        PackageKey::new(package.name, package.architecture)
    }

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
                    quick: None,
                })
            })
            .collect()
    }

    fn unpack(
        &self,
        ids: &[PackageId],
        database: &Database,
        layering: Layering,
        ahead: &Ahead,
    ) -> Result<Vec<UnpackedPackage>> {
        self.cancel.check()?;
        // Unpacking takes the most memory, and looks nothing up.
        for index in self.indexes {
            index.packages.forget();
        }
        let _stage = self.reporter.stage(Stage::Unpack);
        let context = Context::load(self.target, database, layering)?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let told = |index: usize, unpacked: &crate::deb::Unpacked| {
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
            job.quick = ahead.quick(&job.path).map(Path::to_owned);
        }
        let unpacked = unpack_all(&jobs, self.target, &context, threads, &told)?;
        for job in &jobs {
            ahead.past(&job.path);
        }
        Ok(unpacked)
    }

    /// What can be decoded ahead: what later steps unpack, in their order, for this run; what
    /// the first phase unpacks, for the next.
    pub(super) fn ahead(&self, scratch: &Path) -> Ahead {
        let tasks = |ids: &[PackageId], place: &dyn Fn(&Path) -> Option<PathBuf>| -> Vec<Task> {
            let packages = ids.iter().filter_map(|id| self.debs.get(id));
            packages
                .filter(|package| ahead::worth_while(package))
                .filter_map(|package| {
                    Some(Task {
                        package: package.clone(),
                        quick: place(package)?,
                    })
                })
                .collect()
        };
        let mut phases = self.plan.phases.iter();
        let first = phases.next().map_or(&[][..], |phase| &phase.packages);
        let keep = tasks(first, &|package| ahead::kept(self.cache, package));
        let later = phases
            .flat_map(|phase| &phase.steps)
            .filter_map(|step| match step {
                Step::Unpack(ids) => Some(ids.as_slice()),
                Step::Configure(_) | Step::ConfigurePending => None,
            });
        let soon = later.flat_map(|ids| tasks(ids, &|package| ahead::passing(scratch, package)));
        Ahead::new(scratch, soon.collect(), keep)
    }

    fn learn(
        &self,
        sysroot: Option<&Sysroot<'_, '_>>,
        ids: &[PackageId],
        unpacked: &[UnpackedPackage],
    ) -> Result<()> {
        let Some(sysroot) = sysroot else { return Ok(()) };
        for (id, package) in ids.iter().zip(unpacked) {
            let known = self.universe.package(*id);
            sysroot.learn(known, package.files.list.iter().map(PathBuf::as_path))?;
        }
        Ok(())
    }
}

/// The packages that `dpkg --configure --pending` takes, in its order: that of
/// the hash table of its database (FNV-1a over the name, 65521 entries), which
/// shows in the ids that scripts hand out.
pub(super) fn pending(database: &Database) -> Vec<PackageKey> {
    let slot = |name: &str| {
        let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
        });
        hash % 65_521
    };
    let mut keys: Vec<PackageKey> = database
        .packages()
        .filter(|package| {
            matches!(package.status, Status::Unpacked | Status::HalfConfigured)
                || !package.triggers_pending.is_empty()
        })
        .map(|package| package.key())
        .collect();
    keys.sort_by_key(|key| slot(&key.name));
    keys
}
