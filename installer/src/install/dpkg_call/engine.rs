//! What the parts of one call share: the database, the view, and what was said so far.

use super::fault::{Done, Fault};
use super::options::{Call, Options};
use super::voice::Voice;
use crate::configure::cycles::TriggerLoops;
use crate::configure::script::Environment;
use crate::dpkg::{Database, Diversions, DpkgError, Package, PackageKey, Status};
use crate::install::InstallError;
use crate::staging::Cancel;
use crate::unrunnable::{Refusal, Unrunnable};
use crate::view::View;
use rootless_install_fs::Target;
use std::collections::HashMap;
use std::path::PathBuf;

/// Takes a package and its paths.
pub(super) type Learn<'e> = dyn Fn(&Package, &[PathBuf]) -> Result<(), InstallError> + 'e;

/// What the machine is asked for while packages are worked on.
pub(super) struct Means<'e> {
    /// Makes the view.
    pub(super) view: &'e dyn Fn() -> Result<View, InstallError>,
    /// Tells the native sysroot of a package and its paths.
    pub(super) learn: &'e Learn<'e>,
    /// What is known not to be runnable before a package's postinst is run.
    pub(super) foreseen: &'e dyn Fn(&str) -> Option<Refusal>,
    /// What scripts tried to execute and cannot be run.
    pub(super) unrunnable: &'e Unrunnable,
    /// Whether native programs stand in for the target's.
    pub(super) redirected: bool,
    /// What is the same in the environment of all scripts.
    pub(super) environment: Environment,
    /// Whether to stop.
    pub(super) cancel: &'e Cancel,
}

/// The version of dpkg whose ways these are.
pub(super) const DPKG_VERSION: &str = "1.22.0";

/// One call at work.
pub(super) struct Engine<'e> {
    pub(super) call: &'e Call,
    pub(super) target: &'e Target,
    pub(super) database: Database,
    pub(super) voice: &'e Voice,
    pub(super) means: Means<'e>,
    pub(super) environment: Environment,
    pub(super) loops: TriggerLoops,
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
    pub(super) view: Option<View>,
    /// What the target lacked when the view was made.
    pub(super) lacking: Vec<&'static str>,
    /// States as they were told last.
    told: HashMap<PackageKey, Status>,
    counted: bool,
}

impl<'e> Engine<'e> {
    pub(super) fn new(
        call: &'e Call,
        target: &'e Target,
        mut database: Database,
        voice: &'e Voice,
        means: Means<'e>,
    ) -> Self {
        database.keep_noted();
        database.remember_configured();
        // dpkg's own version, as scripts ask for it.
        let dpkg = database.resolve("dpkg").and_then(|key| database.get(&key));
        let dpkg = dpkg
            .map(|package| package.version.clone())
            .filter(|version| !version.is_empty());
        let begun_empty = !database
            .packages()
            .any(|package| package.status > Status::ConfigFiles);
        Self {
            begun_empty,
            environment: Environment {
                dpkg_version: dpkg.unwrap_or_else(|| DPKG_VERSION.to_owned()),
                ..means.environment.clone()
            },
            call,
            target,
            database,
            voice,
            means,
            loops: TriggerLoops::default(),
            queue: Vec::new(),
            repeated: Vec::new(),
            available: HashMap::new(),
            failed: Vec::new(),
            view: None,
            lacking: Vec::new(),
            told: HashMap::new(),
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
    pub(super) fn package(&self, key: &PackageKey) -> Done<&Package> {
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
    pub(super) fn tell(&mut self) {
        for noted in self.database.take_noted() {
            if self.told.insert(noted.key.clone(), noted.status) == Some(noted.status) {
                continue;
            }
            let version = if noted.version.is_empty() {
                "<none>"
            } else {
                &noted.version
            };
            self.voice
                .log(&format!("status {} {} {version}", noted.status, noted.key));
            self.voice
                .status(&format!("status: {}: {}", noted.name, noted.status));
        }
    }

    /// Tells of what is about to be done with a package.
    pub(super) fn tell_action(&mut self, action: &str, key: &PackageKey) {
        self.tell();
        let available = self.available.get(key).map_or("<none>", String::as_str);
        self.voice
            .log(&format!("{action} {key} {} {available}", self.version(key)));
        self.voice
            .status(&format!("processing: {action}: {}", self.name(key)));
    }

    /// What was changed reaches the target's disk and those who listen.
    pub(super) fn record(&mut self) -> Done {
        self.tell();
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
            self.voice.say(&format!(
                "(Reading database ... {files} files and directories currently installed.)"
            ));
        }
    }

    /// Notes what was not done, and whether that is enough of it.
    pub(super) fn fail(&mut self, kind: &str, name: &str, problem: &str) -> Done {
        let action = self.call.action.name();
        self.voice.notice(&format!(
            "error processing {kind} {name} (--{action}):\n {problem}"
        ));
        self.voice.status(&format!("status: {name} : error : {problem}"));
        self.failed.push(name.to_owned());
        if self.failed.len() < self.options().abort_after {
            return Ok(());
        }
        self.voice.notice("too many errors, stopping");
        Err(Fault::Call(String::new()))
    }
}
