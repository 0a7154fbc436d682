//! The solutions of a dependency, in apt's order of preference.

use super::Marker;
use crate::internal::later_first;
use crate::package::PackageId;
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
        let keyed = targets.into_iter().map(|id| (key(id), id)).collect();
        later_first(universe, keyed)
    }
}
