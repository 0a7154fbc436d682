//! Packages that exclude each other, and the messages for it.

use super::{MarkFailure, Marked, Marker, SlotState};
use crate::package::{DependencyKind, PackageId};
use crate::universe::Slot;
use deb_types::MultiArch;
use deb_types::relation::{Relation, display_alternatives};

impl Marker<'_, '_> {
    /// Checks that a package can be installed together with the chosen ones.
    pub(super) fn check(&self, id: PackageId) -> Marked {
        let universe = self.universe;
        let package = universe.package(id);
        let slot = universe.slot_of(id);
        if let Some((field, text)) = package.malformed {
            let reason = if text.is_empty() {
                format!("the index gives no {field} for {}", self.name(id))
            } else {
                format!(
                    "the index's {field} of {} is malformed at {text:?}",
                    self.name(id)
                )
            };
            return Err(MarkFailure::new(reason));
        }
        let arch = self.arch_of(id);
        for (verb, relation) in package.negatives() {
            if let Some(other) = self.hit(slot, arch, relation) {
                return Err(MarkFailure::new(self.clash(id, verb, relation, other)));
            }
        }
        let names = std::iter::once(package.name).chain(package.provides.iter().map(|p| p.name));
        for name in names {
            for other in self.unwanted.get(name).into_iter().flatten() {
                let Some(other_id) = self.state(*other).chosen else {
                    continue;
                };
                for (verb, relation) in universe.package(other_id).negatives() {
                    if relation.name == name
                        && !self.same_name(*other, slot)
                        && universe
                            .targets(relation, self.arch_of(other_id), true)
                            .contains(&id)
                    {
                        return Err(MarkFailure::new(self.clash(other_id, verb, relation, id)));
                    }
                }
            }
        }
        for other in universe.slots_named(package.name) {
            let Some(other_id) = self.state(*other).chosen.filter(|_| *other != slot) else {
                continue;
            };
            let same = universe.multi_arch(id) == MultiArch::Same
                && universe.multi_arch(other_id) == MultiArch::Same;
            if !same || universe.package(other_id).version != package.version {
                let why = match same {
                    true => "packages that are Multi-Arch: same have to be of one version",
                    false => "it is not Multi-Arch: same in both",
                };
                return Err(MarkFailure::new(format!(
                    "{} {} and {} {} cannot be installed together: {why}",
                    self.name(id),
                    package.version,
                    self.name(other_id),
                    universe.package(other_id).version
                )));
            }
        }
        Ok(())
    }

    /// Returns the chosen package that a negative relation excludes, if any.
    fn hit(&self, slot: Slot, arch: u8, relation: &Relation<'_>) -> Option<PackageId> {
        let targets = self.universe.targets(relation, arch, true);
        targets.into_iter().find(|target| {
            let other = self.universe.slot_of(*target);
            self.is_chosen(*target) && !self.same_name(slot, other)
        })
    }

    /// Whether two slots have one name. Conflicts of a package with itself mean nothing; which
    /// architectures of one name can be installed together is decided by `Multi-Arch`.
    fn same_name(&self, a: Slot, b: Slot) -> bool {
        self.universe.slot_name(a) == self.universe.slot_name(b)
    }

    pub(super) fn clash(
        &self,
        id: PackageId,
        verb: &str,
        relation: &Relation<'_>,
        other: PackageId,
    ) -> String {
        let is = self.universe.package(other);
        let provided = if is.name == relation.name {
            ""
        } else {
            ", which provides it,"
        };
        let how = if self.state(self.universe.slot_of(other)).installed {
            "is already installed"
        } else {
            "is to be installed too"
        };
        format!(
            "{} {} {verb} {relation}, but {} {}{provided} {how}",
            self.name(id),
            self.universe.package(id).version,
            self.name(other),
            is.version
        )
    }

    /// Rules out the candidates a requested package conflicts with.
    pub(super) fn rule_out(&mut self, slot: Slot, id: PackageId) {
        let universe = self.universe;
        for (verb, relation) in universe.package(id).negatives() {
            for target in universe.targets(relation, self.arch_of(id), true) {
                let other = universe.slot_of(target);
                let state = self.state(other);
                if state.candidate == Some(target) && state.chosen.is_none() && !self.same_name(slot, other) {
                    let why = format!("{} {verb} {relation}", self.name(id));
                    self.discarded.insert(other, why);
                    self.set(
                        other,
                        SlotState {
                            candidate: None,
                            ..state
                        },
                    );
                }
            }
        }
    }

    /// Returns a text that says why no package satisfies a dependency.
    pub(super) fn unmet(&self, id: PackageId, kind: DependencyKind, group: &[Relation<'_>]) -> String {
        let universe = self.universe;
        let mut text = format!(
            "{} {} {}, but ",
            self.name(id),
            kind.verb(),
            display_alternatives(group)
        );
        let mut why = Vec::new();
        let owner = self.arch_of(id);
        let is_own = |slot: &&Slot| universe.slot_arch(**slot) == owner;
        for relation in group {
            let targets = universe.targets(relation, self.arch_of(id), false);
            let ruled = targets.iter().find_map(|t| {
                let slot = universe.slot_of(*t);
                self.state(slot)
                    .candidate
                    .is_none()
                    .then(|| self.discarded.get(&slot))
                    .flatten()
            });
            let slots = universe.slots_named(relation.name);
            why.push(if let Some(ruled) = ruled {
                format!("{} is out of the question because {ruled}", relation.name)
            } else if let Some(slot) = slots.iter().find(is_own).or_else(|| slots.first()) {
                let candidate = self.state(*slot).chosen.or(self.state(*slot).candidate);
                match candidate {
                    // The version would do.
                    Some(id)
                        if universe.slot_arch(*slot) != owner
                            && relation
                                .bound
                                .is_none_or(|bound| bound.allows(universe.package(id).version)) =>
                    {
                        format!(
                            "{} {} is of another architecture, for which it would have to be Multi-Arch: {}",
                            self.name(id),
                            universe.package(id).version,
                            if relation.qualifier == Some("any") {
                                "allowed"
                            } else {
                                "foreign"
                            }
                        )
                    }
                    Some(id) => format!(
                        "only {} {} is available",
                        self.name(id),
                        universe.package(id).version
                    ),
                    None => format!("{} cannot be installed", relation.name),
                }
            } else if let Some(provider) = universe.providers(relation.name).first() {
                format!(
                    "only {} provides {}, and not in such a version",
                    self.name(*provider),
                    relation.name
                )
            } else {
                format!("there is no package {}", relation.name)
            });
        }
        text.push_str(&why.join(" and "));
        text
    }
}
