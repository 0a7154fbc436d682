//! The hooks of a run, each at its moment.

use super::environment::environment;
use super::services::Stopped;
use super::special::{Special, is_special, words};
use super::{Hook, HookContext, HookError, Moment, apt_config};
use deb_arch::Architecture;
use rootless_install_fs::Target;
use script_host::unrunnable::Unrunnable;
use script_host::view::{Running, relay};
use script_host::{HookPlace, HookPlaceOptions, RunResult, SessionError, with_hook_place};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use task_progress::{Cancel, Event, Reporter, escape, with_causes};

/// Reason why the hooks of a moment could not be run.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// A hook failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// The place for hooks is lost, or the run was stopped.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The target could not be read or written.
    #[error(transparent)]
    Target(#[from] rootless_install_fs::Error),
}

type Result<T> = std::result::Result<T, MomentError>;

/// Runs hooks at the moments of an installation.
pub trait RunHooks: Sync {
    /// Whether there are hooks of a moment.
    fn has(&self, moment: Moment) -> bool;

    /// Runs the hooks of a moment. `essential` are paths in the target of package files that are about to be configured,
    /// `unrunnable` is the record of programs of the session that is open, if one is.
    ///
    /// # Errors
    /// The first hook that fails.
    fn run(&self, moment: Moment, essential: &[String], unrunnable: Option<&Unrunnable>) -> Result<()>;

    /// Takes back what the target has for hooks only, after the last ones.
    ///
    /// # Errors
    /// Those of writing to the target.
    fn end(&self) -> Result<()>;
}

/// Hooks, and the place in which they run.
pub struct Moments<'h> {
    options: MomentOptions<'h>,
    place: Mutex<&'h mut HookPlace>,
    /// From the first hooks on that may run the target's programs.
    stopped: Mutex<Option<Stopped>>,
}

/// Hooks of a run, and the target that they are for.
#[derive(Clone, Copy)]
pub struct MomentOptions<'o> {
    /// The hooks, in their order.
    pub hooks: &'o [Hook],
    /// What they are told of the call.
    pub context: &'o HookContext,
    /// Time limit of one; none means no limit.
    pub limit: Option<Duration>,
    /// The target.
    pub target: &'o Target,
    /// Its architecture.
    pub arch: &'static Architecture,
    /// Its foreign architectures.
    pub foreign: &'o [&'static Architecture],
    /// Whether native programs stand in for the target's.
    pub redirected: bool,
    /// Root of a native system that is used instead of packages.
    pub native_system: Option<&'o Path>,
    /// Files and directories of keys that were given.
    pub keyrings: &'o [PathBuf],
    /// The directory of the run that its session has, too.
    pub scratch: &'o Path,
    /// The reporter, which gets what hooks write.
    pub reporter: &'o Arc<dyn Reporter>,
    /// The token that stops them.
    pub cancel: &'o Cancel,
}

/// Makes a place for hooks, and does some work with them; with none where there are no hooks. `mount_point` is the path at
/// which hooks see the target.
///
/// # Errors
/// Those of the work, and of making the place.
pub fn with_hooks<T, E: From<SessionError>>(
    options: MomentOptions<'_>,
    mount_point: PathBuf,
    work: impl FnOnce(Option<&Moments<'_>>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    if options.hooks.is_empty() {
        return work(None);
    }
    let special = Special {
        target: options.target,
        directory: &options.context.directory,
        skip: &options.context.skip,
    };
    let answer = |words: &[OsString]| special.run(words).map_err(|error| with_causes(&error));
    let sink = Arc::clone(options.reporter);
    let (heard, log) = (Heard::default(), Arc::clone(options.reporter));
    let place = HookPlaceOptions {
        target: options.target,
        arch: options.arch,
        foreign: options.foreign,
        redirected: options.redirected,
        native_system: options.native_system,
        scratch: options.scratch,
        mount_point,
        directory: &options.context.directory,
        running: Running {
            proc: !options.context.skip.covers("chroot/mount/proc"),
            dev: !options.context.skip.covers("chroot/mount/dev"),
        },
        terminal: relay::for_hooks(),
        sink: Box::new(move |_, line| sink.note(last_state(line))),
        heard: Box::new(move |printed| heard.print(printed, log.as_ref())),
        answer: &answer,
    };
    with_hook_place(place, |place| {
        work(Some(&Moments {
            options,
            place: Mutex::new(place),
            stopped: Mutex::new(None),
        }))
    })
}

impl Moments<'_> {
    /// Writes a configuration for the machine's apt to the target, whose /tmp is there.
    ///
    /// # Errors
    /// Those of writing it.
    pub fn write_apt_config(&self) -> Result<()> {
        let MomentOptions {
            target,
            arch,
            foreign,
            keyrings,
            ..
        } = self.options;
        apt_config::write(target, &self.root(), arch, foreign, keyrings)?;
        Ok(())
    }

    /// Prepares the target for the first hooks that may run its programs.
    fn begin(&self) -> Result<()> {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.is_some() {
            return Ok(());
        }
        let target = self.options.target;
        let there = |path: &str| target.stat(Path::new(path)).is_ok();
        let skip = &self.options.context.skip;
        if !skip.has("setup") && there("/tmp") && !there(apt_config::FILE) {
            self.write_apt_config()?;
        }
        *stopped = Some(Stopped::begin(target, skip)?);
        Ok(())
    }

    /// Returns the path at which hooks see the target.
    fn root(&self) -> PathBuf {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.root().to_owned()
    }

    fn execute(
        &self,
        place: &mut HookPlace,
        hook: &Hook,
        variables: &[(String, String)],
        unrunnable: Option<&Unrunnable>,
    ) -> Result<()> {
        let not_text = || HookError::new(hook, "is not text in UTF-8", &[]);
        let text = hook.text.to_str().ok_or_else(not_text)?;
        let root = place.root().to_str().ok_or_else(not_text)?.to_owned();
        let command: Vec<&str> = if hook.chrooted {
            vec!["chroot", &root, "sh", "-c", text]
        } else if is_program(&self.options.context.directory, &hook.text) {
            vec![text, &root]
        } else {
            vec!["sh", "-c", text, "exec", &root]
        };
        let name = format!("{} hook", hook.moment.name());
        let prints = place.prints_itself();
        let _taken = prints.then(|| Taken::begin(self.options.reporter.as_ref()));
        let ran = place.run(
            &name,
            &command,
            variables,
            self.options.limit,
            self.options.cancel,
            unrunnable,
        )?;
        let ended = match (&ran.refusal, ran.failure()) {
            (Some(refusal), _) => format!(
                "executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            ),
            (None, Some(failure)) => format!("failed with {failure}"),
            (None, None) => return Ok(()),
        };
        let RunResult { outcome, .. } = ran;
        Err(HookError::new(hook, ended, &outcome.last_lines).into())
    }
}

impl RunHooks for Moments<'_> {
    fn has(&self, moment: Moment) -> bool {
        self.options.hooks.iter().any(|hook| hook.moment == moment)
    }

    fn run(&self, moment: Moment, essential: &[String], unrunnable: Option<&Unrunnable>) -> Result<()> {
        if moment != Moment::Setup {
            self.begin()?;
        }
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if moment != Moment::Setup {
            place.has_programs()?;
        }
        let apt_config = place.root().join(apt_config::FILE.trim_start_matches('/'));
        let apt_config = self
            .options
            .target
            .stat(Path::new(apt_config::FILE))
            .is_ok()
            .then_some(apt_config);
        let variables = environment(
            self.options.context,
            moment,
            apt_config.as_deref(),
            essential,
            std::env::vars_os(),
        );
        for hook in self.options.hooks.iter().filter(|hook| hook.moment == moment) {
            let shown = escape(&hook.text.to_string_lossy()).to_string();
            self.options.reporter.event(&Event::Note {
                message: &format!("  {} hook: {shown}", moment.name()),
            });
            if is_special(&hook.text) && !hook.chrooted {
                let special = Special {
                    target: self.options.target,
                    directory: &self.options.context.directory,
                    skip: &self.options.context.skip,
                };
                words(&hook.text)
                    .and_then(|words| special.run(&words))
                    .map_err(|error| HookError::new(hook, format!("failed: {}", with_causes(&error)), &[]))?;
            } else {
                self.execute(&mut place, hook, &variables, unrunnable)?;
            }
            // What is mounted cannot be removed.
            let mut left = self.options.target.read_dir(Path::new("/"))?.into_iter();
            if left.all(|name| name == "dev" || name == "proc") {
                return Err(HookError::new(hook, "has removed the target", &[]).into());
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<()> {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
        match stopped {
            Some(stopped) => Ok(stopped.end(self.options.target)?),
            None => Ok(()),
        }
    }
}

/// The user's terminal in the hands of a hook, as long as this lives.
struct Taken<'r>(&'r dyn Reporter);

impl<'r> Taken<'r> {
    fn begin(reporter: &'r dyn Reporter) -> Self {
        reporter.event(&Event::Terminal { taken: true });
        Self(reporter)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.event(&Event::Terminal { taken: false });
    }
}

/// What hooks print on their terminal, until a line of it is complete.
#[derive(Default)]
struct Heard(Mutex<Vec<u8>>);

impl Heard {
    fn print(&self, printed: &[u8], reporter: &dyn Reporter) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(printed);
        let complete = kept.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let complete = complete.or((kept.len() > LONGEST).then_some(kept.len()));
        let lines: Vec<u8> = kept.drain(..complete.unwrap_or(0)).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            reporter.event(&Event::Shown {
                line: last_state(line),
            });
        }
    }
}

/// Bytes at which a line counts as complete.
const LONGEST: usize = 4096;

/// Returns what a terminal would show of a line in the end: programs write over their progress.
fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

/// Whether a hook's text is executed as it is: it is a program, or has nothing that a shell would read otherwise.
fn is_program(directory: &Path, text: &OsStr) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    text.as_bytes().iter().all(plain)
        || nix::unistd::access(&directory.join(text), nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_as_it_ends() {
        assert_eq!(last_state("(1%\r(2%\r(done)\r"), "(done)");
        assert_eq!(last_state("plain"), "plain");
        assert_eq!(last_state(""), "");
    }

    #[test]
    fn lines_on_a_terminal_are_logged_when_they_are_complete() {
        struct Log(Mutex<Vec<String>>);
        impl Reporter for Log {
            fn event(&self, event: &Event<'_>) {
                if let Event::Shown { line } = event {
                    self.0.lock().unwrap().push((*line).to_owned());
                }
            }
        }
        let (log, heard) = (Log(Mutex::default()), Heard::default());
        for piece in [&b"# ec"[..], b"ho a\r\na", b"\r\n# ", b"exit\r\n"] {
            heard.print(piece, &log);
        }
        assert_eq!(*log.0.lock().unwrap(), ["# echo a", "a", "# exit"]);
        heard.print(&vec![b'x'; LONGEST + 1], &log);
        assert_eq!(log.0.lock().unwrap().len(), 4);
    }

    #[test]
    fn programs_are_executed_without_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let is = |text: &str| is_program(directory.path(), OsStr::new(text));
        assert!(is("./hook.sh") && is("/opt/a-b_c") && is("true"));
        assert!(!is("echo a") && !is("rm \"$1\"") && !is("caf\u{e9}"));
        let program = directory.path().join("my hook");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        assert!(!is("my hook"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        assert!(is("my hook"));
    }
}
