//! Processing of triggers (`trigproc.c` in dpkg's source).

use super::engine::Engine;
use super::fault::{Fault, Result};
use super::unpack::call;
use dpkg_db::{PackageKey, Status};
use script_host::script::Script;

impl Engine<'_, '_> {
    /// Processes the triggers of a package, if it has any pending.
    pub(super) fn process_triggers(&mut self, key: &PackageKey) -> Result {
        let pending = self
            .database
            .get(key)
            .map(|p| (p.status, p.triggers_pending.is_empty()));
        let Some((Status::TriggersPending | Status::TriggersAwaited, false)) = pending else {
            // No package has to wait for it.
            self.database.release_awaiters(key);
            return Ok(());
        };
        if self.break_trigger_cycle(key)?.as_ref() == Some(key) {
            return Ok(());
        }
        self.messages.say(&format!(
            "Processing triggers for {} ({}) ...",
            self.name(key),
            self.version(key)
        ));
        self.report_action("trigproc", key);
        let names = self.database.take_pending(key)?;
        let path = self.package(key)?.info_path("postinst");
        if self.options().act {
            self.run(key, &Script::Triggered { names }, &path, "installed")?;
        }
        self.settle(key)
    }

    /// Looks for a cycle of triggers before those of a package are processed. Gives up its earliest package, and
    /// returns that.
    pub(super) fn break_trigger_cycle(&mut self, key: &PackageKey) -> Result<Option<PackageKey>> {
        let Some(cycle) = self.trigger_cycles.check(&self.database, key) else {
            return Ok(None);
        };
        self.messages.notice(&cycle.to_string());
        self.database
            .update(&cycle.given_up, |package| package.status = Status::HalfConfigured)?;
        self.record()?;
        self.fail(
            "package",
            &self.name(&cycle.given_up),
            "triggers looping, abandoned",
        )?;
        Ok(Some(cycle.given_up))
    }

    /// Processes the triggers that were activated meanwhile and that no package awaits, unless `--no-triggers` is
    /// given.
    pub(super) fn deferred_triggers(&mut self) -> Result {
        if self.options().triggers == Some(false) {
            return Ok(());
        }
        while let Some(key) = self.database.next_deferred() {
            // A package whose dependencies are not satisfied keeps its triggers for another call.
            let package = self.package(&key)?.clone();
            let only_waiting = self.unsatisfied(&package, None).is_empty() || self.forces("depends");
            if !only_waiting {
                continue;
            }
            match self.process_triggers(&key) {
                Err(Fault::Package(problem)) => self.fail("package", &self.name(&key), &problem)?,
                done => done?,
            }
        }
        Ok(())
    }

    /// Runs the postrm of a package.
    pub(super) fn run_postrm(&mut self, key: &PackageKey, argument: &str) -> Result {
        let path = self.package(key)?.info_path("postrm");
        self.run(
            key,
            &call("postrm", vec![argument.to_owned()]),
            &path,
            "installed",
        )?;
        Ok(())
    }
}
