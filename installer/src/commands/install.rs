//! The command that makes a root filesystem: its stages, one after the other.

use super::carry_out::CarryOut;
use super::error::Error;
use super::finish::finish;
use super::mode;
use super::other_outputs::OtherOutputs;
use super::prepare::Prepared;
use super::sbom::SbomFiles;
use super::set_up::SetUp;
use crate::archives::Archives;
use crate::hooks::moments::{MomentOptions, RunHooks, with_hooks};
use crate::native_root_source;
use crate::output::Output as _;
use crate::package_lock::PackageLock;
use crate::provenance;
use crate::sbom::Sbom;
use crate::settings::{NativeTools, Settings};
use crate::staging::{self, Staging};
use crate::statistics::Statistics;
use crate::target_spec::TargetSpec;
use rootless_install_fs::Target;
use script_host::ScriptRootKind;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use task_progress::{Cancel, Reporter, Summary, Tally, with_causes};

/// Makes what the settings ask for, and returns a summary. Nothing is left behind where that fails, unless the
/// settings keep the work directory.
///
/// # Errors
/// Those of the stages.
pub fn run(settings: &Settings, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Summary, Error> {
    let tally = Arc::new(Tally::new(reporter));
    let reporter = Arc::clone(&tally) as Arc<dyn Reporter>;
    begin();
    let statistics = settings
        .statistics
        .as_deref()
        .map(Statistics::begin)
        .transpose()?;
    let done = if settings.dry_run {
        print_plan(settings, &reporter, cancel).map(|()| tally.summary())
    } else {
        make(settings, &tally, &reporter, cancel)
    };
    if let Some(statistics) = statistics {
        let failure = done.as_ref().err().map(|error| with_causes(error));
        let summary = done.as_ref().map_or_else(|_| tally.summary(), Summary::clone);
        let written = statistics.write(settings, &summary, failure.as_deref());
        // What has failed before is told.
        if done.is_ok() {
            written?;
        }
    }
    match (done, cancel.check()) {
        // A failure after the user's signal has that as its cause: the signal ends all processes of the run.
        (Err(error), Err(cancelled)) if !error.is_cancelled() => {
            tracing::debug!("after the interruption: {error}");
            Err(cancelled.into())
        }
        (done, _) => done,
    }
}

/// Prints the plan on standard output; where an archive would be written there, on standard error.
fn print_plan(settings: &Settings, reporter: &Arc<dyn Reporter>, cancel: &Cancel) -> Result<(), Error> {
    let file = settings.lock.as_deref().map(PackageLock::begin).transpose()?;
    let SetUp { settings, local, .. } = &SetUp::planned(settings)?;
    let archives = Archives::open(&settings.cache, &settings.archives, Arc::clone(reporter), cancel)?;
    let wanted = mode::wanted(settings);
    let prepared = Prepared::load(settings, wanted, local, None, archives, &**reporter, cancel)?;
    let (universes, chosen) = prepared.choose(settings, false, &**reporter)?;
    let lock =
        (settings.plan_as_lock || file.is_some()).then(|| prepared.lock(settings, &universes, &chosen));
    if let (Some(lock), Some(file)) = (&lock, file) {
        lock.write(file)?;
    }
    if let Some(lock) = lock.filter(|_| settings.plan_as_lock) {
        return lock.print(std::io::stdout().lock()).map_err(Error::Print);
    }
    let plan = chosen.plan.display(&universes.target);
    let written = match settings.target {
        TargetSpec::Stdout { .. } => write!(std::io::stderr().lock(), "{plan}"),
        _ => write!(std::io::stdout().lock(), "{plan}"),
    };
    written.map_err(Error::Print)
}

/// Makes the target. `reporter` passes events on to `tally`.
fn make(
    settings: &Settings,
    tally: &Tally,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    let (scripts_run, lost) = match settings.runs_nothing() {
        true => (mode::wanted(settings), Vec::new()),
        false => mode::decide(settings, &**reporter)?,
    };
    mode::check_hooks(settings, scripts_run)?;
    mode::check_customization(settings, scripts_run)?;
    if let Some(format) = settings.target.format() {
        format.check(&settings.image)?;
    }
    let executes = !settings.runs_nothing()
        && (settings.system.is_redirected() || scripts_run != ScriptRootKind::Target);
    staging::check_cache(&settings.cache, executes)?;
    if !settings.runs_nothing() {
        check_native_tools(settings, scripts_run)?;
    }
    let lock_file = settings.lock.as_deref().map(PackageLock::begin).transpose()?;
    let sboms = SbomFiles::begin(&settings.sboms)?;
    let provenance = settings
        .provenance
        .as_deref()
        .map(provenance::begin)
        .transpose()?;
    let staging = create_staging(settings)?;
    let others = OtherOutputs::begin(settings)?;
    let target = Target::open(&staging.root())?;
    let scratch = Staging::scratch(&settings.cache.join("run"))?;
    let root = HookRoot::of(settings, &staging)?;
    let hooks = MomentOptions {
        hooks: &settings.hooks,
        context: &settings.hook_context,
        limit: settings.hook_timeout,
        target: &target,
        arch: settings.system.arch,
        foreign: &settings.system.foreign,
        redirected: settings.system.is_redirected(),
        native_system: settings.native_tools.directory().map(PathBuf::as_path),
        keyrings: &settings.archives.keyrings,
        scratch: scratch.directory(),
        reporter,
        cancel,
    };
    let (deferred, lock) = with_hooks(hooks, root.path(), |moments| {
        let mut archives = Archives::open(&settings.cache, &settings.archives, Arc::clone(reporter), cancel)?;
        let set_up = SetUp::run(settings, &target, &mut archives, moments, cancel)?;
        let settings = &set_up.settings;
        let written = set_up.written.then_some(&target);
        let local = &set_up.local;
        let prepared = Prepared::load(
            settings,
            scripts_run,
            local,
            written,
            archives,
            &**reporter,
            cancel,
        )?;
        let (universes, chosen) = prepared.choose(settings, true, &**reporter)?;
        // Hooks may bring more than packages do.
        if let Some(format) = settings.target.format().filter(|_| settings.hooks.is_empty()) {
            let packages = chosen.versions(&universes.target);
            let names: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
            format.check_packages(&settings.image, settings.system.arch.name, &names)?;
            others.check_packages(settings.system.arch.name, &names)?;
        }
        let lock = (lock_file.is_some() || provenance.is_some() || !sboms.is_empty() || settings.attaches())
            .then(|| prepared.lock(settings, &universes, &chosen));
        let deferred = CarryOut {
            settings,
            prepared: &prepared,
            universes: &universes,
            chosen: &chosen,
            staging: &staging,
            target: &target,
            prepared_as: set_up.prepared_as,
            moments: moments.map(|moments| moments as &dyn RunHooks),
            scratch: scratch.directory(),
            observer: None,
            reporter,
            cancel,
        }
        .run()?;
        Ok::<_, Error>((deferred, lock))
    })?;
    let sbom = (!sboms.is_empty())
        .then(|| {
            let name = lock.as_ref().map(PackageLock::name).unwrap_or_default();
            let epoch = settings.system.scripts.source_date_epoch;
            let epoch = epoch.and_then(|epoch| u64::try_from(epoch).ok());
            Sbom::of(&target, settings.system.arch.name, &name, lock.as_ref(), epoch)
        })
        .transpose()?;
    let output = thread::scope(|scope| {
        scope.spawn(|| drop(scratch));
        finish(
            settings,
            staging,
            &target,
            others,
            lock.as_ref(),
            &**reporter,
            cancel,
        )
    })?;
    if let (Some(lock), Some(file)) = (&lock, provenance) {
        let results = output.path.iter().chain(&output.others);
        let epoch = settings.system.scripts.source_date_epoch;
        provenance::write(file, results.map(PathBuf::as_path), lock, epoch)?;
    }
    if let (Some(lock), Some(file)) = (lock, lock_file) {
        lock.write(file)?;
    }
    if let Some(sbom) = &sbom {
        sboms.write(sbom)?;
    }
    let deferred = deferred.iter();
    Ok(Summary {
        output: output.path,
        output_bytes: output.bytes,
        disk: output.disk,
        deferred: deferred
            .map(|(key, why)| (key.name.clone(), why.to_string()))
            .collect(),
        lost,
        ..tally.summary()
    })
}

/// The directory at which hooks see the target.
enum HookRoot {
    /// In the work directory.
    Beside(PathBuf),
    /// In the directory for temporary files, where mmdebstrap makes what becomes an archive (mmdebstrap(1), TMPDIR).
    Temporary(tempfile::TempDir),
}

impl HookRoot {
    fn of(settings: &Settings, staging: &Staging) -> Result<Self, Error> {
        if settings.hooks.is_empty() || matches!(settings.target, TargetSpec::Directory(_)) {
            return Ok(Self::Beside(staging.directory().join("hooks")));
        }
        let made = std::path::absolute(&settings.temporary).and_then(|parent| {
            let mut name = tempfile::Builder::new();
            name.prefix("mmdebstrap.").rand_bytes(10).tempdir_in(parent)
        });
        made.map(Self::Temporary).map_err(|source| Error::HookRoot {
            directory: settings.temporary.clone(),
            source,
        })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Beside(path) => path.clone(),
            Self::Temporary(directory) => directory.path().to_owned(),
        }
    }
}

/// Sets the file mode creation mask of the process, before it makes files.
pub(crate) fn begin() {
    // Accounts that scripts change to have to read what the run makes; modes in the target are faked.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
}

/// Checks that a native system of the user's can be a native root, where it has to be one.
///
/// # Errors
/// It cannot.
pub(super) fn check_native_tools(settings: &Settings, scripts_run: ScriptRootKind) -> Result<(), Error> {
    match (scripts_run, &settings.native_tools) {
        (ScriptRootKind::Native, NativeTools::Directory(directory)) => {
            Ok(native_root_source::check(directory)?)
        }
        _ => Ok(()),
    }
}

fn create_staging(settings: &Settings) -> Result<Staging, Error> {
    let mut staging = Staging::create(&settings.target, &settings.temporary)?;
    if settings.keep_failed {
        staging.keep();
    }
    Ok(staging)
}
