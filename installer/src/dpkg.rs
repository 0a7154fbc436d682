//! A call of dpkg on a root filesystem that exists: one archive after the other, in place, as dpkg(1) does it, with
//! scripts in a session.
//!
//! An installation follows a plan, on all processors; a call follows dpkg: the order of its steps, its messages, its
//! journal. So a call that fails leaves the states that dpkg leaves, from which another call goes on.

mod audit;
mod available;
mod changes;
mod conffiles;
mod configure;
mod conflicts;
mod deb_files;
mod disappear;
mod doubts;
mod engine;
mod fault;
mod force;
mod in_session;
mod messages;
mod old_files;
mod option_table;
mod options;
mod ownership;
mod parse;
mod paths;
mod places;
mod purge;
mod queries;
mod query_words;
mod relations;
mod remove;
mod scripts;
mod show;
mod target;
mod triggers;
mod unpack;

pub use crate::path_filters::Filters;
pub use force::Forces;
pub use in_session::InSession;
pub use options::{Action, Call, Options, ScriptMode};
pub use parse::{Defaults, Parsed, parse};
pub use places::{Places, ViewPlaces};

use changes::Host;
use deb_arch::Architecture;
use dpkg_db::{Database, Status};
use engine::Engine;
use fault::{Fault, Result};
use messages::Messages;
use rootless_install_fs::Target;
use std::fs::File;
use std::sync::Arc;
use task_progress::with_causes;
use task_progress::{Cancel, Reporter};

/// Does the action of a call, and returns dpkg's exit status: 0, 1 where the answer to a question is no or a package
/// failed, 2 for any other error.
pub fn run(call: &Call, cancel: &Cancel) -> u8 {
    let options = &call.options;
    let messages = match Messages::new(&options.status_fds, options.debug) {
        Ok(messages) => Arc::new(messages),
        Err(problem) => {
            eprintln!("dpkg: error: {problem}");
            return 2;
        }
    };
    if let Some(log) = &options.log {
        let opened = File::options().append(true).create(true).open(log);
        messages.open_log(&log.display().to_string(), opened);
    }
    let reporter: Arc<dyn Reporter> = Arc::clone(&messages) as _;
    task_progress::trace::listen(&reporter);
    status(run_with(call, &messages, cancel), &messages)
}

/// Returns the exit status of a call, and says what went wrong.
fn status(done: Result<bool>, messages: &Messages) -> u8 {
    match done {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(Fault::Package(problem) | Fault::Call(problem)) => {
            messages.notice(&format!("error: {problem}"));
            2
        }
    }
}

fn run_with(call: &Call, messages: &Arc<Messages>, cancel: &Cancel) -> Result<bool> {
    if let Some(answered) = queries::without_database(call, messages) {
        return answered;
    }
    // Accounts that scripts change to have to read what the run makes; modes in the target are faked.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    if call.action == Action::PrintArchitecture && call.options.root.parent().is_none() {
        let given = call.options.arch.unwrap_or_else(Architecture::native);
        messages.say(given.name);
        return Ok(true);
    }
    let target = target::open(call)?;
    let host = Host {
        call,
        messages,
        cancel,
        target: &target,
        architecture: target::architecture(call, &target)?,
    };
    act_on(&host, |host, database| host.change_packages(database))
}

/// Does the action of a call on its target; `change` does one that changes packages.
fn act_on<'h>(host: &Host<'h>, change: impl FnOnce(&Host<'h>, Database) -> Result<bool>) -> Result<bool> {
    let Host {
        call,
        messages,
        target,
        architecture,
        ..
    } = *host;
    let mut database = target::database(call, target, architecture.name)?;
    doubts::about_status(call, target, architecture.name, messages);
    match call.action {
        Action::ForgetOldUnavail => {
            messages.warning(
                "obsolete '--forget-old-unavail' option; unavailable packages are automatically cleaned up",
            );
            Ok(true)
        }
        _ if call.action.changes_available() => {
            let _locks = target::lock(&call.options, target)?;
            available::change(call, target, &database, messages)
        }
        Action::AddArchitecture | Action::RemoveArchitecture => {
            let _locks = target::lock(&call.options, target)?;
            change_architectures(call, target, &mut database, messages)?;
            Ok(true)
        }
        Action::SetSelections | Action::ClearSelections => {
            let _locks = target::lock(&call.options, target)?;
            queries::select(&mut database, messages, call.action == Action::ClearSelections)?;
            if call.options.act {
                database.save(target)?;
            }
            Ok(true)
        }
        _ if call.action.runs_scripts() => {
            let _locks = target::lock(&call.options, target)?;
            change(host, database)
        }
        _ => queries::answer(call, target, &database, messages),
    }
}

fn change_architectures(
    call: &Call,
    target: &Target,
    database: &mut Database,
    messages: &Messages,
) -> Result {
    let [name] = &call.arguments[..] else {
        let action = call.action.name();
        return Err(Fault::Call(format!("--{action} takes exactly one argument")));
    };
    let name = name.to_string_lossy().into_owned();
    let mut foreign = database.foreign().to_vec();
    if call.action == Action::AddArchitecture {
        if matches!(name.as_str(), "any" | "all") {
            return Err(Fault::Call(format!(
                "architecture '{name}' is reserved and cannot be added"
            )));
        }
        if !deb_types::relation::is_architecture(&name) {
            return Err(Fault::Call(format!("architecture '{name}' is illegal")));
        }
        if name != database.native() && !foreign.contains(&name) {
            foreign.push(name);
        }
    } else {
        if !foreign.contains(&name) {
            messages.warning(&format!("cannot remove non-foreign architecture '{name}'"));
            return Ok(());
        }
        let used = database
            .packages()
            .any(|package| package.architecture == name && package.status >= Status::HalfInstalled);
        if used && call.options.forces.has("architecture") {
            messages.warning(&format!(
                "removing architecture '{name}' currently in use by database"
            ));
        } else if used {
            return Err(Fault::Call(format!(
                "cannot remove architecture '{name}' currently in use by the database"
            )));
        }
        foreign.retain(|have| *have != name);
    }
    Ok(database.set_foreign(target, foreign)?)
}

impl Engine<'_, '_> {
    /// Does the action, and lists the packages that failed at the end. Returns whether there are none.
    fn act(&mut self) -> Result<bool> {
        let done = match self.call.action {
            Action::Install | Action::Unpack => self.archives(),
            Action::Remove | Action::Purge => self.remove_named(),
            _ => self.configure_named(),
        };
        let halted = matches!(&done, Err(Fault::Call(problem)) if problem.is_empty());
        // The database is saved after a failure, too.
        self.report_states();
        let saved = match self.options().act {
            true => self.database.save(self.target),
            false => Ok(()),
        };
        if !self.failed.is_empty() {
            self.messages.tell("Errors were encountered while processing:\n");
            self.failed
                .iter()
                .for_each(|name| self.messages.tell(&format!(" {name}\n")));
        }
        if halted {
            self.messages
                .tell("Processing was halted because there were too many errors.\n");
        } else {
            done?;
        }
        saved.map_err(|error| Fault::Call(with_causes(&error)))?;
        Ok(self.failed.is_empty())
    }
}
