//! State of a call that changes packages: the database, the session, and the failures so far.

use super::changes::Host;
use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Call, Options};
use crate::configure::trigger_cycles::TriggerCycles;
use dpkg_db::{Database, Diversions, DpkgError, Package, PackageKey, Status};
use rootless_install_fs::Target;
use script_host::Session;
use std::collections::HashMap;

/// The version of dpkg whose behaviour this is.
pub(super) use crate::existing_target::DPKG_VERSION;

/// A call that changes packages.
pub(super) struct Engine<'e, 's> {
    /// The call.
    pub(super) call: &'e Call,
    /// The target.
    pub(super) target: &'e Target,
    /// Its database.
    pub(super) database: Database,
    pub(super) messages: &'e Messages,
    pub(super) session: &'e mut Session<'s>,
    /// Opens a session for a script that nobody foresaw.
    pub(super) host: &'e Host<'e>,
    pub(super) trigger_cycles: TriggerCycles,
    /// Packages to be configured at the end, in the order in which they were unpacked.
    pub(super) queue: Vec<PackageKey>,
    /// Packages that were unpacked more than once.
    pub(super) repeated: Vec<PackageKey>,
    /// Versions of the archives of this call.
    pub(super) available: HashMap<PackageKey, String>,
    /// Names of packages and archives that failed.
    pub(super) failed: Vec<String>,
    /// Whether the database had no package when the call began: files that are in the target then belong to none.
    pub(super) begun_empty: bool,
    /// State of each package that was reported last.
    reported: HashMap<PackageKey, Status>,
    /// Whether the size of the database was printed.
    counted: bool,
}

impl<'e, 's> Engine<'e, 's> {
    pub(super) fn new(host: &'e Host<'e>, mut database: Database, session: &'e mut Session<'s>) -> Self {
        let Host {
            call,
            messages,
            target,
            ..
        } = *host;
        database.keep_noted();
        database.remember_configured();
        let begun_empty = !database
            .packages()
            .any(|package| package.status > Status::ConfigFiles);
        Self {
            begun_empty,
            call,
            target,
            database,
            messages,
            session,
            host,
            trigger_cycles: TriggerCycles::default(),
            queue: Vec::new(),
            repeated: Vec::new(),
            available: HashMap::new(),
            failed: Vec::new(),
            reported: HashMap::new(),
            counted: false,
        }
    }

    pub(super) fn options(&self) -> &'e Options {
        &self.call.options
    }

    pub(super) fn forces(&self, thing: &str) -> bool {
        self.call.options.forces.has(thing)
    }

    /// Returns a package of the database.
    ///
    /// # Errors
    /// There is no such package.
    pub(super) fn package(&self, key: &PackageKey) -> Result<&Package> {
        let missing = || DpkgError::NoPackage {
            package: key.to_string(),
        };
        Ok(self.database.get(key).ok_or_else(missing)?)
    }

    pub(super) fn status(&self, key: &PackageKey) -> Status {
        self.database
            .get(key)
            .map_or(Status::NotInstalled, |package| package.status)
    }

    /// Returns the version of a package, or dpkg's `<none>`.
    pub(super) fn version(&self, key: &PackageKey) -> String {
        let version = self.database.get(key).map(|package| package.version.clone());
        version
            .filter(|version| !version.is_empty())
            .unwrap_or_else(|| "<none>".to_owned())
    }

    pub(super) fn name(&self, key: &PackageKey) -> String {
        match self.database.get(key) {
            None if key.architecture.is_empty() => key.name.clone(),
            _ => self.database.display_name(key),
        }
    }

    /// Writes the states that the database has noted to front ends and the log.
    pub(super) fn report_states(&mut self) {
        for noted in self.database.take_noted() {
            if self.reported.insert(noted.key.clone(), noted.status) == Some(noted.status) {
                continue;
            }
            let version = if noted.version.is_empty() {
                "<none>"
            } else {
                &noted.version
            };
            self.messages
                .log(&format!("status {} {} {version}", noted.status, noted.key));
            self.messages
                .status(&format!("status: {}: {}", noted.name, noted.status));
        }
    }

    /// Writes the action that is about to begin for a package to front ends and the log.
    pub(super) fn report_action(&mut self, action: &str, key: &PackageKey) {
        self.report_states();
        let available = self.available.get(key).map_or("<none>", String::as_str);
        self.messages
            .log(&format!("{action} {key} {} {available}", self.version(key)));
        self.messages
            .status(&format!("processing: {action}: {}", self.name(key)));
    }

    /// Writes changes of the database to the target, and new states to front ends and the log.
    pub(super) fn record(&mut self) -> Result {
        self.report_states();
        if !self.options().act {
            return Ok(());
        }
        Ok(self.database.flush(self.target)?)
    }

    /// Prints the number of files in the database, once in a call.
    pub(super) fn count_files(&mut self) {
        if !std::mem::replace(&mut self.counted, true) {
            let diversions = Diversions::load(self.target).unwrap_or_default();
            let diverted = diversions
                .iter()
                .flat_map(|diversion| [&diversion.from, &diversion.to]);
            let unowned = diverted.filter(|path| self.database.owners(path).next().is_none());
            let files = self.database.paths() + unowned.count();
            self.messages.say(&format!(
                "(Reading database ... {files} files and directories currently installed.)"
            ));
        }
    }

    /// Notes and prints a failure.
    ///
    /// # Errors
    /// There are as many as `--abort-after`.
    pub(super) fn fail(&mut self, kind: &str, name: &str, problem: &str) -> Result {
        let action = self.call.action.name();
        self.messages.notice(&format!(
            "error processing {kind} {name} (--{action}):\n {problem}"
        ));
        self.messages
            .status(&format!("status: {name} : error : {problem}"));
        self.failed.push(name.to_owned());
        if self.failed.len() < self.options().abort_after {
            return Ok(());
        }
        self.messages.notice("too many errors, stopping");
        Err(Fault::Call(String::new()))
    }
}
