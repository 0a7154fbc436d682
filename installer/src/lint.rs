//! Violations of the contract of `DPKG_ROOT` by maintainer scripts.
//!
//! A script that dpkg runs with `--force-script-chrootless` has the outer system's root directory and must
//! leave it alone (dpkg(1), "DPKG_ROOT"). Here the outer system is a native root that is thrown away afterwards,
//! so scripts may do anything, and all of it is observed: by a watch on the view of the native root ([`Lint`]),
//! by one on that of the target ([`Writes`]), and by the shim, which stands in for the tools and reports their
//! arguments.
//!
//! `lookups` turns accesses into operations, [`process`] finds the process that makes them, [`classify`] picks
//! out the violations, and [`lines`] finds the line of the script. [`finding`] collects them, [`report`] prints
//! them, and `observer` connects all that with a session.

pub mod classify;
pub mod finding;
mod leak;
pub mod lines;
mod lookups;
mod observer;
pub mod process;
pub mod report;

pub use leak::Writes;
pub use lines::Tracer;
pub use observer::{LintReporter, TargetWatch};
pub use report::{Format, Report};

use classify::{Operation, Question};
use finding::{Finding, FindingKind, Findings};
use lookups::{Lookups, Performed};
use process::{Process, Processes, is_script};
use rootless_install_fs::Target;
use shim_protocol::Violation;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The run that a [`Lint`] observes.
pub struct LintContext {
    /// `DPKG_ROOT`: path of the target in the native root.
    pub root: PathBuf,
    /// `DPKG_ADMINDIR`.
    pub admin: PathBuf,
    /// The target, which has the texts of scripts.
    pub target: Target,
    /// Whether a program, named without its directory, is known to act on `DPKG_ROOT` (the table of tools).
    pub is_covered: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Source of knowledge about processes.
    pub processes: Box<dyn Processes>,
}

/// The script that runs.
#[derive(Debug)]
struct Running {
    package: String,
    script: String,
    /// Its path, known since its first access.
    path: Option<PathBuf>,
    /// Texts of scripts that run: of this one, and of the package's `config`, which debconf runs from it.
    texts: HashMap<PathBuf, Option<Arc<str>>>,
}

struct State {
    running: Option<Running>,
    lookups: Lookups<Option<Finding>>,
    tracer: Tracer,
    findings: Findings,
    /// Packages and names of scripts that have begun.
    begun: Vec<(String, String)>,
}

/// Collects findings while scripts run.
pub struct Lint {
    context: LintContext,
    writes: Arc<Writes>,
    state: Mutex<State>,
}

impl Lint {
    /// Returns one without findings, which cannot find lines until [`trace`](Self::trace) is called.
    pub fn new(context: LintContext) -> Self {
        let tracer = Tracer::blind(&context.admin);
        Self {
            context,
            writes: Arc::default(),
            state: Mutex::new(State {
                running: None,
                lookups: Lookups::default(),
                tracer,
                findings: Findings::default(),
                begun: Vec::new(),
            }),
        }
    }

    /// Sets the source of lines, before the first script.
    pub fn trace(&self, tracer: Tracer) {
        self.state().tracer = tracer;
    }

    /// Returns the record of files that scripts write in the target.
    pub fn writes(&self) -> Arc<Writes> {
        Arc::clone(&self.writes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a script begins; `script` is its name and its arguments.
    pub fn begin(&self, package: &str, script: &str) {
        let script = script.split(' ').next().unwrap_or(script);
        let state = &mut *self.state();
        state.tracer.begin();
        state.running = Some(Running {
            package: package.to_owned(),
            script: script.to_owned(),
            path: None,
            texts: HashMap::new(),
        });
        state.begun.push((package.to_owned(), script.to_owned()));
        self.writes.running(Some((package.to_owned(), script.to_owned())));
    }

    /// Notes that the script has ended.
    pub fn end(&self) {
        let state = &mut *self.state();
        let rest = state.lookups.end();
        add(&mut state.findings, rest);
        state.running = None;
        self.writes.running(None);
    }

    /// Notes that the script has failed, before it ends.
    pub fn failed(&self, failure: &str) {
        let state = &mut *self.state();
        if let Some(running) = &state.running {
            let finding = Finding {
                package: running.package.clone(),
                script: running.script.clone(),
                line: None,
                kind: FindingKind::Fails,
                tool: String::new(),
                what: failure.to_owned(),
                helped: false,
                command: None,
                times: 1,
            };
            state.findings.add(finding);
        }
    }

    /// Takes a violation that the shim reports. The process is numbered as in this process's namespace
    /// (`SO_PEERCRED`, unix(7)), and still waits for its answer.
    pub fn reported(&self, violation: &Violation<'_>) {
        let pid = violation.process;
        let [tool, what] = [violation.tool, violation.subject].map(String::from_utf8_lossy);
        let state = &mut *self.state();
        let command = self.context.processes.command(pid);
        let command = command.map(|words| words.join(" "));
        if let Some(finding) = self.finding(state, pid, violation.kind.into(), &tool, &what, command) {
            state.findings.add(Finding {
                helped: violation.helped,
                ..finding
            });
        }
    }

    /// Reads what traced shells have written. Has to be called from time to time: a shell waits when its pipe is
    /// full.
    pub fn drain(&self) {
        self.state().tracer.drain();
    }

    /// Drains until `done` returns true.
    pub fn drain_until(&self, done: &dyn Fn() -> bool) {
        while !done() {
            self.drain();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns all findings of packages for which `wanted` is true, and the number of their scripts that ran. Files
    /// of the target are searched for `DPKG_ROOT` now.
    pub fn findings(&self, wanted: impl Fn(&str) -> bool) -> (Vec<Finding>, usize) {
        let state = &mut *self.state();
        for (path, (package, script)) in self.writes.leaks(&self.context.target, &self.context.root) {
            state.findings.add(Finding {
                package,
                script,
                line: None,
                kind: FindingKind::Leak,
                tool: String::new(),
                what: path.to_string_lossy().into_owned(),
                helped: false,
                command: None,
                times: 1,
            });
        }
        let mut all = state.findings.sorted();
        all.retain(|finding| wanted(&finding.package));
        let scripts = state.begun.iter().filter(|(package, _)| wanted(package)).count();
        (all, scripts)
    }

    /// Returns an operation as a finding, with line and command as they are at this moment; none where it is no
    /// violation.
    fn judge(&self, state: &mut State, pid: u32, path: &Path, operation: Operation) -> Option<Finding> {
        if path.starts_with(&self.context.root) {
            return None;
        }
        let command = self.context.processes.command(pid)?;
        let process = Process::of(&command, &self.context.admin);
        let mut text = None;
        if let (Process::Script { path, .. }, Some(running)) = (&process, &mut state.running) {
            running.path.get_or_insert_with(|| path.into());
            text = self.text(running, Path::new(path));
        }
        let question = Question {
            path,
            operation,
            process: &process,
            script: text.as_deref(),
            is_covered: &*self.context.is_covered,
        };
        let kind = question.judge()?;
        if matches!(process, Process::Script { shell: true, .. })
            && matches!(operation, Operation::Test | Operation::Read)
            && state.tracer.is_starting(&*self.context.processes, pid)
        {
            return None;
        }
        let (tool, command) = match process {
            Process::Tool { name, .. } => (name, Some(command.join(" "))),
            // The trace has the shell's own command.
            Process::Script { .. } => (String::new(), None),
        };
        self.finding(state, pid, kind, &tool, &path.to_string_lossy(), command)
    }

    fn finding(
        &self,
        state: &mut State,
        pid: u32,
        kind: FindingKind,
        tool: &str,
        what: &str,
        command: Option<String>,
    ) -> Option<Finding> {
        let processes = &*self.context.processes;
        let own =
            processes
                .command(pid)
                .and_then(|command| match Process::of(&command, &self.context.admin) {
                    Process::Script { path, .. } => Some(PathBuf::from(path)),
                    Process::Tool { .. } => None,
                });
        // The position of a shell is not that of an untraced script run from it, such as a `config` in perl.
        let spot = state.tracer.spot(processes, pid);
        let spot = spot.filter(|spot| own.as_ref().is_none_or(|own| *own == spot.file));
        let running = state.running.as_mut()?;
        let path = own.or_else(|| spot.as_ref().map(|spot| spot.file.clone()));
        let script = path.as_deref().and_then(script_name);
        let script = script.unwrap_or(&running.script).to_owned();
        let text = path.or_else(|| running.path.clone());
        let text = text.and_then(|path| self.text(running, &path));
        let text = text.as_deref();
        // A shell opens the files of a compound command, and expands the words of `for`, before it traces them.
        let spot = spot.map(|spot| match (&command, text) {
            (None, Some(text)) => lines::nearer(text, what, &spot).unwrap_or(spot),
            _ => spot,
        });
        // A lookup ends at the first name that does not exist; the command has the whole path.
        let meant = |command: &str| {
            let mut below = classify::words(command).filter(|word| Path::new(word).starts_with(what));
            below.next().map(str::to_owned)
        };
        let meant = match (kind, &spot) {
            (FindingKind::Test, Some(spot)) => meant(&spot.command),
            (FindingKind::Test, None) => command.as_deref().and_then(meant),
            _ => None,
        };
        let what = meant.as_deref().unwrap_or(what);
        let guessed = || lines::guess(text?, tool, what);
        let line = spot.as_ref().map(|spot| spot.line).or_else(guessed);
        let command = command.or_else(|| spot.map(|spot| spot.command));
        let tool = match tool {
            "" => builtin(command.as_deref()),
            tool => tool,
        };
        Some(Finding {
            package: running.package.clone(),
            script,
            line,
            kind,
            tool: tool.to_owned(),
            what: what.to_owned(),
            helped: false,
            command: command.map(shortened),
            times: 1,
        })
    }

    /// Takes the execution of a program of the target. It is a finding if a script does it, or a tool with the
    /// program's path as an argument; anything else that a tool executes is its own matter.
    fn executes_inside(&self, pid: u32, path: &Path) {
        let seen = self.context.root.join(path.strip_prefix("/").unwrap_or(path));
        let state = &mut *self.state();
        if state.running.is_none()
            || seen
                .to_str()
                .is_some_and(|seen| is_script(seen, &self.context.admin))
        {
            return;
        }
        let Some(command) = self.context.processes.command(pid) else {
            return;
        };
        let is_meant = match Process::of(&command, &self.context.admin) {
            Process::Script { .. } => true,
            Process::Tool { arguments, .. } => {
                let mut words = arguments.iter().flat_map(|argument| classify::words(argument));
                words.any(|word| Path::new(word) == seen)
            }
        };
        if !is_meant {
            return;
        }
        let name = path.file_name().map(|name| name.to_string_lossy());
        let what = format!("$DPKG_ROOT{}", path.display());
        let kind = FindingKind::TargetBinary;
        if let Some(finding) = self.finding(state, pid, kind, &name.unwrap_or_default(), &what, None) {
            state.findings.add(finding);
        }
    }

    /// Returns the text of a script, by its path as it was called.
    fn text(&self, running: &mut Running, path: &Path) -> Option<Arc<str>> {
        let read = || {
            let inside = Path::new("/").join(path.strip_prefix(&self.context.root).ok()?);
            let bytes = self.context.target.read(&inside).ok()?;
            Some(String::from_utf8_lossy(&bytes).into())
        };
        let texts = &mut running.texts;
        texts.entry(path.to_owned()).or_insert_with(read).clone()
    }
}

/// Returns the name of a maintainer script by its path: `config` for `PACKAGE.config`, `preinst` for
/// `tmp.ci/preinst`.
fn script_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let name = name.rsplit('.').next().unwrap_or(name);
    ["config", "preinst", "postinst", "prerm", "postrm"]
        .contains(&name)
        .then_some(name)
}

/// Greatest length of a command in a finding, in characters: a command may name hundreds of files.
const LONGEST_COMMAND: usize = 400;

fn shortened(mut command: String) -> String {
    if let Some((end, _)) = command.char_indices().nth(LONGEST_COMMAND) {
        command.truncate(end);
        command.push_str("...");
    }
    command
}

/// Returns the first word of a command as the shell traces it, without quotes.
fn builtin(command: Option<&str>) -> &str {
    let word = command.and_then(|command| command.split_whitespace().next());
    word.map_or("shell", |word| word.trim_matches('\''))
}

fn add(findings: &mut Findings, done: Vec<Performed<Option<Finding>>>) {
    done.into_iter()
        .filter_map(|done| done.about)
        .for_each(|finding| findings.add(finding));
}

#[cfg(test)]
mod tests;
