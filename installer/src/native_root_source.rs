//! Source of the native root of a run in chrootless mode.
//!
//! A native root is a directory of the user's, or a root filesystem for this machine's architecture that is
//! made of packages of the target's suite and kept in the cache, below `native-root/`, by the hash of its
//! packages. One that is damaged is made anew. What is there is never changed: what scripts write to it goes to a layer in memory, or, where the kernel
//! has no layers for ordinary users, to a copy that the run has of it.

mod error;
mod remembered;
mod sealed;

pub use error::NativeRootError;
pub(crate) use remembered::Remembered;
pub use sealed::is_whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rootless_install_fs::Target;
use sha2::{Digest, Sha256};

use crate::bookkeeping::Given;
use crate::customization::Customization;
use crate::install::{Installation, ScriptHost};
use crate::merge_usr::MergedUsr;
use crate::settings::SystemSettings;
use crate::staging::Staging;
use apt_solve::{Plan, Request, Selection, Universe, choose};
use deb_arch::Architecture;
use deb_archive::{Lock, PackageFile, lock_file};
use script_host::root_copy;
use script_host::sysroot::package_file;
use script_host::unrunnable::OnUnrunnable;
use script_host::view;
use script_host::{Native, ScriptRoot, ScriptSettings, SessionError};
use task_progress::{Cancel, Event, Reporter, Stage};

type Result<T> = std::result::Result<T, NativeRootError>;

/// Part of the hash of each native root in the cache; another one when the same packages are installed in
/// another way.
const FORM: &str = "native root 1";

/// A native root that a run needs.
pub(crate) struct NativeRootSource<'a, 'u> {
    /// Packages for this machine's architecture, or a directory of the user's.
    pub(crate) tools: &'a Native<'a, 'u>,
    /// The request for the target: a native root has the same packages, as far as there are such.
    pub(crate) request: Request,
    /// Whether /usr is merged.
    pub(crate) merged_usr: MergedUsr,
    /// Files of apt's sources, as the target has them: paths and contents.
    pub(crate) sources: &'a [(PathBuf, String)],
    /// The cache directory.
    pub(crate) cache: &'a Path,
    /// The record by which later calls find it without indexes, if there are to be any.
    pub(crate) remembered: Option<&'a Remembered>,
    /// Settings of the scripts of its packages. What cannot be run there is an error, whatever they say.
    pub(crate) scripts: &'a ScriptSettings,
    /// The reporter of downloads and warnings.
    pub(crate) reporter: &'a Arc<dyn Reporter>,
    /// The token that stops the run.
    pub(crate) cancel: &'a Cancel,
}

/// A native root as one run has it.
pub(crate) struct NativeRoot {
    /// Its files.
    root: Target,
    /// The directory of the run's own copy, removed when dropped; none where scripts write to a layer.
    copied: Option<Staging>,
}

impl NativeRoot {
    /// Takes a native root of the cache for a run. An observer (`observed`) sees what is written only in a copy.
    ///
    /// # Errors
    /// The files cannot be copied.
    pub(crate) fn of_cache(path: &Path, cache: &Path, observed: bool) -> Result<Self> {
        if observed || !view::has_layers() {
            return Self::copy_of(path, cache);
        }
        Ok(Self {
            root: Target::open(path)?,
            copied: None,
        })
    }

    /// Copies a root directory for a run.
    fn copy_of(original: &Path, cache: &Path) -> Result<Self> {
        let directory = Staging::scratch(&cache.join("run"))?;
        let path = directory.directory().join("native");
        root_copy::copy(original, &path).map_err(|source| NativeRootError::Copy {
            path: original.to_owned(),
            source,
        })?;
        Ok(Self {
            root: Target::open(&path)?,
            copied: Some(directory),
        })
    }

    /// Returns its files, and whether a layer takes what is written.
    pub(crate) fn files(&self) -> (&Target, bool) {
        (&self.root, self.copied.is_none())
    }
}

impl NativeRootSource<'_, '_> {
    /// Returns the native root for a run, which is made first where the cache has none. An observer (`observed`)
    /// sees what is written only in a copy.
    ///
    /// # Errors
    /// The packages cannot be fetched or installed, or the cache cannot be written.
    pub(crate) fn for_run(&self, observed: bool) -> Result<NativeRoot> {
        match &self.tools.directory {
            None => {
                let path = self.cached()?;
                if let Some(remembered) = self.remembered {
                    remembered.record(&path);
                }
                NativeRoot::of_cache(&path, self.cache, observed)
            }
            Some(path) => {
                check(path)?;
                let _stage = self.reporter.stage(Stage::Sysroot);
                NativeRoot::copy_of(path, self.cache)
            }
        }
    }

    /// Returns the path of the native root in the cache, which is made where it is not there.
    ///
    /// # Errors
    /// The packages cannot be fetched or installed, or the cache cannot be written.
    fn cached(&self) -> Result<PathBuf> {
        let selection = self.choose()?;
        let plan = Plan::new(self.tools.universe, &selection);
        let directory = self.cache.join("native-root");
        let path = directory.join(name(self.tools.universe, &plan, self.merged_usr));
        if sealed::is_whole(&path) {
            return Ok(path);
        }
        // Another run that found the same damage may have made it anew meanwhile, and use it.
        let alone = lock_file(&self.cache.join("native-root.lock"), Lock::Exclusive, &|| {
            self.tools.fetcher.is_stopped()
        })?;
        if sealed::is_whole(&path) {
            return Ok(path);
        }
        if path.is_dir() {
            self.discard(&path)?;
        }
        drop(alone);
        let _stage = self.reporter.stage(Stage::Sysroot);
        self.reporter.event(&Event::Detail {
            message: &format!("making the native root: {} packages", plan.packages().count()),
        });
        let work = Staging::scratch(&self.cache.join("run"))?;
        let root = work.root();
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::create_dir(&root))
            .map_err(|source| NativeRootError::Write {
                path: root.clone(),
                source,
            })?;
        self.install(&plan, &selection, &work)?;
        sealed::seal(&root).map_err(|source| NativeRootError::Write {
            path: root.clone(),
            source,
        })?;
        match std::fs::rename(&root, &path) {
            // Another run has made it meanwhile.
            Err(_) if path.is_dir() => Ok(path),
            renamed => renamed
                .map(|()| path.clone())
                .map_err(|source| NativeRootError::Write { path, source }),
        }
    }

    /// Removes a native root that is not as it was made.
    fn discard(&self, path: &Path) -> Result<()> {
        self.reporter.warn(&format!(
            "{} in the cache is damaged: it is made anew",
            path.display()
        ));
        // Under its name there is nothing from now on, and what is left of it goes with the work directory.
        let work = Staging::scratch(&self.cache.join("run"))?;
        std::fs::rename(path, work.root()).map_err(|source| NativeRootError::Write {
            path: path.to_owned(),
            source,
        })
    }

    /// Chooses the target's variant and packages, as far as this machine's architecture has them.
    fn choose(&self) -> Result<Selection> {
        let request = &self.request;
        let choose = |include: Vec<String>| {
            choose(
                self.tools.universe,
                &Request {
                    include,
                    ..request.clone()
                },
            )
        };
        // Architectures, versions and suites are asked for of the target's packages only.
        let include: Vec<String> = request
            .include
            .iter()
            .filter_map(|package| package.split([':', '=', '/']).next())
            .map(str::to_owned)
            .collect();
        if let Ok(selection) = choose(include.clone()) {
            return Ok(selection);
        }
        let available: Vec<String> = include
            .into_iter()
            .filter(|package| choose(vec![package.clone()]).is_ok())
            .collect();
        Ok(choose(available)?)
    }

    /// Installs the packages of a plan in the root directory of `work`.
    fn install(&self, plan: &Plan, selection: &Selection, work: &Staging) -> Result<()> {
        let files = plan
            .packages()
            .map(|id| package_file(self.tools.universe, self.tools.indexes, id))
            .collect::<std::result::Result<Vec<PackageFile>, _>>()?;
        let debs = self.tools.fetcher.fetch(&files)?;
        let target = Target::open(&work.root())?;
        let system = SystemSettings {
            arch: Architecture::native(),
            foreign: Vec::new(),
            merged_usr: self.merged_usr,
            selections: Vec::new(),
            scripts: ScriptSettings {
                on_unrunnable: OnUnrunnable::Fail,
                ..self.scripts.clone()
            },
        };
        let nothing = Customization::default();
        let installation = Installation {
            customization: &nothing,
            target: &target,
            system: &system,
            universe: self.tools.universe,
            indexes: self.tools.indexes,
            plan,
            selection,
            debs: plan.packages().zip(debs).collect(),
            sources: self.sources.to_vec(),
            given: Given::default(),
            prepared_as: None,
            has_lists: AtomicBool::new(false),
            moments: None,
            dpkg: None,
            cache: self.cache,
            reporter: Arc::new(Quiet(Arc::clone(self.reporter))),
            cancel: self.cancel,
        };
        let scratch = Staging::scratch(&self.cache.join("run"))?;
        installation.run(ScriptHost {
            root: ScriptRoot::Target,
            native: None,
            scratch: scratch.directory(),
            mount_point: work.view(),
            observer: None,
            native_scripts: None,
        })?;
        Ok(())
    }
}

/// Returns the name in the cache of a native root with the packages of a plan.
fn name(universe: &Universe<'_>, plan: &Plan, merged_usr: MergedUsr) -> String {
    let mut hash = Sha256::new();
    hash.update(FORM);
    hash.update(merged_usr.name());
    for package in plan.packages().map(|id| universe.package(id)) {
        let line = [package.name, package.version, package.architecture].join(" ");
        hash.update([line.as_bytes(), b"\n"].concat());
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", Architecture::native().name)
}

/// A reporter that passes on downloads, warnings and details. Other progress is that of the target's packages,
/// not of the native root's.
struct Quiet(Arc<dyn Reporter>);

impl Reporter for Quiet {
    fn event(&self, event: &Event<'_>) {
        if matches!(
            event,
            Event::DownloadPlanned { .. }
                | Event::DownloadAdvanced { .. }
                | Event::DownloadFinished { .. }
                | Event::Warning { .. }
                | Event::Detail { .. }
        ) {
            self.0.event(event);
        }
    }
}

/// Checks that a directory can be copied as a native root.
///
/// # Errors
/// It is this machine's own root directory, or no root filesystem.
pub(crate) fn check(directory: &Path) -> Result<()> {
    if directory == Path::new("/") {
        return Err(NativeRootError::Machine);
    }
    Ok(script_host::session::check_native_system(directory).map_err(SessionError::from)?)
}
