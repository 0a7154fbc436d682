//! The pass that unpacks in the order found, and configures early the packages
//! that a `Pre-Depends` or an essential package needs configured.

use std::rc::Rc;

use super::{DependencyGroup, Orderer, PackageState};
use crate::package::DependencyKind;

/// Most rounds over the dependencies of a package (apt's `APT::pkgPackageManager::MaxLoopCount`): in a cycle
/// each round may seem to get on.
const ROUNDS: usize = 5000;

impl Orderer {
    /// Runs an action for a dependency with a guard against cycles. Returns whether it
    /// succeeded, and sets `changed` if it made progress.
    fn guarded(
        &mut self,
        number: usize,
        member: usize,
        was_looping: bool,
        changed: &mut bool,
        action: impl FnOnce(&mut Self) -> bool,
    ) -> bool {
        if !was_looping {
            self.looping[number] = true;
        }
        let worked = action(self);
        if !was_looping {
            self.looping[number] = false;
        }
        if worked && !self.looping[member] {
            *changed = true;
        }
        worked
    }

    pub(super) fn unpack(&mut self, number: usize, immediately: bool) -> bool {
        let was_looping = self.looping[number];
        let groups = Rc::clone(&self.groups[number]);
        let ready = self.configure_pre_depends(number, &groups, was_looping);
        if !ready {
            return false;
        }
        if was_looping || self.progress[number] != PackageState::Now {
            return true;
        }
        self.progress[number] = PackageState::Unpacked;
        self.emit_unpack(number);
        if immediately {
            for sibling in self.siblings[number].clone() {
                if self.progress[sibling] == PackageState::Now {
                    self.unpack(sibling, false);
                }
            }
            self.configure(number);
        }
        true
    }

    fn configure_pre_depends(
        &mut self,
        number: usize,
        groups: &[DependencyGroup],
        was_looping: bool,
    ) -> bool {
        let mut all_ready = true;
        let mut rounds = 0..ROUNDS;
        loop {
            let mut changed = false;
            if rounds.next().is_none() {
                return false;
            }
            let pre = groups.iter().filter(|g| g.kind == DependencyKind::PreDepends);
            for group in pre {
                let mut ready = group.edges.iter().any(|edge| edge.installed);
                'edges: for edge in &group.edges {
                    if ready {
                        break;
                    }
                    for member in edge.members.iter().copied() {
                        let worked = match self.progress[member] {
                            PackageState::Configured => {
                                ready = true;
                                break 'edges;
                            }
                            PackageState::Now if self.looping[member] && was_looping => continue,
                            PackageState::Now => {
                                self.guarded(number, member, was_looping, &mut changed, |o| {
                                    o.unpack(member, true)
                                })
                            }
                            PackageState::Unpacked => {
                                self.guarded(number, member, was_looping, &mut changed, |o| {
                                    o.configure(member)
                                })
                            }
                        };
                        if !worked {
                            return false;
                        }
                        ready = true;
                        break;
                    }
                }
                all_ready &= ready;
            }
            if !changed {
                return all_ready;
            }
        }
    }

    pub(super) fn configure(&mut self, number: usize) -> bool {
        let was_looping = self.looping[number];
        let groups = Rc::clone(&self.groups[number]);
        let ready = self.configure_dependencies(number, &groups, was_looping);
        if !ready {
            return false;
        }
        if was_looping {
            return true;
        }
        if self.progress[number] == PackageState::Configured {
            return false;
        }
        self.emit_configure(number);
        self.progress[number] = PackageState::Configured;
        if !self.immediate[number] {
            for sibling in self.siblings[number].clone() {
                if self.progress[sibling] == PackageState::Unpacked && !self.configure(sibling) {
                    return false;
                }
            }
        }
        true
    }

    fn configure_dependencies(
        &mut self,
        number: usize,
        groups: &[DependencyGroup],
        was_looping: bool,
    ) -> bool {
        let mut unready = Vec::new();
        let mut rounds = 0..ROUNDS;
        loop {
            let mut changed = false;
            if rounds.next().is_none() {
                return false;
            }
            for (at, group) in groups.iter().enumerate() {
                let mut bad = !group.edges.iter().any(|edge| edge.installed);
                for edge in &group.edges {
                    if !bad {
                        break;
                    }
                    let next = edge
                        .members
                        .iter()
                        .copied()
                        .find(|m| self.progress[*m] == PackageState::Now);
                    if let Some(member) = next
                        && !was_looping
                    {
                        if !self.guarded(number, member, was_looping, &mut changed, |o| {
                            o.unpack(member, true)
                        }) {
                            return false;
                        }
                        bad = false;
                    }
                }
                if bad {
                    unready.push(at);
                }
            }
            if !changed {
                break;
            }
        }
        let mut last_bad = false;
        let mut rounds = 0..ROUNDS;
        loop {
            let mut changed = false;
            if rounds.next().is_none() {
                return false;
            }
            for group in unready.iter().filter_map(|at| groups.get(*at)) {
                last_bad = true;
                'edges: for edge in &group.edges {
                    for member in edge.members.iter().copied() {
                        match self.progress[member] {
                            PackageState::Unpacked if self.looping[member] && was_looping => {
                                last_bad = false;
                                break 'edges;
                            }
                            PackageState::Unpacked => {
                                let worked = self.guarded(number, member, was_looping, &mut changed, |o| {
                                    o.configure(member)
                                });
                                if !worked {
                                    return false;
                                }
                                last_bad = false;
                                break 'edges;
                            }
                            PackageState::Configured => {
                                last_bad = false;
                                break 'edges;
                            }
                            PackageState::Now => {}
                        }
                    }
                }
            }
            if !changed {
                return !last_bad;
            }
        }
    }
}
