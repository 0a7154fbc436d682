//! Chosen packages that give way to one that has to be, and what becomes of those that needed them
//! (`MarkInstall_RemoveConflictsIfNotUpgradeable` in apt's source).

use std::collections::HashSet;

use super::{MarkFailure, Marked, Marker, SlotState};
use crate::package::PackageId;
use crate::universe::Slot;

impl Marker<'_, '_> {
    /// Takes back the choice of packages that nobody requested and that a package excludes, or is excluded by.
    pub(super) fn make_way(&mut self, slot: Slot, id: PackageId) {
        let universe = self.universe;
        let package = universe.package(id);
        let arch = self.arch_of(id);
        let mut others: Vec<PackageId> = Vec::new();
        for (_, relation) in package.negatives() {
            others.extend(universe.targets(relation, arch, true));
        }
        let names = std::iter::once(package.name).chain(package.provides.iter().map(|p| p.name));
        for other in names.flat_map(|name| self.unwanted.get(name).into_iter().flatten()) {
            let Some(other_id) = self.state(*other).chosen else {
                continue;
            };
            let owner = self.arch_of(other_id);
            let excludes = |relation| universe.targets(relation, owner, true).contains(&id);
            if universe
                .package(other_id)
                .negatives()
                .any(|(_, relation)| excludes(relation))
            {
                others.push(other_id);
            }
        }
        for other in others {
            let other_slot = universe.slot_of(other);
            let state = self.state(other_slot);
            if state.chosen == Some(other)
                && !state.installed
                && !state.protected
                && universe.slot_name(other_slot) != universe.slot_name(slot)
            {
                self.take_back(other_slot);
                self.displaced = true;
            }
        }
    }

    fn take_back(&mut self, slot: Slot) {
        let state = self.state(slot);
        self.set(
            slot,
            SlotState {
                chosen: None,
                ..state
            },
        );
    }

    /// Finds other packages for those that gave way, where one is needed; a package that cannot be without gives way,
    /// too, unless it is one of those `wanted`. What nobody needs any more is not installed.
    pub(super) fn mend(&mut self, wanted: &[PackageId]) -> Result<(), (PackageId, Box<MarkFailure>)> {
        // Each round takes at least one package back.
        for _ in 0..self.order.len() {
            let Some((id, failure)) = self.broken() else {
                self.sweep(wanted);
                return Ok(());
            };
            let slot = self.universe.slot_of(id);
            if self.state(slot).protected || wanted.contains(&id) {
                return Err((id, failure));
            }
            self.take_back(slot);
        }
        self.sweep(wanted);
        Ok(())
    }

    /// Marks what chosen packages lack; returns the first for which that fails.
    fn broken(&mut self) -> Option<(PackageId, Box<MarkFailure>)> {
        let universe = self.universe;
        for slot in self.order.clone() {
            let SlotState {
                chosen: Some(id),
                installed: false,
                ..
            } = self.state(slot)
            else {
                continue;
            };
            let owner = self.arch_of(id);
            let lacks = universe.package(id).required().any(|(_, group)| {
                let mut targets = group.iter().flat_map(|r| universe.targets(r, owner, false));
                !targets.any(|target| self.is_chosen(target))
            });
            if !lacks {
                continue;
            }
            let point = self.log.len();
            let marked: Marked = self.mark_dependencies(id, false, 0);
            if let Err(failure) = marked {
                self.undo_to(point);
                return Some((id, failure));
            }
        }
        None
    }

    /// Takes back all packages that those `wanted` do not lead to.
    fn sweep(&mut self, wanted: &[PackageId]) {
        let universe = self.universe;
        let mut needed: HashSet<PackageId> = HashSet::new();
        let mut todo: Vec<PackageId> = wanted.to_vec();
        while let Some(id) = todo.pop() {
            if !self.is_chosen(id) || !needed.insert(id) {
                continue;
            }
            let owner = self.arch_of(id);
            for (_, group) in universe.package(id).dependencies() {
                todo.extend(group.iter().flat_map(|r| universe.targets(r, owner, false)));
            }
        }
        for slot in self.order.clone() {
            let state = self.state(slot);
            if !state.installed && state.chosen.is_some_and(|id| !needed.contains(&id)) {
                self.take_back(slot);
            }
        }
    }
}
