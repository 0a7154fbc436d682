//! The owner of a path when two packages ship it.

use std::path::Path;

use deb_types::{MultiArch, PackageKey};
use rootless_install_fs::FileType;

use super::database::Database;
use super::package::Package;
use super::relation;
use super::states::Status;

/// A path that a package is about to have.
pub struct Claim<'c> {
    /// Path as in the package.
    pub path: &'c Path,
    /// The package is to have a directory there.
    pub directory: bool,
    /// The path is a conffile of the package.
    pub conffile: bool,
    /// The package that diverts the path: it and others each have their own file.
    pub diverting: Option<&'c str>,
    /// Returns what is at the path's place in the target, links not followed.
    pub there: &'c dyn Fn() -> Option<FileType>,
}

/// Outcome when a package ships a path that an installed package may own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contest {
    /// Nobody else owns it, or nobody who minds.
    Free,
    /// The new package says `Replaces`: it takes the path over.
    Replace,
    /// The owner says `Replaces` about the new package: the owner's file stays.
    Keep {
        /// The owner.
        owner: PackageKey,
    },
    /// Other architectures' instances of the same version ship it: it has to be the same there.
    Shared,
    /// Neither says so: an error.
    Conflict {
        /// The owner.
        owner: String,
        /// Its version.
        version: String,
        /// A directory of the owner would make room for something else.
        over_directory: bool,
        /// The outcome where the error is ignored.
        otherwise: Box<Contest>,
    },
}

/// Knowledge of which installed packages own which paths.
pub trait Ownership: Sync {
    /// Decides about `package` having what it claims.
    fn contest(&self, package: &Package, claim: &Claim<'_>) -> Contest;

    /// Returns whether a package other than `package` owns the path.
    fn is_owned_by_others(&self, package: &Package, path: &Path) -> bool;

    /// Returns the hash that another instance of a package has recorded for a conffile that they share.
    fn shared_conffile(&self, package: &Package, path: &Path) -> Option<String>;
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

/// Applies dpkg's rules for a path that other packages than `own` have already (`tarobject` in its source). `in_step`
/// is whether all installed instances of the new package are of its version.
pub fn contest<'p>(
    new: &Package,
    own: &PackageKey,
    owners: impl Iterator<Item = &'p Package>,
    claim: &Claim<'_>,
    in_step: &dyn Fn() -> bool,
) -> Contest {
    let mut result = Contest::Free;
    let mut conflict = None;
    for owner in owners {
        if owner.name == own.name && owner.architecture == own.architecture {
            continue;
        }
        let same = owner.multi_arch == MultiArch::Same && new.multi_arch == MultiArch::Same;
        if owner.name == new.name && same {
            if matches!(result, Contest::Free | Contest::Replace) && (claim.there)().is_some() && in_step() {
                result = Contest::Shared;
            }
            continue;
        }
        let diverted = claim
            .diverting
            .is_some_and(|by| by == new.name || by == owner.name);
        // A missing path is taken for a directory in the other package as well.
        let shared_directory = claim.directory && (claim.there)().is_none();
        // What it has left are conffiles.
        let removed = owner.status == Status::ConfigFiles;
        if diverted || shared_directory || removed || gives_up_conffile(owner, claim) {
            continue;
        }
        if replaces(new, owner) {
            if result == Contest::Free {
                result = Contest::Replace;
            }
        } else if replaces(owner, new) {
            result = Contest::Keep { owner: owner.key() };
        } else if conflict.is_none() {
            let over_directory = (claim.there)() == Some(FileType::Directory);
            conflict = Some((owner, over_directory));
        }
    }
    match conflict {
        None => result,
        Some((owner, over_directory)) => Contest::Conflict {
            owner: owner.name.clone(),
            version: owner.version.clone(),
            over_directory,
            otherwise: Box::new(result),
        },
    }
}

/// Returns whether the path is an obsolete conffile of the owner and a conffile of the new package.
fn gives_up_conffile(owner: &Package, claim: &Claim<'_>) -> bool {
    let mut obsolete = owner.conffiles.iter().filter(|conffile| conffile.obsolete);
    claim.conffile
        && obsolete.any(|conffile| Path::new(&conffile.path) == claim.path)
        && (claim.there)() == Some(FileType::Regular)
}

impl Database {
    /// [`Ownership::contest`] where the packages of `leaving` own nothing any more.
    pub fn contest_without(&self, package: &Package, claim: &Claim<'_>, leaving: &[PackageKey]) -> Contest {
        let owners = self.owners(claim.path).filter(|key| !leaving.contains(key));
        let owners = owners.filter_map(|key| self.packages.get(key));
        let own = self.own_record(package);
        let in_step = || {
            self.instances(&package.name)
                .filter(|have| have.key() != own && have.status > Status::ConfigFiles)
                .all(|have| have.version == package.version)
        };
        contest(package, &own, owners, claim, &in_step)
    }

    /// Returns the key of the record of which a package is another version, or its own.
    fn own_record(&self, package: &Package) -> PackageKey {
        self.record_of(package).unwrap_or_else(|_| package.key())
    }

    /// Returns the packages of one name, for all architectures.
    pub fn instances(&self, name: &str) -> impl Iterator<Item = &Package> {
        self.packages
            .range(PackageKey::new(name, "")..)
            .map(|(_, package)| package)
            .take_while(move |package| package.name == name)
    }
}

impl Ownership for Database {
    fn contest(&self, package: &Package, claim: &Claim<'_>) -> Contest {
        self.contest_without(package, claim, &[])
    }

    fn is_owned_by_others(&self, package: &Package, path: &Path) -> bool {
        let mut owners = self.owners(path).peekable();
        if owners.peek().is_none() {
            return false;
        }
        let own = self.own_record(package);
        owners.any(|owner| *owner != own)
    }

    fn shared_conffile(&self, package: &Package, path: &Path) -> Option<String> {
        self.shared_conffile_hash(package, path.to_str()?)
    }
}
