//! New packages that nobody needs any more are not installed (`pkgDepCache::MarkRequired`, `DoAutomaticRemove`).

use std::collections::HashSet;

use super::{Marks, Mode};
use crate::package::PackageId;
use crate::relations::Kind;
use crate::universe::Slot;

impl Marks<'_, '_> {
    pub(super) fn sweep(&mut self) {
        let all: Vec<Slot> = self.slots().collect();
        let root = |slot: &&Slot| {
            let state = self.state(**slot);
            state.current.is_some()
                || !state.automatic
                || self.is_essential(**slot)
                || self.is_important_package(**slot)
        };
        let mut todo: Vec<PackageId> = all
            .iter()
            .filter(root)
            .filter_map(|slot| self.state(*slot).install)
            .collect();
        let mut needed: HashSet<PackageId> = HashSet::new();
        while let Some(id) = todo.pop() {
            if !needed.insert(id) {
                continue;
            }
            for group in self
                .relations
                .of(id)
                .iter()
                .filter(|group| !group.kind.is_negative())
            {
                for choice in &group.choices {
                    let mut there: Vec<PackageId> = choice
                        .targets
                        .iter()
                        .copied()
                        .filter(|target| self.is_there(*target))
                        .collect();
                    self.keep_latest(&mut there);
                    // New ones are not followed where an installed one of another source does the same.
                    let source = |target: &PackageId| self.universe.source(*target).0;
                    let several = there
                        .windows(2)
                        .any(|pair| matches!(pair, [a, b] if source(a) != source(b)));
                    if several && there.iter().any(|target| self.is_current(*target)) {
                        there.retain(|target| self.is_current(*target));
                    }
                    todo.extend(there);
                }
            }
        }
        for slot in all {
            let state = self.state(slot);
            let unneeded = state.install.is_some_and(|id| !needed.contains(&id));
            if state.current.is_none() && unneeded {
                self.delete(slot, 0);
            }
        }
        self.save();
    }

    /// Of packages of one source leaves those that are built from its latest version.
    fn keep_latest(&self, targets: &mut Vec<PackageId>) {
        let all = targets.clone();
        let source = |id: &PackageId| self.universe.source(*id);
        targets.retain(|id| {
            let (name, built) = source(id);
            let later =
                |(other, version)| other == name && deb_types::version::compare(version, built).is_gt();
            !all.iter().map(source).any(later)
        });
    }

    /// Takes back what turns out to be needed after all.
    fn save(&mut self) {
        let lacking: Vec<PackageId> = self
            .slots()
            .filter_map(|slot| self.state(slot).install)
            .flat_map(|id| {
                let groups = self.relations.of(id);
                let lacks = |group: &&crate::relations::Group<'_>| {
                    matches!(group.kind, Kind::PreDepends | Kind::Depends) && !self.holds(group)
                };
                groups
                    .iter()
                    .filter(lacks)
                    .filter_map(|group| group.targets().find(|t| self.is_candidate(*t)))
                    .collect::<Vec<_>>()
            })
            .collect();
        for id in lacking {
            let slot = self.universe.slot_of(id);
            self.change(slot, |state| {
                state.install = Some(id);
                state.mode = Mode::Install;
            });
        }
    }
}
