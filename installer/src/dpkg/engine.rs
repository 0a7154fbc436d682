//! What the parts of one call share: the database, the view, and what was said so far.

use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Call, Options};
use crate::configure::trigger_cycles::TriggerCycles;
use dpkg_db::{Database, Diversions, DpkgError, Package, PackageKey, Status};
use rootless_install_fs::Target;
use script_host::Session;
use std::collections::HashMap;

/// The version of dpkg whose ways these are.
pub(super) const DPKG_VERSION: &str = "1.22.0";

/// One call at work.
pub(super) struct Engine<'e, 's> {
    pub(super) call: &'e Call,
    pub(super) target: &'e Target,
    pub(super) database: Database,
    pub(super) messages: &'e Messages,
    pub(super) session: &'e mut Session<'s>,
    pub(super) trigger_cycles: TriggerCycles,
    /// What is to be configured in the end, in the order in which it was unpacked.
    pub(super) queue: Vec<PackageKey>,
    /// What was unpacked more than once.
    pub(super) repeated: Vec<PackageKey>,
    /// Versions that archives of this call have.
    pub(super) available: HashMap<PackageKey, String>,
    /// What was not done: names of packages and archives.
    pub(super) failed: Vec<String>,
    /// Whether there was no package in the database when the call began: what is in the target then,
    /// somebody else has put there.
    pub(super) begun_empty: bool,
    /// States as they were told last.
    reported: HashMap<PackageKey, Status>,
    counted: bool,
}

impl<'e, 's> Engine<'e, 's> {
    pub(super) fn new(
        call: &'e Call,
        target: &'e Target,
        mut database: Database,
        messages: &'e Messages,
        session: &'e mut Session<'s>,
    ) -> Self {
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

    /// A package that is known to be there.
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

    /// The version that is installed, or the word dpkg has for none.
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

    /// Tells front ends and the log of the states that were noted.
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

    /// Tells of what is about to be done with a package.
    pub(super) fn report_action(&mut self, action: &str, key: &PackageKey) {
        self.report_states();
        let available = self.available.get(key).map_or("<none>", String::as_str);
        self.messages
            .log(&format!("{action} {key} {} {available}", self.version(key)));
        self.messages
            .status(&format!("processing: {action}: {}", self.name(key)));
    }

    /// What was changed reaches the target's disk and those who listen.
    pub(super) fn record(&mut self) -> Result {
        self.report_states();
        Ok(self.database.flush(self.target)?)
    }

    /// Says how large the database is, once.
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

    /// Notes what was not done, and whether that is enough of it.
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
