//! Configuring packages as dpkg does: maintainer scripts, conffiles and triggers.
//!
//! A [`Configurer`] holds the session and the database while scripts run. Before each script the database in
//! the target says what dpkg's would say at that moment; after it the triggers that the script activated are
//! taken in. Packages are configured in the order of the [`queue`]. Triggers that no package awaits are
//! processed when the queue is empty, oldest first.

mod deferred;
mod error;
mod preinst;
pub mod queue;
mod states;
pub(crate) mod trigger_cycles;

pub use error::ConfigureError;
pub(crate) use states::CurrentStates;

use dpkg_db::{Database, Diversions, PackageKey, Status};
use queue::{Graph, Queue, Step};
use rootless_install_fs::Target;
use script_host::script::{Script, ScriptFailure};
use script_host::unrunnable::Deferred;
use script_host::{ScriptCall, Session};
use std::path::{Path, PathBuf};
use task_progress::Event;
use trigger_cycles::TriggerCycles;

type Result<T> = std::result::Result<T, ConfigureError>;

/// Kind of a run of dpkg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The end of `dpkg --install`, when all packages are unpacked.
    Install,
    /// `dpkg --configure --no-triggers PACKAGE…`.
    Configure,
    /// `dpkg --configure --pending`.
    Pending,
}

/// Runs maintainer scripts in a session and keeps the database in step.
pub struct Configurer<'a, 's> {
    session: &'a mut Session<'s>,
    database: &'a mut Database,
    /// `DPKG_FORCE` (dpkg(1), `--force-help`).
    force: &'static str,
    /// Processing of triggers since a package was configured last.
    trigger_cycles: TriggerCycles,
}

impl<'a, 's> Configurer<'a, 's> {
    /// Borrows the session and the database; `force` is `DPKG_FORCE` of the scripts.
    pub fn new(session: &'a mut Session<'s>, database: &'a mut Database, force: &'static str) -> Self {
        Self {
            session,
            database,
            force,
            trigger_cycles: TriggerCycles::default(),
        }
    }

    fn target(&self) -> &'s Target {
        self.session.target()
    }

    /// Carries out one run of dpkg on packages that are unpacked or have triggers pending, in the order in
    /// which dpkg would take them. With [`Run::Configure`] triggers stay pending where nothing in the queue
    /// awaits them; the other runs process at their end those that were activated meanwhile.
    ///
    /// # Errors
    /// The first script that fails; its package is half-configured then. Triggers that activate each other
    /// without end. A script that needs a program that cannot be run, unless such packages are deferred
    /// ([`OnUnrunnable`](script_host::unrunnable::OnUnrunnable)).
    pub fn configure(&mut self, keys: &[PackageKey], run: Run) -> Result<()> {
        let keys: Vec<PackageKey> = keys
            .iter()
            .filter(|key| !self.session.unrunnable().is_deferred(key))
            .cloned()
            .collect();
        // A package in the database may satisfy a dependency without being in the queue.
        let mut order = keys.clone();
        order.extend(
            self.database
                .packages()
                .map(|p| p.key())
                .filter(|key| !keys.contains(key)),
        );
        let graph = self.graph(&order, run);
        let mut queue = Queue::new(0..keys.len(), run == Run::Configure);
        let numbers = order.iter().enumerate().map(|(node, key)| (key, node)).collect();
        loop {
            let states = CurrentStates {
                database: self.database,
                order: &order,
                numbers: &numbers,
                unrunnable: Some(self.session.unrunnable()),
            };
            match queue.next(&graph, &states) {
                None => break,
                Some(Step::Defer { node, on }) => {
                    if let (Some(key), Some(on)) = (order.get(node), order.get(on)) {
                        let deferred = Deferred::Dependent { on: on.name.clone() };
                        self.session.unrunnable().defer(key.clone(), deferred);
                    }
                }
                Some(Step::Configure(node)) => {
                    if let Some(key) = order.get(node) {
                        self.configure_one(key)?;
                    }
                }
                // Only a strict queue refuses packages.
                Some(Step::Refuse(_)) => {}
                Some(Step::Triggers(node)) => {
                    if let Some(key) = order.get(node) {
                        self.process_triggers(key)?;
                    }
                }
                Some(Step::CheckTriggers(node)) => {
                    if let Some(key) = order.get(node) {
                        self.check_trigger_cycle(key)?;
                    }
                    queue.requeue(node);
                }
            }
        }
        if run != Run::Configure {
            while let Some(key) = self.database.next_deferred() {
                self.process_triggers(&key)?;
            }
        }
        Ok(())
    }

    /// Returns the graph of packages; the number of each is its position in `order`.
    fn graph(&self, order: &[PackageKey], run: Run) -> Graph {
        let known: Vec<_> = order
            .iter()
            .filter_map(|key| self.database.get(key))
            .map(|package| (package, self.has_script(&package.info_path("postinst"))))
            .collect();
        // dpkg reads packages in the order in which it unpacked them, or in that of its status file.
        let mut read: Vec<queue::Node> = (0..known.len()).collect();
        if run != Run::Install {
            read.sort_by_key(|node| order.get(*node));
        }
        Graph::new(&known, &read, self.database.native())
    }

    fn configure_one(&mut self, key: &PackageKey) -> Result<()> {
        self.session.cancel().check()?;
        if self.defer_foreseen(key) {
            return Ok(());
        }
        self.trigger_cycles.reset();
        let declarations = self.database.declarations(self.target(), key)?;
        self.database.activate_declared(key, &declarations);
        let diversions = Diversions::load(self.target())?;
        self.database.install_conffiles(self.target(), key, &diversions)?;
        self.database
            .update(key, |package| package.status = Status::HalfConfigured)?;
        if let Some(postinst) = self.script_path(key, "postinst") {
            let old = self
                .database
                .get(key)
                .and_then(|p| p.config_version.clone())
                .unwrap_or_default();
            let ran = self.run(key, Script::Configure { old }, &postinst);
            if self.defer_stopped(key, ran)? {
                return Ok(());
            }
        }
        self.database.settle(key)?;
        self.database.incorporate(self.target())?;
        self.session
            .reporter()
            .event(&Event::Configured { package: &key.name });
        Ok(())
    }

    fn process_triggers(&mut self, key: &PackageKey) -> Result<()> {
        let pending = self
            .database
            .get(key)
            .map(|p| (p.status, p.triggers_pending.is_empty()));
        let Some((Status::TriggersPending | Status::TriggersAwaited, false)) = pending else {
            return Ok(());
        };
        if self.session.unrunnable().is_deferred(key) {
            return Ok(());
        }
        self.session.cancel().check()?;
        self.check_trigger_cycle(key)?;
        let awaiters = self.database.awaiters(key);
        let names = self.database.take_pending(key)?;
        if let Some(postinst) = self.script_path(key, "postinst") {
            let script = Script::Triggered { names: names.clone() };
            let ran = self.run(key, script, &postinst);
            if self.defer_stopped(key, ran)? {
                return Ok(self.database.put_back(key, &names, &awaiters)?);
            }
        }
        self.database.settle(key)?;
        self.database.incorporate(self.target())?;
        Ok(())
    }

    /// Fails where the processing of a package's triggers is part of a cycle without end.
    fn check_trigger_cycle(&mut self, key: &PackageKey) -> Result<()> {
        let Some(cycle) = self.trigger_cycles.check(self.database, key) else {
            return Ok(());
        };
        self.database
            .update(&cycle.given_up, |package| package.status = Status::HalfConfigured)?;
        self.database.save(self.target())?;
        Err(ConfigureError::TriggerCycle {
            packages: cycle.packages(),
        })
    }

    fn has_script(&self, path: &Path) -> bool {
        self.session.target().stat(path).is_ok()
    }

    fn script_path(&self, key: &PackageKey, kind: &str) -> Option<PathBuf> {
        self.database
            .get(key)
            .map(|package| package.info_path(kind))
            .filter(|path| self.has_script(path))
    }

    fn run(&mut self, key: &PackageKey, script: Script, path: &Path) -> Result<()> {
        self.database.flush(self.target())?;
        let ran = self.session.run_script(&ScriptCall {
            package: &key.name,
            architecture: &key.architecture,
            script: &script,
            path,
            force: self.force,
            debug: false,
        })?;
        let failed = ran.failure().is_some();
        if let Some(refusal) = ran.refusal {
            self.database.flush(self.target())?;
            Err(ConfigureError::Unrunnable {
                package: key.name.clone(),
                script,
                refusal,
            })
        } else if !failed || self.session.is_observed() {
            Ok(())
        } else {
            self.database.flush(self.target())?;
            Err(ConfigureError::Script(Box::new(ScriptFailure {
                package: key.name.clone(),
                script,
                outcome: ran.outcome,
            })))
        }
    }
}

/// Returns the packages that `dpkg --configure --pending` takes, in its order: that of the hash table of its
/// database, which shows in the ids that scripts hand out.
pub(crate) fn pending(database: &Database) -> Vec<PackageKey> {
    let keys = database
        .packages()
        .filter(|package| {
            matches!(package.status, Status::Unpacked | Status::HalfConfigured)
                || !package.triggers_pending.is_empty()
        })
        .map(|package| package.key());
    in_dpkgs_order(keys)
}

/// Returns packages in the order in which dpkg walks over all of them: that of its hash table.
pub(crate) fn in_dpkgs_order(keys: impl IntoIterator<Item = PackageKey>) -> Vec<PackageKey> {
    let mut keys: Vec<PackageKey> = keys.into_iter().collect();
    keys.sort();
    keys.sort_by_key(|key| slot(&key.name));
    keys
}

/// Returns the place of a package in the hash table of dpkg's database: FNV-1a over the name, 65521 entries.
pub(crate) fn slot(name: &str) -> u32 {
    let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    hash % 65_521
}
