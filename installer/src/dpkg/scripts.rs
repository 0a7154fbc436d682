//! Running a maintainer script, and the meaning of its exit status.

use super::engine::Engine;
use super::fault::{Fault, Result};
use dpkg_db::PackageKey;
use script_host::script::Script;
use script_host::view::Ended;
use script_host::{ScriptCall, Session, SessionError};
use std::path::Path;

impl Engine<'_, '_> {
    /// Runs a script. Returns `false` where there is none. `whose` is `installed`, `old` or `new`, for messages.
    ///
    /// # Errors
    /// The script fails.
    pub(super) fn run(
        &mut self,
        key: &PackageKey,
        script: &Script,
        path: &Path,
        whose: &str,
    ) -> Result<bool> {
        if self.target.stat_follow(path).is_err() {
            return Ok(false);
        }
        self.record()?;
        if script.file() == "preinst" {
            let text = self.target.read(path)?;
            self.session.before_preinst(Some(&text))?;
        }
        let ended = self.execute(key, script, path);
        // After a postinst, triggers are taken in when its package has its new state.
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

    /// Executes a script. Returns its failure in dpkg's words; none where it succeeds.
    fn execute(&mut self, key: &PackageKey, script: &Script, path: &Path) -> Result<Option<String>> {
        let force = self.options().forces.to_string();
        let script_call = ScriptCall {
            package: &key.name,
            architecture: &key.architecture,
            script,
            path,
            force: &force,
            debug: self.messages.debugs_scripts(),
        };
        let ran = if self.session.runs_programs() {
            self.session.run_script(&script_call)
        } else {
            // Nobody foresaw it: a session for this script alone.
            let host = self.host;
            let alone = |session: &mut Session<'_>, _| Ok(session.run_script(&script_call));
            host.open(&self.database, true, alone)?
        };
        let ran = match ran {
            Err(SessionError::Cancelled(cancelled)) => return Err(Fault::Call(cancelled.to_string())),
            ran => ran?,
        };
        Ok(match (&ran.refusal, &ran.outcome.ended) {
            (Some(refusal), _) => Some(format!(
                "was stopped: it executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            )),
            (None, Ended::Exited(0)) => None,
            (None, Ended::Exited(status)) => Some(format!("subprocess returned error exit status {status}")),
            (None, Ended::Signalled(signal)) => Some(format!("subprocess was killed by signal ({signal})")),
            (None, ended @ (Ended::NotRun(_) | Ended::NoInterpreter(_))) => {
                Some(format!("could not be executed: {ended}"))
            }
            (None, ended) => Some(format!("subprocess was ended by {ended}")),
        })
    }

    /// Sets the state after a postinst that succeeded.
    pub(super) fn settle(&mut self, key: &PackageKey) -> Result {
        self.database.settle(key)?;
        if self.options().act {
            self.database.incorporate(self.target)?;
        }
        self.record()
    }
}
