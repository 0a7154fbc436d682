//! Makes the native root of a run in chrootless mode, or takes it from the cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rootless_install_fs::Target;
use sha2::{Digest, Sha256};

use super::{InstallError, Installation, Place};
use crate::arch::Architecture;
use crate::archive::{Fetcher, Index, PackageFile};
use crate::merge_usr::MergedUsr;
use crate::native_root;
use crate::report::{Event, Reporter, Stage};
use crate::solve::{Plan, Request, Selection, Universe, choose};
use crate::staging::{Cancel, Staging};
use crate::sysroot::package_file;
use crate::unrunnable::OnUnrunnable;
use std::time::Duration;

type Result<T> = std::result::Result<T, InstallError>;

/// What names a root filesystem in the cache besides its packages; to be changed when the same
/// packages are installed otherwise.
const FORM: &str = "native root 1";

/// What a native root is made of.
pub(crate) struct Making<'a, 'u> {
    /// One that the user has, which is copied.
    pub(crate) given: Option<&'a Path>,
    /// What is asked for in the target.
    pub(crate) request: Request,
    /// Whether /usr is merged.
    pub(crate) merged_usr: MergedUsr,
    /// Packages for this machine's architecture.
    pub(crate) universe: &'a Universe<'u>,
    /// The indexes that universe was made of.
    pub(crate) indexes: &'a [Index],
    /// What fetches packages.
    pub(crate) fetcher: &'a Fetcher,
    /// apt's sources, as the target has them.
    pub(crate) sources: &'a [(PathBuf, String)],
    /// The cache.
    pub(crate) cache: &'a Path,
    /// How long a script may take.
    pub(crate) script_timeout: Duration,
    /// `SOURCE_DATE_EPOCH`.
    pub(crate) source_date_epoch: Option<i64>,
    /// Who is told.
    pub(crate) reporter: &'a Arc<dyn Reporter>,
    /// Whether to stop.
    pub(crate) cancel: &'a Cancel,
}

/// A copy that belongs to one run, and goes with it.
pub(crate) struct Copied {
    /// Its files.
    pub(crate) root: Target,
    _directory: Staging,
}

impl Making<'_, '_> {
    /// The run's own copy of the native root.
    ///
    /// # Errors
    /// The packages cannot be had or installed, or the cache cannot be written.
    pub(crate) fn copy(&self) -> Result<Copied> {
        let original = match self.given {
            None => self.kept()?,
            Some(path) => {
                check(path)?;
                path.to_owned()
            }
        };
        let _stage = self.reporter.stage(Stage::Sysroot);
        let directory = Staging::scratch(&self.cache.join("run"))?;
        let path = directory.directory().join("native");
        native_root::copy(&original, &path).map_err(|source| InstallError::NativeRoot {
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
        let plan = Plan::new(self.universe, &selection);
        let directory = self.cache.join("native-root");
        let path = directory.join(name(self.universe, &plan, self.merged_usr));
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
                self.universe,
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
            .map(|id| package_file(self.universe, self.indexes, id))
            .collect::<std::result::Result<Vec<PackageFile>, _>>()?;
        let debs = self.fetcher.fetch(&files)?;
        let target = Target::open(&work.root())?;
        let installation = Installation {
            target: &target,
            arch: Architecture::native(),
            foreign: &[],
            universe: self.universe,
            indexes: self.indexes,
            plan,
            selection,
            merged_usr: self.merged_usr,
            debs: plan.packages().zip(debs).collect(),
            sources: self.sources.to_vec(),
            native: None,
            place: Place::View,
            lint: None,
            violations: &|_| {},
            cache: self.cache,
            mount_point: work.view(),
            selections: &[],
            script_timeout: self.script_timeout,
            on_unrunnable: OnUnrunnable::Fail,
            source_date_epoch: self.source_date_epoch,
            reporter: Arc::new(Quiet(Arc::clone(self.reporter))),
            cancel: self.cancel,
        };
        installation.run()?;
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
    Ok(super::check_native_system(directory)?)
}
