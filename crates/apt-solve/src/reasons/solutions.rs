//! The solutions of a dependency, in apt's order of preference.

use std::cmp::Reverse;

use super::Marker;
use crate::package::PackageId;
use crate::universe::Slot;
use deb_types::MultiArch;
use deb_types::relation::Relation;

impl Marker<'_, '_> {
    /// Returns the candidates that satisfy a group, best first; with `chosen_too` also
    /// chosen versions that are not candidates.
    pub(super) fn solutions(&self, group: &[Relation<'_>], owner: u8, chosen_too: bool) -> Vec<PackageId> {
        let mut all: Vec<PackageId> = Vec::new();
        for relation in group {
            let mut targets = self.universe.targets(relation, owner, false);
            targets.retain(|t| self.is_candidate(*t) || (chosen_too && self.is_chosen(*t)));
            for target in self.best_first(targets, relation.name) {
                if !all.contains(&target) {
                    all.push(target);
                }
            }
        }
        all
    }

    fn best_first(&self, targets: Vec<PackageId>, name: &str) -> Vec<PackageId> {
        let universe = self.universe;
        let key = |id: PackageId| {
            let slot = universe.slot_of(id);
            let state = self.state(slot);
            let sibling_installed = universe.multi_arch(id) == MultiArch::Same
                && universe
                    .slots_named(universe.slot_name(slot))
                    .iter()
                    .any(|s| self.state(*s).installed);
            (
                !state.protected,
                !sibling_installed,
                !state.installed,
                universe.slot_name(slot) != name,
                !universe.is_essential(id),
                universe.slot_arch(slot),
                universe.priority(id),
            )
        };
        let mut keyed: Vec<_> = targets.into_iter().map(|id| (key(id), id)).collect();
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
}
