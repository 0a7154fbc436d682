//! The solutions of a dependency, in apt's order of preference.

use std::cmp::Reverse;

use super::{Marks, Mode};
use crate::package::PackageId;
use crate::relations::{Choice, Group};
use crate::universe::{Slot, Universe};
use deb_types::MultiArch;

/// Which versions count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Candidates,
    Installed,
}

impl Marks<'_, '_> {
    /// Returns the versions that satisfy a group, best first: those that are installed, then the alternatives from left
    /// to right.
    pub(super) fn solutions(&self, group: &Group<'_>, which: Which) -> Vec<PackageId> {
        let (mut there, mut new) = (Vec::new(), Vec::new());
        for choice in &group.choices {
            for id in self.best_first(self.matching(choice, which), choice) {
                let current = self.state(self.universe.slot_of(id)).current;
                if current.is_some() { &mut there } else { &mut new }.push(id);
            }
        }
        there.append(&mut new);
        there.dedup();
        if !group.kind.is_negative() {
            there.retain(|id| self.is_possible(*id));
        }
        there
    }

    /// Returns all candidates and installed versions that satisfy a group.
    pub(super) fn all_solutions(&self, group: &Group<'_>) -> Vec<PackageId> {
        let mut all: Vec<PackageId> = Vec::new();
        for choice in &group.choices {
            all.extend(self.matching(choice, Which::Candidates));
            all.extend(self.matching(choice, Which::Installed));
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|id| self.is_possible(*id));
        all
    }

    fn is_possible(&self, id: PackageId) -> bool {
        let state = self.state(self.universe.slot_of(id));
        let ruled_out = state.mode == Mode::Delete || (state.mode == Mode::Keep && state.current.is_none());
        !(state.protected && ruled_out)
    }

    fn matching(&self, choice: &Choice<'_>, which: Which) -> Vec<PackageId> {
        let counts = |id: &PackageId| match which {
            Which::Candidates => self.is_candidate(*id),
            Which::Installed => self.is_current(*id),
        };
        let mut found: Vec<PackageId> = Vec::new();
        for id in choice.targets.iter().copied().filter(counts) {
            if !found.contains(&id) {
                found.push(id);
            }
        }
        found
    }

    fn best_first(&self, targets: Vec<PackageId>, choice: &Choice<'_>) -> Vec<PackageId> {
        if targets.len() < 2 {
            return targets;
        }
        let universe = self.universe;
        let key = |id: PackageId| {
            let slot = universe.slot_of(id);
            let state = self.state(slot);
            let siblings = universe.slots_named(universe.slot_name(slot));
            let sibling_installed = universe.multi_arch(id) == MultiArch::Same
                && siblings.iter().any(|s| self.state(*s).current.is_some());
            (
                !state.protected,
                !sibling_installed,
                state.current.is_none(),
                choice.qualified || universe.slot_name(slot) != choice.name,
                !self.is_essential(slot),
                !self.is_important_package(slot),
                universe.slot_arch(slot),
                universe.priority(id),
            )
        };
        let keyed = targets.into_iter().map(|id| (key(id), id)).collect();
        later_first(universe, keyed)
    }
}

/// Sorts by key; of equals what apt numbers last comes first.
pub(crate) fn later_first<K: Ord + Copy>(
    universe: &Universe<'_>,
    mut keyed: Vec<(K, PackageId)>,
) -> Vec<PackageId> {
    keyed.sort_by_key(|(key, _)| *key);
    // Ties need a walk over the indexes, which is avoided where there are none.
    let tied = keyed.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
    if tied {
        let slots: Vec<Slot> = keyed.iter().map(|(_, id)| universe.slot_of(*id)).collect();
        let mentions = universe.mentions(&slots);
        let mut all: Vec<_> = keyed.into_iter().zip(mentions).collect();
        all.sort_by_key(|((key, _), mention)| (*key, Reverse(*mention)));
        keyed = all.into_iter().map(|(keyed, _)| keyed).collect();
    }
    keyed.into_iter().map(|(_, id)| id).collect()
}
