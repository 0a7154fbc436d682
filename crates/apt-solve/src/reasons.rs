//! Reasons why a request cannot be met, in words.
//!
//! What apt's resolvers leave behind does not tell why. So the request is gone through once more, and where a choice fails
//! further down its marks are undone and the next one is tried: what fails then in the end fails for this reason.

mod conflicts;
mod displaced;
mod report;
mod solutions;

use std::collections::HashMap;

use super::internal::Marks;
use super::package::PackageId;
use super::universe::{Slot, Universe};
use deb_types::relation::display_alternatives;

pub(crate) use report::{changed, of};

/// Limit for the length of a chain of dependencies; longer than any archive has.
const DEEPEST: usize = 2000;
/// Limit for the number of marks tried: the time to undo choices is exponential for
/// indexes made for it.
const MOST_STEPS: usize = 300_000;

/// The reason why a package cannot be marked, with the steps that lead to it.
#[derive(Clone, Debug, Default)]
struct MarkFailure {
    chain: Vec<String>,
    reason: String,
}

impl MarkFailure {
    fn new(reason: String) -> Box<Self> {
        Box::new(Self {
            chain: Vec::new(),
            reason,
        })
    }
}

type Marked = Result<(), Box<MarkFailure>>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SlotState {
    candidate: Option<PackageId>,
    chosen: Option<PackageId>,
    /// Whether an earlier phase installed it; it stays then.
    installed: bool,
    /// Whether it was requested, or is the only solution for a requested package.
    protected: bool,
}

/// The marks on all slots, with a log to undo them.
struct Marker<'u, 'a> {
    universe: &'u Universe<'a>,
    states: Vec<SlotState>,
    /// Earlier states of changed slots, oldest first, to undo changes.
    log: Vec<(Slot, SlotState)>,
    /// Chosen slots in the order they were marked.
    order: Vec<Slot>,
    /// Chosen slots by the names they conflict with or break.
    unwanted: HashMap<&'u str, Vec<Slot>>,
    /// Reasons of slots without candidate.
    discarded: HashMap<Slot, String>,
    steps: usize,
    /// Whether a chosen package gave way to another.
    displaced: bool,
}

impl<'u, 'a> Marker<'u, 'a> {
    fn new(universe: &'u Universe<'a>) -> Self {
        let states = (0..universe.slots_len() as u32)
            .map(|slot| SlotState {
                candidate: Some(universe.slot_candidate(Slot(slot))),
                ..SlotState::default()
            })
            .collect();
        Self {
            universe,
            states,
            log: Vec::new(),
            order: Vec::new(),
            unwanted: HashMap::new(),
            discarded: HashMap::new(),
            steps: 0,
            displaced: false,
        }
    }

    /// Returns one with what is installed, preferred and ruled out in other marks.
    fn like(marks: &Marks<'u, 'a>) -> Self {
        let mut marker = Self::new(marks.universe);
        let mut there = Vec::new();
        for (state, number) in marker.states.iter_mut().zip(0..) {
            let slot = Slot(number);
            let known = marks.state(slot);
            state.candidate = known.current.or(known.candidate).or(state.candidate);
            state.chosen = known.current;
            state.installed = known.current.is_some();
            if let Some(id) = known.current {
                there.push((slot, id));
            } else if known.held {
                state.candidate = None;
                let why = "it was asked not to be installed".to_owned();
                marker.discarded.insert(slot, why);
            }
        }
        there.into_iter().for_each(|(slot, id)| marker.note(slot, id));
        marker
    }

    fn state(&self, slot: Slot) -> SlotState {
        self.states.get(slot.0 as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, slot: Slot, state: SlotState) {
        if let Some(place) = self.states.get_mut(slot.0 as usize) {
            self.log.push((slot, *place));
            *place = state;
        }
    }

    fn undo_to(&mut self, point: usize) {
        while self.log.len() > point {
            let Some((slot, before)) = self.log.pop() else {
                break;
            };
            if before.chosen.is_none() && self.state(slot).chosen.is_some() {
                self.order.retain(|s| *s != slot);
                self.unwanted.values_mut().for_each(|v| v.retain(|s| *s != slot));
            }
            if let Some(id) = before.chosen
                && !self.order.contains(&slot)
            {
                self.note(slot, id);
            }
            if let Some(place) = self.states.get_mut(slot.0 as usize) {
                *place = before;
            }
        }
    }

    fn is_chosen(&self, id: PackageId) -> bool {
        self.state(self.universe.slot_of(id)).chosen == Some(id)
    }

    fn is_candidate(&self, id: PackageId) -> bool {
        self.state(self.universe.slot_of(id)).candidate == Some(id)
    }

    /// Makes a version the candidate of its slot.
    fn prefer(&mut self, id: PackageId) {
        let slot = self.universe.slot_of(id);
        let state = self.state(slot);
        if !state.installed {
            self.set(
                slot,
                SlotState {
                    candidate: Some(id),
                    ..state
                },
            );
        }
    }

    fn arch_of(&self, id: PackageId) -> u8 {
        self.universe.slot_arch(self.universe.slot_of(id))
    }

    /// Marks requested packages, in apt's two steps: first all of them, then the
    /// dependencies of each.
    fn request(&mut self, wanted: &[PackageId]) -> Result<(), (PackageId, Box<MarkFailure>)> {
        for id in wanted {
            self.prefer(*id);
        }
        for id in wanted {
            let slot = self.universe.slot_of(*id);
            if self.state(slot).installed {
                continue;
            }
            self.check(*id).map_err(|failure| (*id, failure))?;
            self.choose(slot, *id);
            self.set_protected(slot, true);
        }
        for id in wanted {
            let slot = self.universe.slot_of(*id);
            self.mark(slot, 0).map_err(|failure| (*id, failure))?;
        }
        match self.displaced {
            true => self.mend(wanted),
            false => Ok(()),
        }
    }

    fn choose(&mut self, slot: Slot, id: PackageId) {
        let state = self.state(slot);
        if state.chosen == Some(id) {
            return;
        }
        self.set(
            slot,
            SlotState {
                chosen: Some(id),
                ..state
            },
        );
        if state.chosen.is_none() {
            self.order.retain(|known| *known != slot);
            self.note(slot, id);
        }
    }

    /// Puts a slot that is chosen behind the others.
    fn note(&mut self, slot: Slot, id: PackageId) {
        self.order.push(slot);
        for (_, relation) in self.universe.package(id).negatives() {
            let known = self.unwanted.entry(relation.name).or_default();
            if !known.contains(&slot) {
                known.push(slot);
            }
        }
    }

    fn name(&self, id: PackageId) -> String {
        self.universe.display_name(id)
    }

    /// Marks the candidate of a slot and its dependencies. After a failure the caller must
    /// undo the marks.
    fn mark(&mut self, slot: Slot, depth: usize) -> Marked {
        let state = self.state(slot);
        let Some(id) = state.candidate else {
            let why = self.discarded.get(&slot).cloned();
            return Err(MarkFailure::new(why.unwrap_or_else(|| {
                format!("{} is ruled out", self.universe.slot_name(slot))
            })));
        };
        if !state.protected && state.chosen == Some(id) {
            return Ok(());
        }
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(MarkFailure::new(
                "the search for a solution takes too long".into(),
            ));
        }
        if depth > DEEPEST {
            return Err(MarkFailure::new("the chain of dependencies is too long".into()));
        }
        if state.protected {
            self.make_way(slot, id);
        }
        if state.chosen.is_none() {
            self.check(id)?;
        }
        let protected = state.protected;
        if protected {
            self.rule_out(slot, id);
        }
        self.satisfiable(slot, id)?;
        self.choose(slot, id);
        // While its dependencies are chosen a package counts as protected.
        if !protected {
            self.set_protected(slot, true);
        }
        let result = self.mark_dependencies(id, protected, depth);
        if !protected {
            self.set_protected(slot, false);
        }
        result
    }

    /// Fails if no candidate satisfies one of the package's dependencies.
    fn satisfiable(&mut self, slot: Slot, id: PackageId) -> Marked {
        let universe = self.universe;
        let owner = self.arch_of(id);
        for (kind, group) in universe.package(id).required() {
            let found = group.iter().any(|relation| {
                let targets = universe.targets(relation, owner, false);
                targets
                    .iter()
                    .any(|t| self.is_chosen(*t) || self.is_candidate(*t))
            });
            if !found {
                let reason = self.unmet(id, kind, group);
                let state = self.state(slot);
                if !state.protected {
                    self.discarded.insert(slot, reason.clone());
                }
                return Err(MarkFailure::new(reason));
            }
        }
        Ok(())
    }

    fn mark_dependencies(&mut self, id: PackageId, propagate: bool, depth: usize) -> Marked {
        let universe = self.universe;
        let owner = self.arch_of(id);
        for (kind, group) in universe.package(id).required() {
            let satisfied = group.iter().any(|relation| {
                let targets = universe.targets(relation, owner, false);
                targets.iter().any(|target| self.is_chosen(*target))
            });
            if satisfied && !propagate {
                continue;
            }
            let solutions = self.solutions(group, owner, satisfied);
            if satisfied {
                self.propagate(&solutions, depth)?;
                continue;
            }
            let single = propagate && solutions.len() == 1;
            let mut first_failure = None;
            let mut found = false;
            for solution in solutions {
                let slot = universe.slot_of(solution);
                if self.state(slot).candidate != Some(solution) {
                    continue;
                }
                let point = self.log.len();
                match self.try_solution(slot, solution, single, depth) {
                    Ok(()) => {
                        found = true;
                        break;
                    }
                    Err(failure) => {
                        self.undo_to(point);
                        first_failure.get_or_insert(failure);
                    }
                }
            }
            if !found {
                let mut failure = match first_failure {
                    Some(failure) => failure,
                    None => return Err(MarkFailure::new(self.unmet(id, kind, group))),
                };
                let step = format!(
                    "{} {} {}",
                    self.name(id),
                    kind.verb(),
                    display_alternatives(group)
                );
                failure.chain.insert(0, step);
                return Err(failure);
            }
        }
        Ok(())
    }

    fn try_solution(&mut self, slot: Slot, id: PackageId, single: bool, depth: usize) -> Marked {
        if single {
            self.make_way(slot, id);
            self.check(id)?;
            self.choose(slot, id);
            self.set_protected(slot, true);
        }
        self.mark(slot, depth + 1)
    }

    fn set_protected(&mut self, slot: Slot, protected: bool) {
        let state = self.state(slot);
        self.set(slot, SlotState { protected, ..state });
    }

    /// Protects the only solution of a requested package's dependency, which
    /// counts as requested.
    fn propagate(&mut self, solutions: &[PackageId], depth: usize) -> Marked {
        let [only] = solutions else { return Ok(()) };
        let slot = self.universe.slot_of(*only);
        let state = self.state(slot);
        if state.protected || state.chosen != Some(*only) {
            return Ok(());
        }
        self.set_protected(slot, true);
        self.mark(slot, depth + 1)
    }
}
