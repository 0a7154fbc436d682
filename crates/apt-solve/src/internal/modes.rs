//! Packages are kept, removed, preferred or left out (`pkgDepCache::MarkKeep` and its like).

use std::collections::HashSet;

use super::{DEEPEST, MOST_MARKS, Marks, Mode};
use crate::package::PackageId;
use crate::universe::Slot;

impl Marks<'_, '_> {
    /// Marks what another solver has found: versions, each with whether it is there for others alone. Says whether
    /// nothing is broken then.
    pub(crate) fn apply(&mut self, found: &[(PackageId, bool)]) -> bool {
        for (id, automatic) in found {
            let slot = self.universe.slot_of(*id);
            if self.state(slot).current == Some(*id) {
                self.keep(slot, 0);
                continue;
            }
            self.prefer(*id);
            self.change(slot, |state| {
                state.install = Some(*id);
                state.mode = Mode::Install;
                state.automatic = *automatic;
            });
            self.order.retain(|known| *known != slot);
            self.order.push(slot);
        }
        let stays: HashSet<PackageId> = found.iter().map(|(id, _)| *id).collect();
        for slot in self.slots().collect::<Vec<_>>() {
            if self.state(slot).install.is_some_and(|id| !stays.contains(&id)) {
                self.change(slot, |state| {
                    state.install = None;
                    state.mode = match state.current {
                        Some(_) => Mode::Delete,
                        None => Mode::Keep,
                    };
                });
            }
        }
        self.finish()
    }

    /// Whether a package's mode may become another.
    pub(super) fn may_become(&self, mode: Mode, slot: Slot, depth: usize, by_user: bool) -> bool {
        let state = self.state(slot);
        if depth > DEEPEST || self.marks > MOST_MARKS {
            return false;
        }
        if by_user || state.mode == mode {
            return true;
        }
        if state.protected || (state.held && mode != Mode::Keep) {
            return false;
        }
        mode != Mode::Delete || !(self.is_essential(slot) || self.is_important_package(slot))
    }

    /// Whether apt counts a package as essential: if one of its versions is, or if it is apt.
    pub(crate) fn is_essential(&self, slot: Slot) -> bool {
        let universe = self.universe;
        let versions = universe.versions(slot);
        versions.iter().any(|id| universe.is_essential(*id)) || universe.slot_name(slot) == "apt"
    }

    /// The same for `Protected: yes`.
    pub(crate) fn is_important_package(&self, slot: Slot) -> bool {
        let universe = self.universe;
        let versions = universe.versions(slot);
        versions.iter().any(|id| universe.package(*id).protected) || universe.slot_name(slot) == "apt"
    }

    /// Leaves a package as it is.
    pub(super) fn keep(&mut self, slot: Slot, depth: usize) -> bool {
        if !self.may_become(Mode::Keep, slot, depth, false) {
            return false;
        }
        if self.state(slot).mode != Mode::Keep {
            self.change(slot, |state| {
                state.mode = Mode::Keep;
                state.install = state.current;
            });
            self.look_at(slot);
        }
        true
    }

    /// Removes a package.
    pub(super) fn delete(&mut self, slot: Slot, depth: usize) -> bool {
        if !self.may_become(Mode::Delete, slot, depth, false) {
            return false;
        }
        let state = self.state(slot);
        if state.mode == Mode::Delete || state.install.is_none() {
            return true;
        }
        // What the user asks for is not removed again.
        if state.current.is_none() && !state.automatic {
            return false;
        }
        self.change(slot, |state| {
            state.mode = match state.current {
                None => Mode::Keep,
                Some(_) => Mode::Delete,
            };
            state.install = None;
        });
        self.look_at(slot);
        true
    }

    /// Makes a version the candidate of its slot.
    pub(crate) fn prefer(&mut self, id: PackageId) {
        let slot = self.universe.slot_of(id);
        let state = self.state(slot);
        if state.candidate == Some(id) {
            return;
        }
        if state.candidate == state.install && state.mode == Mode::Install {
            self.change(slot, |state| state.install = Some(id));
        }
        self.set_candidate(slot, Some(id));
        self.look_at(slot);
    }

    /// Leaves a package as it is, whatever is asked for.
    pub(crate) fn leave_out(&mut self, id: PackageId) {
        let slot = self.universe.slot_of(id);
        self.change(slot, |state| {
            state.protected = true;
            state.held = true;
        });
    }
}
