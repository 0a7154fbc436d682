//! The stages, one after the other.

use std::io::Write;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use rootless_install_fs::Target;

use super::config::NativeSysroot;
use super::lint;
use super::{Config, TargetSpec};
use crate::arch::Architecture;
use crate::archive::{
    self, ArchiveError, FetchOptions, Fetcher, Index, Keyring, LocalPackage, PackageFile, SourceList,
    load_indexes, machine_sources,
};
use crate::install::native_root::{self, Making};
use crate::install::{self, InstallError, Installation, Violation, Way};
use crate::lint::{Heard, Lint};
use crate::merge_usr::{self, MergeUsrError};
use crate::output::{self, TarOptions};
use crate::report::{Event, Reporter, Stage, Summary, Tally};
use crate::solve::{IndexInput, Plan, Request, SolveError, Universe, choose};
use crate::staging::{self, Cancel, Cancelled, Staging};
use crate::sysroot::{SysrootError, package_file};
use crate::view::ViewError;

/// What can end a run: one variant a stage, each with its own errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Sources, indexes or packages could not be had.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The request cannot be met.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// The machine lacks what the view needs.
    #[error(transparent)]
    View(#[from] ViewError),
    /// /usr cannot be merged, or left as it was.
    #[error(transparent)]
    MergeUsr(#[from] MergeUsrError),
    /// Packages could not be unpacked or configured.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// There is no native sysroot.
    #[error(transparent)]
    Sysroot(#[from] SysrootError),
    /// There is no place for the target, or it could not get its name.
    #[error(transparent)]
    Staging(#[from] staging::Error),
    /// The target could not be read or written as a filesystem.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// The plan could not be printed.
    #[error("cannot write the plan to standard output")]
    Print(#[source] std::io::Error),
}

impl Error {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Staging(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::View(error) => error.hint(),
            Self::Install(error) => error.hint(),
            Self::MergeUsr(error) => error.hint(),
            Self::Sysroot(error) => error.hint(),
            Self::Archive(_) | Self::Solve(_) | Self::Cancelled(_) | Self::Target(_) | Self::Print(_) => None,
        }
    }

    /// Whether the user stopped the run, in whatever stage it was noticed.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled(_)
            | Self::Output(output::Error::Cancelled(_))
            | Self::Archive(ArchiveError::Interrupted) => true,
            Self::Install(error) => error.is_cancelled(),
            Self::Sysroot(SysrootError::Fetch(ArchiveError::Interrupted)) => true,
            _ => false,
        }
    }
}

/// Makes what `config` asks for and says what was done. Nothing is left behind
/// when it fails, unless `config` says so.
///
/// # Errors
/// Those of the stages.
pub fn run(config: &Config, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let done = run_stages(config, reporter, cancel);
    // Whatever failed because everything was killed failed by the user's wish.
    match (done, cancel.check()) {
        (Err(error), Err(cancelled)) if !error.is_cancelled() => {
            tracing::debug!("after the interruption: {error}");
            Err(cancelled.into())
        }
        (done, _) => done,
    }
}

/// What an installation is for, besides what its options say.
#[derive(Clone, Copy, Default)]
pub(super) struct Purpose<'a> {
    /// Packages of the user's own, taken before those of the archive.
    pub(super) local: &'a [LocalPackage],
    /// Whether scripts are watched, and the target is thrown away.
    pub(super) lint: bool,
}

/// An installation that is done.
pub(super) struct Installed<'a> {
    /// What has watched scripts.
    pub(super) lint: Option<Arc<Lint>>,
    /// Versions of packages, by name.
    pub(super) versions: Vec<(String, String)>,
    /// What this machine could not give.
    lost: Vec<String>,
    target: &'a Target,
    staging: Staging,
    done: install::Done,
}

fn run_stages(config: &Config, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let tally = Arc::new(Tally::new(reporter));
    let made = install(config, Purpose::default(), &tally, cancel, |installed| {
        let deferred = installed.done.deferred.iter();
        let deferred = deferred.map(|(key, why)| (key.name.clone(), why.to_string()));
        let deferred: Vec<(String, String)> = deferred.collect();
        let output = thread::scope(|scope| {
            scope.spawn(|| drop(installed.done.scratch));
            finish(config, installed.staging, installed.target, &*tally, cancel)
        })?;
        Ok((output, deferred, installed.lost))
    })?;
    let (output, deferred, lost) = made.unwrap_or_default();
    Ok(Summary {
        output: output.path,
        output_bytes: output.bytes,
        deferred,
        lost,
        ..tally.summary()
    })
}

/// Installs what `config` asks for, and gives it to `finish`; `None` when it was a dry run.
///
/// # Errors
/// Those of the stages, and of `finish`.
pub(super) fn install<T>(
    config: &Config,
    purpose: Purpose<'_>,
    tally: &Arc<Tally>,
    cancel: &Cancel,
    finish: impl FnOnce(Installed<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let reporter: &dyn Reporter = &**tally;
    // Scripts' users are strangers to what this makes; the target's modes are its own.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let (way, lost) = match (purpose.lint, config.dry_run) {
        (true, _) => (Way::watched()?, Vec::new()),
        (false, true) => (Way::wanted(config), Vec::new()),
        (false, false) => Way::decide(config, reporter)?,
    };
    if let (Way::NativeRoot, NativeSysroot::Directory(directory)) = (way, &config.native_sysroot) {
        native_root::check(directory)?;
    }
    let staging = match (purpose.lint, config.dry_run) {
        (true, _) => Some(Staging::throw_away(&config.cache.join("run"))?),
        (false, true) => None,
        (false, false) => Some(create_staging(config)?),
    };
    let fetcher = fetcher(config, tally, cancel)?;
    let (lists, indexes) = {
        let _stage = reporter.stage(Stage::Indexes);
        load(config, way, &fetcher.fetcher)?
    };
    cancel.check()?;
    let native = Architecture::native();
    let own: Vec<&str> = config.architectures().map(|arch| arch.name).collect();
    let mut ours: Vec<Index> = purpose
        .local
        .iter()
        .map(|package| package.index.clone())
        .collect();
    ours.extend(for_architectures(&indexes, &own));
    let theirs = for_architectures(&indexes, &[native.name]);
    let stage = reporter.stage(Stage::Choose);
    let inputs: Vec<IndexInput<'_>> = ours.iter().map(IndexInput::from).collect();
    let native_inputs: Vec<IndexInput<'_>> = theirs.iter().map(IndexInput::from).collect();
    let needs_native = !config.dry_run && way.needs_native(config);
    let (universe, native_universe) = thread::scope(|scope| {
        let theirs = needs_native.then(|| scope.spawn(|| Universe::new(&native_inputs, native.name, &[])));
        let ours = Universe::new(&inputs, config.arch.name, own.get(1..).unwrap_or_default());
        let join =
            |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        (ours, theirs.map(join))
    });
    let selection = choose(&universe, &request(config, &universe)?)?;
    let plan = Plan::new(&universe, &selection);
    drop(stage);
    let Some(staging) = staging else {
        write!(std::io::stdout().lock(), "{}", plan.display(&universe)).map_err(Error::Print)?;
        return Ok(None);
    };
    let files = plan
        .packages()
        .map(|id| package_file(&universe, &ours, id))
        .collect::<Result<Vec<PackageFile>, _>>()?;
    staging.check_space(needed(&universe, &plan))?;
    let debs = {
        let _stage = reporter.stage(Stage::Download);
        fetcher.fetcher.fetch(&files)?
    };
    cancel.check()?;
    let sources = archive::target_files(&lists);
    let native_root = match &native_universe {
        Some(universe) if way == Way::NativeRoot => {
            let making = Making {
                given: match &config.native_sysroot {
                    NativeSysroot::Auto => None,
                    NativeSysroot::Directory(path) => Some(path),
                },
                request: request(config, universe)?,
                merged_usr: config.merged_usr,
                cache: &config.cache,
                script_timeout: config.script_timeout,
                source_date_epoch: config.source_date_epoch,
                universe,
                indexes: &theirs,
                fetcher: &fetcher.fetcher,
                sources: &sources,
                reporter: &(Arc::clone(tally) as Arc<dyn Reporter>),
                cancel,
            };
            Some(making.copy()?)
        }
        _ => None,
    };
    let target = Target::open(&staging.root())?;
    let lint = purpose.lint.then(|| lint::watch(&target));
    let told = |violation: &Violation<'_>| violated(reporter, lint.as_deref(), violation);
    let installation = Installation {
        target: &target,
        arch: config.arch,
        foreign: &config.foreign,
        universe: &universe,
        indexes: &indexes,
        plan: &plan,
        selection: &selection,
        merged_usr: config.merged_usr,
        debs: plan.packages().zip(debs).collect(),
        sources,
        place: way.place(native_root.as_ref().map(|copied| &copied.root)),
        native: native_universe
            .as_ref()
            .filter(|_| config.is_redirected())
            .map(|universe| install::Native {
                universe,
                indexes: &theirs,
                fetcher: &fetcher.fetcher,
                directory: match &config.native_sysroot {
                    NativeSysroot::Auto => None,
                    NativeSysroot::Directory(path) => Some(path.clone()),
                },
            }),
        lint: lint.clone(),
        violations: &told,
        cache: &config.cache,
        mount_point: staging.view(),
        selections: &config.selections,
        script_timeout: config.script_timeout,
        on_unrunnable: config.on_unrunnable,
        source_date_epoch: config.source_date_epoch,
        reporter: match &lint {
            Some(lint) => Arc::new(Heard {
                lint: Arc::clone(lint),
                reporter: Arc::clone(tally) as Arc<dyn Reporter>,
            }),
            None => Arc::clone(tally) as Arc<dyn Reporter>,
        },
        cancel,
    };
    let done = installation.run()?;
    let versions = plan.packages().map(|id| universe.package(id));
    let versions = versions.map(|package| (package.name.to_owned(), package.version.to_owned()));
    let installed = Installed {
        lost,
        lint,
        versions: versions.collect(),
        target: &target,
        staging,
        done,
    };
    finish(installed).map(Some)
}

/// Tells of a script that does something outside of `DPKG_ROOT`.
fn violated(reporter: &dyn Reporter, lint: Option<&Lint>, violation: &Violation<'_>) {
    let [tool, what] = [violation.tool, violation.subject].map(String::from_utf8_lossy);
    let message = format!("outside of DPKG_ROOT: {tool} {what} ({})", violation.kind.name());
    reporter.event(&Event::Detail { message: &message });
    if let Some(lint) = lint {
        lint.reported(violation);
    }
}

fn create_staging(config: &Config) -> Result<Staging, Error> {
    let mut staging = Staging::create(&config.target, &config.temporary)?;
    if config.keep_failed {
        staging.keep();
    }
    Ok(staging)
}

/// The fetcher, and what ends its downloads when the run is stopped.
struct Fetching {
    fetcher: Fetcher,
    _stop: staging::OnCancel,
}

fn fetcher(config: &Config, tally: &Arc<Tally>, cancel: &Cancel) -> Result<Fetching, Error> {
    let mut options = FetchOptions::new(&config.cache);
    let machine = machine_sources()?;
    options.http_proxy = machine.http_proxy;
    options.https_proxy = machine.https_proxy;
    let flag: Arc<AtomicBool> = Arc::clone(&options.cancel);
    let stop = cancel.on_cancel(move |_| flag.store(true, Ordering::Relaxed));
    let fetcher = Fetcher::new(options, Arc::new(Told(Arc::clone(tally))))?;
    Ok(Fetching { fetcher, _stop: stop })
}

/// Tells the reporter what the archive stage says.
struct Told(Arc<Tally>);

impl archive::Progress for Told {
    fn started(&self, files: usize, bytes: u64) {
        self.0.event(&Event::DownloadPlanned { files, bytes });
    }
    fn advanced(&self, bytes: u64) {
        self.0.event(&Event::DownloadAdvanced { bytes });
    }
    fn finished_file(&self, name: &str, size: u64, cached: bool) {
        self.0.event(&Event::DownloadFinished { name, size, cached });
    }
    fn warning(&self, message: &str) {
        self.0.event(&Event::Warning { message });
    }
}

/// The sources, and their indexes for the target's and this machine's architecture.
fn load(config: &Config, way: Way, fetcher: &Fetcher) -> Result<(Vec<SourceList>, Vec<Index>), Error> {
    let machine = machine_sources()?;
    let keyring = if config.keyrings.is_empty() {
        Keyring::of_machine(&machine)?
    } else {
        Keyring::load(&config.keyrings)?
    };
    let lists = if config.mirrors.is_empty() {
        vec![archive::default_sources(
            fetcher,
            &machine,
            &keyring,
            &config.suite,
            &config.components,
        )?]
    } else {
        let parse =
            |mirror: &String| archive::parse_mirror_argument(mirror, &config.suite, &config.components);
        config.mirrors.iter().map(parse).collect::<Result<Vec<_>, _>>()?
    };
    let sources: Vec<_> = lists
        .iter()
        .flat_map(|list| list.sources.iter().cloned())
        .collect();
    let mut architectures: Vec<&str> = config.architectures().map(|arch| arch.name).collect();
    let native = Architecture::native().name;
    let auto = config.native_sysroot == NativeSysroot::Auto;
    if way.needs_native(config) && auto && !architectures.contains(&native) {
        architectures.push(native);
    }
    let indexes = load_indexes(fetcher, &sources, &keyring, &architectures)?;
    Ok((lists, indexes))
}

fn for_architectures(indexes: &[Index], names: &[&str]) -> Vec<Index> {
    indexes
        .iter()
        .filter(|index| index.architecture == "all" || names.contains(&index.architecture.as_str()))
        .cloned()
        .collect()
}

fn request(config: &Config, universe: &Universe<'_>) -> Result<Request, Error> {
    Ok(Request {
        variant: config.variant,
        include: config.include.clone(),
        suite: config.suite.clone(),
        install_recommends: false,
        assumed: merge_usr::assumed(universe, config.merged_usr)?,
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
    config: &Config,
    staging: Staging,
    target: &Target,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Output, Error> {
    let _stage = reporter.stage(Stage::Output);
    output::make_devices(target, config.source_date_epoch)?;
    let bytes = match config.target.compression() {
        None => {
            if let Some(epoch) = config.source_date_epoch {
                output::clamp_times(target, epoch, cancel)?;
            }
            None
        }
        Some(compression) => {
            let options = TarOptions {
                compression,
                source_date_epoch: config.source_date_epoch,
            };
            let written = if config.target == TargetSpec::Stdout {
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
