//! From verified packages to a configured target: the plan carried out.
//!
//! The essential packages are unpacked together before any script runs, then a session is opened and they are
//! installed as dpkg would find them. After that the steps of the plan follow one another: unpack some,
//! configure some.

use crate::bookkeeping;
use crate::merge_usr::{self, MergedUsr};
use crate::preseed::Selections;
use apt_solve::{PackageId, Plan, Selection, Universe, Variant};
use deb_arch::Architecture;
use deb_archive::Index;
use dpkg_db::{Database, PackageKey};
use progress::{Cancel, Reporter};
use rootless_install_fs::Target;
use script_host::unrunnable::Deferred;
use script_host::{Native, Observer, ScriptRoot, ScriptSettings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod debconf;
mod error;
mod recompress;
mod steps;

pub use error::InstallError;
use error::system_error;
pub(crate) use steps::pending;

type Result<T> = std::result::Result<T, InstallError>;

/// A plan, and the target in which it is carried out.
pub struct Installation<'a, 'u> {
    /// The target, still empty.
    pub target: &'a Target,
    /// The target's own architecture.
    pub arch: &'static Architecture,
    /// The target's foreign architectures.
    pub foreign: &'a [&'static Architecture],
    /// Packages of these architectures.
    pub universe: &'a Universe<'u>,
    /// All indexes, whose memory is given back from time to time.
    pub indexes: &'a [Index],
    /// The phases and steps.
    pub plan: &'a Plan,
    /// The selection that the plan was made of.
    pub selection: &'a Selection,
    /// The verified package files.
    pub debs: HashMap<PackageId, PathBuf>,
    /// The target's sources of apt: paths and contents.
    pub sources: Vec<(PathBuf, String)>,
    /// Whether /usr is merged.
    pub merged_usr: MergedUsr,
    /// Answers for debconf.
    pub selections: &'a [Selections],
    /// Settings of scripts.
    pub scripts: &'a ScriptSettings,
    /// The cache directory.
    pub cache: &'a Path,
    /// The reporter of all that happens.
    pub reporter: Arc<dyn Reporter>,
    /// The token that stops it.
    pub cancel: &'a Cancel,
}

/// The place in which the scripts of an installation run.
pub struct Workplace<'a, 'u> {
    /// The root directory of scripts.
    pub root: ScriptRoot<'a>,
    /// Native tools; none when all of the target's own programs can be executed.
    pub native: Option<Native<'a, 'u>>,
    /// An empty directory of this run, on the filesystem of the cache.
    pub scratch: &'a Path,
    /// A directory for the view's mount, made here.
    pub mount_point: PathBuf,
    /// An observer of what scripts do.
    pub observer: Option<Arc<dyn Observer>>,
}

/// The packages that were deferred to the target's own dpkg, each with the reason.
pub type DeferredPackages = Vec<(PackageKey, Deferred)>;

impl Installation<'_, '_> {
    /// Carries the plan out.
    ///
    /// # Errors
    /// Whatever ends it; the target is not usable then.
    pub fn run(&self, place: Workplace<'_, '_>) -> Result<DeferredPackages> {
        self.carry_out(place).map_err(|error| {
            // The error of a single file does not say where it would have been.
            let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
            match error {
                error if error.names_its_place() => error,
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

    fn carry_out(&self, place: Workplace<'_, '_>) -> Result<DeferredPackages> {
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
        let recompression = self.recompression(place.scratch);
        let options = script_host::Options {
            target: self.target,
            arch: self.arch,
            foreign: self.foreign,
            root: place.root,
            native: place.native,
            scripts: self.scripts,
            dpkg_version: self.dpkg_version(),
            runs_programs: true,
            scratch: place.scratch,
            mount_point: place.mount_point,
            cache: self.cache,
            observer: place.observer,
            reporter: Arc::clone(&self.reporter),
            cancel: self.cancel,
        };
        let deferred = script_host::open(options, |session| {
            std::thread::scope(|scope| {
                let _stopped = recompression.until_dropped();
                let begin = || {
                    for _ in 0..recompression.threads() {
                        scope.spawn(|| recompression.work());
                    }
                };
                self.install(session, &mut database, &recompression, &begin)
            })?;
            Ok::<_, InstallError>(session.unrunnable().deferred())
        })?;
        let automatic: Option<Vec<(String, String)>> =
            (!self.selection.rest.is_empty() || self.selection.assumed.is_some()).then(|| self.automatic());
        let marks = automatic.as_deref().map(|automatic| bookkeeping::Marks {
            automatic,
            architectures: self.universe.architectures(),
        });
        bookkeeping::finish(self.target, marks)?;
        Ok(deferred)
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

    /// Returns the version of the target's dpkg, for `DPKG_RUNNING_VERSION`.
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
