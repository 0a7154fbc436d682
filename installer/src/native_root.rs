//! The native root of a run in chrootless mode: made, or taken from the cache, and copied.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rootless_install_fs::Target;
use sha2::{Digest, Sha256};

use crate::install::{InstallError, Installation, Workplace};
use crate::merge_usr::MergedUsr;
use crate::staging::Staging;
use apt_solve::{Plan, Request, Selection, Universe, choose};
use deb_arch::Architecture;
use deb_archive::PackageFile;
use progress::Cancel;
use progress::{Event, Reporter, Stage};
use script_host::root_copy;
use script_host::sysroot::package_file;
use script_host::unrunnable::OnUnrunnable;
use script_host::{Native, ScriptRoot, ScriptSettings, SessionError};

type Result<T> = std::result::Result<T, InstallError>;

/// What names a root filesystem in the cache besides its packages; to be changed when the same
/// packages are installed otherwise.
const FORM: &str = "native root 1";

/// A native root to be had, and where its packages come from.
pub(crate) struct NativeRoot<'a, 'u> {
    /// Packages for this machine's architecture, or a root filesystem that the user has, which is copied.
    pub(crate) tools: &'a Native<'a, 'u>,
    /// The request for the target.
    pub(crate) request: Request,
    /// Whether /usr is merged.
    pub(crate) merged_usr: MergedUsr,
    /// apt's sources, as the target has them: paths and contents.
    pub(crate) sources: &'a [(PathBuf, String)],
    /// The cache directory.
    pub(crate) cache: &'a Path,
    /// Settings of scripts; those of a native root are never deferred.
    pub(crate) scripts: &'a ScriptSettings,
    /// The reporter of downloads and warnings.
    pub(crate) reporter: &'a Arc<dyn Reporter>,
    /// The token that stops it.
    pub(crate) cancel: &'a Cancel,
}

/// A copy that belongs to one run, and goes with it.
pub(crate) struct Copied {
    /// Its files.
    pub(crate) root: Target,
    _directory: Staging,
}

impl NativeRoot<'_, '_> {
    /// The run's own copy of the native root.
    ///
    /// # Errors
    /// The packages cannot be had or installed, or the cache cannot be written.
    pub(crate) fn copy(&self) -> Result<Copied> {
        let original = match &self.tools.directory {
            None => self.kept()?,
            Some(path) => {
                check(path)?;
                path.to_owned()
            }
        };
        let _stage = self.reporter.stage(Stage::Sysroot);
        let directory = Staging::scratch(&self.cache.join("run"))?;
        let path = directory.directory().join("native");
        root_copy::copy(&original, &path).map_err(|source| InstallError::NativeRoot {
            path: original,
            source,
        })?;
        Ok(Copied {
            root: Target::open(&path)?,
            _directory: directory,
        })
    }

    /// The one in the cache, made where it is not there.
    fn kept(&self) -> Result<PathBuf> {
        let selection = self.choose()?;
        let plan = Plan::new(self.tools.universe, &selection);
        let directory = self.cache.join("native-root");
        let path = directory.join(name(self.tools.universe, &plan, self.merged_usr));
        if path.is_dir() {
            return Ok(path);
        }
        let _stage = self.reporter.stage(Stage::Sysroot);
        self.reporter.event(&Event::Detail {
            message: &format!("making the native root: {} packages", plan.packages().count()),
        });
        let work = Staging::scratch(&self.cache.join("run"))?;
        let root = work.root();
        std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::create_dir(&root))
            .map_err(|source| InstallError::Write {
                path: root.clone(),
                source,
            })?;
        self.install(&plan, &selection, &work)?;
        match std::fs::rename(&root, &path) {
            // Another run has made it meanwhile.
            Err(_) if path.is_dir() => Ok(path),
            renamed => renamed
                .map(|()| path.clone())
                .map_err(|source| InstallError::Write { path, source }),
        }
    }

    /// The target's variant and packages, as far as this machine's architecture has them.
    fn choose(&self) -> Result<Selection> {
        let wanted = &self.request;
        let choose = |include: Vec<String>| {
            choose(
                self.tools.universe,
                &Request {
                    include,
                    ..wanted.clone()
                },
            )
        };
        // Another architecture's, and other versions, are the target's own affair.
        let include: Vec<String> = wanted
            .include
            .iter()
            .filter_map(|package| package.split([':', '=', '/']).next())
            .map(str::to_owned)
            .collect();
        if let Ok(selection) = choose(include.clone()) {
            return Ok(selection);
        }
        let there: Vec<String> = include
            .into_iter()
            .filter(|package| choose(vec![package.clone()]).is_ok())
            .collect();
        Ok(choose(there)?)
    }

    fn install(&self, plan: &Plan, selection: &Selection, work: &Staging) -> Result<()> {
        let files = plan
            .packages()
            .map(|id| package_file(self.tools.universe, self.tools.indexes, id))
            .collect::<std::result::Result<Vec<PackageFile>, _>>()?;
        let debs = self.tools.fetcher.fetch(&files)?;
        let target = Target::open(&work.root())?;
        let scripts = ScriptSettings {
            on_unrunnable: OnUnrunnable::Fail,
            ..self.scripts.clone()
        };
        let installation = Installation {
            target: &target,
            arch: Architecture::native(),
            foreign: &[],
            universe: self.tools.universe,
            indexes: self.tools.indexes,
            plan,
            selection,
            debs: plan.packages().zip(debs).collect(),
            sources: self.sources.to_vec(),
            merged_usr: self.merged_usr,
            selections: &[],
            scripts: &scripts,
            cache: self.cache,
            reporter: Arc::new(Quiet(Arc::clone(self.reporter))),
            cancel: self.cancel,
        };
        let scratch = Staging::scratch(&self.cache.join("run"))?;
        installation.run(Workplace {
            root: ScriptRoot::Target,
            native: None,
            scratch: scratch.directory(),
            mount_point: work.view(),
            observer: None,
        })?;
        Ok(())
    }
}

/// The name of a root filesystem with these packages.
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

/// Tells of downloads, warnings and details: the progress of the rest is not the target's.
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

/// Whether a directory can be copied as a native root.
///
/// # Errors
/// It is the machine's own, or no root filesystem.
pub(crate) fn check(directory: &Path) -> Result<()> {
    if directory == Path::new("/") {
        return Err(InstallError::MachineAsNativeRoot);
    }
    Ok(script_host::session::check_native_system(directory).map_err(SessionError::from)?)
}
