//! The session that a call works in: its native tools, its native root, and the engine that uses it.

use super::engine::{DPKG_VERSION, Engine};
use super::fault::{Done, Fault};
use super::options::{Action, Call, ScriptMode};
use super::voice::Voice;
use crate::archives::Archives;
use crate::install::InstallError;
use crate::merge_usr::MergedUsr;
use crate::native_root::NativeRoot;
use crate::settings::NativeTools;
use crate::staging::Staging;
use apt_solve::{IndexInput, Request as Wanted, Universe, Variant};
use deb_arch::Architecture;
use deb_archive::ArchiveError;
use deb_unpack::DebFile;
use dpkg_db::Database;
use progress::{Cancel, Reporter};
use rootless_install_fs::Target;
use script_host::sysroot::SysrootError;
use script_host::view::{self, Machine};
use script_host::{Native, ScriptRootKind, Session, SessionError};
use std::path::Path;
use std::sync::Arc;

/// Changes packages in a session on the target.
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
    let reporter: Arc<dyn Reporter> = Arc::clone(voice) as _;
    let foreign: Vec<&'static Architecture> = database
        .foreign()
        .iter()
        .filter_map(|name| Architecture::by_name(name))
        .collect();
    let native = Architecture::native();
    let redirected = architecture != native || foreign.iter().any(|arch| *arch != native);
    let runs_programs = needs_scripts(call, &database);
    let scripts_run = scripts_run(options.script_mode(), voice)?;
    // An archive is asked for where native tools are packages, and a native root may need one to be made.
    let archives = (runs_programs && scripts_run.needs_native(redirected))
        .then(|| Archives::open(&cache, Arc::clone(&reporter), cancel))
        .transpose()
        .map_err(unfetched)?;
    let indexes = match &archives {
        Some(archives) if options.native == NativeTools::Packages => {
            let loaded = archives
                .sources_for(target, &options.archives)
                .and_then(|(sources, keyring)| archives.indexes(&sources, &keyring, &[native.name]));
            loaded.map_err(unfetched)?
        }
        _ => Vec::new(),
    };
    let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
    let universe = Universe::new(&inputs, native.name, &[]);
    let scratch = Staging::scratch(&cache.join("run")).map_err(InstallError::from)?;
    let tools = archives.as_ref().map(|archives| Native {
        universe: &universe,
        indexes: &indexes,
        fetcher: &archives.fetcher,
        directory: options.native.directory().cloned(),
    });
    let native_root = match &tools {
        Some(tools) if scripts_run == ScriptRootKind::Native => {
            let native_root = NativeRoot {
                tools,
                request: like(call, &database),
                merged_usr: MergedUsr::default(),
                sources: &[],
                cache: &cache,
                scripts: &options.scripts,
                reporter: &reporter,
                cancel,
            };
            Some(native_root.copy()?)
        }
        _ => None,
    };
    let session = script_host::Options {
        target,
        arch: architecture,
        foreign: &foreign,
        root: scripts_run.root(native_root.as_ref().map(|copied| &copied.root)),
        native: tools.filter(|_| redirected),
        scripts: &options.scripts,
        dpkg_version: dpkg_version(&database),
        runs_programs,
        scratch: scratch.directory(),
        mount_point: scratch.view(),
        cache: &cache,
        observer: None,
        reporter: Arc::clone(&reporter),
        cancel,
    };
    script_host::open(session, |session| {
        learn_installed(session, target, &database)?;
        Engine::new(call, target, database, voice, session).act()
    })
}

fn unfetched(error: ArchiveError) -> InstallError {
    SessionError::from(SysrootError::from(error)).into()
}

/// Returns the version of the target's dpkg, as scripts ask for it.
fn dpkg_version(database: &Database) -> String {
    let dpkg = database.resolve("dpkg").and_then(|key| database.get(&key));
    let version = dpkg.map(|package| package.version.clone());
    version
        .filter(|version| !version.is_empty())
        .unwrap_or_else(|| DPKG_VERSION.to_owned())
}

/// Tells the session whose the target's paths are.
fn learn_installed(session: &Session<'_>, target: &Target, database: &Database) -> Done {
    if !session.learns() {
        return Ok(());
    }
    for package in database.packages() {
        let list = database.list(target, &package.key())?;
        let learnt = session.learn(&package.name, &package.version, &package.architecture, &list);
        learnt.map_err(InstallError::from)?;
    }
    Ok(())
}

/// Which way scripts run on this machine.
fn scripts_run(mode: ScriptMode, voice: &Voice) -> Done<ScriptRootKind> {
    if mode == ScriptMode::Redirect {
        return Ok(ScriptRootKind::Target);
    }
    Ok(match view::probe() {
        Ok(_) => ScriptRootKind::Native,
        Err(error) => {
            voice.notice(&format!("warning: {error}: scripts run on this machine itself"));
            ScriptRootKind::Machine(Machine::probe())
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
