//! Packages and their dependencies, as dpkg searches them.

use deb_types::MultiArch;
use dpkg_db::{Package, Possibility, parse_relations};
use std::collections::HashMap;

/// Number of a package in a [`Graph`].
pub type Node = usize;

/// Packages and their dependencies.
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

/// One alternative of a dependency: packages that may satisfy it, and whether their version and architecture do.
/// Cycles run through the others as well.
#[derive(Debug)]
pub(super) struct Alternative {
    /// Packages of that name and a fitting architecture.
    pub(super) named: Vec<(Node, bool)>,
    /// Packages that provide the name.
    pub(super) providers: Vec<(Node, bool)>,
}

impl Graph {
    /// Returns the graph of packages; the flag of each is whether it has a postinst. `read` are their numbers in the
    /// order in which dpkg read them, `native` is the target's architecture.
    pub fn new(packages: &[(&Package, bool)], read: &[Node], native: &str) -> Self {
        let mut named: HashMap<&str, Vec<Node>> = HashMap::new();
        let mut provided: HashMap<String, Vec<(Node, Possibility)>> = HashMap::new();
        for (node, (package, _)) in read.iter().filter_map(|node| Some((*node, packages.get(*node)?))) {
            named.entry(package.name.as_str()).or_default().push(node);
            let provides = package.field("Provides").map(parse_relations);
            for possibility in provides.and_then(Result::ok).into_iter().flatten().flatten() {
                // dpkg's list of providers begins with the one that it read last.
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
                // The database has parsed the field already, so there is no error.
                .flat_map(|value| parse_relations(value).unwrap_or_default())
                .map(|group| group.iter().map(|wanted| alternative(package, wanted)).collect())
                .collect(),
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Returns the dependencies of a package: groups of alternatives.
    pub(super) fn groups(&self, node: Node) -> &[Vec<Alternative>] {
        self.nodes
            .get(node)
            .map(|n| n.groups.as_slice())
            .unwrap_or_default()
    }

    /// Whether a package has a postinst.
    pub(super) fn has_postinst(&self, node: Node) -> bool {
        self.nodes.get(node).is_some_and(|n| n.has_postinst)
    }
}

/// Whether the architecture of `to` allows it to satisfy a dependency of `from` (the Multi-Arch specification);
/// `by` is the architecture that a `Provides` of `to` names.
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
