//! Triggers that activate one another for ever.

use dpkg_db::{Database, PackageKey};
use std::collections::BTreeMap;

/// Finds out whether trigger processing goes round in circles, as dpkg does:
/// a slow and a fast walk over the states of all pending triggers; when nothing
/// that was pending at the slow one is done at the fast one, there is no
/// progress (dpkg's trigger documentation, "Cycles").
#[derive(Debug, Default)]
pub(crate) struct TriggerLoops {
    seen: Vec<BTreeMap<PackageKey, Vec<String>>>,
    slow: usize,
    advance: bool,
}

impl TriggerLoops {
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The packages of the cycle, if there is one.
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
