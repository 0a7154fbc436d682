//! The queue of clauses: a binary heap that moves its items as that of C++'s standard library does, so that of equal ones
//! the same is on top.

use super::{Clause, Work};

#[derive(Debug, Default)]
pub(super) struct Queue {
    items: Vec<Work>,
}

/// Whether one has its turn after another.
fn is_less(a: &Work, b: &Work, clauses: &[Clause]) -> bool {
    let (Some(first), Some(second)) = (clauses.get(a.clause), clauses.get(b.clause)) else {
        return false;
    };
    let (forced, other) = (!first.optional && a.size < 2, !second.optional && b.size < 2);
    if forced != other {
        return other;
    }
    if first.optional != second.optional {
        return first.optional;
    }
    if first.turn != second.turn {
        return first.turn > second.turn;
    }
    if (a.size < 2) != (b.size < 2) {
        return b.size < 2;
    }
    a.size == 1 && b.size == 1 && first.solutions.len() < second.solutions.len()
}

impl Queue {
    pub(super) fn push(&mut self, work: Work, clauses: &[Clause]) {
        self.items.push(work);
        let last = self.items.len() - 1;
        self.rise(last, 0, work, clauses);
    }

    /// Takes the next one out.
    pub(super) fn pop(&mut self, clauses: &[Clause]) -> Option<Work> {
        let last = self.items.pop()?;
        let Some(top) = self.items.first().copied() else {
            return Some(last);
        };
        self.sink(0, last, clauses);
        Some(top)
    }

    /// Keeps some.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Work) -> bool, clauses: &[Clause]) {
        self.items.retain(wanted);
        for parent in (0..self.items.len() / 2).rev() {
            if let Some(value) = self.items.get(parent).copied() {
                self.sink(parent, value, clauses);
            }
        }
    }

    fn less(&self, a: usize, b: &Work, clauses: &[Clause]) -> bool {
        self.items.get(a).is_some_and(|a| is_less(a, b, clauses))
    }

    fn set(&mut self, at: usize, work: Work) {
        if let Some(place) = self.items.get_mut(at) {
            *place = work;
        }
    }

    /// Puts a value where nothing is, or above it.
    fn rise(&mut self, mut hole: usize, top: usize, value: Work, clauses: &[Clause]) {
        while hole > top {
            let parent = (hole - 1) / 2;
            if !self.less(parent, &value, clauses) {
                break;
            }
            if let Some(above) = self.items.get(parent).copied() {
                self.set(hole, above);
            }
            hole = parent;
        }
        self.set(hole, value);
    }

    /// Fills a place from below, down to a leaf, and puts the value there or above.
    fn sink(&mut self, top: usize, value: Work, clauses: &[Clause]) {
        let count = self.items.len();
        let mut hole = top;
        loop {
            let mut child = 2 * hole + 2;
            if child < count {
                let left = self.items.get(child - 1).copied();
                if left.is_some_and(|left| self.less(child, &left, clauses)) {
                    child -= 1;
                }
            } else if child == count {
                child -= 1;
            } else {
                break;
            }
            if let Some(below) = self.items.get(child).copied() {
                self.set(hole, below);
            }
            hole = child;
        }
        self.rise(hole, top, value, clauses);
    }
}
