//! The stages that change the target: packages are fetched and installed.

use super::error::Error;
use super::keep;
use super::prepare::{Chosen, Prepared, Universes, native_request};
use crate::bookkeeping::Given;
use crate::dpkg::InSession;
use crate::hooks::moments::RunHooks;
use crate::install::{DeferredPackages, Installation, ScriptHost};
use crate::native_root_source::{NativeRoot, NativeRootSource};
use crate::native_scripts::NativeScripts;
use crate::package_lock::LockError;
use crate::settings::{NativeTools, Settings};
use crate::staging::{Room, Staging};
use apt_solve::Mmdebstrap;
use deb_archive::{ArchiveError, PackageFile};
use dpkg_db::Package;
use rootless_install_fs::Target;
use script_host::sysroot::package_file;
use script_host::{Dpkg, Native, Observer, ScriptRootKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use task_progress::{Cancel, Reporter, Stage};

/// All that carrying a plan out needs.
pub(super) struct CarryOut<'i, 'p> {
    pub(super) settings: &'i Settings,
    pub(super) prepared: &'i Prepared,
    pub(super) universes: &'i Universes<'p>,
    pub(super) chosen: &'i Chosen,
    /// The work directory, whose root becomes the target.
    pub(super) staging: &'i Staging,
    /// The target in it, still empty.
    pub(super) target: &'i Target,
    /// The release of mmdebstrap whose files the target has already; none where it is empty.
    pub(super) prepared_as: Option<Mmdebstrap>,
    /// Hooks of the user's.
    pub(super) moments: Option<&'i dyn RunHooks>,
    /// An empty directory of this run in the cache.
    pub(super) scratch: &'i Path,
    /// An observer of what scripts do; none outside of lint.
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) reporter: &'i Arc<dyn Reporter>,
    pub(super) cancel: &'i Cancel,
}

impl CarryOut<'_, '_> {
    /// Fetches the packages and installs them. Returns those that were deferred.
    ///
    /// # Errors
    /// Those of fetching and installing; the target is not usable then.
    pub(super) fn run(&self) -> Result<DeferredPackages, Error> {
        let Self {
            settings,
            prepared,
            chosen,
            cancel,
            ..
        } = *self;
        let debs = self.fetch()?;
        cancel.check()?;
        let sources = match prepared.has_sources {
            true => Vec::new(),
            false => settings.additions.sources(&prepared.lists),
        };
        if settings.additions.download_only {
            keep::prepare(self, &sources)?;
            keep::keep(self, &debs)?;
            return Ok(DeferredPackages::new());
        }
        let tools = self.universes.native.as_ref().map(|universe| Native {
            universe,
            indexes: &prepared.native,
            fetcher: &prepared.archives.fetcher,
            earlier: None,
            directory: settings.native_tools.directory().cloned(),
        });
        let native_root = self.native_root(tools.as_ref(), &sources)?;
        let dpkg = InSession {
            target: self.target,
            architecture: settings.system.arch,
            bound: Vec::new(),
            cancel,
        };
        let answered = self.moments.is_some() && settings.system.is_redirected();
        let installation = Installation {
            target: self.target,
            system: &settings.system,
            universe: &self.universes.target,
            indexes: &prepared.indexes,
            plan: &chosen.plan,
            selection: &chosen.selection,
            debs: chosen.plan.packages().zip(debs.iter().cloned()).collect(),
            sources,
            given: Given::of(settings),
            prepared_as: self.prepared_as,
            customization: &settings.customization,
            has_lists: AtomicBool::new(false),
            moments: self.moments,
            dpkg: answered.then_some(&dpkg as &dyn Dpkg),
            cache: &settings.cache,
            reporter: Arc::clone(self.reporter),
            cancel,
        };
        let scripts = NativeScripts {
            cache: &settings.cache,
            settings: &settings.archives,
            existing: None,
            arch: settings.system.arch,
            reporter: self.reporter,
            cancel,
            loaded: OnceLock::new(),
        };
        let native_scripts = |package: &Package, script: &str| scripts.script(package, script);
        let deferred = installation.run(ScriptHost {
            native_scripts: (settings.native_tools == NativeTools::Packages).then_some(&native_scripts),
            root: prepared
                .scripts_run
                .root(native_root.as_ref().map(NativeRoot::files)),
            native: tools.filter(|_| settings.system.is_redirected()),
            scratch: self.scratch,
            mount_point: self.staging.view(),
            observer: self.observer.clone(),
        })?;
        keep::keep(self, &debs)?;
        Ok(deferred)
    }

    /// Fetches the package files of the plan, in its order.
    fn fetch(&self) -> Result<Vec<PathBuf>, Error> {
        let universe = &self.universes.target;
        let mut files = self
            .chosen
            .plan
            .packages()
            .map(|id| package_file(universe, &self.prepared.target, id))
            .collect::<Result<Vec<PackageFile>, _>>()?;
        if let (Some(lock), Some(snapshot)) = (&self.settings.locked, &self.settings.archives.snapshot) {
            for (file, id) in files.iter_mut().zip(self.chosen.plan.packages()) {
                let package = universe.package(id);
                lock.add_snapshot(package.index, snapshot, package.filename, file)?;
            }
        }
        let (fetched, fetcher) = (files.len(), &self.prepared.archives.fetcher);
        self.staging.check_room(
            Room::of_packages(fetched, self.chosen.installed_size(universe)),
            &self.settings.cache,
            Room {
                bytes: fetcher.missing(&files),
                files: fetched as u64,
            },
        )?;
        let _stage = self.reporter.stage(Stage::Download);
        match fetcher.fetch(&files) {
            Err(ArchiveError::NotFound { .. } | ArchiveError::Offline { .. })
                if self.settings.locked.is_some() =>
            {
                // Whoever has a lock wants to know all that is not there.
                let gone = files.iter().filter(|file| {
                    let found = fetcher.fetch(std::slice::from_ref(*file));
                    matches!(
                        found,
                        Err(ArchiveError::NotFound { .. } | ArchiveError::Offline { .. })
                    )
                });
                Err(LockError::Gone {
                    packages: gone.map(|file| file.name.clone()).collect(),
                }
                .into())
            }
            fetched => Ok(fetched?),
        }
    }

    /// Returns the run's native root, where scripts run in one.
    fn native_root(
        &self,
        tools: Option<&Native<'_, '_>>,
        sources: &[(PathBuf, String)],
    ) -> Result<Option<NativeRoot>, Error> {
        let Some(tools) = tools.filter(|_| self.prepared.scripts_run == ScriptRootKind::Native) else {
            return Ok(None);
        };
        let system = &self.settings.system;
        let source = NativeRootSource {
            tools,
            request: native_request(self.settings, tools.universe)?,
            merged_usr: system.merged_usr,
            sources,
            cache: &self.settings.cache,
            remembered: None,
            scripts: &system.scripts,
            reporter: self.reporter,
            cancel: self.cancel,
        };
        Ok(Some(source.for_run(self.observer.is_some())?))
    }
}
