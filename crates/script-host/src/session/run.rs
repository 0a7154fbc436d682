//! Programs that run in a session, one after another.

use super::{Result, ScriptRoot, Session, SessionError};
use crate::script::Script;
use crate::unrunnable::Refusal;
use crate::view::command::{Command, CommandEnd, Signals};
use crate::view::{Ended, Outcome, View};
use std::path::Path;
use std::time::Instant;
use task_progress::Event;

/// Directories that scripts see even where the target has none, since the view shows files in them.
const SHOWN_ALWAYS: &[&str] = &["/usr", "/usr/sbin", "/usr/lib"];

/// The end of a program that ran in a session.
#[derive(Debug)]
pub struct RunResult {
    /// Its end, and the last lines that it wrote.
    pub outcome: Outcome,
    /// The first program that it tried and that cannot be run, at which it was stopped; none if there was none.
    pub refusal: Option<Refusal>,
}

impl RunResult {
    /// Returns in words how it failed; none means success.
    pub fn failure(&self) -> Option<String> {
        match (&self.refusal, &self.outcome.ended) {
            (Some(_), _) => Some("stopped: it needs what cannot be run".to_owned()),
            (None, Ended::Exited(0)) => None,
            (None, ended) => Some(ended.to_string()),
        }
    }
}

/// A maintainer script to be run.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCall<'c> {
    /// Name of the package it belongs to.
    pub package: &'c str,
    /// Architecture of that package.
    pub architecture: &'c str,
    /// The script and its arguments.
    pub script: &'c Script,
    /// The script's file, a path of the target.
    pub path: &'c Path,
    /// `DPKG_FORCE` (dpkg(1), `--force-help`).
    pub force: &'c str,
    /// Whether `DPKG_MAINTSCRIPT_DEBUG` is 1.
    pub debug: bool,
}

impl Session<'_> {
    /// Runs a maintainer script, whatever its form and mode, and waits for its end.
    ///
    /// # Errors
    /// The session was cancelled, or the view could not be made or is lost. A script that fails is no error.
    pub fn run_script(&mut self, call: &ScriptCall<'_>) -> Result<RunResult> {
        let shown = call.script.to_string();
        let package = call.package;
        if !self.make_executable(call.path)? {
            return Ok(RunResult {
                outcome: Outcome {
                    ended: Ended::Exited(0),
                    last_lines: Vec::new(),
                },
                refusal: None,
            });
        }
        self.reporter().event(&Event::ScriptStarted {
            package,
            script: &shown,
        });
        let started = Instant::now();
        let mut variables = self
            .environment
            .of(package, call.architecture, call.script, call.force);
        if call.debug {
            variables.retain(|(name, _)| name != "DPKG_MAINTSCRIPT_DEBUG");
            variables.push(("DPKG_MAINTSCRIPT_DEBUG".to_owned(), "1".to_owned()));
        }
        let ran = match self.shared.stand_in(call.path)? {
            None => match self.lacking_interpreter(call.path) {
                Some(program) => RunResult {
                    outcome: Outcome {
                        ended: Ended::NoInterpreter(program),
                        last_lines: Vec::new(),
                    },
                    refusal: None,
                },
                None => self.execute(call, &self.shared.seen(call.path), &variables)?,
            },
            Some(Ok(native)) => self.execute(call, &native, &variables)?,
            Some(Err(reason)) => RunResult {
                outcome: Outcome {
                    ended: Ended::NotRun(reason.clone()),
                    last_lines: Vec::new(),
                },
                refusal: Some(Refusal {
                    tool: call.path.to_owned(),
                    reason,
                }),
            },
        };
        self.reporter().event(&Event::ScriptFinished {
            package,
            script: &shown,
            failure: ran.failure().as_deref(),
            elapsed: started.elapsed(),
        });
        Ok(ran)
    }

    /// Returns the program that a script names in its first line (execve(2)) where the target, in which it runs, lacks it.
    fn lacking_interpreter(&self, script: &Path) -> Option<String> {
        if !matches!(self.shared.options.root, ScriptRoot::Target) {
            return None;
        }
        let target = self.shared.options.target;
        let content = target.read(script).ok()?;
        let line = content.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
        let line = String::from_utf8_lossy(line).into_owned();
        let program = line.split_whitespace().next()?;
        let lacking = matches!(target.stat_follow(Path::new(program)), Err(error) if error.is_not_found());
        lacking.then(|| program.to_owned())
    }

    /// Runs a maintainer script by the path at which scripts see it.
    fn execute(
        &mut self,
        call: &ScriptCall<'_>,
        path: &Path,
        variables: &[(String, String)],
    ) -> Result<RunResult> {
        let path = path.to_str().ok_or_else(|| SessionError::NotUtf8 {
            path: path.to_owned(),
        })?;
        let arguments = call.script.arguments();
        let command: Vec<&str> = std::iter::once(path)
            .chain(arguments.iter().map(String::as_str))
            .collect();
        self.run(call.package, &command, variables)
    }

    /// Gives a script the permissions that it needs, as dpkg does (`maintscript_set_exec_perms` in its source): it may
    /// have any in its archive. Returns whether there is one: a link may lead nowhere.
    fn make_executable(&self, script: &Path) -> Result<bool> {
        let target = self.shared.options.target;
        let stat = match target.stat_follow(script) {
            Err(error) if error.is_not_found() => return Ok(false),
            stat => stat?,
        };
        if stat.meta.mode & 0o555 == 0o555 {
            return Ok(true);
        }
        let file = match target.read_link(script) {
            Ok(text) => script.parent().unwrap_or(Path::new("/")).join(text),
            Err(_) => script.to_owned(),
        };
        target.set_mode(&file, 0o755)?;
        Ok(true)
    }

    /// Runs a command on behalf of a package and waits for its end; `command` is its path and arguments,
    /// `variables` its whole environment.
    ///
    /// # Errors
    /// Those of [`run_script`](Self::run_script).
    pub fn run(
        &mut self,
        package: &str,
        command: &[&str],
        variables: &[(String, String)],
    ) -> Result<RunResult> {
        let unrunnable = self.shared.unrunnable;
        let cancel = self.shared.options.cancel;
        let limit = self.shared.options.scripts.timeout;
        cancel.check()?;
        if self.caller.is_some() {
            // What the caller tried before is no script's.
            unrunnable.script_ended();
            let ended = self.run_in_caller(command, variables);
            let refusal = unrunnable.script_ended();
            let ended = ended.transpose()?.unwrap_or(Ended::Cancelled);
            return Ok(RunResult {
                outcome: Outcome {
                    ended,
                    last_lines: Vec::new(),
                },
                refusal,
            });
        }
        let mut view = self.take_view()?;
        let stop = || cancel.is_cancelled() || unrunnable.tried();
        let outcome = view.run(package, command, variables, limit, &stop);
        let refusal = unrunnable.script_ended();
        let outcome = outcome?;
        // In a view where everything was killed nothing else is run.
        let killed = matches!(outcome.ended, Ended::Cancelled | Ended::TimedOut(_));
        self.view = (!killed).then_some(view);
        cancel.check()?;
        Ok(RunResult { outcome, refusal })
    }

    /// Runs a user's command, with the standard input, output and error of this process, and waits for its end. A program
    /// that cannot be run does not stop it.
    ///
    /// # Errors
    /// Those of [`run_script`](Self::run_script).
    pub fn run_command(&mut self, command: Command, signals: &Signals) -> Result<CommandEnd> {
        self.shared.options.cancel.check()?;
        self.shared.unrunnable.let_go_on();
        let mut view = self.take_view()?;
        let ended = view.command(command, signals)?;
        self.view = Some(view);
        Ok(ended)
    }

    /// Returns the view of the last program, or a new one.
    ///
    /// Where the target has no /usr/sbin, a view shows one with the files that scripts find there, and goes on
    /// showing it when a package has brought the real one. So a view is made anew then.
    fn take_view(&mut self) -> Result<View> {
        let target = self.shared.options.target;
        let lacks = |path: &&'static str| target.stat_follow(Path::new(path)).is_err();
        let lacking: Vec<&'static str> = SHOWN_ALWAYS.iter().copied().filter(lacks).collect();
        let before = std::mem::replace(&mut self.lacking, lacking);
        match self.view.take().filter(|_| before == self.lacking) {
            Some(view) => Ok(view),
            None => self.shared.view(),
        }
    }
}
