//! The order in which packages are configured: dpkg's.
//!
//! dpkg takes packages from a queue. One whose dependencies are not configured
//! yet goes to the end of it; when nothing was possible for a while it becomes
//! more lenient by steps: it breaks dependency cycles, then processes triggers
//! that a dependency waits for, then (as with `--force-depends`, with which the
//! essential packages are installed) ignores what cannot be helped. Which
//! dependency of a cycle is broken shows in the result: preferably one of a
//! package without a postinst. (dpkg: `process_queue`, `dependencies_ok`,
//! `findbreakcycle`.)

use crate::dpkg::{MultiArch, Package, Possibility, Status, parse_relations};
use std::collections::{HashMap, HashSet, VecDeque};

/// Index of a package in a [`Graph`].
pub type Node = usize;

/// The packages and their dependencies.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<NodeData>,
}

#[derive(Debug)]
struct NodeData {
    has_postinst: bool,
    /// Depends and Pre-Depends: groups of alternatives, each with the packages
    /// that satisfy it, the one of that name first, then providers.
    groups: Vec<Vec<Vec<Node>>>,
}

impl Graph {
    /// Builds the graph of packages, in the order given; the flag says whether
    /// the package has a postinst. `native` is the target's architecture.
    pub fn new(packages: &[(&Package, bool)], native: &str) -> Self {
        let mut named: HashMap<&str, Vec<Node>> = HashMap::new();
        let mut provided: HashMap<String, Vec<(Node, Option<String>)>> = HashMap::new();
        for (node, (package, _)) in packages.iter().enumerate() {
            named.entry(package.name.as_str()).or_default().push(node);
            for possibility in groups(package, "Provides").into_iter().flatten() {
                let version = possibility.constraint.map(|(_, version)| version);
                provided
                    .entry(possibility.name)
                    .or_default()
                    .push((node, version));
            }
        }
        let satisfying = |from: &Package, wanted: &Possibility| -> Vec<Node> {
            let by_name = named
                .get(wanted.name.as_str())
                .into_iter()
                .flatten()
                .copied()
                .filter(|&node| {
                    packages.get(node).is_some_and(|(p, _)| {
                        wanted.accepts(&p.version) && architecture_fits(from, p, wanted, native)
                    })
                });
            let by_provider = provided
                .get(&wanted.name)
                .into_iter()
                .flatten()
                .filter(|(_, version)| {
                    wanted.constraint.is_none() || version.as_ref().is_some_and(|v| wanted.accepts(v))
                });
            by_name.chain(by_provider.map(|(node, _)| *node)).collect()
        };
        let nodes = packages
            .iter()
            .map(|(package, has_postinst)| {
                let wanted = groups(package, "Depends")
                    .into_iter()
                    .chain(groups(package, "Pre-Depends"));
                NodeData {
                    has_postinst: *has_postinst,
                    groups: wanted
                        .map(|group| group.iter().map(|wanted| satisfying(package, wanted)).collect())
                        .collect(),
                }
            })
            .collect();
        Self { nodes }
    }

    fn groups(&self, node: Node) -> &[Vec<Vec<Node>>] {
        self.nodes
            .get(node)
            .map(|n| n.groups.as_slice())
            .unwrap_or_default()
    }

    fn has_postinst(&self, node: Node) -> bool {
        self.nodes.get(node).is_some_and(|n| n.has_postinst)
    }
}

fn groups(package: &Package, field: &str) -> Vec<Vec<Possibility>> {
    // The database has parsed the field before, so an error cannot come here.
    package
        .field(field)
        .map(|value| parse_relations(value).unwrap_or_default())
        .unwrap_or_default()
}

/// Whether `to` may satisfy a dependency of `from` (Multi-Arch specification).
fn architecture_fits(from: &Package, to: &Package, wanted: &Possibility, native: &str) -> bool {
    let own = |p: &Package| {
        if p.architecture == "all" {
            native.to_owned()
        } else {
            p.architecture.clone()
        }
    };
    match wanted.architecture.as_deref() {
        Some("any") => to.multi_arch == MultiArch::Allowed || own(to) == own(from),
        Some(exact) => own(to) == exact,
        None => own(to) == own(from) || to.multi_arch == MultiArch::Foreign,
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Configure this package.
    Configure(Node),
    /// Process triggers, so that these packages, which await it, are done.
    Triggers(Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leniency {
    Normal,
    Cycles,
    Triggers,
    Force,
}

#[derive(Debug, PartialEq, Eq)]
enum Check {
    Satisfied,
    /// Packages that must be configured, or have their triggers processed.
    Defer {
        awaiting: Vec<Node>,
    },
    /// Nothing in the queue or the system satisfies it.
    Unsatisfied,
}

/// dpkg's queue.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Node>,
    fruitless: usize,
    leniency: Leniency,
    /// Alternatives of dependencies that are taken as satisfied: node, group
    /// and alternative by position.
    broken: HashSet<(Node, usize, usize)>,
}

impl Queue {
    /// A queue in the order in which dpkg was given the packages.
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> Self {
        Self {
            waiting: nodes.into_iter().collect(),
            fruitless: 0,
            leniency: Leniency::Normal,
            broken: HashSet::new(),
        }
    }

    /// The next step, given the present state of each package; `None` at the
    /// end. After [`Step::Configure`] the package is out of the queue.
    pub fn next(&mut self, graph: &Graph, status: &dyn Fn(Node) -> Status) -> Option<Step> {
        loop {
            let node = self.waiting.pop_front()?;
            let fruitless = self.fruitless;
            self.fruitless += 1;
            if fruitless > self.waiting.len() * 3 + 2 {
                self.fruitless = 0;
                self.leniency = match self.leniency {
                    Leniency::Normal => Leniency::Cycles,
                    Leniency::Cycles => Leniency::Triggers,
                    Leniency::Triggers | Leniency::Force => Leniency::Force,
                };
            }
            if self.leniency >= Leniency::Cycles && self.break_cycle(graph, node) {
                self.fruitless = 0;
            }
            match self.check(graph, node, status) {
                Check::Satisfied => {
                    self.progress();
                    return Some(Step::Configure(node));
                }
                Check::Defer { awaiting } if !awaiting.is_empty() && self.leniency >= Leniency::Triggers => {
                    self.waiting.push_front(node);
                    self.progress();
                    return Some(Step::Triggers(awaiting));
                }
                Check::Defer { .. } | Check::Unsatisfied if self.leniency < Leniency::Force => {
                    self.waiting.push_back(node);
                }
                Check::Defer { .. } | Check::Unsatisfied => {
                    self.progress();
                    return Some(Step::Configure(node));
                }
            }
        }
    }

    fn progress(&mut self) {
        self.fruitless = 0;
        self.leniency = Leniency::Normal;
    }

    fn check(&self, graph: &Graph, node: Node, status: &dyn Fn(Node) -> Status) -> Check {
        let mut awaiting = Vec::new();
        let mut deferred = false;
        for (position, group) in graph.groups(node).iter().enumerate() {
            let mut best = 0;
            let mut awaited = Vec::new();
            for (option, nodes) in group.iter().enumerate() {
                if self.broken.contains(&(node, position, option)) {
                    best = 2;
                }
                for &candidate in nodes {
                    let found = match status(candidate) {
                        Status::Installed | Status::TriggersPending => 2,
                        _ if candidate == node => 2,
                        Status::TriggersAwaited => {
                            awaited.push(candidate);
                            1
                        }
                        Status::Unpacked | Status::HalfConfigured if self.waiting.contains(&candidate) => 1,
                        _ => 0,
                    };
                    best = best.max(found);
                }
            }
            match best {
                2 => {}
                1 => {
                    deferred = true;
                    awaiting.extend(awaited);
                }
                _ => return Check::Unsatisfied,
            }
        }
        if deferred {
            Check::Defer { awaiting }
        } else {
            Check::Satisfied
        }
    }

    /// Breaks one dependency of a cycle that `node` is part of or leads to.
    fn break_cycle(&mut self, graph: &Graph, node: Node) -> bool {
        let mut search = CycleSearch {
            graph,
            queue: self,
            done: HashSet::new(),
            path: Vec::new(),
        };
        match search.from(node) {
            Some(link) => self.broken.insert(link),
            None => false,
        }
    }
}

struct CycleSearch<'a> {
    graph: &'a Graph,
    queue: &'a Queue,
    done: HashSet<Node>,
    /// The way from the start: package, group, alternative followed.
    path: Vec<(Node, usize, usize)>,
}

impl CycleSearch<'_> {
    fn from(&mut self, node: Node) -> Option<(Node, usize, usize)> {
        if self.done.contains(&node) {
            return None;
        }
        for (group, alternatives) in self.graph.groups(node).iter().enumerate() {
            for (option, candidates) in alternatives.iter().enumerate() {
                if self.queue.broken.contains(&(node, group, option)) {
                    continue;
                }
                self.path.push((node, group, option));
                for &candidate in candidates {
                    let pending = self.queue.waiting.contains(&candidate) || self.on_path(candidate);
                    if !pending || candidate == node {
                        continue;
                    }
                    let found = if self.on_path(candidate) {
                        self.choose(candidate)
                    } else {
                        self.from(candidate)
                    };
                    if found.is_some() {
                        return found;
                    }
                }
                self.path.pop();
            }
        }
        self.done.insert(node);
        None
    }

    fn on_path(&self, node: Node) -> bool {
        self.path.iter().any(|(n, ..)| *n == node)
    }

    /// The cycle runs from `start` on the path to its end: the last package of
    /// it without a postinst loses its dependency, else `start` does.
    fn choose(&self, start: Node) -> Option<(Node, usize, usize)> {
        let first = self.path.iter().position(|(n, ..)| *n == start)?;
        let cycle = self.path.get(first..)?;
        let harmless = cycle
            .iter()
            .rev()
            .find(|(node, ..)| !self.graph.has_postinst(*node));
        harmless.or(cycle.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stanzas: &[(&str, bool)]) -> Vec<String> {
        let packages: Vec<Package> = stanzas
            .iter()
            .map(|(fields, _)| {
                let mut package =
                    Package::parse(&format!("Architecture: riscv64\nVersion: 1\n{fields}\n")).unwrap();
                package.status = Status::Unpacked;
                package
            })
            .collect();
        let with: Vec<(&Package, bool)> = packages.iter().zip(stanzas).map(|(p, s)| (p, s.1)).collect();
        let graph = Graph::new(&with, "riscv64");
        let mut status = vec![Status::Unpacked; packages.len()];
        let mut queue = Queue::new(0..packages.len());
        let mut order = Vec::new();
        while let Some(step) = queue.next(&graph, &|node| status[node]) {
            match step {
                Step::Configure(node) => {
                    status[node] = Status::Installed;
                    order.push(packages[node].name.clone());
                }
                Step::Triggers(nodes) => nodes.iter().for_each(|&n| status[n] = Status::Installed),
            }
        }
        order
    }

    #[test]
    fn dependencies_come_first() {
        let order = run(&[
            ("Package: a\nDepends: b, c (>= 1) | x", true),
            ("Package: b\nPre-Depends: virtual", true),
            ("Package: c\nProvides: virtual", true),
        ]);
        assert_eq!(order, ["c", "b", "a"]);
    }

    #[test]
    fn a_cycle_is_broken_at_the_package_without_postinst() {
        let cycle = |a, b| run(&[("Package: a\nDepends: b", a), ("Package: b\nDepends: a", b)]);
        assert_eq!(cycle(true, false), ["b", "a"]);
        assert_eq!(cycle(false, true), ["a", "b"]);
        assert_eq!(cycle(true, true), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_satisfied_is_configured_last() {
        let order = run(&[
            ("Package: a\nDepends: missing (>= 2)", true),
            ("Package: b", true),
        ]);
        assert_eq!(order, ["b", "a"]);
    }

    #[test]
    fn versions_and_versioned_provides_count() {
        let order = run(&[
            ("Package: a\nDepends: v (>= 2)", true),
            ("Package: old\nProvides: v (= 1)", true),
            ("Package: new\nProvides: v (= 2)", true),
        ]);
        assert_eq!(order, ["old", "new", "a"]);
    }
}
