//! What the parts of one call share: the database, the view, and what was said so far.

use super::options::{Call, Options};
use super::voice::Voice;
use crate::configure::cycles::TriggerLoops;
use crate::configure::script::{Environment, Script};
use crate::deb::DebError;
use crate::dpkg::{Database, Diversions, DpkgError, Package, PackageKey, Status};
use crate::install::InstallError;
use crate::report::{Event, Reporter};
use crate::staging::Cancel;
use crate::unrunnable::{Refusal, Unrunnable};
use crate::view::{Ended, View};
use rootless_install_fs::Target;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why something was not done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One package or archive cannot be worked on; the others can.
    Package(String),
    /// Nothing more can be done.
    Call(String),
}

pub(super) type Done<T = ()> = Result<T, Fault>;

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The system's reason as dpkg has it: without its number.
pub(super) fn reason(error: &std::io::Error) -> String {
    let known = error.raw_os_error().map(nix::errno::Errno::from_raw);
    known.map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

impl From<DpkgError> for Fault {
    fn from(error: DpkgError) -> Self {
        Self::Package(told(&error))
    }
}

impl From<DebError> for Fault {
    fn from(error: DebError) -> Self {
        Self::Package(match &error {
            // The message names the archive already.
            DebError::Conflict {
                entry,
                owner,
                version,
                ..
            } => format!("trying to overwrite '{entry}', which is also in package {owner} {version}"),
            error => told(error),
        })
    }
}

impl From<rootless_install_fs::Error> for Fault {
    fn from(error: rootless_install_fs::Error) -> Self {
        Self::Package(told(&error))
    }
}

impl From<InstallError> for Fault {
    fn from(error: InstallError) -> Self {
        let hint = error.hint().map(|hint| format!("\n {hint}")).unwrap_or_default();
        Self::Call(told(&error) + &hint)
    }
}

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
    view: Option<View>,
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
        Self {
            environment: Environment {
                dpkg_version: dpkg.unwrap_or_else(|| "1.22.0".to_owned()),
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

    /// Runs a script that may not be there; whether it was. `whose` is `installed`, `old` or `new`.
    pub(super) fn run(&mut self, key: &PackageKey, script: &Script, path: &Path, whose: &str) -> Done<bool> {
        let Ok(stat) = self.target.stat(path) else {
            return Ok(false);
        };
        if stat.meta.mode & 0o555 != 0o555 {
            self.target.set_mode(path, 0o755)?;
        }
        self.record()?;
        if self.means.redirected && script.file() == "preinst" {
            let text = self.target.read(path)?;
            crate::install::environs::make_hidden_link(self.target, Some(&text))?;
        }
        let ended = self.execute(key, script, path);
        // Those who ask for it after a postinst do so when its package has its state.
        if script.file() != "postinst" || ended.is_err() {
            self.database.incorporate(self.target)?;
        }
        let problem = match ended? {
            None => return Ok(true),
            Some(problem) => problem,
        };
        let kind = match script.file() {
            "preinst" => "pre-installation",
            "postinst" => "post-installation",
            "prerm" => "pre-removal",
            _ => "post-removal",
        };
        if script.file() == "postinst" {
            self.database.incorporate(self.target)?;
        }
        Err(Fault::Package(format!(
            "{whose} {} package {kind} script {problem}",
            self.name(key)
        )))
    }

    /// Executes a script; how it failed, if it did.
    fn execute(&mut self, key: &PackageKey, script: &Script, path: &Path) -> Done<Option<String>> {
        let cancelled = |cancel: &Cancel| cancel.check().map_err(|error| Fault::Call(error.to_string()));
        cancelled(self.means.cancel)?;
        let mut view = match self.view.take() {
            Some(view) => view,
            None => (self.means.view)()?,
        };
        let force = self.options().forces.to_string();
        let mut environment = self.environment.of(&key.name, &key.architecture, script, &force);
        if self.voice.debugs_scripts() {
            environment.retain(|(name, _)| name != "DPKG_MAINTSCRIPT_DEBUG");
            environment.push(("DPKG_MAINTSCRIPT_DEBUG".to_owned(), "1".to_owned()));
        }
        let shown = script.to_string();
        self.voice.event(&Event::ScriptStarted {
            package: &key.name,
            script: &shown,
        });
        let started = Instant::now();
        let path = format!("{}{}", self.environment.root, path.display());
        let arguments = script.arguments();
        let command = std::iter::once(path.as_str()).chain(arguments.iter().map(String::as_str));
        let command: Vec<&str> = command.collect();
        let (cancel, unrunnable) = (self.means.cancel, self.means.unrunnable);
        let limit = self.options().script_timeout;
        let stop = || cancel.is_cancelled() || unrunnable.tried();
        let outcome = view.run(&key.name, &command, &environment, limit, &stop);
        let refusal = unrunnable.script_ended();
        let outcome = outcome.map_err(InstallError::from)?;
        cancelled(cancel)?;
        let failure = match (&refusal, &outcome.ended) {
            (Some(refusal), _) => Some(format!(
                "was stopped: it executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            )),
            (None, Ended::Exited(0)) => None,
            (None, Ended::Exited(status)) => Some(format!("subprocess returned error exit status {status}")),
            (None, Ended::Signalled(signal)) => Some(format!("subprocess was killed by signal ({signal})")),
            (None, Ended::NotRun(reason)) => Some(format!("could not be executed: {reason}")),
            (None, ended) => Some(format!("subprocess was ended by {ended}")),
        };
        self.voice.event(&Event::ScriptFinished {
            package: &key.name,
            script: &shown,
            failure: failure.as_deref(),
            elapsed: started.elapsed(),
        });
        // Whatever ran in a view where everything was killed has to have a new one.
        let killed = matches!(outcome.ended, Ended::Cancelled | Ended::TimedOut(_));
        self.view = (!killed).then_some(view);
        Ok(failure)
    }

    /// The state after a postinst that succeeded.
    pub(super) fn settle(&mut self, key: &PackageKey) -> Done {
        self.database.settle(key)?;
        self.database.incorporate(self.target)?;
        self.record()
    }
}
