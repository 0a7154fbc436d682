//! From verified packages to a configured target: the plan carried out.
//!
//! The essential packages are unpacked together before any script runs, then
//! the view is made and they are installed as dpkg would find them. After that
//! the steps of the plan follow one another: unpack some, configure some.

use crate::arch::Architecture;
use crate::archive::{Fetcher, Index};
use crate::bookkeeping;
use crate::configure::script::Environment;
use crate::configure::{ConfigureError, Configurer, Run, Settings};
use crate::deb::{
    Context, DebError, Expected, Job, Layering, UnpackedPackage, open_package, touched_by_tar, unpack_all,
};
use crate::dpkg::{DPKG_NEW, Database, DpkgError, PackageKey, Status};
use crate::fontconfig;
use crate::hazards::{self, Verdict};
use crate::ldconfig::{self, Ran};
use crate::ldd;
use crate::merge_usr::{self, MergeUsrError, MergedUsr};
use crate::preseed::{PreseedError, Selections};
use crate::report::{Event, Reporter, Stage};
use crate::solve::{PackageId, Phase, Plan, Selection, Step, Universe, Variant};
use crate::staging::{self, Cancel, Cancelled, Staging};
use crate::sysroot::{Sources, Sysroot, SysrootError};
use crate::unrunnable::{Deferred, OnUnrunnable, Refusal, Unrunnable};
use crate::view::{View, ViewError, ViewOptions};
use control::{Control, Reply, Request};
use rootless_install_fs::{Error as TargetError, FileType, Target, Timestamp};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod control;
mod environs;
mod selections;

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A package could not be unpacked.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// dpkg's database could not be read or written.
    #[error(transparent)]
    Dpkg(#[from] DpkgError),
    /// /usr cannot be merged, or left as it was.
    #[error(transparent)]
    MergeUsr(#[from] MergeUsrError),
    /// A script failed.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// The view could not be made.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The native sysroot could not be made.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// A directory of the run could not be made.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Answers for debconf could not be given.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
    /// A file of the run could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The target's filesystem is full, or the user's part of it.
    #[error("no space left for the target in {}", directory.display())]
    NoSpace {
        /// Where the target is being made.
        directory: PathBuf,
        /// What could not be written.
        #[source]
        source: Box<InstallError>,
    },
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl InstallError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Configure(error) => error.hint(),
            Self::MergeUsr(error) => error.hint(),
            Self::View(error) => error.hint(),
            Self::Sysroot(error) => error.hint(),
            Self::Staging(error) => error.hint(),
            Self::Preseed(error) => error.hint().map(str::to_owned),
            Self::NoSpace { .. } => Some("make room there, or make the target on another filesystem".into()),
            _ => None,
        }
    }

    /// Whether the user stopped the run.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Cancelled(_) | Self::Configure(ConfigureError::Cancelled(_))
        )
    }
}

type Result<T> = std::result::Result<T, InstallError>;

/// Where native tools come from.
pub struct Native<'a, 'u> {
    /// Packages of the same suite for this machine's architecture.
    pub universe: &'a Universe<'u>,
    /// The indexes that universe was made of.
    pub indexes: &'a [Index],
    /// What fetches them.
    pub fetcher: &'a Fetcher,
    /// The root of a native system to be used instead.
    pub directory: Option<PathBuf>,
}

/// A plan with all that carrying it out needs.
pub struct Installation<'a, 'u> {
    /// The target: empty yet.
    pub target: &'a Target,
    /// Its architecture.
    pub arch: &'static Architecture,
    /// Its foreign architectures.
    pub foreign: &'a [&'static Architecture],
    /// Packages of these architectures.
    pub universe: &'a Universe<'u>,
    /// What is done.
    pub plan: &'a Plan,
    /// What the plan was made from.
    pub selection: &'a Selection,
    /// Whether /usr is merged.
    pub merged_usr: MergedUsr,
    /// The verified package files.
    pub debs: HashMap<PackageId, PathBuf>,
    /// apt's sources of the target: paths and contents.
    pub sources: Vec<(PathBuf, String)>,
    /// Native tools; `None` when all of the target's own programs can be executed.
    pub native: Option<Native<'a, 'u>>,
    /// The cache.
    pub cache: &'a Path,
    /// An empty directory for the view's mount, made here.
    pub mount_point: PathBuf,
    /// Answers for debconf.
    pub selections: &'a [Selections],
    /// How long a script may take.
    pub script_timeout: Duration,
    /// What becomes of packages whose scripts need what cannot be run.
    pub on_unrunnable: OnUnrunnable,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<i64>,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
    /// Whether to stop.
    pub cancel: &'a Cancel,
}

impl<'u> Installation<'_, 'u> {
    /// Carries the plan out. The packages that are left for the target's own dpkg
    /// are returned.
    ///
    /// # Errors
    /// Whatever ends it; the target is not usable then.
    pub fn run(&self) -> Result<Vec<(PackageKey, Deferred)>> {
        self.carry_out().map_err(|error| {
            // The error of a single file does not say where it would have been.
            let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
            match error {
                InstallError::Sysroot(_) | InstallError::Staging(_) | InstallError::Write { .. } => error,
                error if system_error(&error).is_some_and(|kind| full.contains(&kind)) => {
                    InstallError::NoSpace {
                        directory: self
                            .target
                            .root_path()
                            .parent()
                            .unwrap_or(Path::new("/"))
                            .to_owned(),
                        source: Box::new(error),
                    }
                }
                error => error,
            }
        })
    }

    fn carry_out(&self) -> Result<Vec<(PackageKey, Deferred)>> {
        self.check_selections()?;
        bookkeeping::prepare(self.target, &self.sources, !self.plan.phases.is_empty())?;
        let foreign: Vec<String> = self.foreign.iter().map(|arch| arch.name.to_owned()).collect();
        let first = self.plan.phases.first().map_or(&[][..], |phase| &phase.packages);
        merge_usr::prepare(self.target, self.arch, self.merged_usr, &self.jobs(first))?;
        // Without dpkg its database is what mmdebstrap prepares for it.
        if self.selection.variant == Variant::Extract || self.plan.phases.is_empty() {
            self.extract(&Database::prepare(self.target, self.arch.name, &foreign)?)?;
            return Ok(Vec::new());
        }
        let mut database = Database::create(self.target, self.arch.name, &foreign)?;
        let scratch = Staging::scratch(&self.cache.join("run"))?;
        let sysroot = self.sysroot(scratch.directory())?;
        // Scripts may run it twice at once; it makes and removes the same links.
        let one_ldconfig = Mutex::new(());
        let unrunnable = Unrunnable::new(self.on_unrunnable);
        std::thread::scope(|scope| {
            let socket = scratch.directory().join("private/control");
            // Nobody asks where the target's own programs are executed.
            let control = match self.native {
                None => None,
                Some(_) => {
                    let answer = |request: Request<'_>| {
                        let _alone = matches!(request, Request::Ldconfig { .. })
                            .then(|| one_ldconfig.lock().unwrap_or_else(PoisonError::into_inner));
                        self.answer(sysroot.as_ref(), &unrunnable, request)
                    };
                    Some(
                        Control::listen(scope, &socket, answer).map_err(|source| InstallError::Write {
                            path: socket.clone(),
                            source,
                        })?,
                    )
                }
            };
            let done = self.install(&mut database, sysroot.as_ref(), &unrunnable, scratch.directory());
            drop(control);
            done
        })?;
        if self.native.is_some() {
            fontconfig::remove_foreign(self.target, self.arch)?;
        }
        let automatic: Option<Vec<(String, String)>> =
            (!self.selection.rest.is_empty() || self.selection.assumed.is_some()).then(|| self.automatic());
        let marks = automatic.as_deref().map(|automatic| bookkeeping::Marks {
            automatic,
            architectures: self.universe.architectures(),
        });
        bookkeeping::finish(self.target, marks)?;
        Ok(unrunnable.deferred())
    }

    /// Answers the shim.
    fn answer(
        &self,
        sysroot: Option<&Sysroot<'_, '_>>,
        unrunnable: &Unrunnable,
        request: Request<'_>,
    ) -> Reply {
        let refuse = |tool: &Path, reason: String| {
            unrunnable.refuse(Refusal {
                tool: tool.to_owned(),
                reason: reason.clone(),
            });
            Reply::Refused(reason)
        };
        match request {
            Request::Counterpart(path) => {
                let found = match sysroot {
                    Some(sysroot) => sysroot.find(path),
                    None => Err("the system given with --native-sysroot does not have it".into()),
                };
                found.map_or_else(|reason| refuse(path, reason), Reply::Execute)
            }
            Request::Hazard { program, arguments } => match hazards::judge(program, &arguments, self.arch) {
                Verdict::Run => Reply::Counterpart,
                Verdict::Refuse(reason) => refuse(program, reason),
                Verdict::Convert => {
                    hazards::into_native(self.target, self.arch);
                    Reply::Tell
                }
            },
            Request::Executed { program } => match hazards::into_target(self.target, self.arch) {
                Ok(()) => Reply::Done(Ran::default()),
                Err(reason) => refuse(program, reason),
            },
            Request::Failed { program, reason } => refuse(program, reason.to_string_lossy().into_owned()),
            Request::Ldconfig { directory, arguments } => {
                match ldconfig::run_in(self.target, self.arch, directory, &arguments) {
                    Ok(ran) => Reply::Done(ran),
                    Err(error) if error.is_unknown_version() => Reply::Counterpart,
                    Err(error) => refuse(Path::new("/usr/sbin/ldconfig"), error.to_string()),
                }
            }
            Request::Loader {
                directory,
                environment,
                program,
                arguments,
            } => match ldd::run(
                self.target,
                self.arch,
                directory,
                &environment,
                program,
                &arguments,
            ) {
                Ok(Some(ran)) => Reply::Done(ran),
                Ok(None) => Reply::Counterpart,
                Err(error) => Reply::Refused(error.to_string()),
            },
        }
    }

    /// The variant `extract`: files only, nothing configured, no database.
    fn extract(&self, database: &Database) -> Result<()> {
        for phase in &self.plan.phases {
            let unpacked = self.unpack(&phase.packages, database, Layering::Tar)?;
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

    fn automatic(&self) -> Vec<(String, String)> {
        let marked = self
            .selection
            .rest
            .iter()
            .filter(|id| self.selection.automatic.contains(id));
        marked
            .map(|id| self.universe.package(*id))
            // apt records the architecture it takes `all` for.
            .map(|package| {
                let architecture = if package.architecture == "all" {
                    self.arch.name
                } else {
                    package.architecture
                };
                (package.name.to_owned(), architecture.to_owned())
            })
            .collect()
    }

    fn sysroot<'s>(&'s self, scratch: &Path) -> Result<Option<Sysroot<'s, 'u>>> {
        let redirected = self.native.is_some();
        let private = environs::create_private(scratch, redirected, self.arch)?;
        let Some(native) = &self.native else {
            return Ok(None);
        };
        if let Some(directory) = &native.directory {
            environs::check_native_system(directory)?;
            environs::create_mount_points(&private.join("sysroot"))?;
            return Ok(None);
        }
        let _stage = self.reporter.stage(Stage::Sysroot);
        let sysroot = Sysroot::new(Sources {
            tree: private.join("sysroot"),
            store: self.cache.join("native"),
            target: self.arch,
            files: self.target,
            universe: native.universe,
            indexes: native.indexes,
            fetcher: native.fetcher,
            reporter: &*self.reporter,
        })?;
        Ok(Some(sysroot))
    }

    fn install(
        &self,
        database: &mut Database,
        sysroot: Option<&Sysroot<'_, '_>>,
        unrunnable: &Unrunnable,
        scratch: &Path,
    ) -> Result<()> {
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
            unpacked = self.unpack(&first.packages, database, Layering::TarThenDpkg)?;
            self.learn(sysroot, &first.packages, &unpacked)?;
        }
        let mut view = self.view(scratch)?;
        let environment = Environment {
            dpkg_version: self.dpkg_version(),
            source_date_epoch: self.source_date_epoch,
        };
        let foreseen = |package: &str| {
            self.native.as_ref()?;
            hazards::foreseen(package, self.arch)
        };
        let settings = |force| Settings {
            environment: environment.clone(),
            force,
            timeout: (!self.script_timeout.is_zero()).then_some(self.script_timeout),
            reporter: &*self.reporter,
            cancel: self.cancel,
            unrunnable,
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
            self.preselect(&mut view, scratch, &environment)?;
        }
        drop(unpacked);
        for phase in phases {
            self.install_phase(phase, &mut view, database, sysroot, &settings)?;
        }
        Ok(())
    }

    fn install_phase<'s>(
        &'s self,
        phase: &Phase,
        view: &mut View,
        database: &mut Database,
        sysroot: Option<&Sysroot<'_, '_>>,
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
                        self.unpack_some(some, view, database, sysroot, &settings)?;
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
        sysroot: Option<&Sysroot<'_, '_>>,
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
        let unpacked = self.unpack(ids, database, Layering::Dpkg)?;
        self.learn(sysroot, ids, &unpacked)?;
        for package in &unpacked {
            database.finish_unpack(self.target, &package.control, &package.files)?;
        }
        Ok(())
    }

    fn key(&self, id: PackageId) -> PackageKey {
        let package = self.universe.package(id);
        PackageKey::new(package.name, package.architecture)
    }

    fn jobs(&self, ids: &[PackageId]) -> Vec<Job> {
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
                })
            })
            .collect()
    }

    fn unpack(
        &self,
        ids: &[PackageId],
        database: &Database,
        layering: Layering,
    ) -> Result<Vec<UnpackedPackage>> {
        self.cancel.check()?;
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
        Ok(unpack_all(
            &self.jobs(ids),
            self.target,
            &context,
            threads,
            &told,
        )?)
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

    /// Version of the target's dpkg, for `DPKG_RUNNING_VERSION`.
    fn dpkg_version(&self) -> String {
        let found = self
            .plan
            .packages()
            .map(|id| self.universe.package(id))
            .find(|p| p.name == "dpkg");
        // The least that a script may ask for and that has all of today's interfaces.
        found.map_or_else(|| "1.22.0".to_owned(), |package| package.version.to_owned())
    }

    fn view(&self, scratch: &Path) -> Result<View> {
        std::fs::create_dir(&self.mount_point).map_err(|source| InstallError::Write {
            path: self.mount_point.clone(),
            source,
        })?;
        let reporter = Arc::clone(&self.reporter);
        let directory = self.native.as_ref().and_then(|native| native.directory.clone());
        let view = View::start(ViewOptions {
            target: self.target,
            mount_point: &self.mount_point,
            private: &scratch.join("private"),
            native_system: directory.as_deref(),
            serve: environs::serve_options(
                self.arch,
                self.foreign,
                self.native.as_ref().map(|native| match &native.directory {
                    Some(directory) => directory.clone(),
                    None => scratch.join("private/sysroot"),
                }),
            ),
            sink: Box::new(move |package, line| {
                reporter.event(&Event::ScriptOutput {
                    package,
                    output: line.as_bytes(),
                });
            }),
        })?;
        Ok(view)
    }
}

/// The packages that `dpkg --configure --pending` takes, in its order: that of
/// the hash table of its database (FNV-1a over the name, 65521 entries), which
/// shows in the ids that scripts hand out.
fn pending(database: &Database) -> Vec<PackageKey> {
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

/// The kind of the system error at the bottom of an error.
fn system_error(error: &InstallError) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            kind = Some(error.kind());
        }
        cause = error.source();
    }
    kind
}
