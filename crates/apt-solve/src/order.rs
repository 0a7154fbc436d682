//! The order in which apt gives packages to dpkg.
//!
//! The order shows in the result: user ids are assigned and links are made in the
//! order of configuration. For an installation into a system where nothing is
//! replaced or removed, apt's ordering consists of four walks over the
//! dependencies, each over the list of the one before, and then of a pass that
//! unpacks in that order and configures some packages early: those of a
//! `Pre-Depends`, and essential packages with their dependencies ("immediate").

mod pass;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::package::{DependencyKind, PackageId};
use super::step::Step;
use super::universe::{Slot, Universe};

/// One alternative of a dependency.
struct DependencyEdge {
    /// Number of the member of that name, if there is one.
    named: Option<usize>,
    /// Numbers of the members that satisfy it.
    members: Vec<usize>,
    /// Whether a package that was installed before satisfies it.
    installed: bool,
}

struct DependencyGroup {
    kind: DependencyKind,
    edges: Vec<DependencyEdge>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PackageState {
    #[default]
    Now,
    Unpacked,
    Configured,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WalkMode {
    /// Pre-Depends only.
    Critical,
    /// All dependencies, for packages configured at once.
    Immediate,
    /// Pre-Depends, and below the first level Depends too.
    PreDepends,
}

/// Computes apt's order for the packages of one phase.
pub(super) struct Orderer {
    members: Vec<PackageId>,
    groups: Vec<Rc<Vec<DependencyGroup>>>,
    siblings: Vec<Vec<usize>>,
    immediate: Vec<bool>,
    score: Vec<u32>,
    names: Vec<(String, std::cmp::Reverse<u8>)>,
    // Of the walk under way:
    added: Vec<bool>,
    pending: Vec<bool>,
    list: Vec<usize>,
    depth: usize,
    walk: WalkMode,
    with_depends: bool,
    // Of the pass:
    progress: Vec<PackageState>,
    looping: Vec<bool>,
    steps: Vec<Step>,
}

impl Orderer {
    /// Prepares the order of `members` in a system with the packages `installed`.
    /// With `apt_too` the package apt counts as essential, as it does for apt by default.
    pub(super) fn new(
        universe: &Universe<'_>,
        members: &[PackageId],
        installed: &HashSet<PackageId>,
        apt_too: bool,
    ) -> Self {
        let essential = |id: PackageId| {
            let package = universe.package(id);
            package.essential || (apt_too && package.name == "apt")
        };
        let numbers: HashMap<PackageId, usize> = members.iter().enumerate().map(|(n, id)| (*id, n)).collect();
        let by_slot: HashMap<_, PackageId> = members
            .iter()
            .chain(installed)
            .map(|id| (universe.slot_of(*id), *id))
            .collect();
        let immediate_slots = immediate(universe, &by_slot, &essential);
        let count = members.len();
        let mut orderer = Self {
            members: members.to_vec(),
            groups: Vec::with_capacity(count),
            siblings: Vec::with_capacity(count),
            immediate: Vec::with_capacity(count),
            score: Vec::with_capacity(count),
            names: Vec::with_capacity(count),
            added: vec![false; count],
            pending: vec![false; count],
            list: Vec::new(),
            depth: 0,
            walk: WalkMode::Critical,
            with_depends: true,
            progress: vec![PackageState::Now; count],
            looping: vec![false; count],
            steps: Vec::new(),
        };
        for id in members {
            let package = universe.package(*id);
            let slot = universe.slot_of(*id);
            let owner = universe.slot_arch(slot);
            let mut groups = Vec::new();
            for (kind, group) in package.required() {
                let edges = group.iter().map(|relation| {
                    let targets = universe.targets(relation, owner, false);
                    DependencyEdge {
                        named: universe
                            .slot(relation.name, owner)
                            .and_then(|slot| by_slot.get(&slot))
                            .and_then(|id| numbers.get(id))
                            .copied(),
                        members: targets.iter().filter_map(|t| numbers.get(t)).copied().collect(),
                        installed: targets.iter().any(|t| installed.contains(t)),
                    }
                });
                groups.push(DependencyGroup {
                    kind,
                    edges: edges.collect(),
                });
            }
            let is_immediate = immediate_slots.contains(&slot);
            let mut score = match universe.priority(*id) {
                1 => 5,
                2 => 4,
                3 => 3,
                4 => 1,
                _ => 0,
            };
            if essential(*id) {
                score += 200;
            }
            if is_immediate {
                score += 10;
            }
            if !package.pre_depends.is_empty() {
                score += 50;
            }
            let siblings = universe.slots_named(package.name).iter().filter(|s| **s != slot);
            let siblings = siblings.filter_map(|s| numbers.get(by_slot.get(s)?)).copied();
            orderer
                .siblings
                .push(if package.multi_arch == deb_types::MultiArch::Same {
                    siblings.collect()
                } else {
                    Vec::new()
                });
            orderer.groups.push(Rc::new(groups));
            orderer.immediate.push(is_immediate);
            orderer.score.push(score);
            orderer
                .names
                .push((package.name.to_owned(), std::cmp::Reverse(owner)));
        }
        orderer
    }

    /// Returns the steps, the last of which configures all packages that are left.
    pub(super) fn run(mut self) -> Vec<Step> {
        let mut list: Vec<usize> = (0..self.members.len()).collect();
        list.sort_by(|a, b| {
            let score = |n: &usize| self.score.get(*n).copied().unwrap_or(0);
            score(b)
                .cmp(&score(a))
                .then_with(|| self.names.get(*a).cmp(&self.names.get(*b)))
        });
        for (walk, with_depends) in [
            (WalkMode::Critical, true),
            (WalkMode::Critical, false),
            (WalkMode::Critical, false),
            (WalkMode::PreDepends, false),
        ] {
            self.added.fill(false);
            self.pending.fill(false);
            self.walk = walk;
            self.with_depends = with_depends;
            for number in list {
                self.visit(number);
            }
            list = std::mem::take(&mut self.list);
        }
        for number in &list {
            if self.progress[*number] == PackageState::Now {
                self.unpack(*number, self.immediate[*number]);
            }
        }
        // A cycle of Pre-Depends stops apt; dpkg with --force-depends takes the packages as they come.
        for number in list {
            if self.progress[number] == PackageState::Now {
                self.progress[number] = PackageState::Unpacked;
                self.emit_unpack(number);
            }
        }
        self.steps.push(Step::ConfigurePending);
        self.steps
    }

    fn emit_unpack(&mut self, number: usize) {
        let id = self.members[number];
        match self.steps.last_mut() {
            Some(Step::Unpack(ids)) => ids.push(id),
            _ => self.steps.push(Step::Unpack(vec![id])),
        }
    }

    fn emit_configure(&mut self, number: usize) {
        let id = self.members[number];
        match self.steps.last_mut() {
            Some(Step::Configure(ids)) => ids.push(id),
            _ => self.steps.push(Step::Configure(vec![id])),
        }
    }

    fn visit(&mut self, number: usize) {
        if self.added[number] || self.pending[number] {
            return;
        }
        self.depth += 1;
        self.pending[number] = true;
        let before = self.walk;
        if self.immediate[number] && self.walk != WalkMode::PreDepends {
            self.walk = WalkMode::Immediate;
        }
        let groups = Rc::clone(&self.groups[number]);
        self.visit_critical(number, &groups);
        if self.with_depends {
            let depends = groups.iter().filter(|g| g.kind == DependencyKind::Depends);
            for edge in depends.flat_map(|g| &g.edges) {
                self.visit_all(&edge.members);
            }
        }
        self.pending[number] = false;
        self.added[number] = true;
        self.list.push(number);
        self.walk = before;
        self.depth -= 1;
    }

    fn visit_all(&mut self, members: &[usize]) {
        for member in members {
            self.visit(*member);
        }
    }

    fn visit_critical(&mut self, number: usize, groups: &[DependencyGroup]) {
        let walk = self.walk;
        for group in groups {
            let pre = group.kind == DependencyKind::PreDepends;
            let considered = match walk {
                WalkMode::Critical => pre,
                WalkMode::Immediate => true,
                WalkMode::PreDepends => pre || self.depth > 1 || self.immediate[number],
            };
            if !considered {
                continue;
            }
            for edge in &group.edges {
                let met = edge.installed || edge.members.iter().any(|m| self.added[*m]);
                let named_pending = edge.named.is_some_and(|n| self.pending[n]);
                let looks_for_loops = pre || walk == WalkMode::PreDepends;
                if met && !(named_pending && looks_for_loops) {
                    continue;
                }
                if named_pending || edge.named.is_some_and(|n| self.added[n]) {
                    continue;
                }
                if walk == WalkMode::Critical {
                    self.walk = WalkMode::Immediate;
                }
                self.visit_all(&edge.members);
                self.walk = walk;
            }
        }
    }
}

/// Returns the slots apt configures as soon as they are unpacked: those of essential packages
/// and of the packages they depend on by name.
fn immediate(
    universe: &Universe<'_>,
    by_slot: &HashMap<Slot, PackageId>,
    essential: &dyn Fn(PackageId) -> bool,
) -> HashSet<Slot> {
    let roots = by_slot.iter().filter(|(_, id)| essential(**id));
    let mut todo: Vec<_> = roots.map(|(slot, _)| *slot).collect();
    let mut found: HashSet<_> = todo.iter().copied().collect();
    while let Some(slot) = todo.pop() {
        let Some(id) = by_slot.get(&slot) else { continue };
        let owner = universe.slot_arch(slot);
        for (_, group) in universe.package(*id).required() {
            for relation in group {
                if let Some(target) = universe.slot(relation.name, owner)
                    && found.insert(target)
                {
                    todo.push(target);
                }
            }
        }
    }
    found
}
