//! The order in which packages are configured: dpkg's.
//!
//! dpkg takes packages from a queue. One whose dependencies are not configured
//! yet goes to the end of it; when nothing was possible for a while it becomes
//! more lenient by steps, and stays so to the end of the run: it breaks
//! dependency cycles, then processes triggers that are pending or that a
//! dependency waits for, then (as with `--force-depends`, with which the
//! essential packages are installed) ignores what cannot be helped. Which
//! dependency of a cycle is broken shows in the result: preferably one of a
//! package without a postinst. (dpkg: `process_queue`, `dependencies_ok`,
//! `findbreakcycle`, `trigproc`.)

use deb_types::MultiArch;
use dpkg_db::{Package, Possibility, Status, parse_relations};
use std::collections::{HashMap, HashSet, VecDeque};

mod cycles;
use cycles::CycleSearch;

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
    /// Depends and Pre-Depends: groups of alternatives.
    groups: Vec<Vec<Alternative>>,
}

/// One alternative of a dependency: packages, and whether their version and
/// architecture will do. Cycles are looked for through the others as well.
#[derive(Debug)]
struct Alternative {
    /// Those of that name and a fitting architecture.
    named: Vec<(Node, bool)>,
    /// Those that provide it.
    providers: Vec<(Node, bool)>,
}

impl Graph {
    /// Builds the graph of packages; the flag says whether the package has a
    /// postinst. `read` are their numbers in the order in which dpkg came to
    /// know them, `native` is the target's architecture.
    pub fn new(packages: &[(&Package, bool)], read: &[Node], native: &str) -> Self {
        let mut named: HashMap<&str, Vec<Node>> = HashMap::new();
        let mut provided: HashMap<String, Vec<(Node, Possibility)>> = HashMap::new();
        for (node, (package, _)) in read.iter().filter_map(|node| Some((*node, packages.get(*node)?))) {
            named.entry(package.name.as_str()).or_default().push(node);
            let provides = package.field("Provides").map(parse_relations);
            for possibility in provides.and_then(Result::ok).into_iter().flatten().flatten() {
                // dpkg's list of them begins with the one it read last.
                provided
                    .entry(possibility.name.clone())
                    .or_default()
                    .insert(0, (node, possibility));
            }
        }
        let alternative = |from: &Package, wanted: &Possibility| {
            let fits = |node: Node, by: Option<&str>| {
                let fits = |(to, _): &(&Package, bool)| architecture_fits(from, to, by, wanted, native);
                packages.get(node).is_some_and(fits)
            };
            let nodes = named.get(wanted.name.as_str()).into_iter().flatten().copied();
            let accepts = |node: Node| {
                packages
                    .get(node)
                    .is_some_and(|(p, _)| wanted.accepts(&p.version))
            };
            let providers = provided.get(&wanted.name).into_iter().flatten();
            Alternative {
                named: nodes
                    .filter(|node| fits(*node, None))
                    .map(|node| (node, accepts(node)))
                    .collect(),
                providers: providers
                    .map(|(node, is)| {
                        let version = is.constraint.as_ref().map(|(_, version)| version);
                        let good = wanted.constraint.is_none() || version.is_some_and(|v| wanted.accepts(v));
                        (*node, good && fits(*node, is.architecture.as_deref()))
                    })
                    .collect(),
            }
        };
        let nodes = packages.iter().map(|(package, has_postinst)| NodeData {
            has_postinst: *has_postinst,
            groups: package
                .requirements()
                // The database has parsed the field before, so an error cannot come here.
                .flat_map(|value| parse_relations(value).unwrap_or_default())
                .map(|group| group.iter().map(|wanted| alternative(package, wanted)).collect())
                .collect(),
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    fn groups(&self, node: Node) -> &[Vec<Alternative>] {
        self.nodes
            .get(node)
            .map(|n| n.groups.as_slice())
            .unwrap_or_default()
    }

    fn has_postinst(&self, node: Node) -> bool {
        self.nodes.get(node).is_some_and(|n| n.has_postinst)
    }
}

/// Whether `to` may satisfy a dependency of `from` (Multi-Arch specification);
/// `by` is the architecture that its `Provides` names.
pub(crate) fn architecture_fits(
    from: &Package,
    to: &Package,
    by: Option<&str>,
    wanted: &Possibility,
    native: &str,
) -> bool {
    let own = |architecture: &str| match architecture {
        "all" => native.to_owned(),
        other => other.to_owned(),
    };
    let is = own(by.unwrap_or(&to.architecture));
    match wanted.architecture.as_deref() {
        Some("any") => to.multi_arch == MultiArch::Allowed || is == own(&from.architecture),
        Some(exact) => is == exact,
        None => is == own(&from.architecture) || to.multi_arch == MultiArch::Foreign,
    }
}

/// What the queue asks about packages as they are at the moment.
pub trait States {
    /// A package's state.
    fn status(&self, node: Node) -> Status;
    /// Whether it has triggers pending.
    fn is_pending(&self, node: Node) -> bool;
    /// The first package whose triggers it awaits.
    fn awaits(&self, node: Node) -> Option<Node>;
    /// Whether it is left for later, so that nothing here will make it satisfy a dependency.
    fn is_left(&self, _node: Node) -> bool {
        false
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Configure this package.
    Configure(Node),
    /// Process this package's triggers.
    Triggers(Node),
    /// Leave this package as it is: what it depends on will not be configured.
    Leave {
        /// The package.
        node: Node,
        /// The one it depends on.
        on: Node,
    },
    /// Its dependencies cannot be satisfied, and nothing forces it ([`Queue::strict`]).
    Refuse(Node),
}

/// dpkg's `dependtry`: what is tried when nothing else helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leniency {
    Normal,
    Cycles,
    Triggers,
    TriggerCycles,
    ForceVersions,
    Force,
}

impl Leniency {
    fn next(self) -> Self {
        match self {
            Self::Normal => Self::Cycles,
            Self::Cycles => Self::Triggers,
            Self::Triggers => Self::TriggerCycles,
            Self::TriggerCycles => Self::ForceVersions,
            Self::ForceVersions | Self::Force => Self::Force,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Nothing,
    Defer,
    Satisfied,
}

/// dpkg's queue, for one run of it.
#[derive(Debug)]
pub struct Queue {
    waiting: VecDeque<Node>,
    /// All that were in the queue at its beginning.
    queued: HashSet<Node>,
    /// Whether triggers of packages outside the queue may be processed.
    any_triggers: bool,
    fruitless: usize,
    leniency: Leniency,
    /// The package whose triggers are in the way of the one looked at last.
    in_the_way: Option<Node>,
    /// Alternatives of dependencies that are taken as satisfied: node, group
    /// and alternative by position.
    broken: HashSet<(Node, usize, usize)>,
    /// Whether packages are refused whose dependencies cannot be satisfied.
    strict: bool,
    /// Whether packages are refused for which there is nothing to be done.
    tells_idle: bool,
}

impl Queue {
    /// A queue in the order in which dpkg was given the packages. With
    /// `any_triggers` (what `--no-triggers` comes down to here) triggers of
    /// packages that are not in it are processed where something needs that.
    pub fn new(nodes: impl IntoIterator<Item = Node>, any_triggers: bool) -> Self {
        let waiting: VecDeque<Node> = nodes.into_iter().collect();
        Self {
            queued: waiting.iter().copied().collect(),
            waiting,
            any_triggers,
            fruitless: 0,
            leniency: Leniency::Normal,
            in_the_way: None,
            broken: HashSet::new(),
            strict: false,
            tells_idle: false,
        }
    }

    /// Refuses packages for which there is nothing to be done, instead of passing over them.
    #[must_use]
    pub fn telling_idle(mut self) -> Self {
        self.tells_idle = true;
        self
    }

    /// Refuses packages whose dependencies cannot be satisfied, as dpkg does without
    /// `--force-depends`.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Expects nothing more of a package: what depends on it need not wait.
    pub fn give_up(&mut self, node: Node) {
        self.queued.remove(&node);
    }

    /// The next step, given the present state of each package; `None` at the
    /// end. The package of the step is out of the queue.
    pub fn next(&mut self, graph: &Graph, states: &dyn States) -> Option<Step> {
        loop {
            let mut node = self.waiting.pop_front()?;
            let before = self.fruitless;
            self.fruitless += 1;
            if before > self.waiting.len() * 3 + 2 {
                self.give_way();
            } else if self.fruitless > self.waiting.len() * 2 + 2 {
                match self.in_the_way.filter(|other| states.is_pending(*other)) {
                    Some(other) if self.leniency >= Leniency::Triggers => {
                        self.waiting.push_back(node);
                        self.in_the_way = None;
                        node = other;
                    }
                    _ => self.give_way(),
                }
            }
            let pending = states.is_pending(node);
            if !pending && !matches!(states.status(node), Status::Unpacked | Status::HalfConfigured) {
                if self.tells_idle {
                    return Some(Step::Refuse(node));
                }
                continue;
            }
            if pending && self.leniency < Leniency::Triggers {
                self.waiting.push_back(node);
                continue;
            }
            if self.leniency >= Leniency::Cycles && self.break_cycle(graph, node) {
                self.fruitless = 0;
            }
            if !pending && let Some(on) = self.left(graph, node, states) {
                self.fruitless = 0;
                return Some(Step::Leave { node, on });
            }
            let found = self.check(graph, node, states);
            // Nothing that may still come helps, or nothing helped.
            let hopeless = found == Found::Nothing || self.leniency == Leniency::Force;
            if self.strict && hopeless && found < Found::Satisfied {
                self.fruitless = 0;
                return Some(Step::Refuse(node));
            }
            let satisfied = found == Found::Satisfied;
            if !satisfied && self.leniency < Leniency::Force {
                self.waiting.push_back(node);
                continue;
            }
            self.fruitless = 0;
            return Some(if pending {
                Step::Triggers(node)
            } else {
                Step::Configure(node)
            });
        }
    }

    fn give_way(&mut self) {
        self.leniency = self.leniency.next();
        self.fruitless = 0;
    }

    /// A package that is left for later, and that alone could satisfy a dependency.
    /// It is more than force could help.
    fn left(&self, graph: &Graph, node: Node, states: &dyn States) -> Option<Node> {
        let groups = graph.groups(node).iter().enumerate();
        groups.into_iter().find_map(|(position, group)| {
            let mut only = None;
            for (option, alternative) in group.iter().enumerate() {
                if self.broken.contains(&(node, position, option)) {
                    return None;
                }
                for (candidate, good) in alternative.named.iter().chain(&alternative.providers) {
                    if states.is_left(*candidate) {
                        only = only.or(Some(*candidate));
                    } else if self.found(*candidate, *good, states, &mut None) > Found::Nothing {
                        return None;
                    }
                }
            }
            only
        })
    }

    /// Whether the dependencies of a package are satisfied, and if not whether
    /// triggers are in the way.
    fn check(&mut self, graph: &Graph, node: Node, states: &dyn States) -> Found {
        let mut all = Found::Satisfied;
        let (mut helped, mut beyond_help) = (None, false);
        for (position, group) in graph.groups(node).iter().enumerate() {
            let mut best = Found::Nothing;
            let mut awaited = None;
            for (option, alternative) in group.iter().enumerate() {
                if self.broken.contains(&(node, position, option)) {
                    best = Found::Satisfied;
                }
                for (candidate, good) in &alternative.named {
                    if best < Found::Satisfied {
                        best = best.max(self.found(*candidate, *good, states, &mut awaited));
                    }
                }
                for (candidate, good) in &alternative.providers {
                    if best < Found::Satisfied && *good {
                        // A package that provides what it needs itself is let pass.
                        best = match self.found(*candidate, true, states, &mut awaited) {
                            Found::Defer if *candidate == node => Found::Satisfied,
                            found => best.max(found),
                        };
                    }
                }
                if best == Found::Satisfied {
                    break;
                }
            }
            if best < Found::Satisfied {
                all = all.min(best);
                match awaited {
                    Some(other) if best == Found::Defer => helped = Some(other),
                    _ => beyond_help = true,
                }
            }
        }
        if let (Some(other), false) = (helped, beyond_help) {
            self.in_the_way = Some(other);
        }
        all
    }

    fn found(&self, node: Node, good: bool, states: &dyn States, awaited: &mut Option<Node>) -> Found {
        if !good || states.is_left(node) {
            return Found::Nothing;
        }
        match states.status(node) {
            Status::Installed | Status::TriggersPending => Found::Satisfied,
            Status::TriggersAwaited if self.any_triggers || self.queued.contains(&node) => {
                *awaited = states.awaits(node);
                Found::Defer
            }
            Status::Unpacked | Status::HalfConfigured if self.queued.contains(&node) => Found::Defer,
            _ => Found::Nothing,
        }
    }

    /// Breaks one dependency of a cycle that `node` is part of or leads to.
    fn break_cycle(&mut self, graph: &Graph, node: Node) -> bool {
        match CycleSearch::new(graph, self).from(node) {
            Some(link) => self.broken.insert(link),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
