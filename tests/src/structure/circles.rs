//! Strongly connected components of a small graph.

use std::collections::{BTreeMap, BTreeSet};

/// The circles of a graph: each set of two or more nodes of which every one leads to every other,
/// in the order of names.
pub(super) fn circles<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|node| (*node, reachable(graph, node))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for node in graph.keys() {
        if done.contains(node) {
            continue;
        }
        let circle: Vec<&str> = graph
            .keys()
            .filter(|other| *other == node || (leads(node, other) && leads(other, node)))
            .copied()
            .collect();
        done.extend(circle.iter().copied());
        if circle.len() > 1 {
            found.push(circle);
        }
    }
    found
}

fn reachable<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let next = |node: &str| graph.get(node).into_iter().flatten().copied();
    let mut seen = BTreeSet::new();
    let mut left: Vec<&str> = next(from).collect();
    while let Some(node) = left.pop() {
        if seen.insert(node) {
            left.extend(next(node));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_told_from_chains() {
        let graph = |edges: &[(&'static str, &'static str)]| {
            let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (from, to) in edges {
                graph.entry(to).or_default();
                graph.entry(from).or_default().insert(to);
            }
            circles(&graph)
        };
        assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c"), ("d", "d")]).is_empty());
        let two = graph(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
            ("e", "d"),
        ]);
        assert_eq!(two, [vec!["a", "b", "c"], vec!["d", "e"]]);
    }
}
