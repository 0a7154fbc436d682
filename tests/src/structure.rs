//! Imports go one way: no circle between packages, and none between the rooms of a package.
//!
//! A *room* is a module directory `foo/` together with the file `foo.rs` beside it; a module
//! without a directory is a room of one file. The rooms below one parent are siblings. At each
//! level of a package these hold:
//!
//! * Siblings import each other one way. What a file deep in a room imports counts for the room,
//!   as seen from the level at which two rooms are siblings.
//! * Plain files of one directory may import each other as they like: they are one place. A circle
//!   counts from the moment a room with a directory is part of it.
//! * A module may use the parent's own items, and a parent those of its children. An item that the
//!   parent only re-exports from a child is the child's, except in links of documentation.
//! * Neither `#[path]` nor `include!` leads out of the package.
//!
//! Read are the modules' own imports: `use` and paths that begin with `crate`, `self` or `super`,
//! inside of macros and in the links of documentation too. Modules and items for tests only (`#[cfg(test)]`, `#[test]`), integration
//! tests, examples and benchmarks are left out.

mod circles;
mod imports;
mod modules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::workspace::{Package, members};
use circles::circles;
use modules::{Crate, Module};

/// Everything that is wrong in the workspace at `dir`, one text a finding, each with the files and
/// imports that cause it.
///
/// # Errors
/// When cargo does not understand the workspace, or a source file is not Rust.
pub(crate) fn findings(dir: &Path) -> Result<Vec<String>> {
    let packages = members(dir)?;
    let mut found = between_packages(&packages);
    for package in &packages {
        for target in &package.targets {
            if !matches!(
                target.kind.as_str(),
                "lib" | "bin" | "proc-macro" | "custom-build" | "cdylib" | "staticlib" | "rlib"
            ) {
                continue;
            }
            let read = modules::read(&package.dir, &target.source)?;
            let title = format!("{} ({} {})", package.name, target.kind, target.name);
            found.extend(read.strays.iter().map(|stray| format!("{title}: {stray}")));
            found.extend(between_rooms(&title, &read));
        }
    }
    Ok(found)
}

// A normal or build dependency that closes a circle is refused by cargo, one of tests is not.
fn between_packages(packages: &[Package]) -> Vec<String> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let own = graph.entry(&package.name).or_default();
        for dependency in &package.dependencies {
            if packages.iter().any(|other| other.name == dependency.name) {
                own.insert(&dependency.name);
            }
        }
    }
    let found = circles(&graph);
    found
        .iter()
        .map(|circle| format!("packages that depend on each other: {}", circle.join(", ")))
        .collect()
}

/// An import that leads from one room to a sibling.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    // The file that imports, the file that is imported, the path as it was resolved.
    proof: (String, String, String),
}

fn between_rooms(title: &str, read: &Crate) -> Vec<String> {
    // By level: the module path of the parent.
    let mut levels: BTreeMap<&[String], BTreeSet<Edge>> = BTreeMap::new();
    for module in &read.modules {
        let imports = module.imports.iter().map(|path| (path, read.origin(path)));
        let links = module.links.iter().map(|path| (path, read.named(path)));
        for (import, target) in imports.chain(links) {
            let Some(target) = target else { continue };
            let common = module
                .path
                .iter()
                .zip(&target.path)
                .take_while(|(one, other)| one == other)
                .count();
            // One is an ancestor of the other.
            let (Some(from), Some(to)) = (module.path.get(common), target.path.get(common)) else {
                continue;
            };
            let parent = module.path.get(..common).unwrap_or_default();
            levels.entry(parent).or_default().insert(Edge {
                from: from.clone(),
                to: to.clone(),
                proof: (shown(read, module), shown(read, target), import.join("::")),
            });
        }
    }
    let mut found = Vec::new();
    for (parent, edges) in &levels {
        let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for edge in edges {
            graph.entry(&edge.to).or_default();
            graph.entry(&edge.from).or_default().insert(&edge.to);
        }
        for circle in circles(&graph) {
            if circle.iter().any(|name| read.has_directory(parent, name)) {
                found.push(report(title, parent, &circle, edges));
            }
        }
    }
    found
}

fn shown(read: &Crate, module: &Module) -> String {
    let file = module.file.strip_prefix(&read.source_dir).unwrap_or(&module.file);
    file.display().to_string()
}

// The rooms of a circle, then its imports, the pairs of rooms with the fewest first: those are
// likely to be the ones to cut.
fn report(title: &str, parent: &[String], circle: &[&str], edges: &BTreeSet<Edge>) -> String {
    let mut pairs: BTreeMap<(&str, &str), Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        let inside = |name: &String| circle.contains(&name.as_str());
        if inside(&edge.from) && inside(&edge.to) {
            pairs.entry((&edge.from, &edge.to)).or_default().push(edge);
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(names, edges)| (edges.len(), *names));
    let place = [&["crate".to_owned()], parent].concat().join("::");
    let mut text = format!(
        "{title}: modules of {place} import each other in a circle: {}\n",
        circle.join(", ")
    );
    for ((from, to), edges) in pairs {
        let _ = writeln!(text, "  {from} -> {to}");
        for edge in edges {
            let (file, target, import) = &edge.proof;
            let _ = writeln!(text, "    {file} -> {target}: {import}");
        }
    }
    text
}
