//! Clauses are made from the relations of packages, as they are reached.

use std::collections::{HashSet, VecDeque};

use super::{Clause, Decision, Solver, Turn, Var};
use crate::package::PackageId;
use crate::relations::{Choice, Group, Kind};
use crate::universe::Slot;
use deb_types::MultiArch;

/// By which two dependencies are the same: as they are written, whatever they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Relation(Kind, Vec<String>),
    /// What Multi-Arch means, with the packages that it rules out.
    Siblings(Kind, Vec<PackageId>),
    /// A relation that decides nothing.
    Other(String),
}

/// A dependency of a version.
enum Dependency {
    Group(usize),
    Other(String),
}

impl Solver<'_, '_, '_> {
    pub(super) fn register(&mut self, clause: Clause) -> usize {
        let number = self.clauses.len();
        if let Some(reason) = clause.reason {
            self.states.entry(reason).or_default().clauses.push(number);
        }
        for var in &clause.solutions {
            self.states.entry(*var).or_default().uses.push(number);
        }
        self.clauses.push(clause);
        number
    }

    /// Makes the clauses of a variable, and of all that can be reached from it.
    pub(super) fn discover(&mut self, var: Var) {
        let mut todo = VecDeque::from([var]);
        while let Some(mut var) = todo.pop_front() {
            if let Var::Version(id) = var {
                let package = Var::Package(self.marks.universe.slot_of(id));
                if !self.states.entry(package).or_default().discovered {
                    var = package;
                }
            }
            let state = self.states.entry(var).or_default();
            if std::mem::replace(&mut state.discovered, true) {
                continue;
            }
            match var {
                Var::Package(slot) => self.discover_package(slot),
                Var::Version(id) => self.discover_version(id),
            }
            let clauses = self.states.get(&var).map_or(&[][..], |state| &state.clauses);
            for number in clauses {
                let solutions = self
                    .clauses
                    .get(*number)
                    .map_or(&[][..], |clause| &clause.solutions);
                let open = |var: &&Var| {
                    let state = self.states.get(*var);
                    !state.is_some_and(|s| s.decision == Decision::MustNot && s.depth == 0)
                };
                todo.extend(solutions.iter().filter(open));
            }
        }
    }

    fn discover_package(&mut self, slot: Slot) {
        let universe = self.marks.universe;
        let versions = universe.versions(slot);
        let mut solutions: Vec<Var> = versions.iter().map(|id| Var::Version(*id)).collect();
        self.sort(&mut solutions, universe.slot_name(slot));
        self.register(Clause {
            reason: Some(Var::Package(slot)),
            turn: Turn::Version,
            solutions,
            optional: false,
            negative: false,
            key: None,
        });
        // What all versions need, the package needs.
        let Some((first, others)) = versions.split_first() else {
            return;
        };
        let others: Vec<Vec<Key>> = others.iter().map(|id| self.keys(*id)).collect();
        for (dependency, key) in self.dependencies(*first).into_iter().zip(self.keys(*first)) {
            if others.iter().all(|keys| keys.contains(&key)) {
                let clause = self.translate(*first, &dependency, key, Var::Package(slot));
                self.register(clause);
            }
        }
    }

    fn discover_version(&mut self, id: PackageId) {
        let universe = self.marks.universe;
        let slot = universe.slot_of(id);
        let var = Var::Version(id);
        let select = |solution, negative| Clause {
            reason: Some(var),
            turn: Turn::Version,
            solutions: vec![solution],
            optional: false,
            negative,
            key: None,
        };
        self.register(select(Var::Package(slot), false));
        for other in universe.versions(slot).iter().filter(|other| **other != id) {
            self.register(select(Var::Version(*other), true));
        }
        for (dependency, key) in self.dependencies(id).into_iter().zip(self.keys(id)) {
            let of_package = self
                .states
                .get(&Var::Package(slot))
                .map_or(&[][..], |s| &s.clauses);
            let same = |number: &usize| {
                self.clauses
                    .get(*number)
                    .is_some_and(|c| c.key.as_ref() == Some(&key))
            };
            if of_package.iter().any(same) {
                continue;
            }
            let clause = self.translate(id, &dependency, key, var);
            self.register(clause);
        }
    }

    /// The dependencies of a version in apt's order.
    fn dependencies(&self, id: PackageId) -> Vec<Dependency> {
        let universe = self.marks.universe;
        let package = universe.package(id);
        let groups = self.marks.relations.of(id);
        let own = groups.len() - universe.slots_named(package.name).len().saturating_sub(1);
        let mut all: Vec<Dependency> = (0..own).map(Dependency::Group).collect();
        for relation in &package.replaces {
            let count = relation
                .qualifier
                .map_or_else(|| self.architectures_of(relation.name), |_| 1);
            let one = || Dependency::Other(format!("replaces {relation}"));
            all.extend(std::iter::repeat_with(one).take(count));
        }
        let enhances = package
            .stanza
            .lines()
            .find_map(|line| line.strip_prefix("Enhances: "));
        let enhances = enhances.into_iter().flat_map(|list| list.split(','));
        all.extend(enhances.map(|one| Dependency::Other(format!("enhances {}", one.trim()))));
        for number in own..groups.len() {
            if groups.get(number).is_some_and(|group| group.kind == Kind::Breaks) {
                all.push(Dependency::Other(format!(
                    "replaces others than {}",
                    package.version
                )));
            }
            all.push(Dependency::Group(number));
        }
        all
    }

    /// For how many architectures apt knows a name, at least one: what concerns all of them it notes for each.
    fn architectures_of(&self, name: &str) -> usize {
        let universe = self.marks.universe;
        let versions = universe
            .slots_named(name)
            .iter()
            .flat_map(|slot| universe.versions(*slot));
        let mut known = HashSet::new();
        for id in versions.copied().chain(universe.providers(name)) {
            if universe.multi_arch(id) == MultiArch::Foreign {
                return universe.architectures().len();
            }
            known.insert(universe.slot_arch(universe.slot_of(id)));
        }
        known.len().max(1)
    }

    pub(super) fn keys(&self, id: PackageId) -> Vec<Key> {
        let groups = self.marks.relations.of(id);
        let key = |dependency| match dependency {
            Dependency::Other(text) => Key::Other(text),
            Dependency::Group(number) => match groups.get(number) {
                None => Key::Other(String::new()),
                Some(group) => {
                    let relations = group.choices.iter().map(|choice| choice.relation);
                    match relations.collect::<Option<Vec<_>>>() {
                        Some(all) => Key::Relation(group.kind, all.iter().map(ToString::to_string).collect()),
                        None => Key::Siblings(group.kind, group.targets().collect()),
                    }
                }
            },
        };
        self.dependencies(id).into_iter().map(key).collect()
    }

    fn translate(&mut self, id: PackageId, dependency: &Dependency, key: Key, reason: Var) -> Clause {
        // Without a key: for apt what decides nothing is no dependency, and comes again with each version.
        let nothing = || Clause {
            reason: Some(reason),
            turn: Turn::Satisfy,
            solutions: Vec::new(),
            optional: true,
            negative: false,
            key: None,
        };
        let groups = self.marks.relations.of(id);
        let Dependency::Group(number) = dependency else {
            return nothing();
        };
        let Some(group) = groups.get(*number) else {
            return nothing();
        };
        let owner = self.marks.universe.slot_of(id);
        let is_there = self.marks.state(owner).current.is_some();
        if !is_there && !self.marks.is_important(group) {
            return nothing();
        }
        let mut clause = Clause {
            reason: Some(reason),
            turn: Turn::Satisfy,
            solutions: self.solutions(group, owner),
            optional: !group.kind.is_critical(),
            negative: group.kind.is_negative(),
            key: Some(key),
        };
        let current = |var: &Var| self.marks.state(self.slot(*var)).current.is_some();
        clause.solutions.sort_by_key(|var| !current(var));
        if !clause.solutions.iter().any(current) {
            clause.turn = Turn::New;
        }
        let slots: Vec<Slot> = clause.solutions.iter().map(|var| self.slot(*var)).collect();
        if slots.into_iter().any(|slot| self.is_obsolete(slot)) {
            clause.turn = Turn::Obsolete;
        }
        if clause.optional && is_there && !self.keep_optional(group, &mut clause) {
            return nothing();
        }
        clause
    }

    /// What an installed package recommends is kept where it is there; false for what was not there and stays so.
    fn keep_optional(&self, group: &Group<'_>, clause: &mut Clause) -> bool {
        let satisfied = clause.solutions.iter().any(|var| match var {
            Var::Package(slot) => self.marks.state(*slot).current.is_some(),
            Var::Version(id) => self.marks.state(self.slot(*var)).current == Some(*id),
        });
        if self.marks.is_important(group) {
            return satisfied;
        }
        if satisfied {
            clause.turn = Turn::Suggested;
            clause
                .solutions
                .retain(|var| self.marks.state(self.slot(*var)).current.is_some());
        }
        satisfied
    }

    fn slot(&self, var: Var) -> Slot {
        match var {
            Var::Package(slot) => slot,
            Var::Version(id) => self.marks.universe.slot_of(id),
        }
    }

    fn solutions(&self, group: &Group<'_>, owner: Slot) -> Vec<Var> {
        let universe = self.marks.universe;
        let first = group.choices.first();
        let name = first
            .filter(|choice| !choice.qualified)
            .map_or("", |choice| choice.name);
        let mut all = Vec::new();
        for choice in &group.choices {
            if let Some(slot) = self.deferred(choice, group, owner) {
                all.push(Var::Package(slot));
                continue;
            }
            let mut found: Vec<Var> = choice.targets.iter().map(|id| Var::Version(*id)).collect();
            if group.kind.is_negative() && choice.qualified && choice.own == 0 {
                found.retain(|var| universe.slot_name(self.slot(*var)) != choice.name);
            }
            self.sort(&mut found, name);
            all.extend(found);
        }
        all
    }

    /// The package of a name whose version may be chosen later: any would do, and nothing else provides it.
    fn deferred(&self, choice: &Choice<'_>, group: &Group<'_>, owner: Slot) -> Option<Slot> {
        let universe = self.marks.universe;
        if group.kind.is_negative() || choice.qualified {
            return None;
        }
        let slot = universe.slot(choice.name, universe.slot_arch(owner))?;
        let versions = universe.versions(slot);
        let all =
            choice.targets.len() == versions.len() && versions.iter().all(|id| choice.targets.contains(id));
        (all && universe.providers(choice.name).is_empty()).then_some(slot)
    }
}
