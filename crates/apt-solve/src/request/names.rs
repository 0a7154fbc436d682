//! Names of packages as users write them: `name`, `name:arch`, `name=version` and `name/suite`.

use super::items::glob;
use crate::error::SolveError;
use crate::package::PackageId;
use crate::universe::{Slot, Universe};
use deb_types::near::distance;

/// What items name beside packages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Versions that become candidates.
    pub(crate) versions: Vec<PackageId>,
    /// Versions, each with the suite that its dependencies come from too.
    pub(crate) suites: Vec<(PackageId, String)>,
}

/// Returns the package that an item of [`Request::include`](crate::Request::include) names, and notes its version.
pub(super) fn resolve(
    universe: &Universe<'_>,
    named: &mut Named,
    text: &str,
) -> Result<PackageId, SolveError> {
    let text = text.trim();
    if let Some((name, version)) = text.split_once('=') {
        let found = versions_of(universe, name, text);
        let pattern = version.contains(['*', '?', '[']).then(|| glob(version));
        let pattern = pattern.and_then(|pattern| regex::Regex::new(&pattern).ok());
        let exact = found.iter().flatten().copied().find(|id| {
            let is = universe.version(*id);
            is == version || pattern.as_ref().is_some_and(|pattern| pattern.is_match(is))
        });
        let provided = |id: PackageId| universe.provides_version(id, name_of(name), version);
        let other = || only_provider(universe, name, text, provided);
        let id = match exact.or_else(other) {
            Some(id) => id,
            None => return Err(no_version(universe, name, version, &found?)),
        };
        named.versions.push(id);
        return Ok(id);
    }
    if let Some((name, suite)) = text.split_once('/') {
        let found = versions_of(universe, name, text);
        let first = found
            .iter()
            .flatten()
            .copied()
            .find(|id| universe.is_in(*id, suite));
        let other = || only_provider(universe, name, text, |id| universe.is_in(id, suite));
        let id = match first.or_else(other) {
            Some(id) => id,
            None => return Err(not_in_suite(universe, name, suite, &found?)),
        };
        named.versions.push(id);
        named.suites.push((id, suite.to_owned()));
        return Ok(id);
    }
    by_name(universe, text, text)
}

/// Returns the name of `name` or `name:arch`.
fn name_of(text: &str) -> &str {
    text.split_once(':').map_or(text, |(name, _)| name)
}

/// Returns a version that provides `name` or `name:arch`, if all of these that are wanted are of one package
/// (`CacheSetHelperAPTGet::tryVirtualPackage`).
fn only_provider(
    universe: &Universe<'_>,
    text: &str,
    request: &str,
    wanted: impl Fn(PackageId) -> bool,
) -> Option<PackageId> {
    let (name, arch) = split_arch(universe, text, request).ok()?;
    let mut all = universe.providers(name);
    all.retain(|id| wanted(*id) && universe.slot_arch(universe.slot_of(*id)) == arch.unwrap_or(0));
    let first = *all.first()?;
    let of = |id: PackageId| universe.slot_of(id);
    all.iter().all(|id| of(*id) == of(first)).then_some(first)
}

fn not_in_suite(universe: &Universe<'_>, name: &str, suite: &str, found: &[PackageId]) -> SolveError {
    let suites = |indexes: &mut dyn Iterator<Item = usize>| {
        let mut suites: Vec<String> = Vec::new();
        for index in indexes.filter_map(|number| universe.index(number)) {
            for name in [index.suite, index.codename] {
                if !name.is_empty() && !suites.iter().any(|have| have == name) {
                    suites.push(name.to_owned());
                }
            }
        }
        suites
    };
    SolveError::NotInSuite {
        name: name.to_owned(),
        suite: suite.to_owned(),
        available: suites(&mut found.iter().map(|id| universe.package(*id).index)),
        known: suites(&mut (0..).take_while(|number| universe.index(*number).is_some())),
    }
}

fn no_version(universe: &Universe<'_>, name: &str, wanted: &str, found: &[PackageId]) -> SolveError {
    let describe = |id: &PackageId| {
        let package = universe.package(*id);
        let suite = universe.index(package.index).map_or("", |i| i.suite);
        format!("{} ({suite})", package.version)
    };
    SolveError::UnknownVersion {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
        available: found.iter().map(describe).collect(),
    }
}

/// Returns the candidate for `name` or `name:arch`; for a name that only one package
/// provides, that package, as apt does.
pub(super) fn by_name(universe: &Universe<'_>, text: &str, request: &str) -> Result<PackageId, SolveError> {
    match versions_of(universe, text, request) {
        Ok(found) => {
            let slot = found.first().map(|id| universe.slot_of(*id));
            slot.map(|slot| universe.slot_candidate(slot))
                .ok_or_else(|| unknown(universe, text, universe.native()))
        }
        Err(error) => {
            let (name, arch) = split_arch(universe, text, request)?;
            let mut providers: Vec<PackageId> = universe
                .providers(name)
                .into_iter()
                .filter(|id| universe.slot_candidate(universe.slot_of(*id)) == *id)
                .map(|id| universe.slot_of(id))
                .filter(|slot| arch.unwrap_or(0) == universe.slot_arch(*slot))
                .map(|slot| universe.slot_candidate(slot))
                .collect();
            providers.sort_by_key(|id| universe.package(*id).name);
            providers.dedup();
            match providers.as_slice() {
                [] => Err(error),
                [one] => Ok(*one),
                many => Err(SolveError::Virtual {
                    name: name.to_owned(),
                    providers: many.iter().map(|id| universe.display_name(*id)).collect(),
                }),
            }
        }
    }
}

fn split_arch<'t>(
    universe: &Universe<'_>,
    text: &'t str,
    request: &str,
) -> Result<(&'t str, Option<u8>), SolveError> {
    let Some((name, arch)) = text.split_once(':') else {
        return Ok((text, None));
    };
    if matches!(arch, "all" | "native") {
        return Ok((name, Some(0)));
    }
    // The target's, or else another one that has it.
    if arch == "any" {
        return Ok((name, None));
    }
    let known = universe.architectures();
    let number = known
        .iter()
        .position(|a| *a == arch)
        .and_then(|at| u8::try_from(at).ok());
    match number {
        Some(number) => Ok((name, Some(number))),
        None => Err(SolveError::UnknownArchitecture {
            request: request.to_owned(),
            architecture: arch.to_owned(),
            known: known.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// Returns the versions `name` or `name:arch` can mean, newest first; without an
/// architecture those of the target, or else of the first foreign one that
/// has the package.
fn versions_of(universe: &Universe<'_>, text: &str, request: &str) -> Result<Vec<PackageId>, SolveError> {
    let (name, arch) = split_arch(universe, text, request)?;
    let slots = universe.slots_named(name);
    let slot = match arch {
        Some(arch) => slots.iter().find(|slot| universe.slot_arch(**slot) == arch),
        None => slots.iter().min_by_key(|slot| universe.slot_arch(**slot)),
    };
    // `Architecture: all` fits any architecture.
    let slot = slot.or_else(|| {
        let is_all = |slot: &&Slot| universe.package(universe.slot_candidate(**slot)).architecture == "all";
        slots.iter().find(is_all)
    });
    match slot {
        Some(slot) => Ok(universe.versions(*slot).to_vec()),
        None => {
            let arch = arch.and_then(|a| universe.architectures().get(usize::from(a)));
            Err(unknown(
                universe,
                name,
                arch.copied().unwrap_or(universe.native()),
            ))
        }
    }
}

fn unknown(universe: &Universe<'_>, name: &str, architecture: &str) -> SolveError {
    let mut near: Vec<(usize, &str)> = universe
        .names()
        .filter(|known| known.len().abs_diff(name.len()) <= 2 && *known != name)
        .filter_map(|known| Some((distance(known, name, 2)?, known)))
        .collect();
    near.sort_unstable();
    let mut similar: Vec<String> = near.iter().take(3).map(|(_, name)| (*name).to_owned()).collect();
    if similar.is_empty() && name.len() > 3 {
        let begins = universe.names().filter(|known| known.starts_with(name));
        similar = begins.take(3).map(str::to_owned).collect();
    }
    SolveError::UnknownPackage {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        similar,
    }
}
