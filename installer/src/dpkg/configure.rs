//! `--configure`, `--triggers-only`, and the second half of `--install`: packages are configured and triggers
//! processed, also after a package has failed.

use super::conffiles::Rules;
use super::engine::Engine;
use super::fault::{Fault, Result};
use super::options::Action;
use crate::configure::queue::{Graph, Node, Queue, Step};
use crate::configure::{CurrentStates, pending};
use dpkg_db::{Diversions, Flag, Package, PackageKey, Status, Want};
use script_host::script::Script;
use std::collections::HashMap;

impl Engine<'_, '_> {
    /// Configures the packages that are named; with `--pending` all that are to be configured.
    pub(super) fn configure_named(&mut self) -> Result {
        self.messages
            .log(&format!("startup packages {}", self.call.action.name()));
        let only_triggers = self.call.action == Action::TriggersOnly;
        let keys = if self.options().pending {
            let wanted = |key: &PackageKey| {
                self.database.get(key).is_some_and(|package| {
                    matches!(package.want, Want::Install | Want::Hold)
                        && (!only_triggers || !package.triggers_pending.is_empty())
                })
            };
            let mut keys = pending(&self.database);
            keys.retain(wanted);
            keys
        } else {
            self.named_packages()?
        };
        if !only_triggers && self.options().triggers != Some(false) {
            // Triggers that are pending are processed as well.
            let mut waiting = pending(&self.database);
            waiting.retain(|key| {
                !self
                    .database
                    .get(key)
                    .is_none_or(|one| one.triggers_pending.is_empty())
            });
            self.database.defer(waiting);
        }
        self.configure_all(&keys, false)?;
        self.deferred_triggers()
    }

    /// Returns the packages that the arguments name, each once.
    pub(super) fn named_packages(&self) -> Result<Vec<PackageKey>> {
        let action = self.call.action.name();
        if self.call.arguments.is_empty() {
            return Err(Fault::Call(format!(
                "--{action} (without --pending) needs at least one package name argument"
            )));
        }
        let mut keys: Vec<PackageKey> = Vec::new();
        for argument in &self.call.arguments {
            let spec = argument.to_string_lossy();
            let (name, architecture) = spec.split_once(':').unwrap_or((&spec, ""));
            let key = self.database.resolve(&spec);
            if key.is_none() && name.ends_with(".deb") {
                return Err(Fault::Call(
                    "you must specify packages by their own names, not by quoting the names of the files they \
                     come in"
                        .to_owned(),
                ));
            }
            let key = key.unwrap_or_else(|| PackageKey::new(name, architecture));
            if keys.contains(&key) {
                self.messages.say(&format!(
                    "Package {} listed more than once, only processing once.",
                    self.name(&key)
                ));
            } else {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Checks that the package is in a state from which the action goes on.
    fn check_ready(&self, key: &PackageKey) -> Result {
        let only_triggers = self.call.action == Action::TriggersOnly;
        let package = self.database.get(key);
        let (name, status) = (self.name(key), self.status(key));
        let pending = package.is_some_and(|package| !package.triggers_pending.is_empty());
        Err(Fault::Package(match status {
            _ if pending => return Ok(()),
            _ if only_triggers => format!(
                "package {name} is not ready for trigger processing\n (current status '{status}' with no pending \
                 triggers)"
            ),
            Status::Unpacked | Status::HalfConfigured => return Ok(()),
            Status::NotInstalled => format!("no package named '{name}' is installed, cannot configure"),
            Status::Installed => format!("package {name} is already installed and configured"),
            _ => format!(
                "package {name} is not ready for configuration\n cannot configure (current status '{status}')"
            ),
        }))
    }

    /// Configures packages in dpkg's order. A failure of one does not stop the others.
    pub(super) fn configure_all(&mut self, keys: &[PackageKey], just_unpacked: bool) -> Result {
        // The graph has the packages of the database; names without a package come after them.
        let (known, unknown): (Vec<_>, Vec<_>) = keys
            .iter()
            .cloned()
            .partition(|key| self.database.get(key).is_some());
        let others = self
            .database
            .packages()
            .map(Package::key)
            .filter(|key| !keys.contains(key));
        let order: Vec<PackageKey> = known.into_iter().chain(others).chain(unknown).collect();
        let graph = {
            let known: Vec<(&Package, bool)> = order
                .iter()
                .filter_map(|key| self.database.get(key))
                .map(|package| (package, self.target.stat(&package.info_path("postinst")).is_ok()))
                .collect();
            let mut read: Vec<Node> = (0..known.len()).collect();
            if !just_unpacked {
                read.sort_by_key(|node| order.get(*node));
            }
            Graph::new(&known, &read, self.database.native())
        };
        let numbers: HashMap<&PackageKey, Node> =
            order.iter().enumerate().map(|(node, key)| (key, node)).collect();
        // dpkg's `f_triggers` is 1 or -1 by then, whatever the action: never 0.
        let mut queue = Queue::new(keys.iter().filter_map(|key| numbers.get(key).copied()), true);
        if self.call.action != Action::Install {
            queue = queue.telling_idle();
        }
        if !self.forces("depends") && self.options().ignore_depends.is_empty() {
            queue = queue.strict();
        }
        loop {
            let states = CurrentStates {
                database: &self.database,
                order: &order,
                numbers: &numbers,
                unrunnable: None,
            };
            let Some(step) = queue.next(&graph, &states) else {
                return Ok(());
            };
            let (Step::Configure(node)
            | Step::Triggers(node)
            | Step::Refuse(node)
            | Step::CheckTriggers(node)
            | Step::Defer { node, .. }) = step;
            let Some(key) = order.get(node) else { continue };
            let done = match step {
                Step::Configure(_) => self.configure_one(key),
                Step::Triggers(_) => self.process_triggers(key),
                Step::CheckTriggers(_) => match self.break_trigger_cycle(key)? {
                    Some(given_up) if given_up == *key => continue,
                    given_up => {
                        if let Some(given_up) = given_up.and_then(|key| numbers.get(&key)) {
                            queue.give_up(*given_up);
                        }
                        queue.requeue(node);
                        continue;
                    }
                },
                Step::Refuse(_) | Step::Defer { .. } => self.refuse(key),
            };
            if let Err(fault) = done {
                queue.give_up(node);
                let Fault::Package(problem) = fault else {
                    return Err(fault);
                };
                self.fail("package", &self.name(key), &problem)?;
            }
        }
    }

    /// Fails for a package whose dependencies are not satisfied.
    fn refuse(&self, key: &PackageKey) -> Result {
        self.check_ready(key)?;
        let package = self.package(key)?;
        let why = self.unsatisfied(package, None);
        let name = self.name(key);
        let (what, left) = if package.triggers_pending.is_empty() {
            (
                "dependency problems prevent configuration of",
                "leaving unconfigured",
            )
        } else {
            (
                "dependency problems prevent processing triggers for",
                "leaving triggers unprocessed",
            )
        };
        self.messages.notice(&format!("{what} {name}:\n{why}"));
        Err(Fault::Package(format!("dependency problems - {left}")))
    }

    /// Configures one package: conffiles, then the postinst.
    fn configure_one(&mut self, key: &PackageKey) -> Result {
        self.check_instances(key)?;
        self.trigger_cycles.reset();
        let package = self.package(key)?.clone();
        let why = self.unsatisfied(&package, None);
        if !why.is_empty() && self.forces("depends") {
            self.messages.notice(&format!(
                "{}: dependency problems, but configuring anyway as you requested:\n{why}",
                self.name(key)
            ));
        }
        let broken = self.broken_by(&package);
        if !broken.is_empty() && !self.forces("breaks") {
            let name = self.name(key);
            self.messages.notice(&format!(
                "dependency problems prevent configuration of {name}:\n{broken}"
            ));
            return Err(Fault::Package(
                "dependency problems - leaving unconfigured".to_owned(),
            ));
        }
        if package.flag == Flag::ReinstReq {
            self.forcible(
                "remove-reinstreq",
                "package is in a very bad inconsistent state; you should\n reinstall it before attempting \
                 configuration",
            )?;
        }
        self.messages.say(&format!(
            "Setting up {} ({}) ...",
            self.name(key),
            package.version
        ));
        self.report_action("configure", key);
        let declarations = self.database.declarations(self.target, key)?;
        self.database.activate_declared(key, &declarations);
        if !self.options().act {
            self.database.set_status(key, Status::Installed);
            return Ok(());
        }
        if package.status == Status::Unpacked {
            let diversions = Diversions::load(self.target)?;
            let mut rules = Rules::new(self.messages, self.options());
            self.database
                .install_conffiles_by(self.target, key, &diversions, &mut rules)?;
        }
        self.database
            .update(key, |package| package.status = Status::HalfConfigured)?;
        if let Some(refusal) = self.session.foreseen(&key.name) {
            self.record()?;
            return Err(Fault::Package(format!(
                "its postinst executes {}, which cannot be run here: {}",
                refusal.tool.display(),
                refusal.reason
            )));
        }
        let old = package.config_version.clone().unwrap_or_default();
        let path = package.info_path("postinst");
        self.run(key, &Script::Configure { old }, &path, "installed")?;
        self.database.update(key, |package| {
            package.flag = Flag::Ok;
            package.triggers_pending.clear();
        })?;
        self.settle(key)
    }

    /// Checks that the instances of the package for other architectures are of the same version.
    fn check_instances(&self, key: &PackageKey) -> Result {
        let version = self.version(key);
        let others = self.database.packages().filter(|other| {
            other.name == key.name
                && other.architecture != key.architecture
                && other.status > Status::ConfigFiles
        });
        for other in others {
            let ready = other.status >= Status::Unpacked;
            if !ready || other.version != version {
                let why = if ready {
                    format!("{} is at a different version ({})", other.key(), other.version)
                } else {
                    format!("{} is not ready (current status '{}')", other.key(), other.status)
                };
                return Err(Fault::Package(format!(
                    "package {key} {version} cannot be configured because {why}"
                )));
            }
        }
        Ok(())
    }
}
