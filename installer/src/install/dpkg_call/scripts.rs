//! A maintainer script run, and what its end means.

use super::engine::Engine;
use super::fault::{Done, Fault};
use crate::configure::script::Script;
use crate::dpkg::PackageKey;
use crate::install::InstallError;
use crate::report::{Event, Reporter};
use crate::staging::Cancel;
use crate::view::{Ended, View};
use std::path::Path;
use std::time::Instant;

/// Directories that scripts see even where the target has none, for what is in them.
const SHOWN_ANYWAY: &[&str] = &["/usr", "/usr/sbin", "/usr/lib"];

impl Engine<'_> {
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

    /// The view that is there, or a new one.
    ///
    /// Where the target has no /usr/sbin, the view shows one with what is put there for scripts, and
    /// goes on showing that. So it is of no use any more once an archive has brought the real one.
    fn take_view(&mut self) -> Done<View> {
        let lacks = |path: &&'static str| self.target.stat_follow(Path::new(path)).is_err();
        let lacking: Vec<&'static str> = SHOWN_ANYWAY.iter().copied().filter(lacks).collect();
        let before = std::mem::replace(&mut self.lacking, lacking);
        let kept = self.view.take().filter(|_| before == self.lacking);
        Ok(match kept {
            Some(view) => view,
            None => (self.means.view)()?,
        })
    }

    /// Executes a script; how it failed, if it did.
    fn execute(&mut self, key: &PackageKey, script: &Script, path: &Path) -> Done<Option<String>> {
        let cancelled = |cancel: &Cancel| cancel.check().map_err(|error| Fault::Call(error.to_string()));
        cancelled(self.means.cancel)?;
        let mut view = self.take_view()?;
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
