//! A package is marked for installation, with its dependencies (`pkgDepCache::MarkInstall`).

use super::solutions::Which;
use super::{Marks, Mode};
use crate::package::PackageId;
use crate::relations::Group;
use crate::universe::Slot;
use deb_types::MultiArch;

/// What the marks of one package's relations go by.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) depth: usize,
    pub(super) by_user: bool,
    /// Whether it was protected before, so that what it needs is protected too.
    pub(super) protects: bool,
}

impl Way {
    /// Whether the first failure ends the attempt.
    pub(super) fn fails_early(self) -> bool {
        !self.protects && !self.by_user
    }
}

impl Marks<'_, '_> {
    /// Marks a package, and with `dependencies` what it needs. Says whether all of that is well; what was marked until
    /// something was not stays marked.
    pub(super) fn install(&mut self, slot: Slot, dependencies: bool, depth: usize, by_user: bool) -> bool {
        let state = self.state(slot);
        let stays = state.protected
            && state.mode == Mode::Keep
            && state.candidate.is_some()
            && state.candidate == state.current;
        if !stays && !self.may_become(Mode::Install, slot, depth, by_user) {
            return false;
        }
        let Some(candidate) = state.candidate else {
            return false;
        };
        if !state.protected && !self.is_incomplete(slot) {
            if state.current == Some(candidate) {
                return state.install.is_some() || self.keep(slot, depth + 1);
            }
            if state.mode == Mode::Install {
                return true;
            }
        }
        self.marks += 1;
        if !self.is_installable(slot, dependencies, by_user) {
            return false;
        }
        if by_user {
            self.mark(slot, true);
        }
        if !dependencies {
            if !by_user {
                self.mark(slot, false);
            }
            return true;
        }
        let way = Way {
            depth,
            by_user,
            protects: state.protected,
        };
        self.install_with(slot, candidate, way)
    }

    fn install_with(&mut self, slot: Slot, id: PackageId, way: Way) -> bool {
        let groups = self.relations.of(id);
        let wanted = |group: &&Group<'_>| (way.protects || !self.holds(group)) && self.is_important(group);
        let wanted: Vec<&Group<'_>> = groups.iter().filter(wanted).collect();
        let mut failed = false;
        let (mut to_upgrade, mut to_remove) = (Vec::new(), Vec::new());
        let excluded = wanted.iter().filter(|group| group.kind.is_negative()).copied();
        if !self.give_way(excluded.collect(), way, &mut to_upgrade, &mut to_remove) {
            if way.fails_early() {
                return false;
            }
            failed = true;
        }
        self.dependents(slot, id, &to_remove, &mut to_upgrade);
        if !way.by_user {
            self.mark(slot, false);
        }
        // While its dependencies are chosen a package is protected.
        self.change(slot, |state| state.protected = true);
        let done = self.mark_others(slot, id, &wanted, way, to_upgrade, to_remove);
        if !way.protects {
            self.change(slot, |state| state.protected = false);
        }
        match done {
            Some(well) => well && !failed,
            None => {
                self.discard(slot);
                false
            }
        }
    }

    /// Marks what a package leads to; nothing for the end of the attempt, else whether all is well.
    fn mark_others(
        &mut self,
        slot: Slot,
        id: PackageId,
        wanted: &[&Group<'_>],
        way: Way,
        to_upgrade: Vec<Slot>,
        to_remove: Vec<Slot>,
    ) -> Option<bool> {
        let mut well = true;
        let fail = |well: &mut bool| {
            *well = false;
            (!way.fails_early()).then_some(())
        };
        self.upgrade_source(slot, id, way.depth);
        for other in to_upgrade {
            if self.state(other).mode == Mode::Install || self.install(other, true, way.depth + 1, false) {
                continue;
            }
            if !self.delete(other, way.depth + 1) {
                fail(&mut well)?;
            } else if way.protects {
                self.change(other, |state| state.protected = true);
            }
        }
        for group in wanted.iter().filter(|group| !group.kind.is_negative()) {
            if !self.install_one(slot, group, way) {
                fail(&mut well)?;
            }
        }
        for other in to_remove {
            if !self.delete(other, way.depth) {
                fail(&mut well)?;
            }
        }
        Some(well)
    }

    /// Marks a solution of a dependency; false where a package cannot be without it and there is none.
    fn install_one(&mut self, slot: Slot, group: &Group<'_>, way: Way) -> bool {
        let critical = group.kind.is_critical();
        let deeper = way.depth + 1;
        if self.holds(group) {
            if !way.protects || !critical {
                return true;
            }
            // The only one counts as requested, too.
            let all = self.all_solutions(group);
            let [only] = all.as_slice() else { return true };
            let only = self.universe.slot_of(*only);
            if self.state(only).protected {
                return true;
            }
            self.change(only, |state| state.protected = true);
            return self.install(only, true, deeper, false);
        }
        if self.state(slot).current.is_some() && !critical && !self.is_news(slot, group) {
            return true;
        }
        let solutions = self.solutions(group, Which::Candidates);
        let only = way.protects && critical && solutions.len() == 1;
        for id in solutions {
            let other = self.universe.slot_of(id);
            if self.state(other).candidate != Some(id) {
                continue;
            }
            if only {
                if !self.install(other, false, deeper, false) {
                    continue;
                }
                self.change(other, |state| state.protected = true);
            }
            if self.install(other, true, deeper, false) {
                return true;
            }
        }
        !critical
    }

    /// Whether what a new version recommends is not what the installed one recommended in vain.
    fn is_news(&self, slot: Slot, group: &Group<'_>) -> bool {
        let Some(current) = self.state(slot).current else {
            return true;
        };
        let name = group.choices.first().map(|choice| choice.name);
        let groups = self.relations.of(current);
        let mut same = groups.iter().filter(|other| {
            let named = other.choices.iter().any(|choice| Some(choice.name) == name);
            named && !other.kind.is_critical() && self.is_important(other)
        });
        let mut seen = false;
        let satisfied = same.any(|other| {
            seen = true;
            self.held_before(other)
        });
        !seen || satisfied
    }

    /// Adds the installed packages that need the installed version of a package that is replaced.
    fn dependents(&self, slot: Slot, id: PackageId, to_remove: &[Slot], to_upgrade: &mut Vec<Slot>) {
        let Some(current) = self.state(slot).current else {
            return;
        };
        for other in &self.installed {
            let state = self.state(*other);
            let Some(version) = state.current else { continue };
            if state.mode != Mode::Keep || to_remove.contains(other) || to_upgrade.contains(other) {
                continue;
            }
            let groups = self.relations.of(version);
            let lost = groups.iter().any(|group| {
                let means = |choice: &crate::relations::Choice<'_>, id| {
                    choice.targets.iter().take(choice.own).any(|t| *t == id)
                };
                let lost = |choice| means(choice, current) && !means(choice, id);
                !group.kind.is_negative() && self.is_important(group) && group.choices.iter().any(lost)
            });
            if lost {
                to_upgrade.push(*other);
            }
        }
    }

    /// Upgrades installed packages of the same source package to the same version of it.
    fn upgrade_source(&mut self, slot: Slot, id: PackageId, depth: usize) {
        let universe = self.universe;
        let package = universe.package(id);
        let is_outdated = |other: &&Slot| {
            let state = self.state(**other);
            **other != slot && state.mode != Mode::Install && state.candidate != state.current
        };
        let outdated: Vec<Slot> = self.installed.iter().filter(is_outdated).copied().collect();
        let same = |other: &Slot| {
            let candidate = self.state(*other).candidate.map(|id| universe.package(id));
            candidate.is_some_and(|other| {
                other.source == package.source && other.source_version() == package.source_version()
            })
        };
        let outdated: Vec<Slot> = outdated.into_iter().filter(same).collect();
        for dependencies in [false, true] {
            for other in &outdated {
                self.install(*other, dependencies, depth + 1, false);
            }
        }
    }

    /// Puts a package into its new state.
    fn mark(&mut self, slot: Slot, by_user: bool) {
        let state = self.state(slot);
        if state.protected && state.install == state.candidate {
            return;
        }
        self.change(slot, |state| {
            state.mode = Mode::Install;
            state.install = state.candidate;
            if by_user {
                state.automatic = false;
            } else if state.current.is_none() {
                state.automatic = true;
            }
            if state.candidate == state.current {
                state.mode = Mode::Keep;
            }
        });
        self.order.retain(|known| *known != slot);
        self.order.push(slot);
        self.look_at(slot);
    }

    /// Takes the mark of a package back, for good.
    fn discard(&mut self, slot: Slot) {
        let state = self.state(slot);
        if state.mode == Mode::Keep && state.install == state.candidate && state.candidate == state.current {
            return;
        }
        self.change(slot, |state| {
            state.install = state.current;
            state.mode = Mode::Keep;
        });
        self.look_at(slot);
        self.discard_candidate(slot);
    }

    pub(super) fn discard_candidate(&mut self, slot: Slot) {
        let install = self.state(slot).install;
        self.set_candidate(slot, install);
    }

    /// Whether a package may be tried; a candidate that can never be installed is given up.
    fn is_installable(&mut self, slot: Slot, dependencies: bool, by_user: bool) -> bool {
        let universe = self.universe;
        let state = self.state(slot);
        let Some(id) = state.candidate else { return false };
        if !by_user && !self.is_in_step(slot, id) {
            return false;
        }
        let satisfiable = if universe.package(id).malformed.is_some() {
            false
        } else if !dependencies || state.current == Some(id) {
            true
        } else {
            let groups = self.relations.of(id);
            let mut needed = groups
                .iter()
                .filter(|group| group.kind.is_critical() && !group.kind.is_negative());
            needed
                .all(|group| self.holds(group) || group.choices.iter().any(|choice| self.remembered(choice)))
        };
        if !satisfiable && !state.protected {
            match state.current {
                Some(current) => self.prefer(current),
                None => self.set_candidate(slot, None),
            }
            if state.mode != Mode::Delete {
                self.change(slot, |state| state.mode = Mode::Keep);
            }
        }
        satisfiable
    }

    /// Whether the installed siblings of a package with `Multi-Arch: same` can have the same version.
    fn is_in_step(&self, slot: Slot, id: PackageId) -> bool {
        let universe = self.universe;
        let state = self.state(slot);
        if (state.mode == Mode::Install && state.install == state.candidate)
            || state.current == Some(id)
            || universe.multi_arch(id) != MultiArch::Same
        {
            return true;
        }
        let siblings = universe.slots_named(universe.slot_name(slot)).iter();
        siblings.filter(|other| **other != slot).all(|other| {
            let other = self.state(*other);
            let Some(candidate) = other.candidate.filter(|_| other.current.is_some()) else {
                return true;
            };
            universe.version(candidate) == universe.version(id)
                || universe.multi_arch(candidate) != MultiArch::Same
        })
    }
}
