//! Decisions, what follows from them, and the way back.

use super::{Decision, MOST_DECISIONS, Solved, Solver, State, Var, Work};

impl Solver<'_, '_, '_> {
    /// Decides about a variable; false if the opposite is decided already.
    pub(super) fn decide(&mut self, var: Var, must: bool, reason: Option<usize>) -> bool {
        let depth = self.choices.len();
        self.decisions += 1;
        let decision = if must { Decision::Must } else { Decision::MustNot };
        let state = self.states.entry(var).or_default();
        if state.decision != Decision::None {
            return state.decision == decision && self.decisions < MOST_DECISIONS;
        }
        state.decision = decision;
        state.depth = depth;
        state.reason = reason;
        self.solved.push(Solved::Assigned(var));
        self.undecided.push_back(var);
        self.decisions < MOST_DECISIONS
    }

    fn numbers(&self, var: Var, of: impl Fn(&State) -> &Vec<usize>) -> Vec<usize> {
        self.states
            .get(&var)
            .map_or_else(Vec::new, |state| of(state).clone())
    }

    /// Decides all that follows from decisions; false where that contradicts another.
    pub(super) fn propagate(&mut self) -> bool {
        while let Some(var) = self.undecided.pop_front() {
            let well = match self.decision(var) {
                Decision::Must => self.propagate_must(var),
                Decision::MustNot => self.propagate_must_not(var),
                Decision::None => true,
            };
            if !well {
                return false;
            }
        }
        true
    }

    fn propagate_must(&mut self, var: Var) -> bool {
        self.discover(var);
        let depth = self.choices.len();
        for clause in self.numbers(var, |state| &state.clauses) {
            if !self.add_work(clause, depth) {
                return false;
            }
        }
        for number in self.numbers(var, |state| &state.uses) {
            let Some(clause) = self.clauses.get(number) else {
                continue;
            };
            let Some(reason) = clause.reason.filter(|_| clause.negative && !clause.optional) else {
                continue;
            };
            if !self.decide(reason, false, Some(number)) {
                return false;
            }
        }
        true
    }

    fn propagate_must_not(&mut self, var: Var) -> bool {
        for number in self.numbers(var, |state| &state.uses) {
            let Some(clause) = self.clauses.get(number) else {
                continue;
            };
            let Some(reason) = clause.reason.filter(|_| !clause.negative) else {
                continue;
            };
            if self.decision(reason) == Decision::MustNot {
                continue;
            }
            let possible = |var: &&Var| self.decision(**var) != Decision::MustNot;
            let count = clause.solutions.iter().filter(possible).count();
            let optional = clause.optional;
            if count == 1 && self.decision(reason) == Decision::Must {
                if optional {
                    // Seen again at the right time.
                    if !self.add_work(number, self.choices.len()) {
                        return false;
                    }
                    continue;
                }
                let open = |var: &&Var| self.decision(**var) == Decision::None;
                let open: Vec<Var> = clause.solutions.iter().filter(open).copied().collect();
                for solution in open {
                    if !self.decide(solution, true, Some(number)) {
                        return false;
                    }
                }
                continue;
            }
            if count == 0 && !optional && !self.decide(reason, false, Some(number)) {
                return false;
            }
        }
        true
    }

    /// Queues a clause, or decides at once what there is no choice about.
    pub(super) fn add_work(&mut self, number: usize, depth: usize) -> bool {
        let Some(clause) = self.clauses.get(number) else {
            return true;
        };
        if clause.negative {
            for var in clause.solutions.clone() {
                if !self.decide(var, false, Some(number)) {
                    return false;
                }
            }
            return true;
        }
        if let ([only], false) = (clause.solutions.as_slice(), clause.optional) {
            return self.decide(*only, true, Some(number));
        }
        let possible = |var: &&Var| self.decision(**var) != Decision::MustNot;
        let size = clause.solutions.iter().filter(possible).count();
        let work = Work {
            clause: number,
            depth,
            size,
            choice: None,
        };
        self.queue.push(work, &self.clauses);
        true
    }

    /// Looks for a solution; false if there is none.
    pub(super) fn search(&mut self) -> bool {
        loop {
            while !self.propagate() {
                if !self.go_back() {
                    return false;
                }
            }
            let Some(mut work) = self.queue.pop(&self.clauses) else {
                return true;
            };
            self.solved.push(Solved::Worked(work));
            let Some(clause) = self.clauses.get(work.clause) else {
                continue;
            };
            if clause
                .solutions
                .iter()
                .any(|var| self.decision(*var) == Decision::Must)
            {
                continue;
            }
            let optional = clause.optional;
            let next = clause
                .solutions
                .iter()
                .copied()
                .find(|var| self.decision(*var) != Decision::MustNot);
            let Some(solution) = next else {
                if !optional && !self.go_back() {
                    return false;
                }
                continue;
            };
            if work.size > 1 || optional {
                work.choice = Some(solution);
                self.choices.push(self.solved.len());
                self.solved.push(Solved::Worked(work));
            }
            if !self.decide(solution, true, Some(work.clause)) && !self.go_back() {
                return false;
            }
        }
    }

    /// Takes the last choice back, and rules it out; false if there is none.
    fn go_back(&mut self) -> bool {
        let Some(point) = self.choices.last().copied() else {
            return false;
        };
        if self.decisions >= MOST_DECISIONS {
            return false;
        }
        let choice = match self.solved.get(point) {
            Some(Solved::Worked(work)) => work.choice,
            _ => None,
        };
        while self.solved.len() > point {
            match self.solved.last().copied() {
                Some(Solved::Assigned(var)) => {
                    if let Some(state) = self.states.get_mut(&var) {
                        state.decision = Decision::None;
                        state.reason = None;
                        state.depth = 0;
                    }
                }
                Some(Solved::Worked(work)) => {
                    self.add_work(work.clause, work.depth);
                }
                None => {}
            }
            self.solved.pop();
        }
        self.choices.pop();
        let depth = self.choices.len();
        self.queue.retain(|work| work.depth <= depth, &self.clauses);
        choice.is_some_and(|choice| self.decide(choice, false, None))
    }
}
