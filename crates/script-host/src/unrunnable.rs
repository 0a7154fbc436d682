//! Programs of the target that cannot be run rightly, and the packages that are
//! deferred because their scripts try.
//!
//! A program is *unrunnable* when it has no usable native counterpart, or when
//! that would write architecture-dependent output (`arch_output`). A script that
//! tries to execute one is stopped at that moment, before it can notice: many
//! scripts go on when a tool fails, and what they would leave is wrong. The
//! attempt counts, whatever the script would have done with its outcome. Then,
//! as the user chose, the run ends or the package is left for the target's own
//! dpkg ([`OnUnrunnable`]).

use dpkg_db::PackageKey;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use task_progress::escape_path;

/// Time for which a process that tried waits to be killed before it gets an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// `--on-unrunnable`: fate of a package whose script needs a program
/// that cannot be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnrunnable {
    /// The run fails and names the package and the program.
    #[default]
    Fail,
    /// The package and what depends on it are left for the target's own `dpkg --configure -a`.
    Defer,
}

/// An attempt to run an unrunnable program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The program, as the target names it.
    pub tool: PathBuf,
    /// The reason why it cannot be run, in words.
    pub reason: String,
}

/// The reason why a package is deferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deferred {
    /// Its script needs an unrunnable program.
    Script {
        /// The script, as `postinst configure`.
        script: String,
        /// The program and the reason.
        refusal: Refusal,
    },
    /// It depends on a deferred package.
    Dependent {
        /// Name of that package.
        on: String,
    },
}

/// Attempts of scripts and deferred packages: shared by the threads that answer the shim and the one that runs scripts.
#[derive(Debug, Default)]
pub struct Unrunnable {
    mode: OnUnrunnable,
    attempts: Mutex<Attempts>,
    ended: Condvar,
    /// Whether who tries goes on, and is not stopped.
    goes_on: AtomicBool,
    deferred: Mutex<BTreeMap<PackageKey, Deferred>>,
}

#[derive(Debug, Default)]
struct Attempts {
    /// Number of scripts that have ended.
    scripts: u64,
    first: Option<Refusal>,
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { script, refusal } => {
                let tool = escape_path(&refusal.tool);
                write!(
                    f,
                    "{script} executes {tool}, which cannot be run here: {}",
                    refusal.reason
                )
            }
            Self::Dependent { on } => write!(f, "it depends on {on}"),
        }
    }
}

impl Unrunnable {
    /// Returns a record without attempts.
    pub fn new(mode: OnUnrunnable) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }

    /// Returns the user's choice.
    pub fn mode(&self) -> OnUnrunnable {
        self.mode
    }

    /// Notes an attempt. Returns when the script that made it has ended, or
    /// after a while when it does not: the answer to the process does not
    /// matter any more.
    pub fn refuse(&self, refusal: Refusal) {
        let mut attempts = lock(&self.attempts);
        tracing::debug!("{} cannot be run: {}", refusal.tool.display(), refusal.reason);
        attempts.first.get_or_insert(refusal);
        if self.goes_on.load(Ordering::Acquire) {
            return;
        }
        let now = attempts.scripts;
        let still = |attempts: &mut Attempts| attempts.scripts == now;
        drop(self.ended.wait_timeout_while(attempts, PATIENCE, still));
    }

    /// From now on who tries goes on: a user's command is told, and decides itself.
    pub fn let_go_on(&self) {
        self.goes_on.store(true, Ordering::Release);
    }

    /// Returns the first attempt of the running script, which is to be stopped.
    pub fn first(&self) -> Option<Refusal> {
        lock(&self.attempts).first.clone()
    }

    /// Whether the running script has tried, and is to be stopped.
    pub fn tried(&self) -> bool {
        lock(&self.attempts).first.is_some()
    }

    /// Notes that the script has ended, and returns its first attempt.
    pub fn script_ended(&self) -> Option<Refusal> {
        let mut attempts = lock(&self.attempts);
        attempts.scripts += 1;
        self.ended.notify_all();
        attempts.first.take()
    }

    /// Defers a package; the first reason counts.
    pub fn defer(&self, key: PackageKey, deferred: Deferred) {
        lock(&self.deferred).entry(key).or_insert(deferred);
    }

    /// Whether a package is deferred.
    pub fn is_deferred(&self, key: &PackageKey) -> bool {
        lock(&self.deferred).contains_key(key)
    }

    /// Returns all deferred packages.
    pub fn deferred(&self) -> Vec<(PackageKey, Deferred)> {
        let deferred = lock(&self.deferred);
        deferred
            .iter()
            .map(|(key, reason)| (key.clone(), reason.clone()))
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(tool: &str) -> Refusal {
        Refusal {
            tool: tool.into(),
            reason: "no".into(),
        }
    }

    #[test]
    fn the_first_attempt_of_a_script_counts() {
        let unrunnable = Unrunnable::new(OnUnrunnable::Defer);
        assert_eq!(unrunnable.script_ended(), None);
        std::thread::scope(|scope| {
            let tried = scope.spawn(|| unrunnable.refuse(refusal("/usr/bin/a")));
            while !unrunnable.tried() {
                std::thread::yield_now();
            }
            assert!(!tried.is_finished(), "who tried waits for the script's end");
            let second = scope.spawn(|| unrunnable.refuse(refusal("/usr/bin/b")));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!second.is_finished());
            assert_eq!(unrunnable.first(), Some(refusal("/usr/bin/a")));
            assert_eq!(unrunnable.script_ended(), Some(refusal("/usr/bin/a")));
        });
        assert!(!unrunnable.tried());
        assert_eq!(unrunnable.script_ended(), None);
    }
}
