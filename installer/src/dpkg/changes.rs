//! Actions that change packages: the session that they work in, with its native tools and native root, and the
//! engine that uses it.

use super::engine::{DPKG_VERSION, Engine};
use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Action, Call, ScriptMode};
use super::relations::groups;
use crate::archives::Archives;
use crate::merge_usr::MergedUsr;
use crate::native_root_source::{NativeRoot, NativeRootSource, Remembered};
use crate::native_scripts::NativeScripts;
use crate::settings::NativeTools;
use crate::staging::Staging;
use apt_solve::{IndexInput, Request, Universe, Variant};
use deb_arch::Architecture;
use deb_archive::ArchiveError;
use deb_unpack::DebFile;
use dpkg_db::{Database, Package, Status};
use rootless_install_fs::Target;
use script_host::sysroot::SysrootError;
use script_host::view::{self, Machine};
use script_host::{Native, ScriptRootKind, Session, SessionError};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use task_progress::{Cancel, Reporter};

/// A call that changes packages, and its target: what sessions are opened with.
#[derive(Clone, Copy)]
pub(super) struct Host<'h> {
    /// The call.
    pub(super) call: &'h Call,
    /// Its messages.
    pub(super) messages: &'h Arc<Messages>,
    /// The token that stops it.
    pub(super) cancel: &'h Cancel,
    /// The target.
    pub(super) target: &'h Target,
    /// Architecture of the target.
    pub(super) architecture: &'static Architecture,
}

impl Host<'_> {
    /// Does the action in a session on the target. Returns whether all of it was done.
    ///
    /// # Errors
    /// Nothing can be done, or nothing more.
    pub(super) fn change_packages(&self, database: Database) -> Result<bool> {
        let runs_programs = self.call.options.act && needs_scripts(self.call, self.target, &database);
        self.open(database, runs_programs, |session, database| {
            Engine::new(self, database, session).act()
        })
    }

    /// Opens a session with its native tools and native root, where programs run in it, and does some work.
    ///
    /// # Errors
    /// The session cannot be opened; those of the work.
    pub(super) fn open<T, D: Borrow<Database>>(
        &self,
        database: D,
        runs_programs: bool,
        work: impl FnOnce(&mut Session<'_>, D) -> Result<T>,
    ) -> Result<T> {
        let Self {
            call,
            messages,
            cancel,
            target,
            architecture,
        } = *self;
        let known_packages: &Database = database.borrow();
        let options = &call.options;
        let cache = options
            .cache
            .clone()
            .and_then(|cache| std::path::absolute(cache).ok());
        let cache = cache.ok_or_else(|| {
            Fault::Call("there is no place for the cache: use --cache, or set HOME".to_owned())
        })?;
        let reporter: Arc<dyn Reporter> = Arc::clone(messages) as _;
        let foreign: Vec<&'static Architecture> = known_packages
            .foreign()
            .iter()
            .filter_map(|name| Architecture::by_name(name))
            .collect();
        let native = Architecture::native();
        let redirected = architecture != native || foreign.iter().any(|arch| *arch != native);
        let scripts_run = match runs_programs {
            true => scripts_run(options.script_mode(), messages)?,
            false => ScriptRootKind::Target,
        };
        // Native tools are packages of an archive, and a native root is made of such.
        let archives = (runs_programs && scripts_run.needs_native(redirected))
            .then(|| Archives::open(&cache, &options.archives, Arc::clone(&reporter), cancel))
            .transpose()
            .map_err(unfetched)?;
        let sources = match &archives {
            Some(archives) if options.native == NativeTools::Packages => Some(
                archives
                    .sources_for(target, &options.archives)
                    .map_err(unfetched)?,
            ),
            _ => None,
        };
        let request = native_root_request(call, target, known_packages);
        // The native root of an earlier call needs no indexes.
        let remembered = sources
            .as_ref()
            .filter(|_| scripts_run == ScriptRootKind::Native)
            .map(|(sources, _)| Remembered::new(&cache, sources, &request));
        let known = remembered.as_ref().and_then(Remembered::find);
        let indexes = match (&archives, &sources) {
            (Some(archives), Some((sources, keyring))) if known.is_none() => archives
                .indexes(sources, keyring, &[native.name])
                .map_err(unfetched)?,
            _ => Vec::new(),
        };
        let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
        let universe = Universe::new(&inputs, native.name, &[]);
        let scratch = Staging::scratch(&cache.join("run"))?;
        let tools = archives.as_ref().map(|archives| Native {
            universe: &universe,
            indexes: &indexes,
            fetcher: &archives.fetcher,
            directory: options.native.directory().cloned(),
        });
        let native_root = match (&tools, known) {
            (_, Some(known)) => Some(NativeRoot::of_cache(&known, &cache, false)?),
            (Some(tools), None) if scripts_run == ScriptRootKind::Native => {
                let source = NativeRootSource {
                    tools,
                    request,
                    merged_usr: MergedUsr::default(),
                    sources: &[],
                    cache: &cache,
                    remembered: remembered.as_ref(),
                    scripts: &options.scripts,
                    reporter: &reporter,
                    cancel,
                };
                Some(source.for_run(false)?)
            }
            _ => None,
        };
        let scripts = NativeScripts {
            cache: &cache,
            settings: &options.archives,
            existing: Some(target),
            arch: architecture,
            reporter: &reporter,
            cancel,
            loaded: OnceLock::new(),
        };
        let native_scripts = |package: &Package, script: &str| scripts.script(package, script);
        let session = script_host::Options {
            native_scripts: (options.native == NativeTools::Packages).then_some(&native_scripts),
            target,
            arch: architecture,
            foreign: &foreign,
            root: scripts_run.root(native_root.as_ref().map(NativeRoot::files)),
            scripts: &options.scripts,
            dpkg_version: dpkg_version(known_packages),
            runs_programs,
            scratch: scratch.directory(),
            mount_point: scratch.view(),
            cache: &cache,
            observer: None,
            reporter: Arc::clone(&reporter),
            cancel,
        };
        let native = tools.filter(|_| redirected);
        script_host::open(session, native, |session| {
            learn_installed(session, target, database.borrow())?;
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
fn learn_installed(session: &Session<'_>, target: &Target, database: &Database) -> Result {
    if !session.learns() {
        return Ok(());
    }
    for package in database.packages() {
        let list = database.list(target, &package.key())?;
        let learnt = session.learn(&package.name, &package.version, &package.architecture, &list);
        learnt?;
    }
    Ok(())
}

/// Returns the way in which scripts run on this machine.
fn scripts_run(mode: ScriptMode, messages: &Messages) -> Result<ScriptRootKind> {
    if mode == ScriptMode::Redirect {
        return Ok(ScriptRootKind::Target);
    }
    Ok(match view::probe() {
        Ok(_) => ScriptRootKind::Native,
        Err(error) => {
            messages.notice(&format!("warning: {error}: scripts run on this machine itself"));
            ScriptRootKind::Machine(Machine::probe())
        }
    })
}

/// Returns the request for a native root: of the packages of the target and of the call's archives those that have
/// scripts, and those that such packages name in their relations. Nothing runs the programs of others.
fn native_root_request(call: &Call, target: &Target, database: &Database) -> Request {
    let scripts = ["preinst", "postinst", "prerm", "postrm"];
    let has_scripts = |package: &&Package| {
        scripts
            .iter()
            .any(|script| target.stat(&package.info_path(script)).is_ok())
    };
    let there = |package: &&Package| package.status > Status::NotInstalled;
    let installed: Vec<&Package> = database.packages().filter(there).collect();
    let mut names: BTreeSet<String> = installed.iter().map(|package| package.name.clone()).collect();
    let mut with_scripts: Vec<Package> = installed.into_iter().filter(has_scripts).cloned().collect();
    if matches!(call.action, Action::Install | Action::Unpack) {
        for path in &call.arguments {
            let control = DebFile::open(Path::new(path)).and_then(|deb| deb.control());
            let package = control.as_ref().ok().and_then(|control| control.package().ok());
            let (Ok(control), Some(package)) = (control, package) else {
                continue;
            };
            names.insert(package.name.clone());
            if scripts.iter().any(|script| control.script(script).is_some()) {
                with_scripts.push(package);
            }
        }
    }
    let fields = ["Depends", "Pre-Depends", "Recommends", "Suggests"];
    let named = with_scripts.iter().flat_map(|package| {
        let possibilities = fields.iter().flat_map(|field| groups(package, field)).flatten();
        let named = possibilities.map(|possibility| possibility.name);
        named
            .chain(std::iter::once(package.name.clone()))
            .collect::<Vec<_>>()
    });
    let wanted: BTreeSet<String> = named.collect();
    let provides = |package: &Package| {
        let provided = groups(package, "Provides").into_iter().flatten();
        provided
            .into_iter()
            .any(|provided| wanted.contains(&provided.name))
    };
    let providers = database.packages().filter(|package| provides(package));
    let providers: BTreeSet<String> = providers.map(|package| package.name.clone()).collect();
    Request {
        variant: Variant::Minbase,
        include: names
            .into_iter()
            .filter(|name| wanted.contains(name) || providers.contains(name))
            .collect(),
        ..Request::default()
    }
}

/// Whether scripts are to be expected. Unpacking alone runs none of packages that are new and have no preinst; one that
/// has to run all the same gets a session of its own.
fn needs_scripts(call: &Call, target: &Target, database: &Database) -> bool {
    let waits = |package: &Package| {
        !matches!(
            package.status,
            Status::Installed | Status::ConfigFiles | Status::NotInstalled
        )
    };
    let has = |package: &Package, script: &str| target.stat(&package.info_path(script)).is_ok();
    match call.action {
        Action::Configure | Action::TriggersOnly => return database.packages().any(waits),
        Action::Remove | Action::Purge => {
            let named = |package: &&Package| {
                call.options.pending
                    || call.arguments.iter().any(|name| {
                        let name = name.to_string_lossy();
                        database.resolve(&name).is_some_and(|key| key == package.key())
                    })
            };
            return database
                .packages()
                .any(|package| waits(package) || !package.triggers_pending.is_empty())
                || database
                    .packages()
                    .filter(named)
                    .any(|package| has(package, "prerm") || has(package, "postrm"));
        }
        _ => {}
    }
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
