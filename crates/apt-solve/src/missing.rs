//! Requests to archives that lack packages, as those of ports that are being built: what can be installed is, and the rest
//! is listed with who needs it.
//!
//! A package can be installed if each of its dependencies has an alternative that can be. What cannot is looked for from
//! the request on, level by level, as far as it is the cause: dependencies that are there are not followed.

use std::collections::{HashMap, HashSet, VecDeque};

use super::error::SolveError;
use super::package::PackageId;
use super::request::items::{Item, item};
use super::request::names::Named;
use super::request::{Request, Selection, Variant, choose, with_deep_stack};
use super::universe::Universe;
use deb_types::relation::display_alternatives;

/// The most packages that are given up for conflicts, which are found one by one.
const MOST_CONFLICTS: usize = 100;

/// Something that cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingItem {
    /// Number of dependencies between the request and this: 0 for what was asked for or belongs to the variant.
    pub level: usize,
    /// Name of the package, with its architecture where that is not the target's; or the relation that nothing satisfies.
    pub name: String,
    /// Version that the archive has; none where it has none.
    pub version: Option<String>,
    /// The reason why a package that is there cannot be installed, or why one that is not is asked for; empty for what a
    /// package needs that is not there.
    pub reason: String,
    /// Packages that need it; empty for what was asked for.
    pub needed_by: Vec<String>,
}

/// What cannot be installed, by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// All of it.
    pub items: Vec<MissingItem>,
}

/// Names that an archive for another architecture has in the set of a request.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// The packages of that architecture.
    pub universe: &'e Universe<'e>,
}

/// Chooses the packages for a request as [`choose`] does, without those that cannot be installed. Returns
/// the packages without these, from which was chosen, and the list of what is missing. What `expected` has of the variant
/// and the archive has not is missing, too.
///
/// # Errors
/// [`SolveError`] where an item of the request has no meaning.
pub fn choose_available<'a>(
    universe: &Universe<'a>,
    request: &Request,
    expected: Option<Expected<'_>>,
) -> Result<(Universe<'a>, Selection, Missing), SolveError> {
    let (mut request, mut left_out, mut missing) = with_deep_stack(|| found(universe, request, expected))?;
    for _ in 0..MOST_CONFLICTS {
        let rest = universe.without(&left_out);
        let error = match choose(&rest, &request) {
            Ok(selection) => return Ok((rest, selection, missing)),
            Err(SolveError::NothingEssential(_)) if !is_bare(request.variant) => {
                // Without them there is what was asked for.
                request.variant = Variant::Custom;
                continue;
            }
            Err(error) => error,
        };
        let first = match &error {
            SolveError::Several(all) => all.first().unwrap_or(&error),
            one => one,
        };
        let SolveError::Unsatisfiable {
            request: named,
            chain,
            reason,
        } = first
        else {
            return Err(error);
        };
        let shown =
            |id: &PackageId| format!("{} {}", universe.display_name(*id), universe.package(*id).version);
        let Some(id) = universe
            .all()
            .find(|id| !left_out.contains(id) && shown(id) == *named)
        else {
            return Err(error);
        };
        let because: Vec<&str> = chain
            .iter()
            .map(String::as_str)
            .chain([reason.as_str()])
            .collect();
        missing.items.push(MissingItem {
            level: 0,
            name: universe.display_name(id),
            version: Some(universe.package(id).version.to_owned()),
            reason: because.join("; "),
            needed_by: Vec::new(),
        });
        left_out.insert(id);
        let name = universe.package(id).name;
        request.include.retain(|text| item_name(text) != name);
    }
    let rest = universe.without(&left_out);
    choose(&rest, &request).map(|selection| (rest, selection, missing))
}

fn is_bare(variant: Variant) -> bool {
    matches!(variant, Variant::Extract | Variant::Custom)
}

/// Returns the name in an item such as `name:arch=version`.
fn item_name(text: &str) -> &str {
    text.split([':', '=', '/']).next().unwrap_or(text)
}

/// Returns the request without what is not there, the packages that cannot be installed, and the list of both.
fn found(
    universe: &Universe<'_>,
    request: &Request,
    expected: Option<Expected<'_>>,
) -> Result<(Request, HashSet<PackageId>, Missing), SolveError> {
    let mut left = request.clone();
    let mut items = Vec::new();
    let mut named = Named::default();
    let mut roots: Vec<PackageId> = Vec::new();
    let mut asked: Vec<(String, Vec<PackageId>)> = Vec::new();
    left.include.clear();
    for text in &request.include {
        match item(universe, &mut named, text) {
            Ok(Item::Install(found)) => {
                roots.extend(&found);
                asked.push((text.clone(), found));
            }
            Ok(Item::Leave(_)) => left.include.push(text.clone()),
            Err(error @ (SolveError::Pattern { .. } | SolveError::Virtual { .. })) => return Err(error),
            Err(error) => items.push(absent(text, &format!("asked for: {error}"))),
        }
    }
    roots.extend(of_variant(universe, request));
    for name in own_names(request) {
        match universe.candidate(name, universe.native()) {
            Some(id) => roots.push(id),
            None => items.push(absent(name, "part of the variant")),
        }
    }
    if let Some(Expected { universe: other }) = expected {
        for id in of_variant(other, request) {
            let name = other.package(id).name;
            if universe.slots_named(name).is_empty() && universe.providers(name).is_empty() {
                let what = if other.is_essential(id) {
                    "essential"
                } else {
                    "of the variant"
                };
                items.push(absent(name, &format!("{what} for {}", other.native())));
            }
        }
    }
    let available = available(universe, &roots);
    list(universe, &roots, &available.installable, &mut items);
    for (text, found) in asked {
        if found.iter().any(|id| available.installable.contains(id)) {
            left.include.push(text);
        }
    }
    let there = |name: &str| {
        let candidate = universe.candidate(name, universe.native());
        candidate.is_some_and(|id| available.installable.contains(&id))
    };
    let lacks = |name: &&str| !there(name);
    if matches!(left.variant, Variant::Apt | Variant::Buildd) && own_names(request).iter().any(lacks) {
        left.variant = Variant::Essential;
    }
    items.sort_by_key(|item: &MissingItem| item.level);
    Ok((left, available.impossible, Missing { items }))
}

fn absent(name: &str, reason: &str) -> MissingItem {
    MissingItem {
        level: 0,
        name: name.to_owned(),
        version: None,
        reason: reason.to_owned(),
        needed_by: Vec::new(),
    }
}

/// Returns the packages of an archive that belong to the set of a request, beside those of [`own_names`].
fn of_variant(universe: &Universe<'_>, request: &Request) -> Vec<PackageId> {
    let lowest = match (is_bare(request.variant), request.lowest_priority) {
        (true, None) => return Vec::new(),
        (true, Some(lowest)) => lowest,
        (false, _) => request.variant.lowest_priority(request.mmdebstrap),
    };
    universe.native_candidates(|essential, priority| essential || priority <= lowest)
}

/// Returns the names that a variant has.
fn own_names(request: &Request) -> &'static [&'static str] {
    match request.variant {
        Variant::Extract | Variant::Custom | Variant::Essential => &[],
        Variant::Buildd => &["apt", "build-essential"],
        _ => &["apt"],
    }
}

/// Packages that can be reached from a request.
struct Available {
    installable: HashSet<PackageId>,
    impossible: HashSet<PackageId>,
}

/// Returns the packages that satisfy a dependency of `id`, in each of its alternatives: candidates and those asked for.
fn groups(
    universe: &Universe<'_>,
    id: PackageId,
    roots: &HashSet<PackageId>,
) -> Vec<(String, Vec<PackageId>)> {
    let owner = universe.slot_arch(universe.slot_of(id));
    let may = |target: &PackageId| {
        universe.slot_candidate(universe.slot_of(*target)) == *target || roots.contains(target)
    };
    let each = universe.package(id).required().map(|(_, group)| {
        let targets = group
            .iter()
            .flat_map(|relation| universe.targets(relation, owner, false));
        (display_alternatives(group), targets.filter(may).collect())
    });
    each.collect()
}

fn available(universe: &Universe<'_>, roots: &[PackageId]) -> Available {
    let own: HashSet<PackageId> = roots.iter().copied().collect();
    let mut known: HashMap<PackageId, Vec<Vec<PackageId>>> = HashMap::new();
    let mut todo: Vec<PackageId> = roots.to_vec();
    while let Some(id) = todo.pop() {
        if known.contains_key(&id) {
            continue;
        }
        let groups: Vec<Vec<PackageId>> = groups(universe, id, &own)
            .into_iter()
            .map(|(_, targets)| targets)
            .collect();
        todo.extend(groups.iter().flatten());
        known.insert(id, groups);
    }
    let mut installable: HashSet<PackageId> = known.keys().copied().collect();
    loop {
        let fails = |id: &PackageId| {
            let groups = known.get(id).map_or(&[][..], Vec::as_slice);
            groups
                .iter()
                .any(|targets| !targets.iter().any(|target| installable.contains(target)))
        };
        let failing: Vec<PackageId> = installable.iter().copied().filter(fails).collect();
        if failing.is_empty() {
            break;
        }
        installable.retain(|id| !failing.contains(id));
    }
    let impossible = known
        .keys()
        .copied()
        .filter(|id| !installable.contains(id))
        .collect();
    Available {
        installable,
        impossible,
    }
}

/// Adds what cannot be installed to a list, from the roots on.
fn list(
    universe: &Universe<'_>,
    roots: &[PackageId],
    installable: &HashSet<PackageId>,
    items: &mut Vec<MissingItem>,
) {
    let own: HashSet<PackageId> = roots.iter().copied().collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut todo: VecDeque<(usize, PackageId, Option<String>)> = VecDeque::new();
    let impossible = roots.iter().filter(|id| !installable.contains(id));
    todo.extend(impossible.map(|id| (0, *id, None)));
    while let Some((level, id, by)) = todo.pop_front() {
        let name = universe.display_name(id);
        if let Some(place) = places.get(&name) {
            note(items, *place, by);
            continue;
        }
        let mut lacks = Vec::new();
        for (relation, targets) in groups(universe, id, &own) {
            if targets.iter().any(|target| installable.contains(target)) {
                continue;
            }
            if targets.is_empty() {
                match places.get(&relation) {
                    Some(place) => note(items, *place, Some(name.clone())),
                    None => {
                        places.insert(relation.clone(), items.len());
                        items.push(MissingItem {
                            level: level + 1,
                            name: relation.clone(),
                            version: None,
                            reason: String::new(),
                            needed_by: vec![name.clone()],
                        });
                    }
                }
            }
            todo.extend(
                targets
                    .iter()
                    .map(|target| (level + 1, *target, Some(name.clone()))),
            );
            lacks.push(relation);
        }
        places.insert(name.clone(), items.len());
        items.push(MissingItem {
            level,
            name,
            version: Some(universe.package(id).version.to_owned()),
            reason: format!("needs {}", lacks.join(", ")),
            needed_by: by.into_iter().collect(),
        });
    }
}

/// Notes that a package needs an item.
fn note(items: &mut [MissingItem], place: usize, by: Option<String>) {
    if let (Some(item), Some(by)) = (items.get_mut(place), by)
        && !item.needed_by.contains(&by)
    {
        item.needed_by.push(by);
    }
}

#[cfg(test)]
mod tests;
