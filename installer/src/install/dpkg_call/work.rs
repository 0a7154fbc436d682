//! What a call works with: the native sysroot, the socket for the shim, the view, and the engine
//! that uses them.

use super::engine::{Engine, Means};
use super::fault::{Done, Fault};
use super::native;
use super::options::{Action, Call, NativeSystem, ScriptMode};
use super::voice::Voice;
use crate::arch::Architecture;
use crate::deb::DebFile;
use crate::dpkg::{Database, Package};
use crate::fontconfig;
use crate::hazards;
use crate::install::absorb::absorb_all;
use crate::install::answers::Answers;
use crate::install::native_root::Making;
use crate::install::{InstallError, Installation, Native, Place, Way};
use crate::merge_usr::MergedUsr;
use crate::report::Reporter;
use crate::solve::{IndexInput, Plan, Request as Wanted, Selection, Universe, Variant};
use crate::staging::{Cancel, Staging};
use crate::sysroot::Sysroot;
use crate::unrunnable::{OnUnrunnable, Unrunnable};
use crate::view::{self, Machine};
use rootless_install_fs::Target;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Changes packages: the native sysroot, the socket for the shim, and the engine with them.
pub(super) fn work(
    call: &Call,
    voice: &Arc<Voice>,
    cancel: &Cancel,
    target: &Target,
    architecture: &'static Architecture,
    database: Database,
) -> Done<bool> {
    let options = &call.options;
    let cache = options
        .cache
        .clone()
        .and_then(|cache| std::path::absolute(cache).ok());
    let cache = cache
        .ok_or_else(|| Fault::Call("there is no place for the cache: use --cache, or set HOME".to_owned()))?;
    let foreign: Vec<&'static Architecture> = database
        .foreign()
        .iter()
        .filter_map(|name| Architecture::by_name(name))
        .collect();
    let own = [&[architecture], foreign.as_slice()].concat();
    let redirected = own.iter().any(|arch| *arch != Architecture::native());
    let scripts = needs_scripts(call, &database);
    let way = way(options.script_mode(), voice)?;
    let native_packages = scripts && (way == Way::NativeRoot || way == Way::View && redirected);
    let loaded = (native_packages && options.native == NativeSystem::Auto)
        .then(|| native::load(options, &cache, target, Arc::clone(voice) as _, cancel))
        .transpose()?;
    let given = match &options.native {
        NativeSystem::Directory(path) => Some(path.clone()),
        NativeSystem::Auto => None,
    };
    let indexes = loaded
        .as_ref()
        .map(|loaded| loaded.indexes.as_slice())
        .unwrap_or_default();
    let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
    let universe = Universe::new(&inputs, Architecture::native().name, &[]);
    let scratch = Staging::scratch(&cache.join("run")).map_err(InstallError::from)?;
    let nothing = (Plan::default(), nothing_selected());
    let fetcher = match (&loaded, &given) {
        (Some(loaded), _) => Some(&loaded.fetcher),
        _ => None,
    };
    let spare = match fetcher {
        None => Some(native::idle(&cache)?),
        Some(_) => None,
    };
    let idle_or_not = fetcher.or(spare.as_ref());
    let native_root = match (way, idle_or_not) {
        (Way::NativeRoot, Some(fetcher)) if scripts => {
            let making = Making {
                given: given.as_deref(),
                request: like(call, &database),
                merged_usr: MergedUsr::default(),
                universe: &universe,
                indexes,
                fetcher,
                sources: &[],
                cache: &cache,
                script_timeout: options.script_timeout.unwrap_or_default(),
                source_date_epoch: options.source_date_epoch,
                reporter: &(Arc::clone(voice) as Arc<dyn Reporter>),
                cancel,
            };
            Some(making.copy()?)
        }
        _ => None,
    };
    let redirects = redirected && scripts && !matches!(way, Way::Machine(_));
    let native = match (redirects, idle_or_not) {
        (true, Some(fetcher)) => Some(Native {
            universe: &universe,
            indexes,
            fetcher,
            directory: given,
        }),
        _ => None,
    };
    let installation = Installation {
        target,
        arch: architecture,
        foreign: &foreign,
        universe: &universe,
        indexes,
        plan: &nothing.0,
        selection: &nothing.1,
        merged_usr: MergedUsr::default(),
        debs: HashMap::new(),
        sources: Vec::new(),
        native,
        place: way.place(native_root.as_ref().map(|copied| &copied.root)),
        lint: None,
        violations: &|_| {},
        cache: &cache,
        mount_point: scratch.view(),
        selections: &[],
        script_timeout: options.script_timeout.unwrap_or_default(),
        on_unrunnable: OnUnrunnable::Fail,
        source_date_epoch: options.source_date_epoch,
        reporter: Arc::clone(voice) as _,
        cancel,
    };
    let sysroot = if scripts {
        installation.sysroot(scratch.directory())?
    } else {
        None
    };
    if let Some(sysroot) = &sysroot {
        learn_installed(sysroot, target, &database)?;
    }
    let at_work = AtWork {
        call,
        voice,
        installation: &installation,
        sysroot: sysroot.as_ref(),
        scratch: scratch.directory(),
    };
    let done = at_work.run(database)?;
    if matches!(installation.place, Place::Machine { fuse: false }) {
        absorb_all(target).map_err(InstallError::from)?;
    }
    if redirected {
        fontconfig::remove_foreign(target, architecture)?;
    }
    Ok(done)
}

/// Which way scripts run on this machine.
fn way(mode: ScriptMode, voice: &Voice) -> Done<Way> {
    if mode == ScriptMode::Redirect {
        return Ok(Way::View);
    }
    Ok(match view::probe() {
        Ok(_) => Way::NativeRoot,
        Err(error) => {
            voice.notice(&format!("warning: {error}: scripts run on this machine itself"));
            Way::Machine(Machine::probe())
        }
    })
}

/// What a native root has: the packages that are there and those that come, as far as this machine's
/// architecture has them.
fn like(call: &Call, database: &Database) -> Wanted {
    let mut include: Vec<String> = database.packages().map(|package| package.name.clone()).collect();
    if matches!(call.action, Action::Install | Action::Unpack) {
        let controls = call.arguments.iter().filter_map(|path| {
            let control = DebFile::open(Path::new(path)).ok()?.control().ok()?;
            Some(control.package().ok()?.name)
        });
        include.extend(controls);
    }
    include.sort();
    include.dedup();
    Wanted {
        variant: Variant::Minbase,
        include,
        ..Wanted::default()
    }
}

/// Whether a script may have to run: unpacking alone, of packages that are not there and have none
/// to run before, needs none.
fn needs_scripts(call: &Call, database: &Database) -> bool {
    if call.action != Action::Unpack || call.options.triggers != Some(false) || call.options.recursive {
        return true;
    }
    call.arguments.iter().any(|path| {
        let control = DebFile::open(Path::new(path)).and_then(|deb| deb.control());
        control.ok().is_none_or(|control| {
            let new = control.package().ok();
            let first = new.is_some_and(|new| !database.packages().any(|have| have.name == new.name));
            !first || control.script("preinst").is_some() || control.control.contains("\nConflicts:")
        })
    }) || call.options.auto_deconfigure
}

fn nothing_selected() -> Selection {
    Selection {
        variant: Variant::Custom,
        essential: Vec::new(),
        assumed: None,
        rest: Vec::new(),
        automatic: HashSet::new(),
    }
}

/// Tells the native sysroot whose the target's paths are.
fn learn_installed(sysroot: &Sysroot<'_, '_>, target: &Target, database: &Database) -> Done {
    for package in database.packages() {
        let list = database.list(target, &package.key())?;
        learn(sysroot, package, &list)?;
    }
    Ok(())
}

fn learn(sysroot: &Sysroot<'_, '_>, package: &Package, list: &[PathBuf]) -> Result<(), InstallError> {
    let paths = list.iter().map(PathBuf::as_path);
    Ok(sysroot.learn_named(&package.name, &package.version, &package.architecture, paths)?)
}

/// All that one call works with.
struct AtWork<'w, 'a, 'u> {
    call: &'w Call,
    voice: &'w Arc<Voice>,
    installation: &'w Installation<'a, 'u>,
    sysroot: Option<&'w Sysroot<'w, 'u>>,
    scratch: &'w Path,
}

impl AtWork<'_, '_, '_> {
    fn run(&self, database: Database) -> Done<bool> {
        let installation = self.installation;
        let unrunnable = Unrunnable::new(installation.on_unrunnable);
        let answers = Answers::new(installation, self.sysroot, &unrunnable);
        std::thread::scope(|scope| {
            let control = answers.listen(scope, self.scratch)?;
            let view = || installation.view(self.scratch);
            let learn_one = |package: &Package, list: &[PathBuf]| match self.sysroot {
                Some(sysroot) => learn(sysroot, package, list),
                None => Ok(()),
            };
            let foreseen = |package: &str| {
                installation.native.as_ref()?;
                hazards::foreseen(package, installation.arch)
            };
            let means = Means {
                view: &view,
                learn: &learn_one,
                foreseen: &foreseen,
                unrunnable: &unrunnable,
                environment: installation.environment(self.scratch)?,
                redirected: installation.native.is_some(),
                cancel: installation.cancel,
            };
            let mut engine = Engine::new(self.call, installation.target, database, self.voice, means);
            let done = engine.act();
            drop(engine);
            drop(control);
            done
        })
    }
}
