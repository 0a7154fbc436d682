//! The command that makes a root filesystem: its stages, one after the other.
//!
//! [`Prepared`] has the indexes, [`Chosen`] the plan, [`Chosen::install`] carries it out, and [`run`] brings the
//! result to its place. lint goes the same way as far as it does.

use super::error::Error;
use super::mode;
use crate::archives::Archives;
use crate::install::{DeferredPackages, Installation, Workplace};
use crate::local_packages::LocalPackage;
use crate::merge_usr;
use crate::native_root::{self, NativeRoot};
use crate::output::{self, TarOptions};
use crate::settings::{NativeTools, Settings};
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use apt_solve::{IndexInput, Plan, Request, Selection, Universe, choose};
use deb_arch::Architecture;
use deb_archive::{Index, PackageFile, SourceList, target_files};
use progress::{Cancel, Reporter, Stage, Summary, Tally};
use rootless_install_fs::Target;
use script_host::sysroot::package_file;
use script_host::{Native, Observer, ScriptRootKind};
use std::io::Write;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

/// Makes what the settings ask for and says what was done. Nothing is left behind
/// when it fails, unless the settings say so.
///
/// # Errors
/// Those of the stages.
pub fn run(settings: &Settings, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let done = run_stages(settings, reporter, cancel);
    // Whatever failed because everything was killed failed by the user's wish.
    match (done, cancel.check()) {
        (Err(error), Err(cancelled)) if !error.is_cancelled() => {
            tracing::debug!("after the interruption: {error}");
            Err(cancelled.into())
        }
        (done, _) => done,
    }
}

fn run_stages(settings: &Settings, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let tally = Arc::new(Tally::new(reporter));
    let reporter = Arc::clone(&tally) as Arc<dyn Reporter>;
    begin();
    if settings.dry_run {
        let prepared = Prepared::load(settings, mode::wanted(settings), &[], &reporter, cancel)?;
        let universes = prepared.universes(settings, false, &*reporter);
        let chosen = prepared.choose(settings, &universes, &*reporter)?;
        let plan = chosen.plan.display(&universes.target);
        write!(std::io::stdout().lock(), "{plan}").map_err(Error::Print)?;
        return Ok(tally.summary());
    }
    let (scripts_run, lost) = mode::decide(settings, &*reporter)?;
    check_native_tools(settings, scripts_run)?;
    let staging = create_staging(settings)?;
    let prepared = Prepared::load(settings, scripts_run, &[], &reporter, cancel)?;
    let universes = prepared.universes(settings, true, &*reporter);
    let chosen = prepared.choose(settings, &universes, &*reporter)?;
    let target = Target::open(&staging.root())?;
    let scratch = Staging::scratch(&settings.cache.join("run"))?;
    let deferred = chosen.install(&Install {
        settings,
        prepared: &prepared,
        universes: &universes,
        staging: &staging,
        target: &target,
        scratch: scratch.directory(),
        observer: None,
        reporter: &reporter,
        cancel,
    })?;
    let output = thread::scope(|scope| {
        scope.spawn(|| drop(scratch));
        finish(settings, staging, &target, &*reporter, cancel)
    })?;
    let deferred = deferred.iter();
    Ok(Summary {
        output: output.path,
        output_bytes: output.bytes,
        deferred: deferred
            .map(|(key, why)| (key.name.clone(), why.to_string()))
            .collect(),
        lost,
        ..tally.summary()
    })
}

/// Sets what the process needs before it makes files.
pub(super) fn begin() {
    // Scripts' users are strangers to what this makes; the target's modes are its own.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

/// Checks that the user's native system can be a native root, where it has to be one.
pub(super) fn check_native_tools(settings: &Settings, scripts_run: ScriptRootKind) -> Result<(), Error> {
    match (scripts_run, &settings.native_tools) {
        (ScriptRootKind::Native, NativeTools::Directory(directory)) => Ok(native_root::check(directory)?),
        _ => Ok(()),
    }
}

/// The archives of a run, and their indexes.
pub(super) struct Prepared {
    archives: Archives,
    lists: Vec<SourceList>,
    /// All indexes.
    indexes: Vec<Index>,
    /// Those of the target's architectures, and before them the user's own packages.
    target: Vec<Index>,
    /// Those of this machine's architecture.
    native: Vec<Index>,
    scripts_run: ScriptRootKind,
}

/// Packages by architecture, ready to be chosen from.
pub(super) struct Universes<'p> {
    /// Packages of the target's architectures.
    pub(super) target: Universe<'p>,
    native: Option<Universe<'p>>,
}

impl Prepared {
    /// Loads the indexes for the target and, where native tools are packages, for this machine. `local` are
    /// packages of the user's own.
    pub(super) fn load(
        settings: &Settings,
        scripts_run: ScriptRootKind,
        local: &[LocalPackage],
        reporter: &Arc<dyn Reporter>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let archives = Archives::open(&settings.cache, Arc::clone(reporter), cancel)?;
        let own: Vec<&str> = settings.architectures().map(|arch| arch.name).collect();
        let native = Architecture::native().name;
        let (lists, indexes) = {
            let _stage = reporter.stage(Stage::Indexes);
            let (lists, keyring) = archives.sources(&settings.archives)?;
            let sources: Vec<_> = lists
                .iter()
                .flat_map(|list| list.sources.iter().cloned())
                .collect();
            let mut architectures = own.clone();
            let packages = settings.native_tools == NativeTools::Packages;
            if scripts_run.needs_native(settings.is_redirected())
                && packages
                && !architectures.contains(&native)
            {
                architectures.push(native);
            }
            let indexes = archives.indexes(&sources, &keyring, &architectures)?;
            (lists, indexes)
        };
        cancel.check()?;
        let mut target: Vec<Index> = local.iter().map(|package| package.index.clone()).collect();
        target.extend(for_architectures(&indexes, &own));
        let native = for_architectures(&indexes, &[native]);
        Ok(Self {
            archives,
            lists,
            indexes,
            target,
            native,
            scripts_run,
        })
    }

    /// Reads the packages of the indexes; those for this machine only where they are needed and `installs`.
    pub(super) fn universes(
        &self,
        settings: &Settings,
        installs: bool,
        reporter: &dyn Reporter,
    ) -> Universes<'_> {
        let _stage = reporter.stage(Stage::Choose);
        let native = Architecture::native().name;
        let foreign: Vec<&str> = settings.foreign.iter().map(|arch| arch.name).collect();
        let target: Vec<IndexInput<'_>> = self.target.iter().map(IndexInput::from).collect();
        let natives: Vec<IndexInput<'_>> = self.native.iter().map(IndexInput::from).collect();
        let needs_native = installs && self.scripts_run.needs_native(settings.is_redirected());
        thread::scope(|scope| {
            let theirs = needs_native.then(|| scope.spawn(|| Universe::new(&natives, native, &[])));
            let ours = Universe::new(&target, settings.arch.name, &foreign);
            let join =
                |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            Universes {
                target: ours,
                native: theirs.map(join),
            }
        })
    }

    /// Chooses packages and orders them.
    pub(super) fn choose(
        &self,
        settings: &Settings,
        universes: &Universes<'_>,
        reporter: &dyn Reporter,
    ) -> Result<Chosen, Error> {
        let _stage = reporter.stage(Stage::Choose);
        let universe = &universes.target;
        let selection = choose(universe, &request(settings, universe)?)?;
        let plan = Plan::new(universe, &selection);
        Ok(Chosen { selection, plan })
    }
}

/// What is installed, and in which order.
pub(super) struct Chosen {
    selection: Selection,
    pub(super) plan: Plan,
}

/// Everything that carrying a plan out needs.
pub(super) struct Install<'i, 'p> {
    pub(super) settings: &'i Settings,
    pub(super) prepared: &'i Prepared,
    pub(super) universes: &'i Universes<'p>,
    pub(super) staging: &'i Staging,
    pub(super) target: &'i Target,
    /// An empty directory of this run in the cache.
    pub(super) scratch: &'i Path,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) reporter: &'i Arc<dyn Reporter>,
    pub(super) cancel: &'i Cancel,
}

impl Chosen {
    /// Fetches the packages and installs them.
    pub(super) fn install(&self, with: &Install<'_, '_>) -> Result<DeferredPackages, Error> {
        let Install {
            settings,
            prepared,
            universes,
            reporter,
            cancel,
            ..
        } = *with;
        let universe = &universes.target;
        let fetcher = &prepared.archives.fetcher;
        let files = self
            .plan
            .packages()
            .map(|id| package_file(universe, &prepared.target, id))
            .collect::<Result<Vec<PackageFile>, _>>()?;
        with.staging.check_space(needed(universe, &self.plan))?;
        let debs = {
            let _stage = reporter.stage(Stage::Download);
            fetcher.fetch(&files)?
        };
        cancel.check()?;
        let sources = target_files(&prepared.lists);
        let tools = universes.native.as_ref().map(|universe| Native {
            universe,
            indexes: &prepared.native,
            fetcher,
            directory: settings.native_tools.directory().cloned(),
        });
        let native_root = match &tools {
            Some(tools) if prepared.scripts_run == ScriptRootKind::Native => {
                let native_root = NativeRoot {
                    tools,
                    request: request(settings, tools.universe)?,
                    merged_usr: settings.merged_usr,
                    sources: &sources,
                    cache: &settings.cache,
                    scripts: &settings.scripts,
                    reporter,
                    cancel,
                };
                Some(native_root.copy()?)
            }
            _ => None,
        };
        let installation = Installation {
            target: with.target,
            arch: settings.arch,
            foreign: &settings.foreign,
            universe,
            indexes: &prepared.indexes,
            plan: &self.plan,
            selection: &self.selection,
            debs: self.plan.packages().zip(debs).collect(),
            sources,
            merged_usr: settings.merged_usr,
            selections: &settings.selections,
            scripts: &settings.scripts,
            cache: &settings.cache,
            reporter: Arc::clone(reporter),
            cancel,
        };
        let workplace = Workplace {
            root: prepared
                .scripts_run
                .root(native_root.as_ref().map(|copied| &copied.root)),
            native: tools.filter(|_| settings.is_redirected()),
            scratch: with.scratch,
            mount_point: with.staging.view(),
            observer: with.observer.clone(),
        };
        Ok(installation.run(workplace)?)
    }

    /// Returns the names and versions of the packages.
    pub(super) fn versions(&self, universe: &Universe<'_>) -> Vec<(String, String)> {
        let packages = self.plan.packages().map(|id| universe.package(id));
        packages
            .map(|package| (package.name.to_owned(), package.version.to_owned()))
            .collect()
    }
}

fn create_staging(settings: &Settings) -> Result<Staging, Error> {
    let mut staging = Staging::create(&settings.target, &settings.temporary)?;
    if settings.keep_failed {
        staging.keep();
    }
    Ok(staging)
}

fn for_architectures(indexes: &[Index], names: &[&str]) -> Vec<Index> {
    indexes
        .iter()
        .filter(|index| index.architecture == "all" || names.contains(&index.architecture.as_str()))
        .cloned()
        .collect()
}

fn request(settings: &Settings, universe: &Universe<'_>) -> Result<Request, Error> {
    Ok(Request {
        variant: settings.variant,
        include: settings.include.clone(),
        suite: settings.archives.suite.clone(),
        install_recommends: false,
        assumed: merge_usr::assumed(universe, settings.merged_usr)?,
    })
}

/// Bytes that the unpacked packages will take, as their makers estimate.
fn needed(universe: &Universe<'_>, plan: &Plan) -> u64 {
    plan.packages()
        .map(|id| universe.package(id).installed_size.saturating_mul(1024))
        .fold(0, u64::saturating_add)
}

/// Where the result is, and how large an archive is.
#[derive(Default)]
struct Output {
    path: Option<PathBuf>,
    bytes: Option<u64>,
}
/// The last stage: from the configured target to the result.
fn finish(
    settings: &Settings,
    staging: Staging,
    target: &Target,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Output, Error> {
    let _stage = reporter.stage(Stage::Output);
    output::make_devices(target, settings.scripts.source_date_epoch)?;
    let bytes = match settings.target.compression() {
        None => {
            if let Some(epoch) = settings.scripts.source_date_epoch {
                output::clamp_times(target, epoch, cancel)?;
            }
            None
        }
        Some(compression) => {
            let options = TarOptions {
                compression,
                source_date_epoch: settings.scripts.source_date_epoch,
            };
            let written = if settings.target == TargetSpec::Stdout {
                let stdout = std::io::stdout().lock();
                output::write_tar(target, stdout, &options, reporter, cancel)?
            } else {
                output::write_tar(target, staging.create_output()?, &options, reporter, cancel)?
            };
            if written.sockets > 0 {
                let what = match written.sockets {
                    1 => "1 socket was".to_owned(),
                    count => format!("{count} sockets were"),
                };
                reporter.warn(&format!("{what} left out: a tar archive cannot hold sockets"));
            }
            Some(written.bytes)
        }
    };
    cancel.check()?;
    Ok(Output {
        path: staging.commit()?,
        bytes,
    })
}
