//! Packages in batches that can be unpacked in parallel.
//!
//! A package may be unpacked once what it pre-depends on is configured, which
//! in turn wants the dependencies of those configured. So every package has a
//! level: that of the highest of its dependencies, and above that of its
//! Pre-Depends. A level is a batch.

use std::collections::{HashMap, HashSet};

use super::package::{DependencyKind, PackageId};
use super::universe::Universe;

struct Edge {
    to: usize,
    pre: bool,
}

/// Splits packages, keeping their order within each batch.
pub(super) fn unpack_batches(
    universe: &Universe<'_>,
    packages: &[PackageId],
    installed: &HashSet<PackageId>,
) -> Vec<Vec<PackageId>> {
    let numbers: HashMap<PackageId, usize> = packages.iter().enumerate().map(|(n, id)| (*id, n)).collect();
    let edges: Vec<Vec<Edge>> = packages
        .iter()
        .map(|id| {
            let owner = universe.slot_arch(universe.slot_of(*id));
            let required = universe.package(*id).required();
            let edges = required.filter_map(|(kind, group)| {
                let all: Vec<PackageId> = group
                    .iter()
                    .flat_map(|relation| universe.targets(relation, owner, false))
                    .collect();
                if all.iter().any(|target| installed.contains(target)) {
                    return None;
                }
                let to = all.iter().find_map(|target| numbers.get(target)).copied()?;
                Some(Edge {
                    to,
                    pre: kind == DependencyKind::PreDepends,
                })
            });
            edges.collect()
        })
        .collect();
    let mut batches: Vec<Vec<PackageId>> = Vec::new();
    for (id, level) in packages.iter().zip(levels(&edges)) {
        if batches.len() <= level {
            batches.resize_with(level + 1, Vec::new);
        }
        if let Some(batch) = batches.get_mut(level) {
            batch.push(*id);
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// The level of each node.
fn levels(edges: &[Vec<Edge>]) -> Vec<usize> {
    let components = components(edges);
    let mut component_of = vec![0; edges.len()];
    for (number, component) in components.iter().enumerate() {
        for node in component {
            component_of[*node] = number;
        }
    }
    let mut levels = vec![0; edges.len()];
    let mut tops = vec![0; components.len()];
    for (number, component) in components.iter().enumerate() {
        // What a component needs outside itself comes before it in the list.
        let outside = component.iter().flat_map(|node| &edges[*node]);
        let base = outside
            .filter(|edge| component_of[edge.to] != number)
            .map(|edge| tops[component_of[edge.to]] + usize::from(edge.pre))
            .max()
            .unwrap_or(0);
        for node in component {
            levels[*node] = base;
        }
        // In a circle dpkg gives up Depends rather than Pre-Depends: these
        // still count, as far as they are no circle themselves.
        for _ in 0..component.len() {
            let mut changed = false;
            for node in component {
                let inside = edges[*node].iter();
                let inside = inside.filter(|e| e.pre && e.to != *node && component_of[e.to] == number);
                let level = inside.map(|edge| levels[edge.to] + 1).max().unwrap_or(base);
                if level > levels[*node] && level < base + component.len() {
                    levels[*node] = level;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        tops[number] = component.iter().map(|node| levels[*node]).max().unwrap_or(base);
    }
    levels
}

/// Strongly connected components, each after those it leads to (Tarjan's
/// algorithm, with a stack of its own).
fn components(edges: &[Vec<Edge>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low, mut on_stack) = (vec![NEW; count], vec![0; count], vec![false; count]);
    let (mut next, mut stack, mut found) = (0, Vec::new(), Vec::new());
    for root in 0..count {
        if index[root] != NEW {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, at)) = work.pop() {
            if at == 0 {
                index[node] = next;
                low[node] = next;
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(edge) = edges[node].get(at) {
                work.push((node, at + 1));
                if index[edge.to] == NEW {
                    work.push((edge.to, 0));
                } else if on_stack[edge.to] {
                    low[node] = low[node].min(index[edge.to]);
                }
                continue;
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                let mut component = Vec::new();
                while let Some(member) = stack.pop() {
                    on_stack[member] = false;
                    component.push(member);
                    if member == node {
                        break;
                    }
                }
                found.push(component);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(count: usize, edges: &[(usize, usize, bool)]) -> Vec<Vec<Edge>> {
        let mut graph: Vec<Vec<Edge>> = (0..count).map(|_| Vec::new()).collect();
        for (from, to, pre) in edges {
            graph[*from].push(Edge { to: *to, pre: *pre });
        }
        graph
    }

    #[test]
    fn pre_depends_wait_for_all_below() {
        // 0 pre-depends on 1, which depends on 2; 3 depends on 0; 4 on nothing.
        let g = graph(5, &[(0, 1, true), (1, 2, false), (3, 0, false)]);
        assert_eq!(levels(&g), [1, 0, 0, 1, 0]);
    }

    #[test]
    fn circles_end() {
        let g = graph(2, &[(0, 1, true), (1, 0, true)]);
        assert!(levels(&g).iter().all(|level| *level < 2));
        // 0 pre-depends on 1, which depends on 0: 1 goes first.
        let g = graph(3, &[(0, 1, true), (1, 0, false), (2, 0, true)]);
        assert_eq!(levels(&g), [1, 0, 2]);
        let g = graph(1, &[(0, 0, true)]);
        assert_eq!(levels(&g), [0]);
    }
}
