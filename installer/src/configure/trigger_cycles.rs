//! Triggers that activate one another without end.

use super::slot;
use dpkg_db::{Database, PackageKey};
use std::fmt;

/// Detects cycles of trigger processing as dpkg does: two pointers, a slow one and a fast one, walk over the states
/// of all pending triggers. Where all triggers that are pending at the slow one are pending at the fast one too,
/// there is no progress (dpkg's trigger documentation, "Cycles").
#[derive(Debug, Default)]
pub(crate) struct TriggerCycles {
    /// States before each processing.
    seen: Vec<State>,
    /// Position of the slow pointer in `seen`; the fast one is at its end.
    slow: usize,
    /// Whether the slow pointer moves at the next check.
    advance: bool,
}

/// Pending triggers of all packages, and the package whose triggers are processed then.
#[derive(Debug)]
struct State {
    processed: PackageKey,
    /// In the order of dpkg's list, which begins with the end of its hash table.
    pending: Vec<(PackageKey, Vec<String>)>,
}

/// A cycle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TriggerCycle {
    /// The package whose triggers are given up, the earliest of the cycle.
    pub(crate) given_up: PackageKey,
    /// Packages whose triggers were processed, in their order.
    chain: Vec<String>,
    /// Packages and their pending triggers.
    pending: Vec<(String, Vec<String>)>,
}

impl TriggerCycles {
    /// Forgets all states: a package was configured, which is progress.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Notes the state before the triggers of `processed` are processed. Returns the cycle, if there is one.
    pub(crate) fn check(&mut self, database: &Database, processed: &PackageKey) -> Option<TriggerCycle> {
        let mut pending: Vec<(PackageKey, Vec<String>)> = database
            .packages()
            .filter(|package| !package.triggers_pending.is_empty())
            .map(|package| (package.key(), package.triggers_pending.clone()))
            .collect();
        pending.sort_by_key(|(key, _)| std::cmp::Reverse(slot(&key.name)));
        self.seen.push(State {
            processed: processed.clone(),
            pending,
        });
        if self.seen.len() == 1 {
            return None;
        }
        if self.advance {
            self.slow += 1;
        }
        self.advance = !self.advance;
        let (slow, fast) = (self.seen.get(self.slow)?, self.seen.last()?);
        let still = slow.pending.iter().all(|(key, triggers)| {
            let now = fast.pending.iter().find(|(have, _)| have == key);
            now.is_some_and(|(_, now)| triggers.iter().all(|trigger| now.contains(trigger)))
        });
        let (given_up, _) = slow.pending.first().filter(|_| still)?;
        let name = |key: &PackageKey| database.display_name(key);
        Some(TriggerCycle {
            given_up: given_up.clone(),
            chain: self.seen[self.slow..]
                .iter()
                .map(|state| name(&state.processed))
                .collect(),
            pending: slow
                .pending
                .iter()
                .map(|(key, triggers)| (name(key), triggers.clone()))
                .collect(),
        })
    }
}

impl TriggerCycle {
    /// Returns the packages with their pending triggers, in one line.
    pub(crate) fn packages(&self) -> String {
        let named = self.pending.iter();
        let named: Vec<String> = named
            .map(|(name, triggers)| format!("{name} ({})", triggers.join(" ")))
            .collect();
        named.join(", ")
    }
}

impl fmt::Display for TriggerCycle {
    /// Writes dpkg's words about a cycle.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cycle found while processing triggers:\n chain of packages whose triggers are or may be responsible:\n  \
             {}\n packages' pending triggers which are or may be unresolvable:",
            self.chain.join(" -> ")
        )?;
        for (name, triggers) in &self.pending {
            write!(f, "\n  {name}: {}", triggers.join(": "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpkg_db::Package;

    #[test]
    fn the_earliest_package_of_a_cycle_is_given_up() {
        let mut database = Database::new("amd64", Vec::new());
        for name in ["one", "two"] {
            let stanza = format!(
                "Package: {name}\nStatus: install ok triggers-pending\nArchitecture: all\nVersion: 1\nTriggers-Pending: x y\n"
            );
            database.insert(Package::parse(&stanza).unwrap());
        }
        let [one, two] = ["one", "two"].map(|name| PackageKey::new(name, "all"));
        let mut cycles = TriggerCycles::default();
        assert_eq!(cycles.check(&database, &two), None);
        let cycle = cycles.check(&database, &one).unwrap();
        let first = std::cmp::max_by_key(&one, &two, |key| slot(&key.name));
        assert_eq!(cycle.given_up, *first);
        assert!(cycle.to_string().contains("\n  two -> one\n"), "{cycle}");
        // Progress: the triggers of one package are no more pending.
        cycles.reset();
        assert_eq!(cycles.check(&database, &two), None);
        for key in [&one, &two] {
            database
                .update(key, |package| package.triggers_pending = vec!["y".to_owned()])
                .unwrap();
        }
        assert_eq!(cycles.check(&database, &one), None);
    }
}
