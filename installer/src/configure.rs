//! Maintainer scripts, conffiles and triggers, as dpkg runs them.
//!
//! A [`Configurer`] owns the view and the database while scripts run. Before a
//! script the database in the target says what dpkg's would say at that moment,
//! after it the triggers that it activated are taken in. The order is the
//! [`queue`]'s; triggers that nobody waits for are processed when the queue is
//! empty, oldest first.

pub(crate) mod cycles;
mod error;
mod later;
pub mod queue;
pub mod script;
mod unpack;

pub use error::ConfigureError;

use crate::dpkg::{Database, Diversions, Package, PackageKey, Status};
use crate::report::{Event, Reporter};
use crate::staging::Cancel;
use crate::unrunnable::{Deferred, Refusal, Unrunnable};
use crate::view::{Ended, Outcome, View};
use cycles::TriggerLoops;
use queue::{Graph, Queue, Step};
use rootless_install_fs::Target;
use script::{Environment, Script, ScriptFailure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// Runs scripts in a view, and keeps the database in step.
pub struct Configurer<'a> {
    target: &'a Target,
    view: &'a mut View,
    database: &'a mut Database,
    settings: Settings<'a>,
    loops: TriggerLoops,
}

/// What does not change while scripts run.
#[derive(Clone)]
pub struct Settings<'a> {
    /// What is the same in every script's environment.
    pub environment: Environment,
    /// dpkg's `DPKG_FORCE` (dpkg(1), `--force-help`).
    pub force: &'static str,
    /// How long one script may take; without end when `None`.
    pub timeout: Option<Duration>,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// Whether a script that fails is taken as done.
    pub tolerant: bool,
    /// Whether to stop.
    pub cancel: &'a Cancel,
    /// What scripts tried to execute and cannot be run.
    pub unrunnable: &'a Unrunnable,
    /// What is known not to be runnable before a package's postinst is run.
    pub foreseen: &'a dyn Fn(&str) -> Option<Refusal>,
}

impl<'a> Configurer<'a> {
    /// Takes the view and the database for a while.
    pub fn new(
        target: &'a Target,
        view: &'a mut View,
        database: &'a mut Database,
        settings: Settings<'a>,
    ) -> Self {
        Self {
            target,
            view,
            database,
            settings,
            loops: TriggerLoops::default(),
        }
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
            .filter(|key| !self.settings.unrunnable.is_deferred(key))
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
                unrunnable: self.settings.unrunnable,
            };
            match queue.next(&graph, &states) {
                None => break,
                Some(Step::Leave { node, on }) => {
                    if let (Some(key), Some(on)) = (order.get(node), order.get(on)) {
                        let deferred = Deferred::Dependent { on: on.name.clone() };
                        self.settings.unrunnable.defer(key.clone(), deferred);
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
        self.settings.cancel.check()?;
        if self.leave_foreseen(key) {
            return Ok(());
        }
        self.loops.reset();
        let declarations = self.database.declarations(self.target, key)?;
        self.database.activate_declared(key, &declarations);
        let diversions = Diversions::load(self.target)?;
        self.database.install_conffiles(self.target, key, &diversions)?;
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
        self.database.incorporate(self.target)?;
        self.settings
            .reporter
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
        if self.settings.unrunnable.is_deferred(key) {
            return Ok(());
        }
        self.settings.cancel.check()?;
        if let Some(packages) = self.loops.check(self.database) {
            self.database
                .update(key, |package| package.status = Status::HalfConfigured)?;
            self.database.save(self.target)?;
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
        self.database.incorporate(self.target)?;
        Ok(())
    }

    fn has_script(&self, path: &Path) -> bool {
        self.target.stat(path).is_ok()
    }

    fn script_path(&self, key: &PackageKey, kind: &str) -> Option<PathBuf> {
        self.database
            .get(key)
            .map(|package| package.info_path(kind))
            .filter(|path| self.has_script(path))
    }

    fn run(&mut self, key: &PackageKey, script: Script, path: &Path) -> Result<()> {
        self.database.flush(self.target)?;
        let shown = script.to_string();
        let settings = &self.settings;
        settings.reporter.event(&Event::ScriptStarted {
            package: &key.name,
            script: &shown,
        });
        let started = Instant::now();
        let environment = settings
            .environment
            .of(&key.name, &key.architecture, &script, settings.force);
        let path = format!("{}{}", settings.environment.root, path.display());
        let arguments = script.arguments();
        let command: Vec<&str> = std::iter::once(path.as_str())
            .chain(arguments.iter().map(String::as_str))
            .collect();
        let (cancel, unrunnable) = (settings.cancel, settings.unrunnable);
        let outcome = self
            .view
            .run(&key.name, &command, &environment, settings.timeout, &|| {
                cancel.is_cancelled() || unrunnable.tried()
            });
        let refusal = unrunnable.script_ended();
        let outcome = outcome?;
        cancel.check()?;
        let Outcome { ended, .. } = &outcome;
        let failure = match &refusal {
            Some(_) => Some("stopped: it needs what cannot be run".to_owned()),
            None => (*ended != Ended::Exited(0)).then(|| ended.to_string()),
        };
        settings.reporter.event(&Event::ScriptFinished {
            package: &key.name,
            script: &shown,
            failure: failure.as_deref(),
            elapsed: started.elapsed(),
        });
        if let Some(refusal) = refusal {
            self.database.flush(self.target)?;
            Err(ConfigureError::Unrunnable {
                package: key.name.clone(),
                script,
                refusal,
            })
        } else if failure.is_none() || settings.tolerant {
            Ok(())
        } else {
            self.database.flush(self.target)?;
            Err(ConfigureError::Script(Box::new(ScriptFailure {
                package: key.name.clone(),
                script,
                outcome,
            })))
        }
    }
}
