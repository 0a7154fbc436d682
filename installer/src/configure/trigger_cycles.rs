//! Triggers that activate one another without end.

use dpkg_db::{Database, PackageKey};
use std::collections::BTreeMap;

/// Detects cycles of trigger processing as dpkg does: two pointers, a slow one and a fast one, walk over the states
/// of all pending triggers. Where all triggers that are pending at the slow one are pending at the fast one too,
/// there is no progress (dpkg's trigger documentation, "Cycles").
#[derive(Debug, Default)]
pub(crate) struct TriggerCycles {
    /// Pending triggers of each package, before each processing.
    seen: Vec<BTreeMap<PackageKey, Vec<String>>>,
    /// Position of the slow pointer in `seen`; the fast one is at its end.
    slow: usize,
    /// Whether the slow pointer moves at the next check.
    advance: bool,
}

impl TriggerCycles {
    /// Forgets all states: a package was configured, which is progress.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Notes the state before triggers are processed. Returns the packages of a cycle, with their triggers, if there
    /// is one.
    pub(crate) fn check(&mut self, database: &Database) -> Option<String> {
        let state: BTreeMap<PackageKey, Vec<String>> = database
            .packages()
            .filter(|package| !package.triggers_pending.is_empty())
            .map(|package| (package.key(), package.triggers_pending.clone()))
            .collect();
        self.seen.push(state);
        if self.seen.len() == 1 {
            return None;
        }
        if self.advance {
            self.slow += 1;
        }
        self.advance = !self.advance;
        let (slow, fast) = (self.seen.get(self.slow)?, self.seen.last()?);
        let still = slow.iter().all(|(key, triggers)| {
            fast.get(key)
                .is_some_and(|now| triggers.iter().all(|trigger| now.contains(trigger)))
        });
        still.then(|| {
            let named: Vec<String> = slow
                .iter()
                .map(|(key, triggers)| format!("{} ({})", key.name, triggers.join(" ")))
                .collect();
            named.join(", ")
        })
    }
}
