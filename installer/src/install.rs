//! Carrying out a plan: from verified packages to a configured target.
//!
//! The packages of the first phase, the essential ones, are unpacked together before any script runs. Then a
//! session is opened and they are configured. After that the steps of the other phases follow one another, each
//! of which unpacks or configures some packages. Meanwhile later packages are recompressed (`recompress`).

use crate::bookkeeping::{self, Given};
use crate::customization::{self, Customization};
use crate::hooks::{Moment, moments::RunHooks};
use crate::merge_usr;
use crate::settings::SystemSettings;
use crate::staging::is_full;
use apt_solve::{Mmdebstrap, PackageId, Plan, Selection, Universe, Variant};
use deb_archive::Index;
use dpkg_db::{Database, PackageKey};
use rootless_install_fs::Target;
use script_host::unrunnable::Deferred;
use script_host::{Dpkg, Native, Observer, ScriptRoot, Surroundings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use task_progress::{Cancel, Reporter};

mod customize;
mod debconf;
mod error;
mod essential_files;
mod hooks;
mod recompress;
mod steps;

use error::system_error;
pub use error::{HookError, InstallError};
pub(crate) use hooks::archive_name;
pub use recompress::KEPT as RECOMPRESSED;

type Result<T> = std::result::Result<T, InstallError>;

/// A plan, and all that is needed to carry it out in a target.
pub struct Installation<'a, 'u> {
    /// The target, still empty.
    pub target: &'a Target,
    /// Settings of the system in the target.
    pub system: &'a SystemSettings,
    /// Packages of these architectures.
    pub universe: &'a Universe<'u>,
    /// All indexes that are loaded. Their memory is given back to the kernel before packages are unpacked.
    pub indexes: &'a [Index],
    /// Phases and steps, in their order.
    pub plan: &'a Plan,
    /// The packages that were chosen, of which the plan was made.
    pub selection: &'a Selection,
    /// The verified package files of the plan.
    pub debs: HashMap<PackageId, PathBuf>,
    /// Files of apt's sources: paths in the target, and contents.
    pub sources: Vec<(PathBuf, String)>,
    /// What the user gives for the target's configuration, and what is left out.
    pub given: Given,
    /// The release of mmdebstrap whose files the target has already; none where it is empty.
    pub prepared_as: Option<Mmdebstrap>,
    /// What the system is to be beside its packages.
    pub customization: &'a Customization,
    /// Whether the target has got apt's lists for hooks.
    pub has_lists: AtomicBool,
    /// Hooks of the user's.
    pub moments: Option<&'a dyn RunHooks>,
    /// Answers calls of dpkg by hooks; none where there are no hooks, or the target's own dpkg is executed.
    pub dpkg: Option<&'a dyn Dpkg>,
    /// The cache directory.
    pub cache: &'a Path,
    /// The reporter of progress and script output.
    pub reporter: Arc<dyn Reporter>,
    /// The token that stops the run.
    pub cancel: &'a Cancel,
}

/// The environment in which the scripts of an installation run.
pub struct ScriptHost<'a, 'u> {
    /// The root directory of scripts.
    pub root: ScriptRoot<'a>,
    /// Native tools; none when all of the target's own programs can be executed.
    pub native: Option<Native<'a, 'u>>,
    /// An empty directory of this run, on the filesystem of the cache.
    pub scratch: &'a Path,
    /// Mount point of the view; made when the session is opened.
    pub mount_point: PathBuf,
    /// An observer of what scripts do; none outside of lint.
    pub observer: Option<Arc<dyn Observer>>,
    /// Source of native scripts for those that are programs; none where nothing is to be fetched.
    pub native_scripts: Option<&'a script_host::NativeScripts<'a>>,
}

/// The packages that were deferred to the target's own dpkg, each with the reason.
pub type DeferredPackages = Vec<(PackageKey, Deferred)>;

impl Installation<'_, '_> {
    /// Carries the plan out, and returns the packages that could not be configured here.
    ///
    /// # Errors
    /// The first failure; the target is not usable then.
    pub fn run(&self, host: ScriptHost<'_, '_>) -> Result<DeferredPackages> {
        self.carry_out(host).map_err(|error| {
            let full = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
            let directory = self.target.root_path().parent().unwrap_or(Path::new("/"));
            // The error of a file of the target does not say on which filesystem it would have been, and a script that
            // had no room fails in a way of its own.
            let said = system_error(&error).is_some_and(|kind| full.contains(&kind));
            if error.names_directory() || error.is_cancelled() || !(said || is_full(directory)) {
                return error;
            }
            InstallError::NoSpace {
                directory: directory.to_owned(),
                source: Box::new(error),
            }
        })
    }

    fn carry_out(&self, host: ScriptHost<'_, '_>) -> Result<DeferredPackages> {
        self.check_selections()?;
        let mmdebstrap = self.selection.mmdebstrap;
        let fetched = !self.plan.phases.is_empty();
        match self.prepared_as {
            Some(release) => bookkeeping::settle(self.target, release, fetched, mmdebstrap)?,
            None if self.given.skip.has("setup") => {}
            None => bookkeeping::prepare(self.target, &self.sources, &self.given, fetched, mmdebstrap)?,
        }
        let foreign: Vec<String> = self
            .system
            .foreign
            .iter()
            .map(|arch| arch.name.to_owned())
            .collect();
        let first = self.plan.phases.first().map_or(&[][..], |phase| &phase.packages);
        merge_usr::prepare(
            self.target,
            self.system.arch,
            self.system.merged_usr,
            &self.jobs(first),
        )?;
        // Where dpkg is not run, its database is the one that mmdebstrap prepares.
        if self.selection.variant == Variant::Extract || self.plan.phases.is_empty() {
            let database = Database::prepare(self.target, self.system.arch.name, &foreign)?;
            self.extract(&database)?;
            self.customize_files()?;
            return self.without_installing(host);
        }
        let mut database = Database::create(self.target, self.system.arch.name, &foreign)?;
        let recompression = self.recompression(host.scratch);
        let options = self.session_options(
            host.root,
            host.native_scripts,
            host.scratch,
            host.mount_point,
            host.observer,
            self.dpkg,
        );
        let deferred = script_host::open(options, host.native, |session| {
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
        if mmdebstrap.diverts_start_stop_daemon() {
            bookkeeping::undivert_start_stop_daemon(self.target)?;
        }
        if self.given.skip.covers("cleanup/apt/lists") {
            self.write_lists()?;
        }
        self.finish()?;
        Ok(deferred)
    }

    /// Runs the hooks of a target in which nothing is configured, and finishes it. Of the variant `extract`, those after
    /// the extraction; where there is nothing to install, the others as well.
    fn without_installing(&self, host: ScriptHost<'_, '_>) -> Result<DeferredPackages> {
        let moments: &[Moment] = match self.selection.variant {
            Variant::Extract => &[Moment::Extract],
            _ => &[Moment::Extract, Moment::Essential, Moment::Customize],
        };
        if let Some(hooks) = self.moments
            && moments.iter().any(|moment| hooks.has(*moment))
        {
            self.write_lists()?;
            let essential = self.bring_essential()?;
            let options = self.session_options(
                host.root,
                host.native_scripts,
                host.scratch,
                host.mount_point,
                None,
                self.dpkg,
            );
            script_host::open(options, host.native, |session| {
                for moment in moments {
                    hooks.run(*moment, &essential, Some(session.unrunnable()))?;
                }
                Ok::<_, InstallError>(())
            })?;
            self.remove_essential(&essential)?;
        }
        self.finish()?;
        Ok(Vec::new())
    }

    /// Cleans up after all that was done in the target.
    fn finish(&self) -> Result<()> {
        bookkeeping::finish(self.target, &self.given.skip)?;
        Ok(customization::finish(
            self.customization.machine_id.as_ref(),
            self.target,
        )?)
    }

    fn session_options<'o>(
        &'o self,
        root: ScriptRoot<'o>,
        native_scripts: Option<&'o script_host::NativeScripts<'o>>,
        scratch: &'o Path,
        mount_point: PathBuf,
        observer: Option<Arc<dyn Observer>>,
        dpkg: Option<&'o dyn Dpkg>,
    ) -> script_host::Options<'o> {
        script_host::Options {
            target: self.target,
            arch: self.system.arch,
            foreign: &self.system.foreign,
            root,
            scripts: &self.system.scripts,
            dpkg_version: self.dpkg_version(),
            native_scripts,
            runs_programs: true,
            scratch,
            mount_point,
            cache: self.cache,
            surroundings: Surroundings {
                dpkg,
                ..Surroundings::default()
            },
            observer,
            reporter: Arc::clone(&self.reporter),
            cancel: self.cancel,
        }
    }

    /// Writes apt's marks, where apt would have been called to install anything.
    fn write_marks(&self) -> Result<()> {
        if self.selection.rest.is_empty()
            && self.selection.assumed.is_none()
            && !self.given.marks_dependencies
        {
            return Ok(());
        }
        let marks = bookkeeping::Marks {
            automatic: &self.automatic(),
            architectures: self.universe.architectures(),
        };
        Ok(bookkeeping::mark(self.target, marks)?)
    }

    /// Returns the names and architectures of the packages that apt marks as automatically installed.
    fn automatic(&self) -> Vec<(String, String)> {
        // Of the first phase apt knows nothing, unless it is told.
        let first = self
            .selection
            .essential
            .iter()
            .filter(|_| self.given.marks_dependencies);
        let marked = first
            .chain(&self.selection.rest)
            .filter(|id| self.selection.automatic.contains(id));
        marked
            .map(|id| self.universe.package(*id))
            // apt records packages for `all` with the native architecture.
            .map(|package| {
                let architecture = if package.architecture == "all" {
                    self.system.arch.name
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
        // The oldest version that has all interfaces which scripts ask for today.
        found.map_or_else(|| "1.22.0".to_owned(), |package| package.version.to_owned())
    }
}
