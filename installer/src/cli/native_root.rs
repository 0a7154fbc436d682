//! Makes the native root of a run in chrootless mode, or takes it from the cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rootless_install_fs::Target;
use sha2::{Digest, Sha256};

use super::Config;
use super::config::NativeSysroot;
use super::pipeline::{Error, request};
use crate::arch::Architecture;
use crate::archive::{Fetcher, Index, PackageFile};
use crate::install::{InstallError, Installation, Place};
use crate::native_root;
use crate::report::{Event, Reporter, Stage};
use crate::solve::{Plan, Request, Selection, Universe, choose};
use crate::staging::{Cancel, Staging};
use crate::sysroot::package_file;
use crate::unrunnable::OnUnrunnable;

/// What names a root filesystem in the cache besides its packages; to be changed when the same
/// packages are installed otherwise.
const FORM: &str = "native root 1";

/// What a native root is made of.
pub(super) struct Making<'a, 'u> {
    pub(super) config: &'a Config,
    /// Packages for this machine's architecture.
    pub(super) universe: &'a Universe<'u>,
    /// The indexes that universe was made of.
    pub(super) indexes: &'a [Index],
    pub(super) fetcher: &'a Fetcher,
    /// apt's sources, as the target has them.
    pub(super) sources: &'a [(PathBuf, String)],
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) cancel: &'a Cancel,
}

/// A copy that belongs to one run, and goes with it.
pub(super) struct Copied {
    pub(super) root: Target,
    _directory: Staging,
}

impl Making<'_, '_> {
    /// The run's own copy of the native root.
    ///
    /// # Errors
    /// The packages cannot be had or installed, or the cache cannot be written.
    pub(super) fn copy(&self) -> Result<Copied, Error> {
        let original = match &self.config.native_sysroot {
            NativeSysroot::Auto => self.kept()?,
            NativeSysroot::Directory(path) => path.clone(),
        };
        let _stage = self.reporter.stage(Stage::Sysroot);
        let directory = Staging::scratch(&self.config.cache.join("run"))?;
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
    fn kept(&self) -> Result<PathBuf, Error> {
        let selection = self.choose()?;
        let plan = Plan::new(self.universe, &selection);
        let directory = self.config.cache.join("native-root");
        let path = directory.join(name(self.universe, &plan, self.config));
        if path.is_dir() {
            return Ok(path);
        }
        let _stage = self.reporter.stage(Stage::Sysroot);
        self.reporter.event(&Event::Detail {
            message: &format!("making the native root: {} packages", plan.packages().count()),
        });
        let work = Staging::scratch(&self.config.cache.join("run"))?;
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
                .map_err(|source| InstallError::Write { path, source }.into()),
        }
    }

    /// The target's variant and packages, as far as this machine's architecture has them.
    fn choose(&self) -> Result<Selection, Error> {
        let wanted = request(self.config, self.universe)?;
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

    fn install(&self, plan: &Plan, selection: &Selection, work: &Staging) -> Result<(), Error> {
        let files = plan
            .packages()
            .map(|id| package_file(self.universe, self.indexes, id))
            .collect::<Result<Vec<PackageFile>, _>>()?;
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
            merged_usr: self.config.merged_usr,
            debs: plan.packages().zip(debs).collect(),
            sources: self.sources.to_vec(),
            native: None,
            place: Place::View,
            lint: None,
            violations: &|_| {},
            cache: &self.config.cache,
            mount_point: work.directory().join("view"),
            selections: &[],
            script_timeout: self.config.script_timeout,
            on_unrunnable: OnUnrunnable::Fail,
            source_date_epoch: self.config.source_date_epoch,
            reporter: Arc::new(Quiet(Arc::clone(self.reporter))),
            cancel: self.cancel,
        };
        installation.run()?;
        Ok(())
    }
}

/// The name of a root filesystem with these packages.
fn name(universe: &Universe<'_>, plan: &Plan, config: &Config) -> String {
    let mut hash = Sha256::new();
    hash.update(FORM);
    hash.update(config.merged_usr.name());
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
pub(super) fn check(directory: &Path) -> Result<(), InstallError> {
    if directory == Path::new("/") {
        return Err(InstallError::MachineAsNativeRoot);
    }
    Ok(crate::install::check_native_system(directory)?)
}
