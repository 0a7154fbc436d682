//! The dependency of a cycle that is broken (dpkg: `findbreakcycle`).

use super::Queue;
use super::graph::{Graph, Node};
use std::collections::HashSet;

/// A depth-first search for a cycle.
pub(super) struct CycleSearch<'a> {
    graph: &'a Graph,
    queue: &'a Queue,
    /// Packages that lead to no cycle.
    done: HashSet<Node>,
    /// The path from the start: package, group, and alternative followed.
    path: Vec<(Node, usize, usize)>,
}

impl<'a> CycleSearch<'a> {
    pub(super) fn new(graph: &'a Graph, queue: &'a Queue) -> Self {
        Self {
            graph,
            queue,
            done: HashSet::new(),
            path: Vec::new(),
        }
    }

    /// Returns the dependency to be broken of a cycle that `node` leads to: package, group and alternative.
    pub(super) fn from(&mut self, node: Node) -> Option<(Node, usize, usize)> {
        if self.done.contains(&node) {
            return None;
        }
        let graph = self.graph;
        for (group, alternatives) in graph.groups(node).iter().enumerate() {
            for (option, alternative) in alternatives.iter().enumerate() {
                if self.queue.broken.contains(&(node, group, option)) {
                    continue;
                }
                let queued = |(node, _): &&(Node, bool)| self.queue.queued.contains(node);
                let providers = alternative.providers.iter().filter(queued);
                let candidates: Vec<Node> = alternative.named.iter().chain(providers).map(|c| c.0).collect();
                for candidate in candidates {
                    let earlier = self.on_path(candidate);
                    self.path.push((node, group, option));
                    let found = if earlier {
                        self.choose(candidate)
                    } else {
                        self.from(candidate)
                    };
                    if found.is_some() {
                        return found;
                    }
                    self.path.pop();
                }
            }
        }
        self.done.insert(node);
        None
    }

    fn on_path(&self, node: Node) -> bool {
        self.path.iter().any(|(n, ..)| *n == node)
    }

    /// Returns the dependency to be broken of the cycle from `start` to the end of the path: that of the last package
    /// without a postinst, else that of `start`.
    fn choose(&self, start: Node) -> Option<(Node, usize, usize)> {
        let last = self.path.len().saturating_sub(1);
        let first = self
            .path
            .iter()
            .take(last)
            .rposition(|(n, ..)| *n == start)
            .unwrap_or(last);
        let cycle = self.path.get(first..)?;
        let harmless = cycle
            .iter()
            .rev()
            .find(|(node, ..)| !self.graph.has_postinst(*node));
        harmless.or(cycle.first()).copied()
    }
}
