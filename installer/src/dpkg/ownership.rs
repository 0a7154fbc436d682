//! Conflicts between packages that have the same path: dpkg's rule, with the exceptions that the user forces.

use dpkg_db::{Contest, Database, Ownership, Package, PackageKey};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Owners of paths among the installed packages, as they concern a package that is being unpacked.
pub(super) struct InstalledOwners<'r> {
    database: &'r Database,
    /// `--force-overwrite`.
    overwrite: bool,
    /// Packages that are removed in favour of the new one.
    leaving: &'r [PackageKey],
    /// Packages whose files are replaced (`Replaces`).
    replaced: Mutex<Vec<PackageKey>>,
    /// Messages about paths that are taken by force.
    taken: Mutex<Vec<String>>,
}

impl<'r> InstalledOwners<'r> {
    /// Returns the owners for a package in favour of which those of `leaving` are removed.
    pub(super) fn new(database: &'r Database, overwrite: bool, leaving: &'r [PackageKey]) -> Self {
        Self {
            database,
            overwrite,
            leaving,
            replaced: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    /// Returns the packages whose files are replaced, and messages about paths that are taken by force, and forgets
    /// them.
    pub(super) fn take_replaced(&self) -> (Vec<PackageKey>, Vec<String>) {
        let take = |list: &Mutex<Vec<String>>| std::mem::take(&mut *lock(list));
        (std::mem::take(&mut *lock(&self.replaced)), take(&self.taken))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ownership for InstalledOwners<'_> {
    fn contest(&self, package: &Package, path: &Path, diverting: Option<&str>) -> Contest {
        let found = self.database.contest(package, path, diverting);
        if found == Contest::Replace {
            let mut replaced = lock(&self.replaced);
            for owner in self
                .database
                .owners(path)
                .filter(|owner| owner.name != package.name && !self.leaving.contains(owner))
            {
                if !replaced.contains(owner) {
                    replaced.push(owner.clone());
                }
            }
        }
        let Contest::Conflict { owner, version } = &found else {
            return found;
        };
        if self.leaving.iter().any(|key| key.name == *owner) {
            return Contest::Replace;
        }
        if !self.overwrite {
            return found;
        }
        lock(&self.taken).push(format!(
            "trying to overwrite '{}', which is also in package {owner} {version}",
            path.display()
        ));
        Contest::Replace
    }
}
