//! The relations of packages with the versions that each means, as apt's cache has them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::package::PackageId;
use super::universe::Universe;
use deb_types::MultiArch;
use deb_types::relation::Relation;

/// The kinds of relations that decide what is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
}

impl Kind {
    pub(crate) fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }

    /// Whether a package without it is broken.
    pub(crate) fn is_critical(self) -> bool {
        !matches!(self, Self::Recommends | Self::Suggests)
    }
}

/// One alternative of a group.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// The name that it has; of another group of packages than all others where it names an architecture, for apt.
    pub(crate) name: &'a str,
    /// Whether it names an architecture, or any.
    pub(crate) qualified: bool,
    /// Whether it has a bound.
    pub(crate) versioned: bool,
    /// The relation that it was made from; none for what Multi-Arch means.
    pub(crate) relation: Option<Relation<'a>>,
    /// Versions that it means: those of that name, newest first, then those that provide it.
    pub(crate) targets: Vec<PackageId>,
    /// How many of the targets have that name.
    pub(crate) own: usize,
}

/// Alternatives of which one is enough, or one conflict.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) kind: Kind,
    pub(crate) choices: Vec<Choice<'a>>,
}

impl Group<'_> {
    /// The versions that one of the alternatives means.
    pub(crate) fn targets(&self) -> impl Iterator<Item = PackageId> {
        self.choices
            .iter()
            .flat_map(|choice| choice.targets.iter().copied())
    }
}

type Groups<'u> = Rc<[Group<'u>]>;

/// The relations of all packages, each looked up at its first use.
#[derive(Debug)]
pub(crate) struct Relations<'u, 'a> {
    universe: &'u Universe<'a>,
    known: RefCell<HashMap<PackageId, Groups<'u>>>,
    /// Whether suggested packages are looked at.
    suggests: bool,
}

impl<'u, 'a> Relations<'u, 'a> {
    pub(crate) fn new(universe: &'u Universe<'a>, suggests: bool) -> Self {
        Self {
            universe,
            known: RefCell::default(),
            suggests,
        }
    }

    /// The relations of a version, in apt's order.
    pub(crate) fn of(&self, id: PackageId) -> Groups<'u> {
        if let Some(known) = self.known.borrow().get(&id) {
            return Rc::clone(known);
        }
        let made: Groups<'u> = self.make(id).into();
        self.known.borrow_mut().insert(id, Rc::clone(&made));
        made
    }

    fn make(&self, id: PackageId) -> Vec<Group<'u>> {
        let universe = self.universe;
        let package = universe.package(id);
        let slot = universe.slot_of(id);
        let owner = universe.slot_arch(slot);
        let mut groups = Vec::new();
        let positive =
            |kind, list: &'u [deb_types::relation::Alternatives<'a>], groups: &mut Vec<Group<'u>>| {
                groups.extend(list.iter().map(|group| {
                    Group {
                        kind,
                        choices: group
                            .iter()
                            .map(|relation| self.choice(relation, owner))
                            .collect(),
                    }
                }));
            };
        positive(Kind::PreDepends, &package.pre_depends, &mut groups);
        positive(Kind::Depends, &package.depends, &mut groups);
        for (kind, list) in [
            (Kind::Conflicts, &package.conflicts),
            (Kind::Breaks, &package.breaks),
        ] {
            for relation in list {
                let mut choice = self.choice_of(relation, owner, true);
                // Conflicts of a package with itself mean nothing; which architectures of one name can be
                // installed together is decided by `Multi-Arch`, below.
                let name = universe.slot_name(slot);
                let is_other = |target: &PackageId| universe.slot_name(universe.slot_of(*target)) != name;
                let own = choice
                    .targets
                    .iter()
                    .take(choice.own)
                    .filter(|t| is_other(t))
                    .count();
                choice.targets.retain(is_other);
                choice.own = own;
                groups.push(Group {
                    kind,
                    choices: vec![choice],
                });
            }
        }
        positive(Kind::Recommends, &package.recommends, &mut groups);
        if self.suggests {
            positive(Kind::Suggests, &package.suggests, &mut groups);
        }
        // What Multi-Arch means for packages of the same name.
        let same = universe.multi_arch(id) == MultiArch::Same;
        for other in universe
            .slots_named(universe.slot_name(slot))
            .iter()
            .filter(|other| **other != slot)
        {
            let excluded = |target: &PackageId| !same || universe.version(*target) != package.version;
            let targets: Vec<PackageId> = universe
                .versions(*other)
                .iter()
                .copied()
                .filter(excluded)
                .collect();
            groups.push(Group {
                kind: if same { Kind::Breaks } else { Kind::Conflicts },
                choices: vec![Choice {
                    name: universe.slot_name(slot),
                    qualified: true,
                    versioned: same,
                    relation: None,
                    own: targets.len(),
                    targets,
                }],
            });
        }
        groups
    }

    fn choice(&self, relation: &'u Relation<'a>, owner: u8) -> Choice<'u> {
        self.choice_of(relation, owner, false)
    }

    fn choice_of(&self, relation: &'u Relation<'a>, owner: u8, negative: bool) -> Choice<'u> {
        let universe = self.universe;
        let targets = universe.targets(relation, owner, negative);
        let named = |target: &&PackageId| universe.slot_name(universe.slot_of(**target)) == relation.name;
        Choice {
            name: relation.name,
            qualified: relation.qualifier.is_some(),
            versioned: relation.bound.is_some(),
            relation: Some(*relation),
            own: targets.iter().take_while(named).count(),
            targets,
        }
    }
}
