//! Maintainer scripts, conffiles and triggers, as dpkg runs them.
//!
//! A [`Configurer`] has the session and the database while scripts run. Before a
//! script the database in the target says what dpkg's would say at that moment,
//! after it the triggers that it activated are taken in. The order is the
//! [`queue`]'s; triggers that nobody waits for are processed when the queue is
//! empty, oldest first.

pub(crate) mod cycles;
mod error;
mod later;
pub mod queue;
mod unpack;

pub use error::ConfigureError;

use cycles::TriggerLoops;
use dpkg_db::{Database, Diversions, Package, PackageKey, Status};
use progress::Event;
use queue::{Graph, Queue, Step};
use rootless_install_fs::Target;
use script_host::script::{Script, ScriptFailure};
use script_host::unrunnable::{Deferred, Unrunnable};
use script_host::{ScriptCall, Session};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, ConfigureError>;

/// The kinds of dpkg's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// `dpkg --install`, after everything is unpacked.
    Install,
    /// `dpkg --configure --no-triggers` with some packages.
    Configure,
    /// `dpkg --configure --pending`.
    Pending,
}

/// The packages of a graph as they are at the moment.
struct Present<'d> {
    database: &'d Database,
    order: &'d [PackageKey],
    numbers: &'d HashMap<&'d PackageKey, queue::Node>,
    unrunnable: &'d Unrunnable,
}

impl Present<'_> {
    fn get(&self, node: queue::Node) -> Option<&Package> {
        self.order.get(node).and_then(|key| self.database.get(key))
    }
}

impl queue::States for Present<'_> {
    fn status(&self, node: queue::Node) -> Status {
        self.get(node)
            .map_or(Status::NotInstalled, |package| package.status)
    }

    fn is_pending(&self, node: queue::Node) -> bool {
        self.get(node)
            .is_some_and(|package| !package.triggers_pending.is_empty())
    }

    fn awaits(&self, node: queue::Node) -> Option<queue::Node> {
        let first = self.get(node)?.triggers_awaited.first()?;
        self.numbers.get(first).copied()
    }

    fn is_left(&self, node: queue::Node) -> bool {
        let key = self.order.get(node);
        key.is_some_and(|key| later::is_left(self.database, self.unrunnable, key))
    }
}

/// Runs scripts in a session, and keeps the database in step.
pub struct Configurer<'a, 's> {
    session: &'a mut Session<'s>,
    database: &'a mut Database,
    /// `DPKG_FORCE` (dpkg(1), `--force-help`).
    force: &'static str,
    loops: TriggerLoops,
}

impl<'a, 's> Configurer<'a, 's> {
    /// Takes the session and the database for a while; `force` is `DPKG_FORCE` of the scripts.
    pub fn new(session: &'a mut Session<'s>, database: &'a mut Database, force: &'static str) -> Self {
        Self {
            session,
            database,
            force,
            loops: TriggerLoops::default(),
        }
    }

    fn target(&self) -> &'s Target {
        self.session.target()
    }

    /// One run of dpkg over packages that are unpacked or have triggers pending, in
    /// the order in which dpkg would have them. Triggers are left pending with
    /// [`Run::Configure`] where nothing in the queue waits for them; the others
    /// process in the end what was activated meanwhile.
    ///
    /// # Errors
    /// The first script that fails ends it; the package is half-configured then.
    /// Triggers that activate each other end it as well, and a script that needs what
    /// cannot be run, unless such packages are left for later ([`Unrunnable`]).
    pub fn configure(&mut self, keys: &[PackageKey], run: Run) -> Result<()> {
        let keys: Vec<PackageKey> = keys
            .iter()
            .filter(|key| !self.session.unrunnable().is_deferred(key))
            .cloned()
            .collect();
        // A package that dpkg knows may satisfy a dependency without being in the queue.
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
            let states = Present {
                database: self.database,
                order: &order,
                numbers: &numbers,
                unrunnable: self.session.unrunnable(),
            };
            match queue.next(&graph, &states) {
                None => break,
                Some(Step::Leave { node, on }) => {
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
                // It is not asked to refuse.
                Some(Step::Refuse(_)) => {}
                Some(Step::Triggers(node)) => {
                    if let Some(key) = order.get(node) {
                        self.process_triggers(key)?;
                    }
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

    /// The graph of packages, whose numbers are their places in `order`.
    fn graph(&self, order: &[PackageKey], run: Run) -> Graph {
        let known: Vec<_> = order
            .iter()
            .filter_map(|key| self.database.get(key))
            .map(|package| (package, self.has_script(&package.info_path("postinst"))))
            .collect();
        // dpkg knows packages in the order in which it unpacked them, or that of its status file.
        let mut read: Vec<queue::Node> = (0..known.len()).collect();
        if run != Run::Install {
            read.sort_by_key(|node| order.get(*node));
        }
        Graph::new(&known, &read, self.database.native())
    }

    fn configure_one(&mut self, key: &PackageKey) -> Result<()> {
        self.session.cancel().check()?;
        if self.leave_foreseen(key) {
            return Ok(());
        }
        self.loops.reset();
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
            if self.leave_for_later(key, ran)? {
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
        if let Some(packages) = self.loops.check(self.database) {
            self.database
                .update(key, |package| package.status = Status::HalfConfigured)?;
            self.database.save(self.target())?;
            return Err(ConfigureError::TriggerCycle { packages });
        }
        let awaiters = self.database.awaiters(key);
        let names = self.database.take_pending(key)?;
        if let Some(postinst) = self.script_path(key, "postinst") {
            let script = Script::Triggered { names: names.clone() };
            let ran = self.run(key, script, &postinst);
            if self.leave_for_later(key, ran)? {
                return Ok(self.database.put_back(key, &names, &awaiters)?);
            }
        }
        self.database.settle(key)?;
        self.database.incorporate(self.target())?;
        Ok(())
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
