//! Scores of packages, by which apt decides who gives way (`pkgProblemResolver::MakeScores`).

use std::collections::HashMap;

use super::Marks;
use crate::package::PackageId;
use crate::relations::Kind;
use crate::universe::Slot;

/// Scores by slot; 0 for all others.
pub(super) type Scores = HashMap<Slot, i64>;

/// Points for a priority: none, required, important, standard, optional, extra.
const BY_PRIORITY: [i64; 6] = [0, 3, 2, 1, -1, -2];
const ESSENTIAL: i64 = 100;
const NOT_OBSOLETE: i64 = 1;
const ADD_PROTECTED: i64 = 10_000;
const ADD_ESSENTIAL: i64 = 5_000;

fn points(kind: Kind) -> i64 {
    match kind {
        Kind::PreDepends | Kind::Depends | Kind::Recommends => 1,
        Kind::Conflicts | Kind::Breaks => -1,
        Kind::Suggests => 0,
    }
}

impl Marks<'_, '_> {
    pub(super) fn scores(&self, requested: &[PackageId]) -> Scores {
        let universe = self.universe;
        let mut there: Vec<Slot> = self.slots().collect();
        there.sort_by_key(|slot| universe.cache_place(*slot));
        let mut scores = Scores::new();
        for slot in &there {
            let state = self.state(*slot);
            let Some(id) = state.install else { continue };
            let mut own = 0;
            if self.is_essential(*slot) || self.is_important_package(*slot) {
                own += ESSENTIAL;
            }
            own += BY_PRIORITY
                .get(usize::from(universe.priority(id)))
                .copied()
                .unwrap_or(-2);
            if state.current.is_some() && state.candidate.is_some() {
                own += NOT_OBSOLETE;
            }
            *scores.entry(*slot).or_default() += own;
            self.pass_on(id, &mut scores);
        }
        // Who depends on a package lends it its own score, once.
        let before = scores.clone();
        let of = |scores: &Scores, slot: &Slot| scores.get(slot).copied().unwrap_or(0);
        for slot in &there {
            let Some(id) = self.state(*slot).install else {
                continue;
            };
            let lends = of(&before, slot);
            if lends <= 0 {
                continue;
            }
            for group in self.relations.of(id).iter() {
                if !matches!(group.kind, Kind::PreDepends | Kind::Depends | Kind::Recommends) {
                    continue;
                }
                for choice in &group.choices {
                    // By name, whatever the version.
                    let own = universe.slots_named(choice.name).iter();
                    let arch = universe.slot_arch(*slot);
                    let named = own.filter(|named| !choice.qualified && universe.slot_arch(**named) == arch);
                    for named in named.filter(|named| self.state(**named).install.is_some()) {
                        *scores.entry(*named).or_default() += lends;
                    }
                }
            }
        }
        // What provides such a package gets as much.
        for slot in &there {
            let gained = (of(&scores, slot) - of(&before, slot)).abs();
            if gained == 0 {
                continue;
            }
            let mut providers: Vec<Slot> = universe
                .providers(universe.slot_name(*slot))
                .into_iter()
                .filter(|id| self.is_there(*id))
                .map(|id| universe.slot_of(id))
                .filter(|provider| universe.slot_arch(*provider) == universe.slot_arch(*slot))
                .collect();
            providers.sort_unstable();
            providers.dedup();
            for provider in providers {
                *scores.entry(provider).or_default() += gained;
            }
        }
        for id in requested {
            *scores.entry(universe.slot_of(*id)).or_default() += ADD_PROTECTED;
        }
        let all: Vec<Slot> = scores.keys().copied().collect();
        for slot in all {
            if self.is_essential(slot) || self.is_important_package(slot) {
                *scores.entry(slot).or_default() += ADD_ESSENTIAL;
            }
        }
        scores
    }

    /// Gives points to what a version has relations with.
    fn pass_on(&self, id: PackageId, scores: &mut Scores) {
        let universe = self.universe;
        let arch = universe.slot_arch(universe.slot_of(id));
        for group in self
            .relations
            .of(id)
            .iter()
            .filter(|group| points(group.kind) != 0)
        {
            for choice in &group.choices {
                let (own, provided) = choice.targets.split_at(choice.own.min(choice.targets.len()));
                if choice.versioned {
                    let there = own.iter().filter(|target| self.is_there(**target));
                    for target in there {
                        *scores.entry(universe.slot_of(*target)).or_default() += points(group.kind);
                    }
                } else {
                    let mut slots: Vec<Slot> = own.iter().map(|target| universe.slot_of(*target)).collect();
                    slots.retain(|slot| group.kind.is_negative() || universe.slot_arch(*slot) == arch);
                    slots.sort_unstable();
                    slots.dedup();
                    for slot in slots {
                        *scores.entry(slot).or_default() += points(group.kind);
                    }
                }
                let there = provided.iter().filter(|target| self.is_there(**target));
                let mut providers: Vec<Slot> = there.map(|target| universe.slot_of(*target)).collect();
                providers.sort_unstable();
                providers.dedup();
                for provider in providers {
                    *scores.entry(provider).or_default() += points(group.kind);
                }
            }
        }
    }
}
