//! What maintainer scripts do against the contract of `DPKG_ROOT`.
//!
//! A script that dpkg runs with `--force-script-chrootless` has the outer system's root directory and must
//! keep its hands off it (dpkg(1), "DPKG_ROOT"). Here the outer system is a native root that can be thrown
//! away, so everything may be tried and is seen: by a watch on the view of the native root ([`Lint`]), by one
//! on that of the target ([`Writes`]), and by the shim, which stands in for the tools and tells what it was
//! called with.
//!
//! [`walk`] makes deeds of accesses, [`process`] says whose they are, [`classify`] which are violations,
//! [`lines`] in which line of the script; [`finding`] puts them together and [`report`] prints them.

pub mod classify;
pub mod finding;
mod leak;
pub mod lines;
pub mod process;
pub mod report;
mod walk;

pub use leak::Writes;
pub use lines::Tracer;
pub use report::{Format, Report};

use classify::{Deed, Question};
use finding::{Finding, Findings, Kind};
use process::{Process, Processes, is_script};
use progress::{Event, Reporter};
use rootless_install_fs::{Access, AccessKind, Target, Watch};
use script_host::Observer;
use shim_protocol::Violation;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use walk::{Done, Walks};

/// What a [`Lint`] needs to know.
pub struct Settings {
    /// `DPKG_ROOT`: the target's place in the native root.
    pub root: PathBuf,
    /// `DPKG_ADMINDIR`.
    pub admin: PathBuf,
    /// The target, where scripts are read.
    pub target: Target,
    /// Whether it is known how a program, named without its directory, learns of the root: the front's
    /// table.
    pub is_covered: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// What tells about processes.
    pub processes: Box<dyn Processes>,
}

/// The script that runs.
#[derive(Debug)]
struct Running {
    package: String,
    script: String,
    /// Its path, once an access has told it.
    path: Option<PathBuf>,
    /// The texts of scripts that run: this one, and the package's `config`, which debconf runs from it.
    texts: HashMap<PathBuf, Option<Arc<str>>>,
}

struct State {
    running: Option<Running>,
    walks: Walks<Option<Finding>>,
    tracer: Tracer,
    findings: Findings,
    /// Scripts that have begun, with their packages.
    begun: Vec<(String, String)>,
}

/// Collects findings while scripts run.
///
/// It is the watch of the native root's view, hears of scripts as a [`Reporter`] ([`Heard`]), and is told of
/// the shim's messages with [`told`](Self::told).
pub struct Lint {
    settings: Settings,
    writes: Arc<Writes>,
    state: Mutex<State>,
}

impl Lint {
    /// One that has seen nothing yet, and sees no lines.
    pub fn new(settings: Settings) -> Self {
        let tracer = Tracer::blind(&settings.admin);
        Self {
            settings,
            writes: Arc::default(),
            state: Mutex::new(State {
                running: None,
                walks: Walks::default(),
                tracer,
                findings: Findings::default(),
                begun: Vec::new(),
            }),
        }
    }

    /// Gives it what tells of lines, before the first script.
    pub fn trace(&self, tracer: Tracer) {
        self.state().tracer = tracer;
    }

    /// The watch for the view of the target.
    pub fn writes(&self) -> Arc<Writes> {
        Arc::clone(&self.writes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A script begins: `script` is its name and arguments.
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

    /// The script has ended.
    pub fn end(&self) {
        let state = &mut *self.state();
        let rest = state.walks.end();
        add(&mut state.findings, rest);
        state.running = None;
        self.writes.running(None);
    }

    /// The script has failed, and ends.
    pub fn failed(&self, failure: &str) {
        let state = &mut *self.state();
        if let Some(running) = &state.running {
            let finding = Finding {
                package: running.package.clone(),
                script: running.script.clone(),
                line: None,
                kind: Kind::Fails,
                tool: String::new(),
                what: failure.to_owned(),
                helped: false,
                command: None,
                times: 1,
            };
            state.findings.add(finding);
        }
    }

    /// Takes a violation that the shim reports. Its process is as this one numbers it (`SO_PEERCRED`, unix(7)), and
    /// still waits for its answer.
    pub fn reported(&self, violation: &Violation<'_>) {
        let pid = violation.process;
        let [tool, what] = [violation.tool, violation.subject].map(String::from_utf8_lossy);
        let state = &mut *self.state();
        let command = self.settings.processes.command(pid);
        let command = command.map(|words| words.join(" "));
        if let Some(finding) = self.finding(state, pid, violation.kind.into(), &tool, &what, command) {
            state.findings.add(Finding {
                helped: violation.helped,
                ..finding
            });
        }
    }

    /// Takes what traced shells have written; to be called from time to time, for the shells wait when
    /// nobody reads.
    pub fn drain(&self) {
        self.state().tracer.drain();
    }

    /// Drains until `done` says so.
    pub fn drain_until(&self, done: &dyn Fn() -> bool) {
        while !done() {
            self.drain();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All findings of packages that `wanted` takes, and how many scripts of theirs have run. What scripts
    /// have left in the target is looked at now.
    pub fn findings(&self, wanted: impl Fn(&str) -> bool) -> (Vec<Finding>, usize) {
        let state = &mut *self.state();
        for (path, (package, script)) in self.writes.leaks(&self.settings.target, &self.settings.root) {
            state.findings.add(Finding {
                package,
                script,
                line: None,
                kind: Kind::Leak,
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

    /// What an access would be as a finding, with line and command as they are at this moment.
    fn judge(&self, state: &mut State, pid: u32, path: &Path, deed: Deed) -> Option<Finding> {
        if path.starts_with(&self.settings.root) {
            return None;
        }
        let command = self.settings.processes.command(pid)?;
        let process = Process::of(&command, &self.settings.admin);
        let mut text = None;
        if let (Process::Script { path, .. }, Some(running)) = (&process, &mut state.running) {
            running.path.get_or_insert_with(|| path.into());
            text = self.text(running, Path::new(path));
        }
        let question = Question {
            path,
            deed,
            process: &process,
            script: text.as_deref(),
            is_covered: &*self.settings.is_covered,
        };
        let kind = question.judge()?;
        if matches!(process, Process::Script { shell: true, .. })
            && matches!(deed, Deed::Test | Deed::Read)
            && state.tracer.is_starting(&*self.settings.processes, pid)
        {
            return None;
        }
        let (tool, command) = match process {
            Process::Tool { name, .. } => (name, Some(command.join(" "))),
            // The shell's own command is the trace's.
            Process::Script { .. } => (String::new(), None),
        };
        self.finding(state, pid, kind, &tool, &path.to_string_lossy(), command)
    }

    fn finding(
        &self,
        state: &mut State,
        pid: u32,
        kind: Kind,
        tool: &str,
        what: &str,
        command: Option<String>,
    ) -> Option<Finding> {
        let processes = &*self.settings.processes;
        let own =
            processes
                .command(pid)
                .and_then(|command| match Process::of(&command, &self.settings.admin) {
                    Process::Script { path, .. } => Some(PathBuf::from(path)),
                    Process::Tool { .. } => None,
                });
        // A script that is not traced, such as a `config` in perl, is not where the one is that it was run from.
        let spot = state.tracer.spot(processes, pid);
        let spot = spot.filter(|spot| own.as_ref().is_none_or(|own| *own == spot.file));
        let running = state.running.as_mut()?;
        let path = own.or_else(|| spot.as_ref().map(|spot| spot.file.clone()));
        let script = path.as_deref().and_then(script_name);
        let script = script.unwrap_or(&running.script).to_owned();
        let text = path.or_else(|| running.path.clone());
        let text = text.and_then(|path| self.text(running, &path));
        let text = text.as_deref();
        // A shell opens the files of a compound command, and looks for names in `for`, before it writes.
        let spot = spot.map(|spot| match (&command, text) {
            (None, Some(text)) => lines::nearer(text, what, &spot).unwrap_or(spot),
            _ => spot,
        });
        // A path ends where there is nothing any more, but the command says the whole of it.
        let meant = |command: &str| {
            let mut below = classify::words(command).filter(|word| Path::new(word).starts_with(what));
            below.next().map(str::to_owned)
        };
        let meant = match (kind, &spot) {
            (Kind::Test, Some(spot)) => meant(&spot.command),
            (Kind::Test, None) => command.as_deref().and_then(meant),
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

    /// A program of the target is executed. What a confined tool executes there is its own matter; what a
    /// script does, or a tool that was given the path by one, is a finding.
    fn executes_inside(&self, pid: u32, path: &Path) {
        let seen = self.settings.root.join(path.strip_prefix("/").unwrap_or(path));
        let state = &mut *self.state();
        if state.running.is_none()
            || seen
                .to_str()
                .is_some_and(|seen| is_script(seen, &self.settings.admin))
        {
            return;
        }
        let Some(command) = self.settings.processes.command(pid) else {
            return;
        };
        let is_meant = match Process::of(&command, &self.settings.admin) {
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
        let kind = Kind::TargetBinary;
        if let Some(finding) = self.finding(state, pid, kind, &name.unwrap_or_default(), &what, None) {
            state.findings.add(finding);
        }
    }

    /// The text of a script, by its path as it was called.
    fn text(&self, running: &mut Running, path: &Path) -> Option<Arc<str>> {
        let read = || {
            let inside = Path::new("/").join(path.strip_prefix(&self.settings.root).ok()?);
            let bytes = self.settings.target.read(&inside).ok()?;
            Some(String::from_utf8_lossy(&bytes).into())
        };
        let texts = &mut running.texts;
        texts.entry(path.to_owned()).or_insert_with(read).clone()
    }
}

/// `config` of `PACKAGE.config` and the like, where dpkg keeps the scripts of packages or unpacks them.
fn script_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    let name = name.rsplit('.').next().unwrap_or(name);
    ["config", "preinst", "postinst", "prerm", "postrm"]
        .contains(&name)
        .then_some(name)
}

/// A command may have the names of hundreds of files.
const LONGEST_COMMAND: usize = 400;

fn shortened(mut command: String) -> String {
    if let Some((end, _)) = command.char_indices().nth(LONGEST_COMMAND) {
        command.truncate(end);
        command.push('…');
    }
    command
}

/// The first word of a command as the shell shows it, without the quotes that it needs.
fn builtin(command: Option<&str>) -> &str {
    let word = command.and_then(|command| command.split_whitespace().next());
    word.map_or("shell", |word| word.trim_matches('\''))
}

fn add(findings: &mut Findings, done: Vec<Done<Option<Finding>>>) {
    done.into_iter()
        .filter_map(|done| done.about)
        .for_each(|finding| findings.add(finding));
}

impl Watch for Lint {
    fn seen(&self, access: &Access<'_>) {
        let state = &mut *self.state();
        if state.running.is_none() {
            return;
        }
        if access.kind == AccessKind::Execute {
            state.tracer.executes(&*self.settings.processes, access.pid);
        }
        let mut walks = std::mem::take(&mut state.walks);
        let shared = std::cell::RefCell::new(&mut *state);
        let done = walks.step(access, |path, deed| {
            self.judge(&mut shared.borrow_mut(), access.pid, path, deed)
        });
        state.walks = walks;
        add(&mut state.findings, done);
    }
}

impl Observer for Lint {
    fn inside(self: Arc<Self>) -> Arc<dyn Watch> {
        Arc::new(Inside(self))
    }

    fn outside(self: Arc<Self>) -> Arc<dyn Watch> {
        self
    }

    fn violation(&self, violation: &Violation<'_>) {
        self.reported(violation);
    }

    fn prepare(&self, private: &Path, root: &Target, admin: &Path, shim: &Path) -> std::io::Result<()> {
        self.trace(Tracer::prepare(private, root, admin, shim)?);
        Ok(())
    }

    fn accompany(&self, ended: &dyn Fn() -> bool) {
        self.drain_until(ended);
    }
}

/// The watch of the target's view: what scripts write there, and which of its programs they execute.
pub struct Inside(pub Arc<Lint>);

impl Watch for Inside {
    fn seen(&self, access: &Access<'_>) {
        if access.kind == AccessKind::Execute {
            self.0.executes_inside(access.pid, access.path);
        }
        self.0.writes.seen(access);
    }

    fn sees_all(&self) -> bool {
        self.0.writes.sees_all()
    }
}

/// Tells a [`Lint`] which script runs, and everything to another reporter.
pub struct Heard {
    /// Who collects.
    pub lint: Arc<Lint>,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
}

impl Reporter for Heard {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::ScriptStarted { package, script } => self.lint.begin(package, script),
            Event::ScriptFinished { failure, .. } => {
                if let Some(failure) = failure {
                    self.lint.failed(failure);
                }
                self.lint.end();
            }
            _ => {}
        }
        self.reporter.event(event);
    }
}

#[cfg(test)]
#[path = "lint/tests.rs"]
mod tests;
