//! apt's own resolver, "internal" by its name among solvers: what `pkgDepCache` and `pkgProblemResolver` of apt do.
//!
//! Packages are marked one by one, each with its dependencies, and nothing is taken back where one fails further down:
//!
//! * a package that is there satisfies a dependency before anything else ([`install`]);
//! * of several solutions the best one is tried first ([`solutions`]);
//! * what a requested package cannot be without counts as requested too, and packages that exclude it give way;
//! * what is broken in the end is repaired by the scores of packages ([`repair`], [`scores`]);
//! * what nobody needs any more is not installed ([`sweep`]).
//!
//! apt remembers for each dependency whether a candidate satisfies it, and does not look again when a candidate is given
//! up ([`Marks::remembered`]). That decides what is tried, so it is done here as well.

mod conflicts;
mod install;
mod modes;
mod repair;
mod scores;
mod solutions;
mod suite;
mod sweep;

pub(crate) use solutions::later_first;
use std::collections::HashMap;

use super::package::PackageId;
use super::relations::{Choice, Group, Relations};
use super::universe::{Slot, Universe};

/// Limit for the length of a chain of dependencies, apt's own.
const DEEPEST: usize = 3000;
/// Limit for the number of marks: indexes can be made for which there is no end.
const MOST_MARKS: usize = 2_000_000;

/// What becomes of a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It stays as it is.
    #[default]
    Keep,
    /// Its candidate is installed.
    Install,
    /// It is removed.
    Delete,
}

/// What is known of a slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State {
    /// The version that would be installed.
    pub(crate) candidate: Option<PackageId>,
    /// The version that will be there.
    pub(crate) install: Option<PackageId>,
    /// The version that is there.
    pub(crate) current: Option<PackageId>,
    pub(crate) mode: Mode,
    /// Whether the request has decided this.
    pub(crate) protected: bool,
    /// Whether it is there for others alone.
    pub(crate) automatic: bool,
    /// Whether it stays as it is, whatever others need.
    pub(crate) held: bool,
}

/// Marks as they were at a time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    states: Vec<State>,
    order: Vec<Slot>,
}

/// The marks of all packages.
#[derive(Debug)]
pub(crate) struct Marks<'u, 'a> {
    pub(crate) universe: &'u Universe<'a>,
    pub(crate) relations: Relations<'u, 'a>,
    states: Vec<State>,
    /// Slots that were marked for installation, in that order; some are not any more.
    order: Vec<Slot>,
    /// What was requested since the last time that all was settled.
    requested: Vec<PackageId>,
    /// Slots with an installed version.
    pub(crate) installed: Vec<Slot>,
    pub(crate) recommends: bool,
    pub(crate) suggests: bool,
    marks: usize,
    clock: u32,
    /// Candidates that slots had before, each with the time of the change.
    changes: HashMap<Slot, Vec<(u32, Option<PackageId>)>>,
    /// When dependencies on a slot were looked at last.
    looked_at: HashMap<Slot, u32>,
    /// When dependencies on what a version provides were looked at last.
    looked_at_provides: HashMap<PackageId, u32>,
}

impl<'u, 'a> Marks<'u, 'a> {
    pub(crate) fn new(universe: &'u Universe<'a>, recommends: bool, suggests: bool) -> Self {
        let state = |slot| State {
            candidate: Some(universe.slot_candidate(Slot(slot))),
            ..State::default()
        };
        Self {
            universe,
            relations: Relations::new(universe, true),
            states: (0..universe.slots_len() as u32).map(state).collect(),
            order: Vec::new(),
            requested: Vec::new(),
            installed: Vec::new(),
            recommends,
            suggests,
            marks: 0,
            clock: 0,
            changes: HashMap::new(),
            looked_at: HashMap::new(),
            looked_at_provides: HashMap::new(),
        }
    }

    pub(crate) fn state(&self, slot: Slot) -> State {
        self.states.get(slot.0 as usize).copied().unwrap_or_default()
    }

    /// Whether a version will be there.
    pub(crate) fn is_there(&self, id: PackageId) -> bool {
        self.state(self.universe.slot_of(id)).install == Some(id)
    }

    fn is_candidate(&self, id: PackageId) -> bool {
        self.state(self.universe.slot_of(id)).candidate == Some(id)
    }

    fn is_current(&self, id: PackageId) -> bool {
        self.state(self.universe.slot_of(id)).current == Some(id)
    }

    fn change(&mut self, slot: Slot, to: impl FnOnce(&mut State)) {
        if let Some(state) = self.states.get_mut(slot.0 as usize) {
            to(state);
        }
    }

    /// Slots whose packages will be there, in the order in which they were marked, those that are there first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let new = |slot: &&Slot| self.state(**slot).current.is_none();
        self.installed
            .iter()
            .chain(self.order.iter().filter(new))
            .copied()
            .filter(|slot| self.state(*slot).install.is_some())
    }

    /// Returns the newly installed packages in the order of their marks.
    pub(crate) fn chosen(&self) -> Vec<PackageId> {
        let new = |slot: &&Slot| self.state(**slot).current.is_none();
        self.order
            .iter()
            .filter(new)
            .filter_map(|slot| self.state(*slot).install)
            .collect()
    }

    /// Returns packages that are installed and would be replaced or removed, each with what replaces it.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (PackageId, Option<PackageId>)> {
        self.installed.iter().filter_map(|slot| {
            let state = self.state(*slot);
            let current = state.current?;
            (state.install != Some(current)).then_some((current, state.install))
        })
    }

    /// Makes a version one that is installed.
    pub(crate) fn assume(&mut self, id: PackageId) {
        let slot = self.universe.slot_of(id);
        if self.state(slot).current.is_none() {
            self.installed.push(slot);
        }
        self.change(slot, |state| {
            *state = State {
                candidate: Some(id),
                install: Some(id),
                current: Some(id),
                ..State::default()
            };
        });
    }

    /// Makes all that will be there installed; what was requested is forgotten.
    pub(crate) fn settle(&mut self) {
        for id in self.chosen() {
            let slot = self.universe.slot_of(id);
            self.change(slot, |state| {
                state.install = None;
                state.current = None;
            });
            self.assume(id);
        }
        self.order.clear();
        self.requested.clear();
        self.changes.clear();
        self.looked_at.clear();
        self.looked_at_provides.clear();
        for state in &mut self.states {
            state.protected = false;
            state.held = false;
            state.mode = Mode::Keep;
        }
    }

    /// Returns packages that are not there and not to be installed.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = Slot> {
        let left = |state: &State| state.held || (state.protected && state.install.is_none());
        let numbered = self.states.iter().zip(0..).filter(move |(state, _)| left(state));
        numbered.map(|(_, number)| Slot(number))
    }

    /// Says whether all is well, and leaves out what nobody needs.
    fn finish(&mut self) -> bool {
        let malformed = |slot: Slot| {
            let id = self.state(slot).install;
            id.is_some_and(|id| self.universe.package(id).malformed.is_some())
        };
        let lacks = self.requested.iter().any(|id| !self.is_there(*id));
        if lacks || self.slots().any(|slot| self.is_broken(slot) || malformed(slot)) {
            return false;
        }
        self.sweep();
        true
    }

    /// Returns the marks as they are.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            states: self.states.clone(),
            order: self.order.clone(),
        }
    }

    /// Brings earlier marks back.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.states = snapshot.states;
        self.order = snapshot.order;
        self.changes.clear();
        self.looked_at.clear();
        self.looked_at_provides.clear();
    }

    fn tick(&mut self) -> u32 {
        self.clock += 1;
        self.clock
    }

    /// Changes the candidate of a slot, and nothing that depends on it.
    fn set_candidate(&mut self, slot: Slot, candidate: Option<PackageId>) {
        let before = self.state(slot).candidate;
        if before != candidate {
            let now = self.tick();
            self.changes.entry(slot).or_default().push((now, before));
            self.change(slot, |state| state.candidate = candidate);
        }
    }

    /// Looks at all that depends on a slot (`pkgDepCache::Update`).
    fn look_at(&mut self, slot: Slot) {
        if self.changes.is_empty() {
            return;
        }
        let now = self.tick();
        self.looked_at.insert(slot, now);
        let state = self.state(slot);
        for id in [state.candidate, state.current].into_iter().flatten() {
            self.looked_at_provides.insert(id, now);
        }
    }

    /// Whether a candidate satisfies an alternative, as apt remembers it from when it looked last.
    pub(crate) fn remembered(&self, choice: &Choice<'_>) -> bool {
        if self.changes.is_empty() {
            return choice.targets.iter().any(|target| self.is_candidate(*target));
        }
        let mut when = 0;
        for (at, target) in choice.targets.iter().enumerate() {
            let time = if at < choice.own {
                self.looked_at.get(&self.universe.slot_of(*target))
            } else {
                self.looked_at_provides.get(target)
            };
            when = when.max(time.copied().unwrap_or(0));
        }
        choice.targets.iter().any(|target| {
            let slot = self.universe.slot_of(*target);
            let changes = self.changes.get(&slot).map_or(&[][..], Vec::as_slice);
            let after = changes.iter().find(|(time, _)| *time > when);
            after.map_or(self.state(slot).candidate, |(_, before)| *before) == Some(*target)
        })
    }

    /// Whether an alternative, or the absence of a conflict, is there.
    pub(crate) fn holds(&self, group: &Group<'_>) -> bool {
        group.targets().any(|target| self.is_there(target)) != group.kind.is_negative()
    }

    /// Whether it is there already.
    fn held_before(&self, group: &Group<'_>) -> bool {
        group.targets().any(|target| self.is_current(target)) != group.kind.is_negative()
    }

    pub(crate) fn is_important(&self, group: &Group<'_>) -> bool {
        match group.kind {
            super::relations::Kind::Recommends => self.recommends,
            super::relations::Kind::Suggests => self.suggests,
            _ => true,
        }
    }

    /// Whether a package that will be there lacks something, or must not be there.
    pub(crate) fn is_broken(&self, slot: Slot) -> bool {
        self.lacks(slot, |group| group.kind.is_critical())
    }

    /// The same with recommended packages, where those are installed.
    fn is_incomplete(&self, slot: Slot) -> bool {
        self.lacks(slot, |group| self.is_important(group))
    }

    fn lacks(&self, slot: Slot, counts: impl Fn(&Group<'_>) -> bool) -> bool {
        let Some(id) = self.state(slot).install else {
            return false;
        };
        let groups = self.relations.of(id);
        groups.iter().any(|group| counts(group) && !self.holds(group))
    }

    fn broken_count(&self) -> usize {
        self.slots().filter(|slot| self.is_broken(*slot)).count()
    }

    /// Marks requested packages (`TryToInstall`).
    pub(crate) fn request(&mut self, wanted: &[PackageId]) {
        self.requested.extend(wanted);
        for id in wanted {
            let slot = self.universe.slot_of(*id);
            self.prefer(*id);
            self.change(slot, |state| state.protected = true);
            self.install(slot, false, 0, true);
            // What is installed already is asked for from now on.
            self.change(slot, |state| state.automatic = false);
        }
    }

    /// Marks the dependencies of what was requested, and mends what is broken then. Says whether nothing is.
    pub(crate) fn solve(&mut self) -> bool {
        let requested = self.requested.clone();
        for id in &requested {
            self.install(self.universe.slot_of(*id), true, 0, true);
        }
        self.repair(&requested);
        self.finish()
    }
}
