//! What is told of a request that cannot be met.

use super::{MarkFailure, Marker};
use crate::error::SolveError;
use crate::internal::Marks;
use crate::package::PackageId;
use crate::universe::Universe;

/// Returns the reasons why packages that were asked for cannot be installed: of each that cannot be by itself, or of all
/// together.
pub(crate) fn of(marks: &Marks<'_, '_>, wanted: &[PackageId]) -> SolveError {
    let universe = marks.universe;
    let fails = |wanted: &[PackageId]| {
        let mut marker = Marker::like(marks);
        marker.request(wanted).err()
    };
    let say = |(id, failure): (PackageId, Box<MarkFailure>)| SolveError::Unsatisfiable {
        request: format!("{} {}", universe.display_name(id), universe.package(id).version),
        chain: failure.chain,
        reason: failure.reason,
    };
    let mut all: Vec<SolveError> = wanted
        .iter()
        .filter_map(|id| fails(std::slice::from_ref(id)))
        .map(say)
        .collect();
    if all.is_empty() {
        all.extend(fails(wanted).map(say));
    }
    if all.is_empty() {
        all.extend(broken(marks, wanted));
    }
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => SolveError::Several(all.into_iter().chain(last).collect()),
    }
}

/// Returns the error for a package that is there and would not stay as it is.
pub(crate) fn changed(universe: &Universe<'_>, id: PackageId, with: Option<PackageId>) -> SolveError {
    let becomes = match with {
        Some(other) => format!("replaced by version {}", universe.version(other)),
        None => "removed".to_owned(),
    };
    SolveError::Unsatisfiable {
        request: format!("{} {}", universe.display_name(id), universe.version(id)),
        chain: Vec::new(),
        reason: format!(
            "it belongs to the packages that are installed first, and would have to be {becomes} for what is asked for"
        ),
    }
}

/// What lacks something in the end, where trying has found a way that apt does not.
fn broken(marks: &Marks<'_, '_>, wanted: &[PackageId]) -> Option<SolveError> {
    let universe = marks.universe;
    let slot = marks.slots().find(|slot| marks.is_broken(*slot));
    let slot = slot.or_else(|| wanted.first().map(|id| universe.slot_of(*id)))?;
    let id = marks.state(slot).install.or(wanted.first().copied())?;
    let marker = Marker::like(marks);
    let package = universe.package(id);
    let mut reason = None;
    for (kind, group) in package.required() {
        let owner = universe.slot_arch(slot);
        let targets = |r| universe.targets(r, owner, false);
        if !group
            .iter()
            .flat_map(targets)
            .any(|target| marks.is_there(target))
        {
            reason.get_or_insert_with(|| marker.unmet(id, kind, group));
        }
    }
    for (verb, relation) in package.negatives() {
        let targets = universe.targets(relation, universe.slot_arch(slot), true);
        let own = universe.slot_name(slot);
        let hit = targets
            .into_iter()
            .find(|target| marks.is_there(*target) && universe.slot_name(universe.slot_of(*target)) != own);
        if let Some(other) = hit {
            reason.get_or_insert_with(|| marker.clash(id, verb, relation, other));
        }
    }
    Some(SolveError::Unsatisfiable {
        request: format!("{} {}", universe.display_name(id), package.version),
        chain: Vec::new(),
        reason: reason.unwrap_or_else(|| "apt finds no way to install all that was asked for".to_owned()),
    })
}
