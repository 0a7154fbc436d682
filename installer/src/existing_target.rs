//! A session on a target that exists: its native tools come from packages of the target's own sources.

use crate::archives::Archives;
use crate::earlier_releases::EarlierReleases;
use crate::merge_usr::MergedUsr;
use crate::native_root_source::{NativeRoot, NativeRootError, NativeRootSource, Remembered};
use crate::native_scripts::NativeScripts;
use crate::settings::{ArchiveSettings, NativeTools};
use crate::staging::{self, Staging};
use apt_solve::{IndexInput, Request, Universe};
use deb_arch::Architecture;
use deb_archive::ArchiveError;
use dpkg_db::{Database, Package};
use rootless_install_fs::Target;
use script_host::sysroot::SysrootError;
use script_host::{Native, ScriptRootKind, ScriptSettings, Session, SessionError, Surroundings};
use std::borrow::Borrow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use task_progress::{Cancel, Reporter};

/// Version of dpkg that scripts are told where the target has none.
pub(crate) const DPKG_VERSION: &str = "1.22.0";

/// A target that exists, and the settings of sessions on it.
pub(crate) struct ExistingTarget<'h> {
    /// The target.
    pub(crate) target: &'h Target,
    /// Its own architecture.
    pub(crate) architecture: &'static Architecture,
    /// The cache directory, absolute.
    pub(crate) cache: &'h Path,
    /// Archives of native tools, where they are not the target's own.
    pub(crate) archives: &'h ArchiveSettings,
    /// Source of native tools.
    pub(crate) native: &'h NativeTools,
    /// Settings of scripts.
    pub(crate) scripts: &'h ScriptSettings,
    /// Place where scripts run.
    pub(crate) kind: ScriptRootKind,
    /// Packages of a native root, where scripts run in one.
    pub(crate) native_root: Option<Request>,
    /// Whether programs may run.
    pub(crate) runs_programs: bool,
    /// What the view has beside the target.
    pub(crate) surroundings: Surroundings<'h>,
    pub(crate) reporter: &'h Arc<dyn Reporter>,
    pub(crate) cancel: &'h Cancel,
}

impl ExistingTarget<'_> {
    /// Opens a session with its native tools and native root, where programs run in it, and does some work.
    ///
    /// # Errors
    /// The session cannot be opened; those of the work.
    pub(crate) fn open<T, D: Borrow<Database>, E>(
        self,
        database: D,
        work: impl FnOnce(&mut Session<'_>, D) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<SessionError> + From<staging::Error> + From<NativeRootError> + From<dpkg_db::DpkgError>,
    {
        let Self {
            target,
            architecture,
            cache,
            kind,
            runs_programs,
            reporter,
            cancel,
            ..
        } = self;
        let known_packages: &Database = database.borrow();
        let foreign: Vec<&'static Architecture> = known_packages
            .foreign()
            .iter()
            .filter_map(|name| Architecture::by_name(name))
            .collect();
        let native = Architecture::native();
        let redirected = architecture != native || foreign.iter().any(|arch| *arch != native);
        // Native tools are packages of an archive, and a native root is made of such.
        let mut archives = (runs_programs && kind.needs_native(redirected))
            .then(|| Archives::open(cache, self.archives, Arc::clone(reporter), cancel))
            .transpose()
            .map_err(unfetched)?;
        let sources = match &mut archives {
            Some(archives) if *self.native == NativeTools::Packages => {
                Some(archives.sources_for(target, self.archives).map_err(unfetched)?)
            }
            _ => None,
        };
        let request = self.native_root.unwrap_or_default();
        // The native root of an earlier call needs no indexes.
        let remembered = sources
            .as_ref()
            .filter(|_| kind == ScriptRootKind::Native)
            .map(|(sources, _)| Remembered::new(cache, sources, &request));
        let known = remembered.as_ref().and_then(Remembered::find);
        let read = match (&mut archives, &sources) {
            (Some(archives), Some((sources, keyring))) if known.is_none() => {
                let instead = Archives::instead(self.archives).map_err(unfetched)?;
                let read = archives.tool_indexes(sources, keyring, &instead, &**reporter);
                Some(read.map_err(unfetched)?)
            }
            _ => None,
        };
        // What was made of other packages is not what the sources stand for.
        let remembered = remembered.filter(|_| read.as_ref().is_none_or(|read| read.complete));
        let indexes = read.as_ref().map_or(&[][..], |read| &read.indexes);
        let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
        let universe = Universe::new(&inputs, native.name, &[]);
        let scratch = Staging::scratch(&cache.join("run"))?;
        let earlier = match (&archives, &sources) {
            (Some(archives), Some((sources, keyring))) => {
                let sources = read.as_ref().map_or(sources, |read| &read.sources);
                Some(EarlierReleases::new(archives, sources, keyring))
            }
            _ => None,
        };
        let earlier_packages = |names: &[String], version: &str| match &earlier {
            Some(earlier) => earlier.packages(names, version),
            None => Err("native tools are no packages".to_owned()),
        };
        let tools = archives.as_ref().map(|archives| Native {
            universe: &universe,
            indexes,
            fetcher: &archives.fetcher,
            earlier: Some(&earlier_packages),
            directory: self.native.directory().cloned(),
        });
        let native_root = match (&tools, known) {
            (_, Some(known)) => Some(NativeRoot::of_cache(&known, cache, false)?),
            (Some(tools), None) if kind == ScriptRootKind::Native => {
                let source = NativeRootSource {
                    tools,
                    request,
                    merged_usr: MergedUsr::default(),
                    sources: &[],
                    cache,
                    remembered: remembered.as_ref(),
                    scripts: self.scripts,
                    reporter,
                    cancel,
                };
                Some(source.for_run(false)?)
            }
            _ => None,
        };
        let scripts = NativeScripts {
            cache,
            settings: self.archives,
            existing: Some(target),
            arch: architecture,
            reporter,
            cancel,
            loaded: OnceLock::new(),
        };
        let native_scripts = |package: &Package, script: &str| scripts.script(package, script);
        let session = script_host::Options {
            native_scripts: (*self.native == NativeTools::Packages).then_some(&native_scripts),
            target,
            arch: architecture,
            foreign: &foreign,
            root: kind.root(native_root.as_ref().map(NativeRoot::files)),
            scripts: self.scripts,
            dpkg_version: dpkg_version(known_packages),
            runs_programs,
            scratch: scratch.directory(),
            mount_point: scratch.view(),
            cache,
            surroundings: self.surroundings,
            observer: None,
            reporter: Arc::clone(reporter),
            cancel,
        };
        let native = tools.filter(|_| redirected);
        script_host::open(session, native, |session| {
            learn_installed::<E>(session, target, database.borrow())?;
            work(session, database)
        })
    }
}

/// Returns the error of a session whose native packages cannot be fetched.
fn unfetched(error: ArchiveError) -> SessionError {
    SysrootError::from(error).into()
}

/// Returns the version of the target's dpkg, for `DPKG_RUNNING_VERSION`.
fn dpkg_version(database: &Database) -> String {
    let dpkg = database.resolve("dpkg").and_then(|key| database.get(&key));
    let version = dpkg.map(|package| package.version.clone());
    version
        .filter(|version| !version.is_empty())
        .unwrap_or_else(|| DPKG_VERSION.to_owned())
}

/// Records in the session which packages own the target's paths.
fn learn_installed<E>(session: &Session<'_>, target: &Target, database: &Database) -> Result<(), E>
where
    E: From<SessionError> + From<dpkg_db::DpkgError>,
{
    if !session.learns() {
        return Ok(());
    }
    for package in database.packages() {
        let list = database.list(target, &package.key())?;
        session.learn(&package.name, &package.version, &package.architecture, &list)?;
    }
    Ok(())
}
