//! A call of dpkg on a root filesystem that exists: one archive after the other, in place, as
//! dpkg(1) does it, with scripts in the view.
//!
//! What an installation as a whole does with all cores and a plan is done here in dpkg's own way:
//! the order of its steps, its messages, its journal. So what a call leaves when it fails is what
//! dpkg leaves, and another call goes on from there.

mod archives;
mod conffiles;
mod configure;
mod engine;
mod filters;
mod force;
mod native;
mod old_files;
mod options;
mod ownership;
mod place;
mod queries;
mod relations;
mod remove;
mod rivals;
mod unpack;
mod voice;

pub use filters::Filters;
pub use force::Forces;
pub use options::{Action, Call, NativeSystem, Options, ScriptMode};

use super::control::{Control, Request};
use super::{Installation, Native};
use crate::arch::Architecture;
use crate::deb::DebFile;
use crate::dpkg::{Database, Package};
use crate::fontconfig;
use crate::hazards;
use crate::install::InstallError;
use crate::merge_usr::MergedUsr;
use crate::solve::{DEFAULT_PRIORITY, IndexInput, Plan, Selection, Universe, Variant};
use crate::staging::{Cancel, Staging};
use crate::sysroot::Sysroot;
use crate::unrunnable::{OnUnrunnable, Unrunnable};
use engine::{Done, Engine, Fault, Means, told};
use rootless_install_fs::Target;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use voice::Voice;

/// Does what a call asks for. The exit status is dpkg's.
pub fn run(call: &Call, cancel: &Cancel) -> u8 {
    let options = &call.options;
    let voice = match Voice::new(&options.status_fds, options.log.as_deref(), options.debug) {
        Ok(voice) => Arc::new(voice),
        Err(problem) => {
            eprintln!("dpkg: error: {problem}");
            return 2;
        }
    };
    match run_with(call, &voice, cancel) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(Fault::Package(problem) | Fault::Call(problem)) => {
            voice.notice(&format!("error: {problem}"));
            2
        }
    }
}

fn run_with(call: &Call, voice: &Arc<Voice>, cancel: &Cancel) -> Done<bool> {
    if let Some(answered) = queries::without_database(call, voice) {
        return answered;
    }
    // Scripts' users are strangers to what this makes; the target's modes are its own.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    if call.action == Action::PrintArchitecture && call.options.root.parent().is_none() {
        let given = call.options.arch.unwrap_or_else(Architecture::native);
        voice.say(given.name);
        return Ok(true);
    }
    let target = place::open(call)?;
    let architecture = place::architecture(call, &target)?;
    let mut database = place::database(call, &target, architecture.name)?;
    match call.action {
        Action::AddArchitecture | Action::RemoveArchitecture => {
            let _locks = place::lock(&call.options.root)?;
            change_architectures(call, &target, &mut database)?;
            Ok(true)
        }
        Action::SetSelections | Action::ClearSelections => {
            let _locks = place::lock(&call.options.root)?;
            queries::select(&mut database, voice, call.action == Action::ClearSelections)?;
            database.save(&target)?;
            Ok(true)
        }
        _ if call.action.runs_scripts() => {
            let _locks = place::lock(&call.options.root)?;
            work(call, voice, cancel, &target, architecture, database)
        }
        _ => queries::answer(call, &target, &database, voice),
    }
}

fn change_architectures(call: &Call, target: &Target, database: &mut Database) -> Done {
    let [name] = &call.arguments[..] else {
        let action = call.action.name();
        return Err(Fault::Call(format!("--{action} takes exactly one argument")));
    };
    let name = name.to_string_lossy().into_owned();
    let mut foreign = database.foreign().to_vec();
    if call.action == Action::AddArchitecture {
        if Architecture::by_name(&name).is_none() {
            return Err(Fault::Call(format!("architecture '{name}' is not supported")));
        }
        if name != database.native() && !foreign.contains(&name) {
            foreign.push(name);
        }
    } else {
        let used = database.packages().any(|package| package.architecture == name);
        if used && foreign.contains(&name) && !call.options.forces.has("architecture") {
            return Err(Fault::Call(format!(
                "cannot remove architecture '{name}' currently in use by the database"
            )));
        }
        foreign.retain(|have| *have != name);
    }
    Ok(database.set_foreign(target, foreign)?)
}

/// The architecture of the first archive that is for one.
fn archives_architecture(call: &Call) -> Option<&'static Architecture> {
    if !matches!(call.action, Action::Install | Action::Unpack) {
        return None;
    }
    call.arguments.iter().find_map(|path| {
        let control = DebFile::open(Path::new(path)).ok()?.control().ok()?;
        Architecture::by_name(&control.package().ok()?.architecture)
    })
}

/// Changes packages: the native sysroot, the socket for the shim, and the engine with them.
fn work(
    call: &Call,
    voice: &Arc<Voice>,
    cancel: &Cancel,
    target: &Target,
    architecture: &'static Architecture,
    database: Database,
) -> Done<bool> {
    let options = &call.options;
    if options.script_mode() == ScriptMode::Chrootless {
        return Err(Fault::Call(
            "--force-script-chrootless is not supported yet; without it scripts run in a view of the target"
                .to_owned(),
        ));
    }
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
    let loaded = (redirected && scripts && options.native == NativeSystem::Auto)
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
    let universe = Universe::new(&inputs(indexes), Architecture::native().name, &[]);
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
    let native = match (redirected && scripts, fetcher.or(spare.as_ref())) {
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
        cache: &cache,
        mount_point: scratch.directory().join("view"),
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
    if redirected {
        fontconfig::remove_foreign(target, architecture)?;
    }
    Ok(done)
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

fn inputs(indexes: &[crate::archive::Index]) -> Vec<IndexInput<'_>> {
    indexes
        .iter()
        .map(|index| IndexInput {
            packages: &index.packages,
            suite: &index.release_archive,
            codename: &index.codename,
            component: &index.component,
            architecture: &index.architecture,
            priority: DEFAULT_PRIORITY,
        })
        .collect()
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
        // Scripts may run it twice at once; it makes and removes the same links.
        let one_ldconfig = Mutex::new(());
        std::thread::scope(|scope| {
            let socket = self.scratch.join("private/control");
            let answer = |request: Request<'_>| {
                let _alone = matches!(request, Request::Ldconfig { .. })
                    .then(|| one_ldconfig.lock().unwrap_or_else(PoisonError::into_inner));
                installation.answer(self.sysroot, &unrunnable, request)
            };
            let control =
                match installation.native {
                    None => None,
                    Some(_) => Some(Control::listen(scope, &socket, answer).map_err(|source| {
                        InstallError::Write {
                            path: socket.clone(),
                            source,
                        }
                    })?),
                };
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

impl Engine<'_> {
    /// Does what is asked for, and says in the end what was not done.
    fn act(&mut self) -> Done<bool> {
        let done = match self.call.action {
            Action::Install | Action::Unpack => self.archives(),
            Action::Remove | Action::Purge => self.remove_named(),
            _ => self.configure_named(),
        };
        let halted = matches!(&done, Err(Fault::Call(problem)) if problem.is_empty());
        // Whatever happened, what was done is on record.
        self.tell();
        let saved = self.database.save(self.target);
        if !self.failed.is_empty() {
            eprintln!("Errors were encountered while processing:");
            self.failed.iter().for_each(|name| eprintln!(" {name}"));
        }
        if halted {
            eprintln!("Processing was halted because there were too many errors.");
        } else {
            done?;
        }
        saved.map_err(|error| Fault::Call(told(&error)))?;
        Ok(self.failed.is_empty())
    }
}
