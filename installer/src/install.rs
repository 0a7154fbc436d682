//! From verified packages to a configured target: the plan carried out.
//!
//! The essential packages are unpacked together before any script runs, then
//! the view is made and they are installed as dpkg would find them. After that
//! the steps of the plan follow one another: unpack some, configure some.

use crate::arch::Architecture;
use crate::archive::{Fetcher, Index};
use crate::bookkeeping;
use crate::dpkg::{Database, PackageKey};
use crate::fontconfig;
use crate::lint::Lint;
use crate::merge_usr::{self, MergedUsr};
use crate::preseed::Selections;
use crate::report::{Reporter, Stage};
use crate::solve::{PackageId, Plan, Selection, Universe, Variant};
use crate::staging::{Cancel, Staging};
use crate::sysroot::{Sources, Sysroot};
use crate::unrunnable::{Deferred, OnUnrunnable, Unrunnable};
use answers::Answers;
use rootless_install_fs::Target;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

mod absorb;
mod ahead;
mod answers;
mod control;
pub mod dpkg_call;
mod environs;
mod error;
pub(crate) mod native_root;
mod place;
mod record;
mod selections;
mod steps;

use steps::Means;

pub(crate) use environs::check_native_system;
pub use error::InstallError;
use error::system_error;
pub use place::{Place, Way};
pub use shim_protocol::Violation;

/// Sets a flag when it is dropped, also by a panic.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
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
    /// All indexes, whose memory is let go from time to time.
    pub indexes: &'a [Index],
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
    /// Where maintainer scripts run.
    pub place: Place<'a>,
    /// Who watches what scripts do outside of it; the reporter tells it which script runs.
    pub lint: Option<Arc<Lint>>,
    /// Who is told what scripts do outside of `DPKG_ROOT`.
    pub violations: &'a (dyn Fn(&Violation<'_>) + Sync),
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

/// A plan that was carried out.
pub struct Done {
    /// The packages that are left for the target's own dpkg.
    pub deferred: Vec<(PackageKey, Deferred)>,
    /// What was needed for it, and is removed when this is dropped.
    pub scratch: Option<Staging>,
}

impl<'u> Installation<'_, 'u> {
    /// Carries the plan out.
    ///
    /// # Errors
    /// Whatever ends it; the target is not usable then.
    pub fn run(&self) -> Result<Done> {
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

    fn carry_out(&self) -> Result<Done> {
        self.check_selections()?;
        bookkeeping::prepare(self.target, &self.sources, !self.plan.phases.is_empty())?;
        let foreign: Vec<String> = self.foreign.iter().map(|arch| arch.name.to_owned()).collect();
        let first = self.plan.phases.first().map_or(&[][..], |phase| &phase.packages);
        merge_usr::prepare(self.target, self.arch, self.merged_usr, &self.jobs(first))?;
        // Without dpkg its database is what mmdebstrap prepares for it.
        if self.selection.variant == Variant::Extract || self.plan.phases.is_empty() {
            self.extract(&Database::prepare(self.target, self.arch.name, &foreign)?)?;
            return Ok(Done {
                deferred: Vec::new(),
                scratch: None,
            });
        }
        let mut database = Database::create(self.target, self.arch.name, &foreign)?;
        let scratch = Staging::scratch(&self.cache.join("run"))?;
        let sysroot = self.sysroot(scratch.directory())?;
        let unrunnable = Unrunnable::new(self.on_unrunnable);
        let ahead = self.ahead(scratch.directory());
        let answers = Answers::new(self, sysroot.as_ref(), &unrunnable);
        std::thread::scope(|scope| {
            let control = answers.listen(scope, scratch.directory())?;
            let work_ahead = || {
                for _ in 0..ahead.threads() {
                    scope.spawn(|| ahead.work());
                }
            };
            let means = Means {
                sysroot: sysroot.as_ref(),
                unrunnable: &unrunnable,
                scratch: scratch.directory(),
                ahead: &ahead,
                work_ahead: &work_ahead,
            };
            let stopped_at_the_end = ahead.until_dropped();
            let installed = AtomicBool::new(false);
            let done = std::thread::scope(|while_scripts_run| {
                if let Some(lint) = &self.lint {
                    while_scripts_run.spawn(|| lint.drain_until(&|| installed.load(Ordering::Acquire)));
                }
                let _set = OnDrop(&installed);
                self.install(&mut database, &means)
            });
            drop(stopped_at_the_end);
            drop(control);
            done
        })?;
        if matches!(self.place, Place::Machine { fuse: false }) {
            absorb::absorb_all(self.target)?;
        }
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
        let deferred = unrunnable.deferred();
        Ok(Done {
            deferred,
            scratch: Some(scratch),
        })
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
        let private = self.create_private(scratch)?;
        if self.place.is_chrootless() {
            return Ok(None);
        }
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
}
