//! The order of solutions, and which packages are obsolete.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::{Solver, Var};
use crate::package::PackageId;
use crate::universe::{Slot, Universe};
use deb_types::{MultiArch, version};

/// Returns the versions of source packages that are there in several versions.
pub(super) fn by_source<'u>(universe: &'u Universe<'_>) -> HashMap<&'u str, Vec<PackageId>> {
    let mut all: HashMap<&'u str, Vec<PackageId>> = HashMap::new();
    for id in universe.all() {
        all.entry(universe.source(id).0).or_default().push(id);
    }
    all.retain(|_, ids| {
        let first = ids.first().map(|id| universe.source(*id).1);
        ids.iter().any(|id| Some(universe.source(*id).1) != first)
    });
    all
}

impl Solver<'_, '_, '_> {
    /// Sorts solutions of a dependency on a name, best first.
    pub(super) fn sort(&self, solutions: &mut [Var], name: &str) {
        if solutions.len() < 2 {
            return;
        }
        let mut keyed: Vec<(PackageId, Var)> = solutions.iter().map(|var| (self.best(*var), *var)).collect();
        keyed.sort_by(|(a, _), (b, _)| self.compare(*a, *b, name));
        for (place, (_, var)) in solutions.iter_mut().zip(keyed) {
            *place = var;
        }
    }

    /// The version that stands for a variable.
    fn best(&self, var: Var) -> PackageId {
        match var {
            Var::Version(id) => id,
            Var::Package(slot) => {
                let versions = self.marks.universe.versions(slot).iter().copied();
                // The last one in apt's order, which it looks for here.
                let last = versions.max_by(|a, b| self.compare_versions(*a, *b));
                last.unwrap_or(self.marks.universe.slot_candidate(slot))
            }
        }
    }

    fn compare_versions(&self, a: PackageId, b: PackageId) -> Ordering {
        let universe = self.marks.universe;
        let current = self.marks.state(universe.slot_of(a)).current;
        let key = |id| (current != Some(id), Reverse(universe.pin(id)));
        let versions = || version::compare(universe.version(b), universe.version(a));
        key(a).cmp(&key(b)).then_with(versions)
    }

    fn compare(&self, a: PackageId, b: PackageId, name: &str) -> Ordering {
        let universe = self.marks.universe;
        let (first, second) = (universe.slot_of(a), universe.slot_of(b));
        if first == second {
            return self.compare_versions(a, b);
        }
        let key = |id: PackageId, slot: Slot| {
            let siblings = universe.slots_named(universe.slot_name(slot));
            let sibling_installed = universe.multi_arch(id) == MultiArch::Same
                && siblings.iter().any(|s| self.marks.state(*s).current.is_some());
            (
                !sibling_installed,
                self.marks.state(slot).current.is_none(),
                universe.slot_name(slot) != name,
                !self.marks.is_essential(slot),
                !self.marks.is_important_package(slot),
                universe.slot_arch(slot),
                universe.priority(id),
                universe.slot_name(slot),
            )
        };
        key(a, first).cmp(&key(b, second))
    }

    /// Whether another package of the same source is there in a newer version.
    pub(super) fn is_obsolete(&mut self, slot: Slot) -> bool {
        if let Some(known) = self.obsolete.get(&slot) {
            return *known;
        }
        let universe = self.marks.universe;
        let id = universe.slot_candidate(slot);
        let (source, built) = universe.source(id);
        let others = self.by_source.get(source).map_or(&[][..], Vec::as_slice);
        let obsolete = others.iter().any(|other| {
            let place = universe.slot_of(*other);
            place != slot
                && universe.slot_arch(place) == universe.slot_arch(slot)
                && universe.pin(*other) >= universe.pin(id)
                && version::compare(universe.source(*other).1, built).is_gt()
        });
        self.obsolete.insert(slot, obsolete);
        obsolete
    }
}
