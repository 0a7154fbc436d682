//! The ways in which a [`Lint`] observes a session: accesses in the view of the native root and in that of the
//! target, messages of the shim, and the beginning and end of scripts.

use super::lines::Tracer;
use super::{Lint, add};
use rootless_install_fs::{Access, AccessKind, Target, Watch};
use script_host::Observer;
use shim_protocol::Violation;
use std::path::Path;
use std::sync::Arc;
use task_progress::{Event, Reporter};

impl Watch for Lint {
    fn seen(&self, access: &Access<'_>) {
        let state = &mut *self.state();
        if state.running.is_none() {
            return;
        }
        if access.kind == AccessKind::Execute {
            state.tracer.executes(&*self.context.processes, access.pid);
        }
        let mut lookups = std::mem::take(&mut state.lookups);
        let shared = std::cell::RefCell::new(&mut *state);
        let done = lookups.step(access, |path, operation| {
            self.judge(&mut shared.borrow_mut(), access.pid, path, operation)
        });
        state.lookups = lookups;
        add(&mut state.findings, done);
    }
}

impl Observer for Lint {
    fn inside(self: Arc<Self>) -> Arc<dyn Watch> {
        Arc::new(TargetWatch(self))
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

/// The watch of the target's view. It notes the files that scripts write there, and finds executions of the
/// target's programs.
pub struct TargetWatch(pub Arc<Lint>);

impl Watch for TargetWatch {
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

/// A reporter that tells a [`Lint`] which script runs, and passes everything on to another one.
pub struct LintReporter {
    /// The collector of findings.
    pub lint: Arc<Lint>,
    /// The reporter of the run.
    pub reporter: Arc<dyn Reporter>,
}

impl Reporter for LintReporter {
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
