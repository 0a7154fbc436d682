//! The order in which dpkg configures packages.
//!
//! dpkg takes packages from a queue. One whose dependencies are not configured yet goes to its end. When nothing was
//! possible for a while, dpkg becomes more lenient by steps, and stays so to the end of the run: it breaks
//! dependency cycles, then processes triggers that are pending or that a dependency awaits, then (with
//! `--force-depends`, with which the essential packages are installed) ignores dependencies that cannot be
//! satisfied. The choice of the dependency that is broken shows in the result: preferably one of a package without
//! a postinst. (dpkg: `process_queue`, `dependencies_ok`, `findbreakcycle`, `trigproc`.)

mod dependency_cycles;
mod graph;

pub(crate) use graph::architecture_fits;
pub use graph::{Graph, Node};

use dependency_cycles::CycleSearch;
use dpkg_db::Status;
use std::collections::{HashSet, VecDeque};

/// States of packages at the moment.
pub trait States {
    /// Returns the state of a package.
    fn status(&self, node: Node) -> Status;
    /// Whether a package has triggers pending.
    fn is_pending(&self, node: Node) -> bool;
    /// Returns the first package whose triggers a package awaits.
    fn awaits(&self, node: Node) -> Option<Node>;
    /// Whether a package is deferred, so that it will not satisfy a dependency in this run.
    fn is_deferred(&self, _node: Node) -> bool {
        false
    }
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Configure this package.
    Configure(Node),
    /// Process this package's triggers.
    Triggers(Node),
    /// Defer this package: one that it depends on will not be configured.
    Defer {
        /// The package.
        node: Node,
        /// The one it depends on.
        on: Node,
    },
    /// Refuse this package: its dependencies cannot be satisfied, and nothing forces it ([`Queue::strict`]).
    Refuse(Node),
    /// Look for a cycle of triggers: those of this package are pending, and its dependencies wait for other packages
    /// still. Unless it is given up for that, [`Queue::requeue`] it.
    CheckTriggers(Node),
}

/// Measures that are tried when nothing else helps, in their order (dpkg: `dependtry`).
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

/// Satisfaction of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Satisfaction {
    /// Not satisfied, and nothing in the queue will change that.
    Impossible,
    /// Not satisfied yet, but a package of the queue may do it.
    Later,
    /// Satisfied.
    Satisfied,
}

/// dpkg's queue, for one run of it.
#[derive(Debug)]
pub struct Queue {
    /// Packages that are still in the queue.
    waiting: VecDeque<Node>,
    /// Packages that were in the queue at its beginning, without those given up.
    queued: HashSet<Node>,
    /// Whether triggers of packages outside the queue may be processed.
    any_triggers: bool,
    /// Number of packages looked at since the last step.
    fruitless: usize,
    leniency: Leniency,
    /// A package whose triggers a dependency of the package awaits that was looked at last.
    in_the_way: Option<Node>,
    /// Alternatives that are taken as satisfied: package, and positions of the group and of the alternative.
    broken: HashSet<(Node, usize, usize)>,
    /// Whether packages are refused whose dependencies cannot be satisfied.
    strict: bool,
    /// Whether packages are refused for which there is nothing to be done.
    tells_idle: bool,
}

impl Queue {
    /// Returns a queue in the order in which dpkg is given the packages. With `any_triggers`, the effect of
    /// `--no-triggers`, triggers of packages outside the queue are processed where a dependency awaits them.
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

    /// Refuses packages for which there is nothing to do, instead of passing over them.
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

    /// Notes that a package will not be configured: packages that depend on it need not wait.
    pub fn give_up(&mut self, node: Node) {
        self.queued.remove(&node);
    }

    /// Puts a package at the end of the queue, unless it is in it.
    pub fn requeue(&mut self, node: Node) {
        if !self.waiting.contains(&node) {
            self.waiting.push_back(node);
        }
    }

    /// Returns the next step, given the present state of each package; `None` at the end. The package of the step is
    /// taken out of the queue.
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
                        self.requeue(node);
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
                self.requeue(node);
                continue;
            }
            if self.leniency >= Leniency::Cycles && self.break_cycle(graph, node) {
                self.fruitless = 0;
            }
            if !pending && let Some(on) = self.deferred(graph, node, states) {
                self.fruitless = 0;
                return Some(Step::Defer { node, on });
            }
            let found = self.check(graph, node, states);
            // Nothing in the queue will help, or no measure has helped.
            let hopeless = found == Satisfaction::Impossible || self.leniency == Leniency::Force;
            if self.strict && hopeless && found < Satisfaction::Satisfied {
                self.fruitless = 0;
                return Some(Step::Refuse(node));
            }
            let satisfied = found == Satisfaction::Satisfied;
            if !satisfied && self.leniency < Leniency::Force {
                if pending && found == Satisfaction::Later && self.leniency >= Leniency::TriggerCycles {
                    return Some(Step::CheckTriggers(node));
                }
                self.requeue(node);
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

    /// Returns a deferred package that alone could satisfy a dependency. Force does not help against that.
    fn deferred(&self, graph: &Graph, node: Node, states: &dyn States) -> Option<Node> {
        let groups = graph.groups(node).iter().enumerate();
        groups.into_iter().find_map(|(position, group)| {
            let mut only = None;
            for (option, alternative) in group.iter().enumerate() {
                if self.broken.contains(&(node, position, option)) {
                    return None;
                }
                for (candidate, good) in alternative.named.iter().chain(&alternative.providers) {
                    if states.is_deferred(*candidate) {
                        only = only.or(Some(*candidate));
                    } else if self.satisfaction(*candidate, *good, states, &mut None)
                        > Satisfaction::Impossible
                    {
                        return None;
                    }
                }
            }
            only
        })
    }

    /// Returns whether the dependencies of a package are satisfied, and notes a package whose triggers they await.
    fn check(&mut self, graph: &Graph, node: Node, states: &dyn States) -> Satisfaction {
        let mut all = Satisfaction::Satisfied;
        let (mut helped, mut beyond_help) = (None, false);
        for (position, group) in graph.groups(node).iter().enumerate() {
            let mut best = Satisfaction::Impossible;
            let mut awaited = None;
            for (option, alternative) in group.iter().enumerate() {
                if self.broken.contains(&(node, position, option)) {
                    best = Satisfaction::Satisfied;
                }
                for (candidate, good) in &alternative.named {
                    if best < Satisfaction::Satisfied {
                        best = best.max(self.satisfaction(*candidate, *good, states, &mut awaited));
                    }
                }
                for (candidate, good) in &alternative.providers {
                    if best < Satisfaction::Satisfied && *good {
                        // A package may satisfy its own dependency by what it provides.
                        best = match self.satisfaction(*candidate, true, states, &mut awaited) {
                            Satisfaction::Later if *candidate == node => Satisfaction::Satisfied,
                            found => best.max(found),
                        };
                    }
                }
                if best == Satisfaction::Satisfied {
                    break;
                }
            }
            if best < Satisfaction::Satisfied {
                all = all.min(best);
                match awaited {
                    Some(other) if best == Satisfaction::Later => helped = Some(other),
                    _ => beyond_help = true,
                }
            }
        }
        if let (Some(other), false) = (helped, beyond_help) {
            self.in_the_way = Some(other);
        }
        all
    }

    /// Returns whether a package satisfies a dependency; `good` is whether its version and architecture do.
    /// `awaited` becomes the package whose triggers it awaits.
    fn satisfaction(
        &self,
        node: Node,
        good: bool,
        states: &dyn States,
        awaited: &mut Option<Node>,
    ) -> Satisfaction {
        if !good || states.is_deferred(node) {
            return Satisfaction::Impossible;
        }
        match states.status(node) {
            Status::Installed | Status::TriggersPending => Satisfaction::Satisfied,
            Status::TriggersAwaited if self.any_triggers || self.queued.contains(&node) => {
                *awaited = states.awaits(node);
                Satisfaction::Later
            }
            Status::Unpacked | Status::HalfConfigured if self.queued.contains(&node) => Satisfaction::Later,
            _ => Satisfaction::Impossible,
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
