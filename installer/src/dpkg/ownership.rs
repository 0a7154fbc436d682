//! Conflicts between packages that have the same path: dpkg's rule, with the packages that are about to leave.

use dpkg_db::{Claim, Contest, Database, Ownership, Package, PackageKey};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Owners of paths among the installed packages, as they concern a package that is being unpacked.
pub(super) struct InstalledOwners<'r> {
    database: &'r Database,
    /// Packages that are removed in favour of the new one.
    leaving: &'r [PackageKey],
    /// Packages of which files are replaced, or that keep theirs (`Replaces`).
    replacing: Mutex<Replacing>,
}

/// Packages that say `Replaces`, or of which others say so.
#[derive(Debug, Default)]
pub(super) struct Replacing {
    /// Packages of which files are replaced.
    pub(super) replaced: Vec<PackageKey>,
    /// Packages that keep their files.
    pub(super) keeping: Vec<PackageKey>,
}

impl<'r> InstalledOwners<'r> {
    /// Returns the owners for a package in favour of which those of `leaving` are removed.
    pub(super) fn new(database: &'r Database, leaving: &'r [PackageKey]) -> Self {
        Self {
            database,
            leaving,
            replacing: Mutex::default(),
        }
    }

    /// Returns the packages whose files are replaced or kept, and forgets them.
    pub(super) fn take_replacing(&self) -> Replacing {
        std::mem::take(&mut *self.replacing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ownership for InstalledOwners<'_> {
    fn contest(&self, package: &Package, claim: &Claim<'_>) -> Contest {
        let found = self.database.contest_without(package, claim, self.leaving);
        let mut replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Contest::Replace => {
                let owners = self.database.owners(claim.path);
                for owner in
                    owners.filter(|owner| owner.name != package.name && !self.leaving.contains(owner))
                {
                    if !replacing.replaced.contains(owner) {
                        replacing.replaced.push(owner.clone());
                    }
                }
            }
            Contest::Keep { owner } if !replacing.keeping.contains(owner) => {
                replacing.keeping.push(owner.clone());
            }
            _ => {}
        }
        found
    }

    fn is_owned_by_others(&self, package: &Package, path: &Path) -> bool {
        self.database.is_owned_by_others(package, path)
    }

    fn shared_conffile(&self, package: &Package, path: &Path) -> Option<String> {
        self.database.shared_conffile(package, path)
    }
}
