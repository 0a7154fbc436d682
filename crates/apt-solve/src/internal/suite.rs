//! `name/suite`: what the package needs comes from that suite too where its candidates do not do
//! (`pkgDepCache::SetCandidateRelease`).

use super::Marks;
use crate::package::PackageId;
use crate::relations::{Group, Kind};

/// Whether a version is in the suite.
pub(crate) type InSuite<'s> = dyn Fn(PackageId) -> bool + 's;

impl Marks<'_, '_> {
    /// Makes a version the candidate, and for each dependency that no candidate satisfies that of the suite.
    pub(crate) fn prefer_suite(&mut self, id: PackageId, in_suite: &InSuite<'_>) {
        let mut changed = vec![id];
        self.take_from_suite(id, in_suite, &mut changed, 0);
    }

    fn take_from_suite(
        &mut self,
        id: PackageId,
        in_suite: &InSuite<'_>,
        changed: &mut Vec<PackageId>,
        depth: usize,
    ) -> bool {
        self.prefer(id);
        if depth > super::DEEPEST {
            return false;
        }
        // The last one that stays in any case.
        let kept = changed.len().saturating_sub(1);
        for group in self.relations.of(id).iter() {
            if group.kind.is_negative() || !self.is_important(group) || self.is_fine(group) {
                continue;
            }
            let fine = self.switch(group, in_suite, changed, depth);
            if !fine && matches!(group.kind, Kind::PreDepends | Kind::Depends) {
                for id in changed.iter().skip(kept + 1).copied().collect::<Vec<_>>() {
                    self.prefer(id);
                }
                changed.truncate(kept + 1);
                return false;
            }
        }
        true
    }

    fn switch(
        &mut self,
        group: &Group<'_>,
        in_suite: &InSuite<'_>,
        changed: &mut Vec<PackageId>,
        depth: usize,
    ) -> bool {
        let universe = self.universe;
        for (at, choice) in group.choices.iter().enumerate() {
            let is_last = at + 1 == group.choices.len();
            // Another candidate does not help where any version would do.
            let Some(first) = choice
                .targets
                .first()
                .filter(|_| choice.versioned && choice.own > 0)
            else {
                continue;
            };
            let slot = universe.slot_of(*first);
            let found = universe.versions(slot).iter().copied().find(|id| in_suite(*id));
            let Some(version) = found.filter(|id| choice.targets.iter().take(choice.own).any(|t| t == id))
            else {
                continue;
            };
            let before = self.state(slot).candidate;
            let touched = |id: &PackageId| universe.slot_of(*id) == slot;
            if before == Some(version) && changed.iter().any(touched) {
                return true;
            }
            changed.push(version);
            if self.take_from_suite(version, in_suite, changed, depth + 1) {
                return true;
            }
            if is_last {
                return false;
            }
            if let Some(before) = before {
                self.prefer(before);
            }
            changed.pop();
        }
        false
    }

    /// Whether a candidate, or what is installed, does for a dependency.
    fn is_fine(&self, group: &Group<'_>) -> bool {
        let universe = self.universe;
        group.choices.iter().any(|choice| {
            let own = choice.targets.get(..choice.own).unwrap_or_default();
            if own.iter().any(|target| self.is_current(*target)) {
                return true;
            }
            let candidate = |target: &&PackageId| self.is_candidate(**target) && self.is_complete(**target);
            if choice.versioned || !self.is_provided(choice.name, choice.qualified) {
                return own.iter().any(|target| candidate(&target));
            }
            universe
                .providers(choice.name)
                .iter()
                .any(|target| candidate(&target))
        })
    }

    fn is_provided(&self, name: &str, qualified: bool) -> bool {
        qualified || !self.universe.providers(name).is_empty()
    }

    /// Whether what will be there already satisfies all of a version's dependencies.
    fn is_complete(&self, id: PackageId) -> bool {
        let groups = self.relations.of(id);
        groups
            .iter()
            .all(|group| !group.kind.is_critical() || self.holds(group))
    }
}
