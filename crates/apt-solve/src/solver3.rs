//! apt's solver "3.0" (`apt-pkg/solver3.cc`): packages and versions are variables, dependencies are clauses, and a search
//! in the manner of MiniSat goes back where a choice fails.
//!
//! Clauses are found from what is asked for on ([`clauses`]), what follows from a decision is decided at once, and what is
//! left is a queue of choices ([`search`], [`queue`]): new packages first, then what is there, optional ones last. Of
//! equal choices the one is taken that apt's heap has on top, so the queue is such a heap.

mod clauses;
mod order;
mod queue;
mod search;

use std::collections::{HashMap, HashSet, VecDeque};

use super::internal::{Marks, Mode};
use super::package::PackageId;
use super::universe::Slot;
use queue::Queue;

/// Limit for the number of decisions; apt has one for the time.
const MOST_DECISIONS: usize = 20_000_000;

/// A package, or one version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Var {
    Package(Slot),
    Version(PackageId),
}

/// When a clause has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// None of its packages is there.
    New,
    /// One of them is there.
    Satisfy,
    /// One of them is obsolete.
    Obsolete,
    /// The version of a package.
    Version,
    UpgradeManual,
    InstallManual,
    UpgradeAutomatic,
    KeepAutomatic,
    /// What was suggested, and is there.
    Suggested,
}

/// `reason` needs one of the solutions, or, if it is negative, none of them.
#[derive(Debug)]
struct Clause {
    reason: Option<Var>,
    turn: Turn,
    solutions: Vec<Var>,
    optional: bool,
    negative: bool,
    /// The dependency that it was made from.
    key: Option<clauses::Key>,
}

/// What is decided about a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Decision {
    #[default]
    None,
    Must,
    MustNot,
}

#[derive(Debug, Default)]
struct State {
    decision: Decision,
    depth: usize,
    reason: Option<usize>,
    discovered: bool,
    clauses: Vec<usize>,
    /// Clauses of which it is a solution.
    uses: Vec<usize>,
}

/// A clause that waits for its turn.
#[derive(Clone, Copy, Debug)]
struct Work {
    clause: usize,
    depth: usize,
    /// How many of its solutions were possible when it was queued.
    size: usize,
    choice: Option<Var>,
}

/// What can be undone.
#[derive(Clone, Copy, Debug)]
enum Solved {
    Assigned(Var),
    Worked(Work),
}

#[derive(Debug)]
struct Solver<'m, 'u, 'a> {
    marks: &'m Marks<'u, 'a>,
    states: HashMap<Var, State>,
    clauses: Vec<Clause>,
    queue: Queue,
    solved: Vec<Solved>,
    /// Numbers in `solved` at which choices were made.
    choices: Vec<usize>,
    undecided: VecDeque<Var>,
    /// Versions by the source package they are built from, where several are needed.
    by_source: HashMap<&'u str, Vec<PackageId>>,
    obsolete: HashMap<Slot, bool>,
    decisions: usize,
}

/// Solves what was requested of marks, and marks what comes of it. Says whether there is a solution. With `removes`
/// packages that were there may go, also those that nobody else brought.
pub(crate) fn solve(marks: &mut Marks<'_, '_>, removes: bool) -> bool {
    let Some(found) = Solver::new(marks).run(removes) else {
        return false;
    };
    marks.apply(&found.versions)
}

/// What a search has found.
#[derive(Debug)]
struct Found {
    /// Versions that will be there, each with whether it is there for others alone.
    versions: Vec<(PackageId, bool)>,
}

impl<'m, 'u, 'a> Solver<'m, 'u, 'a> {
    fn new(marks: &'m Marks<'u, 'a>) -> Self {
        Self {
            marks,
            states: HashMap::new(),
            clauses: Vec::new(),
            queue: Queue::default(),
            solved: Vec::new(),
            choices: Vec::new(),
            undecided: VecDeque::new(),
            by_source: order::by_source(marks.universe),
            obsolete: HashMap::new(),
            decisions: 0,
        }
    }

    fn run(mut self, removes: bool) -> Option<Found> {
        let asked = self.ask(removes) && self.search();
        if !asked {
            return None;
        }
        let must = |(var, state): (&Var, &State)| match var {
            Var::Version(id) if state.decision == Decision::Must => {
                let slot = self.marks.universe.slot_of(*id);
                Some((*id, self.is_automatic(slot, state)))
            }
            _ => None,
        };
        let mut versions: Vec<(PackageId, bool)> = self.states.iter().filter_map(must).collect();
        versions.sort_unstable();
        Some(Found { versions })
    }

    /// Whether another package is the reason of a version.
    fn is_automatic(&self, slot: Slot, state: &State) -> bool {
        let clause = |number: Option<usize>| number.and_then(|number| self.clauses.get(number));
        let mut reason = clause(state.reason).and_then(|clause| clause.reason);
        if reason == Some(Var::Package(slot)) {
            let package = self.states.get(&Var::Package(slot));
            reason = clause(package.and_then(|state| state.reason)).and_then(|clause| clause.reason);
        }
        reason.is_some()
    }

    /// Decides what was asked for, and what follows.
    fn ask(&mut self, removes: bool) -> bool {
        let universe = self.marks.universe;
        for number in 0..universe.slots_len() as u32 {
            let slot = Slot(number);
            let versions = universe.versions(slot);
            let state = self.marks.state(slot);
            if versions.len() < 2 && state.candidate.is_some() {
                continue;
            }
            for id in versions {
                if state.current != Some(*id)
                    && state.candidate != Some(*id)
                    && !self.decide(Var::Version(*id), false, None)
                {
                    return false;
                }
            }
        }
        let mut touched: Vec<Slot> = self.marks.slots().chain(self.marks.left_out()).collect();
        touched.sort_by_key(|slot| universe.cache_place(*slot));
        let mut seen = HashSet::new();
        touched.retain(|slot| seen.insert(*slot));
        touched.into_iter().all(|slot| self.ask_for(slot, removes)) && self.propagate()
    }

    fn ask_for(&mut self, slot: Slot, removes: bool) -> bool {
        let state = self.marks.state(slot);
        if state.held && !state.protected {
            return match state.current {
                Some(id) => self.decide(Var::Version(id), true, None),
                None => self.decide(Var::Package(slot), false, None),
            };
        }
        if state.mode == Mode::Delete
            || (state.current.is_none() && state.mode == Mode::Keep && state.protected)
        {
            return self.decide(Var::Package(slot), false, None);
        }
        if state.mode != Mode::Install && state.current.is_none() {
            return true;
        }
        let essential = self.marks.is_essential(slot) || self.marks.is_important_package(slot);
        let optional = (state.automatic || removes) && !essential && !state.protected;
        if !optional {
            let var = match (state.mode, state.candidate) {
                (Mode::Install, Some(id)) => Var::Version(id),
                _ => Var::Package(slot),
            };
            return self.decide(var, true, None);
        }
        let turn = match (state.automatic, state.candidate != state.current) {
            (true, true) => Turn::UpgradeAutomatic,
            (true, false) => Turn::KeepAutomatic,
            (false, true) => Turn::UpgradeManual,
            (false, false) => Turn::InstallManual,
        };
        let versions = self.marks.universe.versions(slot);
        let mut all: Vec<Var> = versions.iter().map(|id| Var::Version(*id)).collect();
        self.sort(&mut all, "");
        for solutions in [vec![Var::Package(slot)], all] {
            let clause = self.register(Clause {
                reason: None,
                turn,
                solutions,
                optional: true,
                negative: false,
                key: None,
            });
            if !self.add_work(clause, self.choices.len()) {
                return false;
            }
        }
        if versions.len() > 1 {
            self.discover(Var::Package(slot));
        }
        true
    }

    fn decision(&self, var: Var) -> Decision {
        self.states
            .get(&var)
            .map_or(Decision::None, |state| state.decision)
    }
}

#[cfg(test)]
mod tests;
