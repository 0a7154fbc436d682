//! Dependency closures that leave out missing packages. They serve for
//! packages that are unpacked for their tools, not installed.

use std::collections::{HashSet, VecDeque};

use super::package::PackageId;
use super::universe::Universe;
use deb_types::relation::display_alternatives;
use deb_types::version;

/// A set of packages with their dependencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The packages asked for, then their dependencies, breadth first.
    pub packages: Vec<PackageId>,
    /// Dependencies that no package satisfies, as "name depends on other".
    pub missing: Vec<String>,
}

/// Returns packages with all their `Pre-Depends` and `Depends`, recursively. Conflicts are
/// ignored; dependencies that cannot be satisfied are left out and listed.
pub fn closure(universe: &Universe<'_>, roots: &[PackageId]) -> Closure {
    let mut result = Closure::default();
    let mut chosen = HashSet::new();
    let mut todo: VecDeque<PackageId> = roots.iter().copied().collect();
    chosen.extend(roots);
    let mut seen = HashSet::new();
    while let Some(id) = todo.pop_front() {
        if !seen.insert(id) {
            continue;
        }
        result.packages.push(id);
        let owner = universe.slot_arch(universe.slot_of(id));
        for (kind, group) in universe.package(id).required() {
            let targets = |r| universe.targets(r, owner, false);
            let all: Vec<PackageId> = group.iter().flat_map(targets).collect();
            if all.iter().any(|target| chosen.contains(target)) {
                continue;
            }
            let is_candidate = |id: &&PackageId| universe.slot_candidate(universe.slot_of(**id)) == **id;
            match all.iter().find(is_candidate).or(all.first()) {
                Some(target) => {
                    chosen.insert(*target);
                    todo.push_back(*target);
                }
                None => result.missing.push(format!(
                    "{} {} {}",
                    universe.display_name(id),
                    kind.verb(),
                    display_alternatives(group)
                )),
            }
        }
    }
    result
}

/// Returns the package for the target architecture that a name alone means: the candidate of that name, else one that provides it.
pub fn native_of_name(universe: &Universe<'_>, name: &str) -> Option<PackageId> {
    let native = universe.native();
    let named = universe.candidate(name, native);
    let is_native = |id: &PackageId| universe.package(*id).architecture == native;
    named.or_else(|| universe.providers(name).into_iter().find(is_native))
}

/// Returns the version of a package for the target architecture that comes
/// closest to a version of another architecture: the same version, else the same
/// source version with the nearest number of rebuilds (`+b1`), else the newest.
pub fn best_native_version(universe: &Universe<'_>, name: &str, wanted: &str) -> Option<PackageId> {
    let versions = universe.by_name(name, universe.native());
    let version_of = |id: &PackageId| universe.package(*id).version;
    let base = version::without_rebuild(wanted);
    let rebuild = version::rebuild(wanted);
    versions
        .iter()
        .find(|id| version_of(id) == wanted)
        .or_else(|| {
            let same = versions.iter();
            let same = same.filter(|id| version::without_rebuild(version_of(id)) == base);
            same.min_by_key(|id| version::rebuild(version_of(id)).abs_diff(rebuild))
        })
        .or_else(|| versions.first())
        .copied()
}
