//! What excludes a package gives way to it (`MarkInstall_RemoveConflictsIfNotUpgradeable`).

use super::install::Way;
use super::solutions::Which;
use super::{Marks, Mode};
use crate::relations::Group;
use crate::universe::Slot;

impl Marks<'_, '_> {
    /// Other packages give way to one that excludes them: what is new is kept out, what is installed is upgraded or removed.
    pub(super) fn give_way(
        &mut self,
        groups: Vec<&Group<'_>>,
        way: Way,
        to_upgrade: &mut Vec<Slot>,
        to_remove: &mut Vec<Slot>,
    ) -> bool {
        let mut well = true;
        let mut bad: Vec<Slot> = Vec::new();
        for group in groups {
            for id in self.solutions(group, Which::Candidates) {
                let other = self.universe.slot_of(id);
                let state = self.state(other);
                if state.candidate != Some(id) {
                    continue;
                }
                let done = if state.current == Some(id) {
                    self.remove_installed(other, way, to_remove)
                } else if state.mode == Mode::Install && !self.keep(other, way.depth) {
                    false
                } else {
                    if way.protects {
                        self.discard_candidate(other);
                        if state.current.is_none() {
                            self.change(other, |state| state.protected = true);
                        }
                    } else {
                        bad.push(other);
                    }
                    true
                };
                if !done {
                    well = false;
                    if way.fails_early() {
                        return false;
                    }
                }
            }
            for id in self.solutions(group, Which::Installed) {
                let other = self.universe.slot_of(id);
                let state = self.state(other);
                if state.candidate.is_some() && state.candidate != Some(id) && !bad.contains(&other) {
                    to_upgrade.push(other);
                } else if state.candidate != state.current && !self.remove_installed(other, way, to_remove) {
                    well = false;
                    if way.fails_early() {
                        return false;
                    }
                }
            }
        }
        well
    }

    fn remove_installed(&mut self, slot: Slot, way: Way, to_remove: &mut Vec<Slot>) -> bool {
        if !way.protects {
            if self.state(slot).mode != Mode::Delete {
                if !self.may_become(Mode::Delete, slot, way.depth, false) {
                    return false;
                }
                to_remove.push(slot);
            }
            return true;
        }
        if self.state(slot).mode != Mode::Delete && !self.delete(slot, way.depth + 1) {
            return false;
        }
        self.discard_candidate(slot);
        self.change(slot, |state| state.protected = true);
        true
    }
}
