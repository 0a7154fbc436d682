//! What is broken after all marks is repaired: from the highest score to the lowest, packages are kept out, removed, or
//! others installed for them (`pkgProblemResolver::ResolveInternal`).

use std::cmp::Reverse;
use std::collections::HashSet;

use super::scores::Scores;
use super::{Marks, Mode};
use crate::package::PackageId;
use crate::relations::{Group, Kind};
use crate::universe::{CachePlace, Slot};

/// How often all packages are looked at.
const ROUNDS: usize = 20;

/// What becomes of a package none of whose alternatives could be had.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unwind {
    Remove,
    Keep,
}

type Place<'a> = (Reverse<i64>, CachePlace<'a>);

struct Repair {
    scores: Scores,
    requested: HashSet<Slot>,
    /// Packages that were tried instead already.
    tried: HashSet<Slot>,
    round: usize,
    changed: bool,
}

impl Repair {
    fn score(&self, slot: Slot) -> i64 {
        self.scores.get(&slot).copied().unwrap_or(0)
    }

    fn at_least(&mut self, slot: Slot, score: i64) -> bool {
        let less = self.score(slot) < score;
        if less {
            self.scores.insert(slot, score);
        }
        less
    }
}

/// How the look at one alternative ended.
enum Looked {
    /// The next alternative, or dependency, is looked at.
    On,
    /// Nothing more of this package.
    Enough,
}

impl<'a> Marks<'_, 'a> {
    pub(super) fn repair(&mut self, requested: &[PackageId]) {
        let broken = |marks: &Self| marks.slots().any(|slot| marks.is_broken(slot));
        if !broken(self) {
            return;
        }
        let mut marked: HashSet<Slot> = HashSet::new();
        loop {
            let mut again = false;
            let mut all: Vec<Slot> = self.slots().collect();
            all.sort_by_key(|slot| self.universe.cache_place(*slot));
            for slot in all {
                if self.state(slot).mode == Mode::Install {
                    marked.insert(slot);
                    continue;
                }
                if self.is_broken(slot) {
                    self.install(slot, false, 0, false);
                    again |= self.state(slot).mode == Mode::Install;
                }
                marked.remove(&slot);
            }
            if !again {
                break;
            }
        }
        let mut repair = Repair {
            scores: self.scores(requested),
            requested: requested.iter().map(|id| self.universe.slot_of(*id)).collect(),
            tried: HashSet::new(),
            round: 0,
            changed: true,
        };
        let places = repair.scores.clone();
        while repair.changed && repair.round < ROUNDS {
            repair.changed = false;
            let mut seen = HashSet::new();
            // What is marked meanwhile has its place among the others, too.
            let mut last = None;
            while let Some((place, slot)) = self.next(&places, last.as_ref(), &seen) {
                last = Some(place);
                seen.insert(slot);
                self.reinstate(slot, &marked);
                if self.is_broken(slot) {
                    self.mend(slot, &mut repair);
                }
            }
            repair.round += 1;
        }
        // What came in place of something else is there for others.
        for slot in self.slots().collect::<Vec<_>>() {
            if self.state(slot).current.is_none() && !marked.contains(&slot) {
                self.change(slot, |state| state.automatic = true);
            }
        }
    }

    /// The next package by score, and of equals by its place in apt's cache.
    fn next(
        &self,
        places: &Scores,
        last: Option<&Place<'a>>,
        seen: &HashSet<Slot>,
    ) -> Option<(Place<'a>, Slot)> {
        let place = |slot: Slot| {
            let score = places.get(&slot).copied().unwrap_or(0);
            (Reverse(score), self.universe.cache_place(slot))
        };
        self.slots()
            .filter(|slot| !seen.contains(slot))
            .map(|slot| (place(slot), slot))
            .filter(|(place, _)| last.is_none_or(|last| place > last))
            .min()
    }

    /// Tries an upgrade that was given up once more.
    fn reinstate(&mut self, slot: Slot, marked: &HashSet<Slot>) {
        let state = self.state(slot);
        if state.candidate == state.install
            || state.current.is_none()
            || state.install.is_none()
            || state.protected
            || !marked.contains(&slot)
        {
            return;
        }
        let before = self.broken_count();
        self.install(slot, false, 0, false);
        if self.is_broken(slot) || before < self.broken_count() {
            self.keep(slot, 0);
        }
    }

    fn mend(&mut self, slot: Slot, repair: &mut Repair) {
        let Some(id) = self.state(slot).install else {
            return;
        };
        let groups = self.relations.of(id);
        let mut kills: Vec<(Slot, usize)> = Vec::new();
        'groups: for (number, group) in groups.iter().enumerate() {
            if !group.kind.is_critical() {
                continue;
            }
            let several = group.choices.len() > 1;
            let before = kills.len();
            let mut unwind = Unwind::Remove;
            let mut settled = false;
            for at in 0..group.choices.len() {
                if self.holds(group) {
                    settled = true;
                    break;
                }
                match self.alternative(slot, (number, group, at), &mut unwind, &mut kills, repair) {
                    Looked::On => {}
                    Looked::Enough if several => {}
                    Looked::Enough => break 'groups,
                }
            }
            if several && !settled && kills.len() == before {
                match unwind {
                    Unwind::Remove if self.state(slot).protected => {}
                    Unwind::Remove => {
                        self.delete(slot, 0);
                        repair.changed = true;
                    }
                    Unwind::Keep => {
                        self.keep(slot, 0);
                        repair.changed = true;
                    }
                }
            }
        }
        if self.state(slot).install.is_some() {
            self.give_up(slot, kills, &groups, repair);
        }
    }

    /// Looks at one alternative of a dependency that is not there.
    fn alternative(
        &mut self,
        slot: Slot,
        (number, group, at): (usize, &Group<'_>, usize),
        unwind: &mut Unwind,
        kills: &mut Vec<(Slot, usize)>,
        repair: &mut Repair,
    ) -> Looked {
        let Some(choice) = group.choices.get(at) else {
            return Looked::On;
        };
        let several = group.choices.len() > 1;
        let negative = group.kind.is_negative();
        if choice.targets.is_empty() {
            if negative || self.state(slot).protected || several {
                return Looked::On;
            }
            repair.changed = true;
            self.keep(slot, 0);
            return Looked::Enough;
        }
        // Whether that alternative was there before.
        let now = choice.targets.iter().any(|target| self.is_current(*target)) != negative;
        for target in &choice.targets {
            let other = self.universe.slot_of(*target);
            if negative && self.state(other).install != Some(*target) {
                continue;
            }
            if repair.score(slot) <= repair.score(other) || (!now && !negative) {
                if self.state(slot).protected {
                    if self.try_harder(other, repair) {
                        let limit = repair.score(slot);
                        if repair.score(other) > limit {
                            repair.scores.insert(other, limit);
                        }
                        break;
                    }
                    continue;
                }
                self.change_self(slot, other, group, at, unwind, repair);
                repair.changed = true;
                return Looked::Enough;
            }
            if group.kind == Kind::Breaks && !self.remembered(choice) {
                // An upgrade of the other may do.
                self.install(other, false, 0, false);
                continue;
            }
            let state = self.state(other);
            if state.protected && state.mode != Mode::Delete {
                continue;
            }
            kills.push((other, number));
            if !negative {
                break;
            }
        }
        Looked::On
    }

    /// A package that lacks something is kept, or something else is done about it.
    fn change_self(
        &mut self,
        slot: Slot,
        other: Slot,
        group: &Group<'_>,
        at: usize,
        unwind: &mut Unwind,
        repair: &mut Repair,
    ) {
        let several = group.choices.len() > 1;
        let was_marked = self.state(slot).mode == Mode::Install;
        self.keep(slot, 0);
        if !self.is_broken(slot) {
            *unwind = Unwind::Keep;
            if several && was_marked {
                self.install(slot, false, 0, false);
            }
            return;
        }
        if self.try_harder(slot, repair) {
            return;
        }
        if !several {
            self.delete(slot, 0);
            if repair.round > 1 {
                let score = repair.score(other);
                repair.at_least(slot, score);
            }
            return;
        }
        let named = group.choices.get(at).and_then(|choice| {
            let own = choice.targets.first().filter(|_| choice.own > 0)?;
            Some(self.universe.slot_of(*own))
        });
        let Some(named) = named else { return };
        let state = self.state(named);
        if state.current.is_none() && state.candidate.is_some() && !state.held {
            let before = self.broken_count();
            self.install(named, true, 1, false);
            *unwind = Unwind::Keep;
            if self.is_broken(named) || self.broken_count() > before {
                self.delete(named, 1);
                *unwind = Unwind::Remove;
            }
        }
    }

    /// Marks a package, and what it needs, one after the other, if that mends it (`DoUpgrade`).
    fn try_harder(&mut self, slot: Slot, repair: &mut Repair) -> bool {
        let state = self.state(slot);
        let upgradable = state.candidate.is_some() && state.candidate != state.current;
        if !upgradable || repair.requested.contains(&slot) || !repair.tried.insert(slot) {
            return false;
        }
        let was_kept = state.mode == Mode::Keep;
        if !self.install(slot, false, 0, false) {
            return false;
        }
        let Some(id) = self.state(slot).install else {
            return false;
        };
        let groups = self.relations.of(id);
        let critical = groups.iter().filter(|group| group.kind.is_critical());
        let well = critical
            .into_iter()
            .all(|group| self.try_group(slot, group, repair));
        if !well {
            if was_kept {
                self.keep(slot, 0);
            } else {
                self.delete(slot, 0);
            }
        }
        well
    }

    fn try_group(&mut self, owner: Slot, group: &Group<'_>, repair: &mut Repair) -> bool {
        let mut well = true;
        for choice in &group.choices {
            if self.holds(group) {
                return well;
            }
            let own = choice.targets.first().filter(|_| choice.own > 0);
            let provided = choice
                .targets
                .iter()
                .find(|t| self.universe.slot_of(**t) != owner);
            let Some(target) = own.or(provided) else {
                well = false;
                continue;
            };
            let other = self.universe.slot_of(*target);
            if self.state(other).protected {
                well = false;
            } else if self.remembered(choice) != group.kind.is_negative() {
                if self.try_harder(other, repair) {
                    return true;
                }
                well = false;
            } else if group.kind.is_negative() {
                // The next round is cleverer than this.
                return well;
            } else {
                well = false;
            }
        }
        well
    }

    /// Removes or keeps out the packages that have to go for one.
    fn give_up(&mut self, slot: Slot, kills: Vec<(Slot, usize)>, groups: &[Group<'_>], repair: &mut Repair) {
        for (other, number) in kills {
            let Some(group) = groups.get(number) else { continue };
            let gone = if self.held_before(group) {
                self.keep(other, 0)
            } else {
                group.kind.is_negative() && self.delete(other, 0)
            };
            if (!gone || repair.round > 1) && repair.at_least(other, repair.score(slot)) {
                repair.changed = true;
            }
            repair.changed |= gone;
        }
    }
}
