//! Actions that change packages: the session that they work in, with its native tools and native root, and the
//! engine that uses it.

use super::engine::Engine;
use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Action, Call, ScriptMode};
use super::relations::groups;
use crate::existing_target::ExistingTarget;
use apt_solve::{Request, Variant};
use deb_arch::Architecture;
use deb_unpack::DebFile;
use dpkg_db::{Database, Package, Status};
use rootless_install_fs::Target;
use script_host::view::{self, Machine};
use script_host::{ScriptRootKind, Session, Surroundings};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
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
        let options = &self.call.options;
        let cache = options
            .cache
            .clone()
            .and_then(|cache| std::path::absolute(cache).ok());
        let cache = cache.ok_or_else(|| {
            Fault::Call("there is no place for the cache: use --cache, or set HOME".to_owned())
        })?;
        let reporter: Arc<dyn Reporter> = Arc::clone(self.messages) as _;
        let kind = match runs_programs {
            true => scripts_run(options.script_mode(), self.messages)?,
            false => ScriptRootKind::Target,
        };
        let native_root = match kind {
            ScriptRootKind::Native => Some(native_root_request(self.call, self.target, database.borrow())),
            _ => None,
        };
        ExistingTarget {
            target: self.target,
            architecture: self.architecture,
            cache: &cache,
            archives: &options.archives,
            native: &options.native,
            scripts: &options.scripts,
            kind,
            native_root,
            runs_programs,
            surroundings: Surroundings::default(),
            reporter: &reporter,
            cancel: self.cancel,
        }
        .open(database, work)
    }
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
            let control =
                DebFile::open(&call.options.places.on_machine(Path::new(path))).and_then(|deb| deb.control());
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
        let control =
            DebFile::open(&call.options.places.on_machine(Path::new(path))).and_then(|deb| deb.control());
        control.ok().is_none_or(|control| {
            let new = control.package().ok();
            let first = new.is_some_and(|new| !database.packages().any(|have| have.name == new.name));
            !first || control.script("preinst").is_some() || control.control.contains("\nConflicts:")
        })
    }) || call.options.auto_deconfigure
}
