//! The owner of a path when two packages ship it.

use std::path::Path;

use deb_types::MultiArch;

use super::database::Database;
use super::package::Package;
use super::relation;
use super::states::Status;

/// Outcome when a package ships a path that an installed package may own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contest {
    /// Nobody else owns it.
    Free,
    /// The new package says `Replaces`: it takes the path over.
    Replace,
    /// The owner says `Replaces` about the new package: the owner's file stays.
    Keep,
    /// Another architecture's instance of the same version ships the same file.
    Shared,
    /// Neither says so: an error.
    Conflict {
        /// The owner.
        owner: String,
        /// Its version.
        version: String,
    },
}

/// Knowledge of which installed packages own which paths.
pub trait Ownership: Sync {
    /// Decides about `package` shipping `path`, a non-directory, named as in the package.
    /// `diverting` is the package that diverts the path: it and others each have their own file.
    fn contest(&self, package: &Package, path: &Path, diverting: Option<&str>) -> Contest;
}

/// Returns whether `new` says `Replaces` about `old`.
pub fn replaces(new: &Package, old: &Package) -> bool {
    let groups = new
        .field("Replaces")
        .and_then(|value| relation::parse(value).ok())
        .unwrap_or_default();
    groups
        .iter()
        .flatten()
        .any(|possibility| possibility.name == old.name && possibility.accepts(&old.version))
}

/// Applies dpkg's rule for a path that another package owns already. Where one of the two diverts it, they
/// do not share it.
pub fn contest(new: &Package, owners: &[&Package], diverting: Option<&str>) -> Contest {
    let mut result = Contest::Free;
    for owner in owners {
        if owner.key() == new.key() || owner.status == Status::ConfigFiles {
            continue;
        }
        let same = owner.multi_arch == MultiArch::Same && new.multi_arch == MultiArch::Same;
        if owner.name == new.name && same {
            if owner.version == new.version {
                return Contest::Shared;
            }
        } else if diverting.is_some_and(|by| by == new.name || by == owner.name) {
            continue;
        } else if replaces(new, owner) {
            result = Contest::Replace;
        } else if replaces(owner, new) {
            return Contest::Keep;
        } else {
            return Contest::Conflict {
                owner: owner.name.clone(),
                version: owner.version.clone(),
            };
        }
    }
    result
}

impl Ownership for Database {
    fn contest(&self, package: &Package, path: &Path, diverting: Option<&str>) -> Contest {
        let owners: Vec<&Package> = self
            .owners(path)
            .filter_map(|key| self.packages.get(key))
            .collect();
        contest(package, &owners, diverting)
    }
}
